/** Gateways that share a Postgres server: the store, and what happens when one of them dies. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { GatewayStore, TaskRequest } from '../../src/operator/index.js'
import { postgresGatewayStore } from '../../src/operator/node/index.js'
import { address, client, policyRegistry } from '../support/attestationWorld.js'
import { gatewayStoreSuite } from '../support/gatewayStoreSuite.js'
import { createGatewayWorld, operatorOf } from '../support/gatewayWorld.js'
import { postgresPrograms, startPostgres } from '../support/postgres.js'
import { webhookStoreSuite } from '../support/webhookStoreSuite.js'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

const domain = { chainId: 31_337n, policyRegistry }
const request: TaskRequest = {
  policyClient: client,
  intent: {
    ...{ from: address(5), to: address(6), value: 7n, data: '0x' },
    ...{ chainId: 31_337n, functionSignature: '0x' },
  },
  timeout: 120_000,
}

test('the server is installed where nothing may be left out', () => {
  if (process.env['CI_REQUIRE_ALL'] === '1') expect(postgresPrograms).toBeDefined()
})

describe.skipIf(postgresPrograms === undefined)('postgresGatewayStore', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let store: GatewayStore
  beforeAll(async () => {
    server = await startPostgres()
    // Two that make the tables at once.
    const opened = await Promise.all(
      [0, 1].map(() => postgresGatewayStore({ ...domain, url: server.url })),
    )
    store = opened[0] as GatewayStore
    await opened[1]?.close()
  })
  afterAll(async () => {
    await store?.close()
    await server?.stop()
  })
  gatewayStoreSuite(() => store)
  webhookStoreSuite(() => store)

  test('error: INVALID_INPUT for the tables of another network', async () => {
    const other = postgresGatewayStore({ ...domain, chainId: 1n, url: server.url })
    await expect(other).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'domain' })
  })

  test('behavior: of four that claim at once, each task goes to one', async () => {
    const { newTask } = await import('../support/gatewayStoreSuite.js')
    const tasks = Array.from({ length: 200 }, () => newTask())
    for (const task of tasks) await store.insert(task, { owner: 'dead', lease: -1 })
    const claimed: string[] = []
    await Promise.all(
      ['a', 'b', 'c', 'd'].map(async (owner) => {
        for (;;) {
          const some = await store.claim({ owner, lease: 600_000, limit: 7 })
          if (some.length === 0) return
          claimed.push(...some.map(({ taskId }) => taskId))
        }
      }),
    )
    const ours = claimed.filter((id) => tasks.some(({ taskId }) => taskId === id))
    expect(ours.sort()).toEqual(tasks.map(({ taskId }) => taskId).sort())
  })

  test('behavior: the tasks of a gateway that died are finished by the other, each with one answer', async () => {
    const one = await postgresGatewayStore({ ...domain, url: server.url })
    // What a process does that is gone: nothing, at no call.
    let dead = false
    const dying = new Proxy(one, {
      get: (target, name, receiver) => {
        const value = Reflect.get(target, name, receiver)
        return typeof value === 'function' && name !== 'close'
          ? (...call: unknown[]) => (dead ? new Promise(() => undefined) : value(...call))
          : value
      },
    })
    const first = createGatewayWorld({ store: dying, owner: 'first', lease: 400 })
    const never = new Promise<void>(() => undefined)
    for (const index of first.operators.keys()) {
      const before = (method: string): Promise<void> =>
        method === 'newt_evaluateAndSign' ? never : Promise.resolve()
      first.operators[index] = operatorOf(first.world, index, { before })
    }
    const sent = []
    for (let i = 0; i < 10; i++) sent.push(await first.gateway.send(request, { caller: 'anyone' }))
    dead = true
    const second = createGatewayWorld({ store, owner: 'second', lease: 400 })
    try {
      for (const { taskId } of sent) {
        const outcome = await second.gateway.status(taskId, { caller: 'anyone', wait: 120_000 })
        expect(outcome).toMatchObject({ state: 'signed', answer: { signers: expect.any(Array) } })
      }
      // The first one wakes up with what it knows, and changes nothing.
      const { taskId } = sent[0] as { taskId: `0x${string}` }
      expect(await one.advance({ taskId, fence: 1 }, { state: 'failed' })).toBe(false)
      expect((await store.find(taskId))?.state).toBe('signed')
    } finally {
      await second.gateway.close()
      await one.close()
    }
  })
})
