import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { errorCatalogue, renderErrors } from './errorCatalogue.js'

const root = fileURLToPath(new URL('../', import.meta.url))
const entries = errorCatalogue()

const testSources = (directory: string): string =>
  readdirSync(directory, { withFileTypes: true })
    .map((entry) => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return entry.name === 'vectors' ? '' : testSources(path)
      return /\.(test|fuzz)\.ts$/.test(entry.name) ? readFileSync(path, 'utf8') : ''
    })
    .join('\n')

describe('errors', () => {
  test('behavior: every class states its own name', () => {
    expect(entries.length).toBeGreaterThan(5)
    // A class that passes its name on to subclasses or a code per instance states none.
    const wrong = entries.filter(
      ({ name, declaredName }) => declaredName !== '' && declaredName !== name,
    )
    expect(wrong).toEqual([])
  })

  test('behavior: a code belongs to one class', () => {
    const seen = new Map<string, string>()
    for (const { codes, name, file } of entries) {
      for (const code of codes) {
        expect(seen.get(code), `${code} of ${name} in ${file}`).toBeUndefined()
        expect(code).toMatch(/^[A-Z][A-Z0-9_]*$/)
        seen.set(code, name)
      }
    }
  })

  test('behavior: every class says when it happens', () => {
    expect(entries.filter(({ summary }) => summary === '').map(({ name }) => name)).toEqual([])
  })

  test('behavior: every error is provoked by a test', () => {
    const tests = testSources(join(root, 'src')) + testSources(join(root, 'test'))
    const untested = entries
      .filter(
        ({ name, codes }) =>
          !tests.includes(name) && !codes.some((code) => tests.includes(`'${code}'`)),
      )
      .map(({ name }) => name)
    expect(untested).toEqual([])
  })

  test('behavior: the page in docs is current', () => {
    expect(readFileSync(join(root, 'docs/errors.md'), 'utf8')).toBe(renderErrors(entries))
  })
})
