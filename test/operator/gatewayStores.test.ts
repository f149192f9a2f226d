/** A gateway's stores: in memory, and in a directory of this process. A server's is in the deep tests. */
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type GatewayStore, memoryGatewayStore } from '../../src/operator/index.js'
import { pgliteGatewayStore, postgresGatewayStore } from '../../src/operator/node/index.js'
import { policyRegistry } from '../support/attestationWorld.js'
import { childScript } from '../support/childScript.js'
import { gatewayStoreSuite, newTask } from '../support/gatewayStoreSuite.js'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

describe('memoryGatewayStore', () => {
  const store = memoryGatewayStore()
  gatewayStoreSuite(() => store)
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
