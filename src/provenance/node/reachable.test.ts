import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { reachableBinds } from './reachable.js'

const isRoot = process.getuid?.() === 0
if (!isRoot) console.warn('skipped: second names are made for root only')
// Its owner's alone: nobody else gets in, as in root's home.
const home = mkdtempSync(join(tmpdir(), 'newton-reachable-'))
const scratch = mkdtempSync(join(tmpdir(), 'newton-reachable-scratch-'))
afterAll(() => {
  for (const folder of [home, scratch]) rmSync(folder, { recursive: true, force: true })
})

const bindOf = (path: string) => ({ host: join(home, path), guest: `/toolchain/${path}` })

test.skipIf(!isRoot)(
  'behavior: packages inside packages are linked, whichever is first',
  async () => {
    // What lies nearer is looked at sooner: now and then it makes the folder of the one that it lies in.
    for (let round = 0; round < 30; round++) {
      const at = join(home, `pair-${round}`)
      const binds = [
        { host: join(at, 'a/b/c/d/e/f/g/outer'), guest: '/toolchain/outer' },
        { host: join(at, 'inner'), guest: '/toolchain/outer/node_modules/inner' },
      ]
      for (const { host, guest } of binds) {
        mkdirSync(host, { recursive: true })
        writeFileSync(join(host, 'package.json'), guest)
      }
      const to = join(scratch, String(round))
      for (const { host, guest } of await reachableBinds(binds, to)) {
        expect(host).toBe(join(to, 'linked', guest))
        expect(readFileSync(join(host, 'package.json'), 'utf8')).toBe(guest)
      }
    }
  },
)

test.skipIf(!isRoot)('error: a part that fails does so once all have ended', async () => {
  const to = join(scratch, 'failing')
  const many = join(home, 'node_modules/many')
  mkdirSync(many, { recursive: true })
  for (let count = 0; count < 200; count++) writeFileSync(join(many, `${count}`), '')
  const binds = [bindOf('node_modules/none'), bindOf('node_modules/many')]
  await expect(reachableBinds(binds, to)).rejects.toMatchObject({ code: 'ENOENT' })
  expect(readdirSync(join(to, 'linked/toolchain/node_modules/many'))).toHaveLength(200)
})
