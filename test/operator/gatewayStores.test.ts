/** A gateway's stores: in memory, and in a directory of this process. A server's is in the deep tests. */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openPglitePool } from '../../src/internal/node/pglite.js'
import { type GatewayStore, memoryGatewayStore } from '../../src/operator/index.js'
import { pgliteGatewayStore, postgresGatewayStore } from '../../src/operator/node/index.js'
import { policyRegistry, word } from '../support/attestationWorld.js'
import { childScript } from '../support/childScript.js'
import { gatewayStoreSuite, newTask } from '../support/gatewayStoreSuite.js'
import { webhookStoreSuite } from '../support/webhookStoreSuite.js'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

describe('memoryGatewayStore', () => {
  const store = memoryGatewayStore()
  gatewayStoreSuite(() => store)
  webhookStoreSuite(() => store)
})

describe('pgliteGatewayStore', () => {
  const domain = { chainId: 31_337n, policyRegistry }
  let directory: string
  let store: GatewayStore
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'newton-gateway-'))
    store = await pgliteGatewayStore({ ...domain, directory })
  })
  afterAll(async () => {
    await store?.close()
    await rm(directory, { recursive: true, force: true })
  })
  gatewayStoreSuite(() => store)
  webhookStoreSuite(() => store, { bounds: false })

  test('behavior: rows that are no webhooks hold up nobody, and are registered anew', async () => {
    const failing = async (caller: string): Promise<void> => {
      const task = newTask({ caller })
      await store.insert(task, { owner: 'me', lease: 60_000 })
      await store.advance({ ...task, fence: 1 }, { state: 'failed' })
    }
    const whole = {
      ...{ url: 'https://shop.example/hook', secret: 'sixteen-or-more!', timeout: 10_000 },
      ...{ retries: 3, failures: undefined, keyHash: word(8), registeredAt: 1 },
    }
    const broken = {
      ...{ 'failures-text': "failures = 'NO_QUORUM'", 'failures-json': 'failures = \'{"a":1}\'' },
      ...{ 'failures-open': "failures = '['", url: "url = 'nowhere'", secret: "secret = ''" },
      ...{ timeout: 'timeout = -1', retries: 'retries = -1', key: "key_hash = 'none'" },
    }
    for (const caller of [...Object.keys(broken), 'whole']) {
      await store.webhooks.set(caller, whole)
      await failing(caller)
    }
    await store.close()
    const pool = await openPglitePool({ directory })
    const connection = await pool.connect()
    for (const [caller, change] of Object.entries(broken)) {
      await connection.query(`update newton_webhook set ${change} where caller = '${caller}'`, [])
    }
    // Left over from nobody: it takes the place of nothing.
    await connection.query(
      `insert into newton_delivery (task_id, state, caller, attempts, next_at, created_at)
        values ('0x00', 'failed', 'nobody', 0, '-infinity', 0)`,
      [],
    )
    connection.release()
    await pool.end()
    store = await pgliteGatewayStore({ ...domain, directory })
    const before = await store.webhooks.count()
    const claim = (limit: number) => store.webhooks.claim({ lease: 60_000, limit, busy: [] })
    const claimed = [...(await claim(1)), ...(await claim(20))]
    expect(claimed.map(({ caller }) => caller)).toEqual(['whole'])
    const { failed, waiting } = await store.webhooks.count()
    expect(failed - before.failed).toBe(Object.keys(broken).length)
    expect(waiting).toBe(2)
    for (const caller of Object.keys(broken)) {
      expect(await store.webhooks.find(caller), caller).toBeUndefined()
      // Its tasks go on, whatever is told of them.
      await failing(caller)
      expect(await store.webhooks.set(caller, whole)).toBe(true)
      expect(await store.webhooks.find(caller)).toEqual(whole)
      await store.webhooks.remove(caller)
    }
    await store.webhooks.remove('whole')
  })

  test('error: DIRECTORY_LOCKED while it is open, and INVALID_INPUT for another network', async () => {
    await expect(pgliteGatewayStore({ ...domain, directory })).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
      message: expect.stringContaining('gateway, process'),
    })
    await store.close()
    await expect(pgliteGatewayStore({ ...domain, chainId: 1n, directory })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'domain',
    })
    store = await pgliteGatewayStore({ ...domain, directory })
  })

  test('behavior: what was acknowledged is there after the process was killed', async () => {
    await store.close()
    const script = await childScript(new URL('gatewayStoreChild.ts', import.meta.url))
    const child = fork(script.path, [directory])
    const acknowledged: string[] = []
    const gone = new Promise<NodeJS.Signals | null>((resolve) => {
      child.on('exit', (_code, signal) => resolve(signal))
    })
    child.on('message', (taskId: string) => {
      acknowledged.push(taskId)
      if (acknowledged.length === 20) child.kill('SIGKILL')
    })
    expect(await gone).toBe('SIGKILL')
    script.remove()
    expect(acknowledged.length).toBeGreaterThanOrEqual(20)
    store = await pgliteGatewayStore({ ...domain, directory })
    for (const taskId of acknowledged) {
      expect(await store.answer(taskId as never)).toEqual({ messageHash: taskId, answer: '{}' })
    }
  })

  test('behavior: a store that is closed refuses, and does not hang', async () => {
    await store.close()
    await expect(store.insert(newTask(), { owner: 'me', lease: 1 })).rejects.toThrow()
    store = await pgliteGatewayStore({ ...domain, directory })
  })
})

test('error: INVALID_INPUT for a URL that is none, which the error does not repeat', async () => {
  const url = 'mysql://user:secret@host/db'
  const failed = postgresGatewayStore({ url, chainId: 1n, policyRegistry })
  await expect(failed).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'url' })
  await expect(failed).rejects.not.toThrow(/secret/)
})
