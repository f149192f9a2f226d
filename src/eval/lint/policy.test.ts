import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { lintPolicy, lintRules } from './policy.js'

const corpus = new URL('../../../test/corpus/lint/', import.meta.url)

function fixture(rule: string, file: string): string | undefined {
  const url = new URL(`${rule}/${file}`, corpus)
  return existsSync(url) ? readFileSync(url, 'utf8') : undefined
}

async function lint(rule: string, file: string): ReturnType<typeof lintPolicy> {
  return lintPolicy({
    rego: fixture(rule, file) as string,
    paramsSchema: fixture(rule, 'params.schema.json'),
  })
}

describe('lintPolicy', () => {
  const ids = [...new Set(lintRules.map((rule) => rule.id))].sort()

  test('every rule has a bad and a good fixture, and every fixture a rule', () => {
    expect(readdirSync(corpus).sort()).toEqual(ids)
  })

  describe.each(ids)('%s', (id) => {
    test('finds the bad policy, says why and what to do, and where', async () => {
      const findings = (await lint(id, 'bad.rego')).filter((finding) => finding.rule === id)
      expect(findings.length).toBeGreaterThan(0)
      for (const finding of findings) {
        expect(finding.explanation.length).toBeGreaterThan(40)
        expect(finding.fix.length).toBeGreaterThan(20)
        expect(finding.location?.line).toBeGreaterThan(0)
      }
    })

    test('is silent on the good policy, and no other rule calls it an error', async () => {
      const findings = await lint(id, 'good.rego')
      expect(findings.filter((finding) => finding.rule === id)).toEqual([])
      expect(findings.filter((finding) => finding.severity === 'error')).toEqual([])
    })
  })

  test('recursion through a function is a finding, not a failure', async () => {
    const rego = 'package p\nf(x) := f(x)\nallow if f(input.value)\n'
    expect(await lintPolicy({ rego })).toMatchObject([
      { rule: 'recursion', severity: 'error', location: { line: 2, column: 1 } },
    ])
  })

  test('error: RegoSourceError for what does not parse', async () => {
    await expect(lintPolicy({ rego: 'package p\nallow if {' })).rejects.toMatchObject({
      code: 'REGO_SOURCE',
    })
  })
})
