/** What becomes of tasks while a gateway's own store fails for a moment. */
import { afterEach, describe, expect, test, vi } from 'vitest'
import {
  type Gateway,
  type GatewayStore,
  memoryGatewayStore,
  type TaskRequest,
} from '../../src/operator/index.js'
import { address, client } from '../support/attestationWorld.js'
import { createGatewayWorld } from '../support/gatewayWorld.js'

const request: TaskRequest = {
  policyClient: client,
  intent: {
    ...{ from: address(5), to: address(6), value: 7n, data: '0x' },
    ...{ chainId: 31_337n, functionSignature: '0x' },
  },
  timeout: 20_000,
}

type Method = Exclude<keyof GatewayStore, 'webhooks' | 'close'>
type Call = (...given: unknown[]) => Promise<unknown>
/** Does a call or fails it; told which of the method's calls it is. */
type Fault = (call: () => Promise<unknown>, turn: number) => Promise<unknown>

const cut = (): never => {
  throw new Error('Connection terminated unexpectedly')
}
const faults: Record<string, Fault> = {
  'fails once': (call, turn) => (turn === 1 ? Promise.reject(new Error('cut')) : call()),
  'throws once, where it gives promises': (call, turn) => (turn === 1 ? cut() : call()),
  'fails three times': async (call, turn) => (turn <= 3 ? cut() : call()),
  'does it, and loses its answer': async (call, turn) => {
    const outcome = await call()
    return turn === 1 ? cut() : outcome
  },
}

let open: Gateway | undefined
afterEach(async () => {
  await open?.close()
})

/** A gateway whose store has a fault, and what it told. */
function worldWith(method: Method | 'all', fault: Fault) {
  const base = memoryGatewayStore()
  const turns = new Map<string, number>()
  const methods = (Object.keys(base) as (keyof GatewayStore)[]).filter(
    (name) => typeof base[name] === 'function' && (method === 'all' || name === method),
  )
  const wrapped = methods.map((name) => [
    name,
    (...given: unknown[]) => {
      const turn = (turns.get(name) ?? 0) + 1
      turns.set(name, turn)
      return fault(() => (base[name] as unknown as Call)(...given), turn)
    },
  ])
  // Frozen, as a store of somebody else's may be.
  const store = Object.freeze({ ...base, ...Object.fromEntries(wrapped) }) as GatewayStore
  const world = createGatewayWorld({ store, lease: 300 })
  open = world.gateway
  return { ...world, turns }
}

const methods: Method[] = [
  ...(['advance', 'addShare', 'addCommitments', 'saveAnswer', 'renew', 'claim'] as const),
]

describe.each(methods)('%s of the store', (method) => {
  test.each(Object.keys(faults))(
    'behavior: that %s ends no task and blames nobody',
    async (name) => {
      const { gateway, events, turns } = worldWith(method, faults[name] as Fault)
      const sent = await gateway.send(request, { caller: 'anyone' })
      const outcome = await gateway.status(sent.taskId, { caller: 'anyone', wait: 20_000 })
      expect(outcome).toMatchObject({ state: 'signed', answer: { signers: expect.any(Array) } })
      const of = (type: string) => events.filter((event) => event.type === type)
      expect(of('operator.fault')).toEqual([])
      expect(of('task.ended')).toMatchObject([{ outcome: 'signed' }])
      if ((turns.get(method) ?? 0) > 0) expect(of('store.failed').length).toBeGreaterThan(0)
    },
  )
})

test('behavior: a store that is away altogether is waited for, and the task then decided', async () => {
  let away = false
  const { gateway, events } = worldWith('all', async (call) => {
    if (away) cut()
    return call()
  })
  const sent = await gateway.send(request, { caller: 'anyone' })
  away = true
  setTimeout(() => {
    away = false
  }, 700)
  // Whoever asks meanwhile may hear that it failed, never that the task has.
  const ask = () => gateway.status(sent.taskId, { caller: 'anyone', wait: 20_000 })
  const outcome = await vi.waitFor(ask, { timeout: 20_000 })
  expect(outcome).toMatchObject({ state: 'signed' })
  expect(events.filter(({ type }) => type === 'operator.fault')).toEqual([])
  expect(events.some(({ type }) => type === 'store.failed')).toBe(true)
})

test.each(['addShare', 'addCommitments', 'saveAnswer'] as const)(
  'behavior: where %s fails until the time is over, that is what is told, and nobody is blamed',
  async (method) => {
    const { gateway, events } = worldWith(method, async () => cut())
    const sent = await gateway.send({ ...request, timeout: 1_000 }, { caller: 'anyone' })
    const outcome = await gateway.status(sent.taskId, { caller: 'anyone', wait: 20_000 })
    expect(outcome).toMatchObject({ state: 'failed', failure: { name: 'TIMED_OUT' } })
    expect(JSON.stringify(outcome)).not.toContain('Connection terminated')
    expect(events.filter(({ type }) => type === 'operator.fault')).toEqual([])
    expect(events.filter(({ type }) => type === 'store.failed').length).toBeGreaterThan(1)
  },
)
