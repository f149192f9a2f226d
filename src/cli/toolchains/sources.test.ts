import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readSourceFolder } from './sources.js'

const directory = mkdtempSync(join(tmpdir(), 'source-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('behavior: a folder’s files without outputs, or one file', async () => {
  mkdirSync(join(directory, 'target'))
  mkdirSync(join(directory, 'src'))
  for (const name of ['plugin.js', 'plugin.wasm', 'target/x', 'src/a.js']) {
    writeFileSync(join(directory, name), name)
  }
  const paths = (await readSourceFolder(directory)).map(({ path }) => path)
  expect(paths.sort()).toEqual(['plugin.js', 'src/a.js'])
  const [only] = await readSourceFolder(join(directory, 'plugin.js'))
  expect(only?.path).toBe('plugin.js')
})

test('error: a link, and what is not there', async () => {
  symlinkSync('/etc/passwd', join(directory, 'link'))
  await expect(readSourceFolder(directory)).rejects.toMatchObject({ code: 'FILE_ACCESS' })
  await expect(readSourceFolder(join(directory, 'none'))).rejects.toMatchObject({
    code: 'FILE_ACCESS',
  })
})
