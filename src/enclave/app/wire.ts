/** Calls of an application over the wire protocol. */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { bytesOf } from '../wire/body.js'
import { createWireClient, type WireClientOptions } from '../wire/client.js'
import { defaultServerLimits, readLimits, type ServerLimits } from '../wire/limits.js'
import { createConnectionPool } from '../wire/pool.js'
import { type ServedConnection, serveConnection, WireRefusal } from '../wire/server.js'
import type { EnclaveListener, EnclaveTransport } from '../wire/stream.js'
import { decodeCall } from './call.js'
import type { AppEnclave } from './enclave.js'

/** Serves an application enclave. Nothing but bytes reaches it. */
export async function serveAppEnclave(parameters: {
  enclave: AppEnclave
  listener: EnclaveListener
  limits?: Partial<ServerLimits> | undefined
}): Promise<{ close(): Promise<void> }> {
  const { enclave, listener } = parameters
  const limits = readLimits(parameters.limits, defaultServerLimits)
  const pool = createConnectionPool(limits)
  if (typeof enclave?.call !== 'function') {
    throw new InvalidInputError({ field: 'enclave', reason: 'expected an application enclave' })
  }
  const connections = new Set<ServedConnection>()
  const serving = await listener.listen((stream) => {
    const served = serveConnection(stream, {
      limits,
      pool,
      handler: async ({ method, body }) => {
        if (method !== 'app') throw new WireRefusal({ remoteCode: 'UNKNOWN_METHOD' })
        return { reply: await enclave.call(bytesOf(body, 'call')) }
      },
      onEnd: () => connections.delete(served),
    })
    connections.add(served)
  })
  return {
    close: async () => {
      await serving.close()
      await Promise.all([...connections].map((connection) => connection.goAway()))
    },
  }
}

/**
 * Connects a host to its application enclave; `call` is what {@link createAppHost} takes as `enclave`.
 *
 * Calls for events are sent again when the connection is lost: their sequence makes the second one get the
 * first one's answer. A user's request is not.
 */
export function connectAppEnclave(
  parameters: { transport: EnclaveTransport } & Pick<
    WireClientOptions,
    'limits' | 'retries' | 'random' | 'onEvent'
  >,
): { call(bytes: Uint8Array, options?: IoOptions): Promise<Uint8Array>; close(): Promise<void> } {
  const client = createWireClient(parameters)
  return {
    call: async (bytes, options = {}) => {
      const { kind } = decodeCall(bytes)
      const idempotent = kind !== 'user'
      const body = await client.request(
        { method: 'app', body: { call: bytes }, idempotent },
        { timeout: 60_000, ...options },
      )
      return bytesOf(body, 'reply')
    },
    close: () => client.close(),
  }
}
