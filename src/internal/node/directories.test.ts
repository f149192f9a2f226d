import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { makeDirectory } from './directories.js'

let base: string
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'directories-'))
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

test('default: makes what is missing, and says what the uppermost was', async () => {
  expect(await makeDirectory(join(base, 'a/b/c'))).toBe(join(base, 'a'))
  expect(await makeDirectory(join(base, 'a/b/c'))).toBeUndefined()
  expect(await makeDirectory(join(base, 'a/b/d'))).toBe(join(base, 'a/b/d'))
})

test('behavior: many below one parent that none of them finds', async () => {
  for (let round = 0; round < 20; round++) {
    const at = join(base, `${round}`, 'deep')
    const paths = Array.from({ length: 16 }, (_, index) => join(at, `${index % 4}`, `${index}`))
    await Promise.all(paths.map(makeDirectory))
    expect(paths.every(existsSync)).toBe(true)
  }
})

test('error: what the file system answers', async () => {
  writeFileSync(join(base, 'file'), '')
  await expect(makeDirectory(join(base, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  await expect(makeDirectory(join(base, 'file/below'))).rejects.toMatchObject({ code: 'ENOTDIR' })
  await expect(makeDirectory('/proc/nowhere/below')).rejects.toMatchObject({ code: 'ENOENT' })
  if (process.getuid?.() === 0) return
  chmodSync(base, 0o500)
  await expect(makeDirectory(join(base, 'closed/below'))).rejects.toMatchObject({ code: 'EACCES' })
  chmodSync(base, 0o700)
})
