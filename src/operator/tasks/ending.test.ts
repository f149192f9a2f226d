import { expect, test } from 'vitest'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { Task } from '../../core/task.js'
import { createTaskWatch } from './ending.js'
import { TaskFailedError } from './errors.js'

const own = `0x${'05'.repeat(32)}` as const
const other = `0x${'06'.repeat(32)}` as const
const taskId = `0x${'07'.repeat(32)}` as const
const task = { policyClient: own, referenceBlock: 40n, referenceBlockHash: own } as unknown as Task
const signal = new AbortController().signal
const error = new TaskFailedError({
  ...{ taskId, failure: 'NO_QUORUM', detail: 'too few', mayPass: true },
  faults: [{ operator: own, fault: 'BEHIND', detail: 'it is' }],
})

type Look = { hash?: string | null; head?: bigint; fails?: boolean }
/** What is said of a task, look after look. */
async function looks(all: readonly Look[], expireAfter: bigint | null = 300n) {
  let look: Look = {}
  const watch = createTaskWatch(task, taskId, {
    getBlock: async () => {
      if (look.fails === true) throw new TypeError('no node')
      return look.hash === null ? null : { number: 40n, hash: look.hash ?? own }
    },
    getLatestBlock: async () => ({ number: look.head ?? 50n }),
    snapshot: async () => ({
      block: { number: 40n },
      policyInstance: expireAfter === null ? null : { expireAfter },
      data: [],
    }),
  } as unknown as RegistryReader)
  const said: (string | undefined)[] = []
  for (const next of all) {
    look = next
    said.push((await watch.endOf(error, { signal }))?.failure)
  }
  return said
}

test('a block that another one has taken the place of ends the task at the second look', async () => {
  expect(await looks([{}, { hash: other }, { hash: other }])).toEqual([
    ...[undefined, undefined, 'REFERENCE_BLOCK_LOST'],
  ])
})

test('one node of another branch, one that is behind, and one that fails end nothing', async () => {
  const said = await looks([{ hash: other }, {}, { hash: other }, { hash: null }, { fails: true }])
  expect(said).toEqual(Array.from({ length: 5 }))
  expect(await looks([{ hash: other }, { fails: true }, { hash: own.toUpperCase() }])).toEqual(
    Array.from({ length: 3 }),
  )
})

test('a task ends at the block at which its answer would expire', async () => {
  expect(await looks([{ head: 339n }, { head: 340n }])).toEqual([undefined, 'EXPIRED'])
  expect(await looks([{ head: 340n }], null)).toEqual([undefined])
})

test('the end says why, what kept operators, and that a new task may be answered', async () => {
  const watch = createTaskWatch(task, taskId, {
    getBlock: async () => ({ number: 40n, hash: own }),
    getLatestBlock: async () => ({ number: 340n }),
  } as unknown as RegistryReader)
  const snapshot = { block: { number: 40n }, policyInstance: { expireAfter: 300n }, data: [] }
  const ended = await watch.endOf(error, { signal, snapshot: snapshot as never })
  expect(ended).toMatchObject({
    ...{ failure: 'EXPIRED', faults: error.faults, retryable: true, cause: error },
    shortMessage: expect.stringContaining('it expired at block 340, the newest is 340: ask again'),
  })
})
