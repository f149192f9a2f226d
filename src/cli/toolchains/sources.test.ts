import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
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

test('behavior: hidden files and keys are in no archive, and it is said', async () => {
  const folder = join(directory, 'secrets')
  const [kept, secret] = [
    [
      'plugin.js',
      'Cargo.toml',
      'src/key.rs',
      'src/environment.ts',
      'src/secrets/a.js',
      'secret.rs',
    ],
    [
      ...['.env', '.ENV.local', '.npmrc', '.netrc', '.git-credentials', 'src/.env', 'plugin.pem'],
      ...['src/Signer.KEY', 'id_ed25519', 'id_rsa.pub', 'a.p12', 'secrets.json', 'credentials'],
      ...['keystore.json', 'UTC--2026-12-01T00-00-00Z--ab', '.aws/credentials', 'src/.ssh/config'],
    ],
  ]
  for (const path of [...kept, ...secret]) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), 'x')
  }
  symlinkSync('/etc/passwd', join(folder, '.link'))
  const told: string[] = []
  const files = await readSourceFolder(folder, (path) => told.push(path))
  expect(files.map(({ path }) => path).sort()).toEqual(kept.sort())
  const names = secret.map((path) => path.replace(/(\.aws|\.ssh)\/.*/, '$1/'))
  expect(told.sort()).toEqual([...names, '.link'].sort())
  rmSync(folder, { recursive: true })
})

test('error: a link, and what is not there', async () => {
  symlinkSync('/etc/passwd', join(directory, 'link'))
  await expect(readSourceFolder(directory)).rejects.toMatchObject({ code: 'FILE_ACCESS' })
  await expect(readSourceFolder(join(directory, 'none'))).rejects.toMatchObject({
    code: 'FILE_ACCESS',
  })
})
