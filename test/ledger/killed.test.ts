/** A writer that is killed, a second one, a disk that is full: nothing that was promised is lost. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { account, crashFolder, endCrashes, killMany, live, startCrashes } from './crashSuite.js'

beforeAll(startCrashes, 60_000)
afterAll(endCrashes)

/** Whether this machine lets a process have a namespace of its own. */
function may(...words: string[]): boolean {
  try {
    execFileSync('unshare', [...words, 'true'], { stdio: 'ignore', timeout: 10_000 })
    return true
  } catch {
    console.warn(`skipped: unshare ${words.join(' ')} is not possible here`)
    return false
  }
}
const canMount = may('--user', '--map-root-user', '--mount')
const canSplit = may('--user', '--map-root-user', '--net')

test('behavior: killed over and over, it has each event that it acknowledged, once', async () => {
  const told = await killMany(3)
  expect(told.acked).toBeGreaterThan(20)
  expect(told).toMatchObject({ shrunk: 0, account: { missing: [], twice: 0, faults: [] } })
}, 240_000)

test.runIf(canMount)(
  'error: LEDGER_STOPPED: a disk that is full loses nothing, and a start with room goes on',
  async () => {
    const mount = crashFolder('full')
    const directory = join(mount, 'ledger')
    // The tmpfs is gone with the process, so it looks at its ledger itself and copies it out.
    const copy = crashFolder('copied')
    const inside = [
      `mount -t tmpfs -o size=1500k tmpfs ${mount}`,
      `mkdir -m 700 ${directory}`,
      'status=0; "$@" || status=$?',
      `cp -a ${directory}/. ${copy}/`,
      'exit $status',
    ].join(' && ')
    const under = ['unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', inside, 'sh']
    const told = await live({ directory, mode: 'fill', under })
    expect(told.lines.filter((line) => !line.startsWith('acked'))).toEqual([
      ...['ready', 'stopped LEDGER_STOPPED', 'reopened', 'closed'],
    ])
    expect(told.acked.length).toBeGreaterThan(10)
    expect(await account(copy, told.acked)).toMatchObject({ missing: [], twice: 0, faults: [] })
  },
  120_000,
)

test.runIf(canSplit)(
  'error: LEDGER_LOCKED: two containers on one volume are one writer, until it is killed',
  async () => {
    const directory = crashFolder('two')
    const under = ['unshare', '--user', '--map-root-user', '--net']
    let second: ReturnType<typeof live> | undefined
    const first = await live({
      ...{ directory, mode: 'hold' },
      onReady: (child) => {
        second = live({ directory, mode: 'few', under })
        void second.finally(() => child.kill('SIGKILL'))
      },
    })
    expect((await second)?.lines).toEqual(['stopped LEDGER_LOCKED'])
    expect(first.lines).toEqual(['ready'])
    const third = await live({ directory, mode: 'few', under })
    expect(third.lines.at(-1)).toBe('closed')
    expect(await account(directory, third.acked)).toMatchObject({ missing: [], faults: [] })
  },
  120_000,
)
