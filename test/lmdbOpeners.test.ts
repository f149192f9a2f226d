/** What keeps LMDB from a database is an error of the call, and never the end of the process. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { childScript } from './support/childScript.js'

const base = mkdtempSync(join(tmpdir(), 'lmdb-openers-'))
chmodSync(base, 0o755)
let script: Awaited<ReturnType<typeof childScript>>
beforeAll(async () => {
  script = await childScript(new URL('support/lmdbOpeners.ts', import.meta.url))
})
afterAll(() => {
  script.remove()
  rmSync(base, { recursive: true, force: true })
})

const isRoot = process.getuid?.() === 0
/** Rights mean nothing to root. */
const nobody = isRoot ? { uid: 65_534, gid: 65_534 } : {}

type Said = Map<string, string>

function run(what: string, options: { folder?: string; user?: object; limit?: number } = {}): Said {
  const { folder = join(base, what), user = {}, limit } = options
  mkdirSync(folder, { recursive: true })
  chmodSync(folder, 0o777)
  const node = [process.execPath, script.path, what, folder]
  const [command, ...rest] =
    limit === undefined ? node : ['sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh', ...node]
  const child = spawnSync(command as string, rest, { ...user, encoding: 'utf8', timeout: 240_000 })
  const lines = child.stdout.trim().split('\n')
  const { signal, status } = child
  const at = status === 0 ? '' : lines.at(-1)
  expect({ signal, status, at }).toEqual({ signal: null, status: 0, at: '' })
  return new Map(lines.map((line) => JSON.parse(line) as [string, string]))
}

const stores = ['lmdbStore', 'lmdbLookup', 'lmdbIndexStore', 'lmdbKv']
const expected: Record<string, string> = {
  nothing: 'opened',
  'no lock file': 'opened',
  'an empty lock file': 'opened',
  'a short lock file': 'opened',
  'a lock file of holes': 'opened',
  'a lock file of other bytes': 'opened',
  'a lock file of another user': 'DATABASE_UNAVAILABLE',
  'a lock file that is not to be written': 'DATABASE_UNAVAILABLE',
  'a folder for a lock file': 'DATABASE_UNAVAILABLE',
  'a dangling link for a lock file': 'DATABASE_UNAVAILABLE',
  'a link to another file for a lock file': 'DATABASE_UNAVAILABLE',
  'a circle of links for a lock file': 'DATABASE_UNAVAILABLE',
  'a database of another user': 'DATABASE_UNAVAILABLE',
  'a database that is not to be written': 'DATABASE_UNAVAILABLE',
  'a folder for a database': 'DATABASE_UNAVAILABLE',
  'a folder of another user': 'DATABASE_UNAVAILABLE',
}

describe.skipIf(process.platform === 'win32')('opening a database that cannot be opened', () => {
  test('error: DATABASE_UNAVAILABLE for what stands in its way, in every store', () => {
    const said = run('refused', { user: nobody })
    for (const store of stores)
      expect(
        Object.fromEntries(
          Object.keys(expected).map((what) => [what, said.get(`${store}: ${what}`)]),
        ),
        store,
      ).toEqual(expected)
  }, 300_000)

  test('error: DATABASE_UNAVAILABLE where there are no handles, and it opens once there are', () => {
    const said = run('handles', { limit: 128 })
    for (const [what, outcome] of said)
      expect(
        what.endsWith('enough handles')
          ? ['opened']
          : ['opened', 'DATABASE_UNAVAILABLE', 'STORE_WRITE'],
        what,
      ).toContain(outcome)
    for (const store of stores) expect(said.get(`${store}: 0 handles`)).toMatch(/^[A-Z_]+$/)
  }, 300_000)
})

const small = join(base, 'small')
/** Mounts 3 MiB at a directory. `false` where that is not allowed. */
function mount(): boolean {
  mkdirSync(small, { recursive: true })
  return spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', small]).status === 0
}
const allowed = process.platform === 'linux' && mount()
if (allowed) spawnSync('umount', [small])
else if (process.env['CI_REQUIRE_ALL']) throw new Error('a small file system is required here')

test.skipIf(!allowed)(
  'error: DATABASE_UNAVAILABLE or of the first write on a full disk, and it opens once there is room',
  () => {
    expect(mount()).toBe(true)
    try {
      const said = run('full', { folder: small })
      for (const [what, outcome] of said)
        expect(
          what.endsWith('room again')
            ? ['opened']
            : ['opened', 'DATABASE_UNAVAILABLE', 'STORE_WRITE', 'INDEX_STORE'],
          what,
        ).toContain(outcome)
      for (const store of stores)
        expect(said.get(`${store}: new, 0 free`)).toBe('DATABASE_UNAVAILABLE')
    } finally {
      spawnSync('umount', [small])
    }
  },
  300_000,
)
