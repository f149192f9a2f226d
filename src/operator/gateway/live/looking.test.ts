/** One question a turn for all who wait for tasks of other gateways. */
import { expect, test } from 'vitest'
import { memoryGatewayStore } from '../store/memoryStore.js'
import type { GatewayStore, StoredTask } from '../store/store.js'
import { createAnswers, createChanges, createStanding } from '../waiting.js'

const idOf = (nth: number) => `0x${nth.toString(16).padStart(64, '0')}` as const
const taskOf = (nth: number): StoredTask => ({
  ...{ taskId: idOf(nth), task: '0x12', caller: 'a', requestId: undefined, contentHash: idOf(1) },
  ...{ pcr0Commitment: idOf(0), broadcast: false, state: 'received', failure: undefined },
  ...{ deadline: 2_000_000_000_000, createdAt: 1_900_000_000_000 },
})

/** A store that counts questions, with tasks that somebody else works on. */
async function start(tasks: number) {
  const asked = { find: 0, states: 0 }
  const kept = memoryGatewayStore()
  const fails = { states: false }
  const store: GatewayStore = {
    ...kept,
    find: (id) => {
      asked.find++
      return kept.find(id)
    },
    states: async (ids) => {
      asked.states++
      if (fails.states) throw new Error('away')
      return kept.states(ids)
    },
  }
  for (let nth = 1; nth <= tasks; nth++) {
    await kept.insert(taskOf(nth), { owner: 'another', lease: 60_000 })
  }
  const standing = createStanding({
    ...{ store, changes: createChanges(), answers: createAnswers(store), pollInterval: 20 },
    ...{ now: Date.now, auditors: new Set<string>(), here: () => undefined },
  })
  return { store: kept, standing, asked, fails }
}

test('behavior: a thousand who wait cost a question a turn, and hear of a change at once', async () => {
  const { store, standing, asked } = await start(1_000)
  const controllers = Array.from({ length: 1_000 }, () => new AbortController())
  const waiting = Array.from({ length: 1_000 }, (_, nth) =>
    standing.after(
      idOf(nth + 1),
      { caller: 'a', since: 'received', wait: 20_000 },
      { signal: (controllers[nth] as AbortController).signal },
    ),
  )
  for (const one of waiting) one.catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 400))
  expect(asked.find).toBe(1_000)
  expect(asked.states).toBeGreaterThan(0)
  expect(asked.states).toBeLessThan(25)
  await store.advance({ taskId: idOf(7), fence: 1 }, { state: 'signing' })
  expect(await waiting[6]).toMatchObject({ taskId: idOf(7), state: 'signing' })
  expect(asked.find).toBe(1_001)
  for (const one of controllers) one.abort()
  await expect(waiting[0]).rejects.toThrow()
  const { states } = asked
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(asked.states - states).toBeLessThan(2)
})

test('behavior: a store that is away for a moment ends no wait; a task that is gone ends it', async () => {
  const { store, standing, fails } = await start(1)
  const from = { caller: 'a', since: 'received', wait: 20_000 } as const
  fails.states = true
  const waiting = standing.after(idOf(1), from)
  await new Promise((resolve) => setTimeout(resolve, 100))
  fails.states = false
  await store.advance({ taskId: idOf(1), fence: 1 }, { state: 'committing' })
  expect(await waiting).toMatchObject({ state: 'committing' })
  const gone = standing.after(idOf(1), { ...from, since: 'committing' } as never)
  gone.catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await store.advance({ taskId: idOf(1), fence: 1 }, { state: 'failed' })
  expect(await gone).toMatchObject({ state: 'failed' })
  const pruned = standing.after(idOf(1), { ...from, since: 'failed' } as never)
  pruned.catch(() => undefined)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await store.prune({ before: 2_000_000_000_000 })
  await expect(pruned).rejects.toMatchObject({ fault: 'UNKNOWN_TASK' })
})
