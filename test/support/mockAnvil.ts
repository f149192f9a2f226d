/**
 * The chain in this process in place of anvil, behind a socket: what `startAnvil` is replaced by where
 * the suites of the registry run on the mock.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMockNode } from '../../src/testing/evm/node.js'
import type { Anvil, StartAnvilOptions } from '../../src/testing/node/anvil.js'

export class AnvilError extends Error {}

type Answered = { result: unknown } | { error: { code: number; message: string; data?: unknown } }

export async function startAnvil(options: StartAnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31_337, timestamp, slotsInAnEpoch } = options
  const base = Date.now()
  const offset = timestamp === undefined ? 0 : timestamp * 1_000 - base
  const node = await createMockNode({ chainId, slotsInAnEpoch, now: () => Date.now() + offset })
  const answer = async (request: { method: string; params?: unknown[] }): Promise<Answered> => {
    try {
      return { result: await node.request(request) }
    } catch (cause) {
      const failure = cause as { code?: number; message: string; details?: string; data?: unknown }
      const { code = -32_603, message, details, data } = failure
      return { error: { code, message: details ?? message, data } }
    }
  }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', async () => {
      type Asked = { id: unknown; method: string }
      const asked = JSON.parse(Buffer.concat(chunks).toString()) as Asked | Asked[]
      const one = async (each: Asked): Promise<object> => ({
        jsonrpc: '2.0',
        id: each.id,
        ...(await answer(each)),
      })
      const body = Array.isArray(asked) ? await Promise.all(asked.map(one)) : await one(asked)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    ...{ port, chainId, url: `http://127.0.0.1:${port}` },
    rpc: async (method, params = []) => {
      const answered = await answer({ method, params: [...params] })
      if ('error' in answered) throw new AnvilError(answered.error.message)
      return answered.result
    },
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
