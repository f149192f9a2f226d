import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the storage layouts of the upgradeable contracts are those checked in', () => {
  const run = (): string =>
    execFileSync('npx', ['tsx', 'contracts/storage-layout.ts', '--check'], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  expect(run).not.toThrow()
}, 120_000)
