/**
 * The commitment computation behind a message port, so that a large blob does not block the
 * thread that asked for it.
 *
 * ```
 * → { id, type: 'commit', payload }         ← { id, x, y } | { id, code, message }
 * → { id: 0, type: 'srs', points }          sent once, first
 * ```
 */
import type { G1Point } from '../../core/bn254/curve/points.js'
import { BaseError } from '../../errors/base.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { commitToPayload } from './commitment.js'
import { KzgWorkerError } from './errors.js'
import type { MsmBackend } from './msm/msm.js'
import { wasmMsm } from './msm/wasm.js'
import { createSrs, type Srs } from './srs.js'

/** Either end of a channel: a browser's `Worker` or `self`, or a wrapped port of Node. */
export type MessageEndpoint = {
  postMessage(message: unknown): void
  /** Calls `listener` with the data of each message. */
  listen(listener: (data: unknown) => void, onError: (error: unknown) => void): void
  close(): void
}

/** A commitment computer in another thread. */
export type KzgWorker = {
  commit(payload: Uint8Array, options?: IoOptions): Promise<G1Point>
  /** Ends the thread. Calls under way fail. */
  close(): void
}

/** Drives a worker whose other end runs {@link serveKzg}. */
export function connectKzgWorker(endpoint: MessageEndpoint, points: Uint8Array): KzgWorker {
  const waiting = new Map<
    number,
    { resolve: (point: G1Point) => void; reject: (error: unknown) => void }
  >()
  let nextId = 1
  let failure: unknown
  const failAll = (error: unknown): void => {
    failure = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  endpoint.listen(
    (data) => {
      const message = data as { id?: unknown; x?: unknown; y?: unknown; message?: unknown }
      const call = waiting.get(message.id as number)
      if (!call) return
      waiting.delete(message.id as number)
      if (typeof message.x === 'bigint' && typeof message.y === 'bigint')
        call.resolve({ X: message.x, Y: message.y })
      else
        call.reject(new KzgWorkerError({ reason: String(message.message ?? 'it sent no answer') }))
    },
    (error) => failAll(new KzgWorkerError({ reason: 'the thread ended' }, { cause: error })),
  )
  endpoint.postMessage({ id: 0, type: 'srs', points })
  return {
    async commit(payload, io = {}) {
      if (failure !== undefined) throw failure
      const id = nextId++
      try {
        return await withDeadline('kzg worker', io, () => {
          const answer = new Promise<G1Point>((resolve, reject) =>
            waiting.set(id, { resolve, reject }),
          )
          endpoint.postMessage({ id, type: 'commit', payload })
          return answer
        })
      } finally {
        waiting.delete(id)
      }
    },
    close() {
      failAll(new KzgWorkerError({ reason: 'it was closed' }))
      endpoint.close()
    },
  }
}

/** The other end: answers commitments with `msm`. Call it in a worker script of your own to plug a backend in. */
export function serveKzg(
  endpoint: MessageEndpoint,
  { msm = wasmMsm() }: { msm?: MsmBackend | undefined } = {},
): void {
  let srs: Srs | undefined
  endpoint.listen(
    (data) => {
      const message = data as {
        id: number
        type?: unknown
        points?: Uint8Array
        payload?: Uint8Array
      }
      if (message.type === 'srs' && message.points instanceof Uint8Array) {
        srs = createSrs({ points: message.points, msm })
        return
      }
      const answer = async (): Promise<G1Point> => {
        if (message.type !== 'commit' || !srs || !(message.payload instanceof Uint8Array)) {
          throw new KzgWorkerError({ reason: 'a message was malformed' })
        }
        return commitToPayload(message.payload, { srs, msm })
      }
      answer().then(
        ({ X, Y }) => endpoint.postMessage({ id: message.id, x: X, y: Y }),
        (error: unknown) =>
          endpoint.postMessage({
            id: message.id,
            message: error instanceof BaseError ? error.shortMessage : String(error),
          }),
      )
    },
    () => undefined,
  )
}

/** The part of a browser's `Worker` that is used. */
export type WorkerLike = {
  postMessage(message: unknown): void
  addEventListener(type: 'message' | 'error', listener: (event: { data?: unknown }) => void): void
  terminate(): void
}

/**
 * A worker of the browser, given its constructor's result.
 *
 * @example
 * ```ts
 * import { browserKzgWorker } from '@newton/policy-sdk/da/kzg'
 *
 * const start = (worker: Worker, points: Uint8Array) => browserKzgWorker(worker as never, points)
 * ```
 */
export function browserKzgWorker(worker: WorkerLike, points: Uint8Array): KzgWorker {
  return connectKzgWorker(
    {
      postMessage: (message) => worker.postMessage(message),
      listen(listener, onError) {
        worker.addEventListener('message', ({ data }) => listener(data))
        worker.addEventListener('error', onError)
      },
      close: () => worker.terminate(),
    },
    points,
  )
}
