/** Calls of the kernel that fail, or are the last ones (strace): nothing that was promised is lost. */
import { execFileSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { account, crashFolder, endCrashes, live, startCrashes } from './crashSuite.js'

function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', join(tmpdir(), `strace-${process.pid}`), 'true'], {
      ...{ stdio: 'ignore', timeout: 10_000 },
    })
    return true
  } catch {
    console.warn('skipped: strace is not on this machine, or may not trace')
    return false
  }
}

describe.skipIf(!canTrace())('injected faults', () => {
  beforeAll(startCrashes, 60_000)
  afterAll(endCrashes)
  // Nothing but the ledger syncs or renames in that process.
  const cases = ['fsync', 'rename'].flatMap((call) =>
    [2, 5, 9, 14].flatMap((when) => [
      { call, when, what: 'error=EIO' },
      { call, when, what: 'signal=KILL' },
    ]),
  )

  test.each(cases)(
    'behavior: $call number $when: $what',
    async ({ call, when, what }) => {
      const directory = crashFolder(`${call}-${when}-${what.slice(0, 3)}`)
      const { acked } = await live({ directory, mode: 'few' })
      const under = [
        ...['strace', '-f', '-qq', '-o', '/dev/null'],
        ...['-e', `trace=${call}`, '-e', `inject=${call}:${what}:when=${when}`],
      ]
      const told = await live({ directory, mode: 'few', under })
      // It came to its end there, and said nothing after it.
      expect(told.lines.at(-1)).not.toBe('closed')
      expect(await account(directory, [...acked, ...told.acked])).toMatchObject({
        ...{ missing: [], twice: 0, faults: [] },
      })
    },
    180_000,
  )
})
