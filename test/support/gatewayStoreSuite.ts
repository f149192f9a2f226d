/** What every store of a gateway does, whatever keeps it. */
import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import type {
  GatewayStore,
  StoredCommitment,
  StoredShare,
  StoredTask,
} from '../../src/operator/index.js'
import { address, word } from './attestationWorld.js'

let count = 0
/** A task that no other test has. */
export const newTask = (change: Partial<StoredTask> = {}): StoredTask => {
  count++
  return {
    taskId: word(Date.now() * 1_000 + count),
    task: '0x1234',
    caller: 'a',
    requestId: undefined,
    contentHash: word(1),
    pcr0Commitment: word(0),
    broadcast: false,
    state: 'received',
    failure: undefined,
    deadline: 2_000_000_000_000 + count,
    createdAt: 1_900_000_000_000,
    ...change,
  }
}
const share = (change: Partial<StoredShare> = {}): StoredShare => ({
  operator: address(1),
  messageHash: word(1),
  response: '0x12',
  signature: '0x34',
  ...change,
})

/** Defines the tests. The store is empty, and of this suite alone. */
export function gatewayStoreSuite(open: () => GatewayStore): void {
  const mine = { owner: 'me', lease: 60_000 }

  test('behavior: a task comes back as it was kept, and once', async () => {
    const store = open()
    const task = newTask({ requestId: 'order', deadline: 2_000_000_000_123 })
    expect(await store.insert(task, mine)).toEqual({ status: 'inserted', fence: 1 })
    expect(await store.find(task.taskId)).toEqual(task)
    expect(await store.insert({ ...task, requestId: undefined }, mine)).toEqual({ status: 'taken' })
    const again = await store.insert(newTask({ requestId: 'order' }), mine)
    expect(again).toEqual({ status: 'again', task })
    expect(await store.findRequest({ caller: 'a', requestId: 'order' })).toEqual(task)
    expect(await store.findRequest({ caller: 'c', requestId: 'order' })).toBeUndefined()
    expect(await store.findRequest({ caller: 'a', requestId: 'none' })).toBeUndefined()
    const others = await store.insert(newTask({ requestId: 'order', caller: 'b' }), mine)
    expect(others.status).toBe('inserted')
    expect(await store.find(word(7))).toBeUndefined()
    const many = Array.from({ length: 3_000 }, (_, nth) => word(nth + 10))
    expect(await store.states([...many, task.taskId, task.taskId])).toEqual(
      new Map([[task.taskId, 'received']]),
    )
    expect(await store.states([])).toEqual(new Map())
  })

  test('behavior: of tasks inserted at once under one request id, one is made', async () => {
    const store = open()
    const made = await Promise.all(
      Array.from({ length: 8 }, () => store.insert(newTask({ requestId: 'at once' }), mine)),
    )
    expect(made.filter(({ status }) => status === 'inserted')).toHaveLength(1)
    expect(made.filter(({ status }) => status === 'again')).toHaveLength(7)
  })

  test('behavior: a task is claimed once, by the nearest deadline, and a stale fence changes nothing', async () => {
    const store = open()
    const [late, soon, held, ended] = [newTask(), newTask({ deadline: 5 }), newTask(), newTask()]
    for (const task of [late, soon, ended]) await store.insert(task, { owner: 'dead', lease: -1 })
    await store.insert(held, mine)
    await store.advance({ taskId: ended.taskId, fence: 1 }, { state: 'failed' })
    const claimed = await Promise.all([
      store.claim({ owner: 'x', lease: 60_000, limit: 1 }),
      store.claim({ owner: 'y', lease: 60_000, limit: 100 }),
    ])
    const ids = claimed.flat().map(({ taskId }) => taskId)
    expect(ids.filter((id) => id === soon.taskId)).toHaveLength(1)
    expect(ids.filter((id) => id === late.taskId)).toHaveLength(1)
    expect(ids).not.toContain(held.taskId)
    expect(ids).not.toContain(ended.taskId)
    const lease = { taskId: soon.taskId, fence: 2 }
    expect(claimed.flat().find(({ taskId }) => taskId === soon.taskId)?.fence).toBe(2)
    const stale = { ...lease, fence: 1 }
    expect(await store.advance(stale, { state: 'signing' })).toBe(false)
    expect(await store.renew(stale, 1_000)).toBe(false)
    await store.release(stale)
    expect(await store.claim({ owner: 'z', lease: 1, limit: 100 })).toEqual([])
    expect(await store.renew(lease, 60_000)).toBe(true)
    expect(await store.advance(lease, { state: 'signing' })).toBe(true)
    await store.release(lease)
    const next = await store.claim({ owner: 'z', lease: 60_000, limit: 100 })
    expect(next).toMatchObject([{ taskId: soon.taskId, state: 'signing', fence: 3 }])
  })

  test('behavior: a failure is kept with its reason', async () => {
    const store = open()
    const task = newTask()
    await store.insert(task, mine)
    const failure = { fault: 'NO_QUORUM', detail: 'two of four', code: 'TASK_FAILED' } as const
    await store.advance({ taskId: task.taskId, fence: 1 }, { state: 'failed', failure })
    expect(await store.find(task.taskId)).toEqual({ ...task, state: 'failed', failure })
  })

  test('behavior: what has ended stays ended', async () => {
    const store = open()
    const task = newTask()
    await store.insert(task, mine)
    const held = { taskId: task.taskId, fence: 1 }
    const failure = { fault: 'TIMED_OUT', detail: 'no quorum' } as const
    expect(await store.advance(held, { state: 'failed', failure })).toBe(true)
    for (const state of ['signing', 'failed', 'landing'] as const) {
      expect(await store.advance(held, { state })).toBe(false)
    }
    expect(await store.saveAnswer(held, { messageHash: task.taskId, answer: '{}' })).toBe('lost')
    expect(await store.find(task.taskId)).toMatchObject({ state: 'failed', failure })
    expect(await store.answer(task.taskId)).toBeUndefined()
  })

  test('behavior: there is one answer, of whoever holds the task', async () => {
    const store = open()
    const task = newTask()
    await store.insert(task, mine)
    const held = { taskId: task.taskId, fence: 1 }
    const answer = { messageHash: word(1), answer: '{"a":1}' }
    expect(await store.saveAnswer({ ...held, fence: 2 }, answer)).toBe('lost')
    expect(await store.answer(task.taskId)).toBeUndefined()
    expect(await store.saveAnswer(held, answer)).toBe('stored')
    expect(await store.saveAnswer(held, { messageHash: word(2), answer: '{}' })).toBe('exists')
    expect(await store.answer(task.taskId)).toEqual(answer)
    expect((await store.find(task.taskId))?.state).toBe('signed')
  })

  test('behavior: a task that is to be landed is claimed after it was signed', async () => {
    const store = open()
    const task = newTask({ broadcast: true })
    await store.insert(task, { owner: 'dead', lease: -1 })
    await store.saveAnswer(
      { taskId: task.taskId, fence: 1 },
      { messageHash: word(1), answer: '{}' },
    )
    const [claimed] = await store.claim({ ...mine, limit: 1 })
    expect(claimed).toMatchObject({ taskId: task.taskId, state: 'signed', broadcast: true })
    const held = { taskId: task.taskId, fence: 2 }
    expect(await store.addTransaction({ ...held, fence: 1 }, word(3))).toBe(false)
    for (const hash of [word(5), word(4), word(5)]) {
      expect(await store.addTransaction(held, hash)).toBe(true)
    }
    expect(await store.transactions(task.taskId)).toEqual([word(5), word(4)])
    await store.advance({ taskId: task.taskId, fence: 2 }, { state: 'final' })
    await store.release({ taskId: task.taskId, fence: 2 })
    expect(await store.claim({ ...mine, limit: 1 })).toEqual([])
  })

  test('behavior: two shares of one operator are evidence, which outlives the task', async () => {
    const store = open()
    const [plain, twice] = [newTask({ createdAt: 5 }), newTask({ createdAt: 5 })]
    for (const { taskId } of [plain, twice]) {
      await store.insert(taskId === plain.taskId ? plain : twice, mine)
      expect(await store.addShare(taskId, share())).toEqual([share()])
      expect(await store.addShare(taskId, share())).toEqual([share()])
      await store.addShare(taskId, share({ operator: address(2) }))
      await store.saveAnswer({ taskId, fence: 1 }, { messageHash: word(1), answer: '{}' })
    }
    const other = share({ messageHash: word(2) })
    expect(await store.addShare(twice.taskId, other)).toHaveLength(2)
    const running = newTask({ createdAt: 5 })
    await store.insert(running, mine)
    await store.prune({ before: 10 })
    expect(await store.find(plain.taskId)).toBeUndefined()
    expect(await store.answer(plain.taskId)).toBeUndefined()
    expect(await store.shares(plain.taskId)).toEqual([])
    expect((await store.shares(twice.taskId)).length).toBeGreaterThanOrEqual(2)
    expect(await store.find(running.taskId)).toEqual(running)
    expect(await store.count()).toMatchObject({ received: expect.any(Number) })
  })

  test('behavior: of shares that come at once, each gets those of its operator for its task', async () => {
    const store = open()
    const tasks = Array.from({ length: 40 }, () => newTask())
    const honest = tasks.flatMap(({ taskId }) =>
      [1, 2, 3, 3].map(async (nth) => {
        const own = share({ operator: address(nth) })
        expect(await store.addShare(taskId, own)).toEqual([own])
      }),
    )
    const twice = newTask().taskId
    const two = [share({ messageHash: word(1) }), share({ messageHash: word(2) })]
    const both = two.map((one) => store.addShare(twice, one))
    await Promise.all(honest)
    const seen = await Promise.all(both)
    // The one that was kept later sees both.
    expect(Math.max(...seen.map((all) => all.length))).toBe(2)
    expect(new Set(seen.flat().map(({ messageHash }) => messageHash))).toEqual(
      new Set([word(1), word(2)]),
    )
    expect(await store.shares(tasks[0]?.taskId as Hex)).toHaveLength(3)
    expect(await store.shares(twice)).toHaveLength(2)
  })

  test('behavior: a commitment is kept once; two different ones of an operator outlive the task', async () => {
    const store = open()
    const one: StoredCommitment = {
      ...{ operator: address(1), name: word(1), hashes: '{}', signature: '0x34' },
    }
    const other = { ...one, operator: address(2) }
    const [plain, twice] = [newTask({ createdAt: 5 }), newTask({ createdAt: 5 })]
    for (const task of [plain, twice]) {
      const kept = await store.insert(task, mine)
      const { fence } = kept as { fence: number }
      expect(await store.addCommitments(task.taskId, [])).toEqual([])
      expect(await store.addCommitments(task.taskId, [one])).toEqual([one])
      expect(await store.addCommitments(task.taskId, [one, other])).toHaveLength(2)
      await store.advance({ taskId: task.taskId, fence }, { state: 'failed' })
    }
    expect(await store.addCommitments(twice.taskId, [{ ...one, name: word(2) }])).toHaveLength(3)
    await store.prune({ before: 10 })
    expect(await store.commitments(plain.taskId)).toEqual([])
    const left = await store.commitments(twice.taskId)
    expect(left.filter(({ operator }) => operator === one.operator)).toHaveLength(2)
  })

  test('behavior: what is to be told is kept with the change, claimed once, and ended by its holder', async () => {
    const { webhooks, ...store } = open()
    const caller = 'hooked'
    const hook = {
      ...{ url: 'https://shop.example/hook', secret: 'sixteen-or-more!', timeout: 10_000 },
      ...{ retries: 3, failures: ['NO_QUORUM', 'TIMED_OUT'] },
      ...{ keyHash: word(8), registeredAt: 1_900_000_000_123 },
    }
    const claim = (busy: string[] = []) => webhooks.claim({ lease: 60_000, limit: 10, busy })
    const [silent, task, landing] = [1, 2, 3].map((nth) =>
      newTask({ caller, broadcast: nth === 3 }),
    ) as [StoredTask, StoredTask, StoredTask]
    const answer = { messageHash: word(1), answer: '{}' }
    for (const one of [silent, task, landing]) await store.insert(one, mine)
    await store.saveAnswer({ ...silent, fence: 1 }, answer)
    expect(await claim()).toEqual([])
    expect(await webhooks.find(caller)).toBeUndefined()
    const old = { ...hook, url: 'https://old.example/', failures: undefined, keyHash: undefined }
    expect(await webhooks.set(caller, old)).toBe(false)
    expect(await webhooks.find(caller)).toEqual(old)
    expect(await webhooks.set(caller, hook)).toBe(true)
    expect(await webhooks.find(caller)).toEqual(hook)
    // Of somebody else, and by a fence that is stale: neither is told.
    const other = newTask()
    await store.insert(other, mine)
    await store.saveAnswer({ ...other, fence: 1 }, answer)
    await store.saveAnswer({ ...task, fence: 7 }, answer)
    expect(await claim()).toEqual([])
    await store.advance({ ...task, fence: 1 }, { state: 'signing' })
    await store.saveAnswer({ ...task, fence: 1 }, answer)
    await store.saveAnswer({ ...task, fence: 1 }, answer)
    expect(await webhooks.count()).toEqual({ waiting: 1, failed: 0 })
    expect(await claim([caller])).toEqual([])
    const both = await Promise.all([claim(), claim()])
    expect(both.flat()).toEqual([
      {
        ...{ taskId: task.taskId, state: 'signed', caller, attempt: 1, untried: 0, webhook: hook },
        createdAt: expect.any(Number),
      },
    ])
    const [first] = both.flat() as [Awaited<ReturnType<typeof claim>>[0]]
    await webhooks.end(first, { after: 0 })
    await expect.poll(async () => (await claim()).map(({ attempt }) => attempt)).toEqual([2])
    // The first attempt has lost it: what it says changes nothing.
    await webhooks.end(first, 'delivered')
    expect(await webhooks.count()).toEqual({ waiting: 1, failed: 0 })
    await webhooks.end({ ...first, attempt: 2 }, 'failed')
    expect(await webhooks.count()).toEqual({ waiting: 0, failed: 1 })
    // On the way to the chain: the decision and the end are told, and of failures those that are asked for.
    const lease = { ...landing, fence: 1 }
    await store.saveAnswer(lease, answer)
    for (const state of ['landing', 'landed', 'landing', 'landed', 'final'] as const) {
      await store.advance(lease, { state })
    }
    const told: string[] = []
    for (let turn = 0; turn < 2; turn++) {
      for (const { taskId, state } of await claim()) if (taskId === landing.taskId) told.push(state)
    }
    expect(told.sort()).toEqual(['final', 'signed'])
    for (const [fault, times] of [
      ['NO_QUORUM', 1],
      ['INTERNAL', 0],
    ] as const) {
      const failing = newTask({ caller })
      await store.insert(failing, mine)
      const failure = { fault, detail: 'none' }
      await store.advance({ ...failing, fence: 1 }, { state: 'failed', failure })
      expect((await claim()).map(({ state }) => state)).toEqual(Array(times).fill('failed'))
    }
    const waiting = newTask({ caller })
    await store.insert(waiting, mine)
    await store.saveAnswer({ ...waiting, fence: 1 }, answer)
    // Of another key, or of none: it is another one by now, and stays with what is to be told there.
    for (const keyHash of [word(9), undefined]) {
      expect(await webhooks.remove(caller, { keyHash })).toBe(false)
    }
    expect(await webhooks.find(caller)).toEqual(hook)
    expect((await webhooks.count()).waiting).toBeGreaterThan(0)
    expect(await webhooks.remove(caller, { keyHash: hook.keyHash })).toBe(true)
    expect(await webhooks.find(caller)).toBeUndefined()
    await webhooks.set(caller, old)
    expect(await webhooks.remove(caller, { keyHash: hook.keyHash })).toBe(false)
    expect(await webhooks.remove(caller, { keyHash: undefined })).toBe(true)
    await webhooks.set(caller, hook)
    expect(await webhooks.remove(caller)).toBe(true)
    expect(await webhooks.remove(caller)).toBe(false)
    expect(await claim()).toEqual([])
    expect((await webhooks.count()).waiting).toBe(0)
    await store.prune({ before: 2_500_000_000_000 })
    expect(await webhooks.count()).toEqual({ waiting: 0, failed: 0 })
  })
}
