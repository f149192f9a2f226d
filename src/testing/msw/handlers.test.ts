import { setupServer } from 'msw/node'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import { cidLocator, ipfs } from '../../da/ipfs/index.js'
import { createGatewayClient } from '../../gateway/index.js'
import { mockIpfsGateway, mockNetwork } from '../index.js'
import { gatewayHandlers, ipfsGatewayHandlers } from './index.js'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })
const server = setupServer()
beforeAll(() => server.listen({ onUnhandledRequest: 'error' }))
afterAll(() => server.close())

test('behavior: a Newton gateway answers at its address, with its own refusals', async () => {
  const network = await mockNetwork()
  server.use(...(await gatewayHandlers(network.gateway)))
  const client = createGatewayClient({ url: network.gateway.url, retries: 0 })
  const word = `0x${'01'.repeat(32)}`
  const asked = client.request({ method: 'newt_getTask', params: { task_id: word } })
  await expect(asked).rejects.toMatchObject({ name: 'GatewayRpcError' })
  const text = await fetch(network.gateway.url, { method: 'POST', body: '{' })
  expect(text.status).toBe(400)
  await network.close()
})

test('behavior: an IPFS gateway serves what was added, and its faults are noticed', async () => {
  const gateway = mockIpfsGateway({ url: 'https://ipfs.test' })
  server.use(...(await ipfsGatewayHandlers(gateway)))
  const bytes = new Uint8Array(1_500_000).map((_, at) => at)
  const locator = cidLocator(gateway.add(bytes))
  // A client of its own for each read: one remembers who failed.
  const read = async (): Promise<string> =>
    computeArtifactHash(await ipfs({ gateways: [gateway.url] }).get(locator, { timeout: 20_000 }))
  expect(await read()).toBe(computeArtifactHash(bytes))
  for (const fault of ['otherBytes', 'truncated', 'missing', 'html', 'unavailable'] as const) {
    gateway.setFault(fault)
    const start = performance.now()
    // By what is wrong with the answer, and at once: never because time has run out.
    const error = await read().catch((cause: unknown) => cause)
    expect(error, fault).toMatchObject({ code: expect.stringMatching(/^DA_(?!TIMEOUT)/) as string })
    expect(performance.now() - start, fault).toBeLessThan(10_000)
  }
  gateway.setFault(undefined)
  expect(await read()).toBe(computeArtifactHash(bytes))
})
