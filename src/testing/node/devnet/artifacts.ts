/** A development network's artifacts over HTTP: what is published there, operators find. */
import type { Hex } from 'viem'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import { DaNotFoundError } from '../../../da/index.js'
import { serve } from '../../../internal/node/serve.js'
import { type FakeAnswer, failure, success, toResponse } from '../../eigenDaProxy/answers.js'
import { createFakeEigenDaProxy } from '../../eigenDaProxy/fakeProxy.js'
import type { ClosersList } from './world.js'

/** By its hash alone: plainly, or as an EigenDA proxy's keccak lane has it. */
const byHash = /^\/(?:artifacts\/|get\/0x00)(?:0x)?([\da-f]{64})$/i
/** Pages of any origin may read and publish: it is a network of one machine. */
const cors = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers': '*',
}

/**
 * Serves a store of artifacts as an EigenDA proxy does, and by hash. Certificates are forgotten at the
 * end; the bytes are in the store.
 *
 * @returns The base URL.
 */
export async function serveArtifacts(da: DaClient, closers: ClosersList): Promise<string> {
  const proxy = createFakeEigenDaProxy()
  const answer = async (request: Request): Promise<FakeAnswer> => {
    const { method, headers, signal } = request
    const { pathname, search } = new URL(request.url)
    if (method === 'OPTIONS') return { status: 204, headers: {}, body: new Uint8Array(0) }
    const [, hash] = byHash.exec(pathname) ?? []
    if (method === 'GET' && hash !== undefined) {
      return readByHash(da, { hash: `0x${hash.toLowerCase()}`, signal })
    }
    const body = new Uint8Array(await request.arrayBuffer())
    const answered = await proxy.answer({
      ...{ method, headers, body, signal, url: `${pathname}${search}` },
    })
    if (method === 'POST' && pathname.startsWith('/put') && answered.status === 200) {
      await da.put(body, { signal })
    }
    return answered
  }
  const server = await serve(
    {
      fetch: async (request) => {
        const answered = await answer(request)
        const headers = { ...answered.headers, ...cors }
        return toResponse({ ...answered, headers }, request.signal)
      },
    },
    {},
  )
  closers.push(() => server.close(1_000))
  return server.url
}

async function readByHash(
  da: DaClient,
  { hash, signal }: { hash: Hex; signal: AbortSignal },
): Promise<FakeAnswer> {
  try {
    const locator = { kind: 'keccakStore', name: '' } as const
    return success(await da.getWithVerification(locator, hash, { signal }))
  } catch (error) {
    if (error instanceof DaNotFoundError) return failure(404, `there is no artifact ${hash}`)
    throw error
  }
}
