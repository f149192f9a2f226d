/** Commands that write to a proxy, one after the other or at once: each uses what another has paid for. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import { filePayments } from '../../da/node/index.js'
import { utf8 } from '../../internal/bytes.js'
import { createFakeEigenDaProxy } from '../../testing/index.js'
import type { Terminal } from '../terminal/output.js'
import { daOf } from './artifactStore.js'
import { rememberingEigenDa } from './rememberedPayments.js'

const url = 'http://proxy.test'
const root = await mkdtemp(join(tmpdir(), 'cli-payments-'))
let home = root
let proxy = createFakeEigenDaProxy()
const state = { isDown: false }

beforeEach(async () => {
  home = await mkdtemp(join(root, 'home-'))
  proxy = createFakeEigenDaProxy()
  state.isDown = false
  vi.stubGlobal('fetch', async (input: string, init: RequestInit) =>
    state.isDown && String(input).includes('/get/')
      ? new Response('no', { status: 503 })
      : proxy.fetch(input, init),
  )
})
afterEach(() => {
  vi.unstubAllGlobals()
})
afterAll(() => rm(root, { recursive: true, force: true }))

const terminal = (): Terminal =>
  ({ env: { XDG_CONFIG_HOME: home }, home, cwd: home, stderr: () => undefined }) as never
/** The store as one run of a command has it. */
const command = () => {
  const da = daOf(terminal(), { args: { da: url }, profile: {} })
  if (da === undefined) expect.fail('there is a store')
  return da
}

test('behavior: what a command paid for and could not read back is used by the next, of whatever kind', async () => {
  state.isDown = true
  for (let run = 0; run < 3; run++)
    await expect(command().put(utf8('x'))).rejects.toMatchObject({ code: 'DA_OUTCOME_UNKNOWN' })
  state.isDown = false
  const { locator } = await command().put(utf8('x'))
  expect(proxy.dispersals()).toBe(1)
  expect(await command().get(locator)).toEqual(utf8('x'))
  expect(await readdir(join(home, 'newton', 'payments'))).toContainEqual(
    expect.stringMatching(/^[0-9a-f]{16}\.json$/),
  )
}, 120_000)

test('behavior: commands at once wait for each other, and writes of one command do not', async () => {
  state.isDown = true
  const one = command()
  const writes = [one.put(utf8('x')), one.put(utf8('y')), command().put(utf8('x'))]
  const ended = await Promise.allSettled(writes)
  expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
  expect(proxy.dispersals()).toBe(2)
  state.isDown = false
  await Promise.all([one.put(utf8('x')), command().put(utf8('y'))])
  expect(proxy.dispersals()).toBe(2)
}, 120_000)

test('error: DIRECTORY_LOCKED with who has the file, where that one does not end', async () => {
  await command().put(utf8('x'))
  const folder = join(home, 'newton', 'payments')
  const name = (await readdir(folder)).find((one) => one.endsWith('.json')) as string
  const held = filePayments({ path: join(folder, name) })
  await held.read()
  const da = rememberingEigenDa(terminal(), { url, patience: 300 })
  await expect(da.put(utf8('y'))).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
  await held.close()
  await da.put(utf8('y'))
  expect(proxy.dispersals()).toBe(2)
}, 120_000)
