import { Worker } from 'node:worker_threads'
import { assertBytes, assertOptions } from '../../internal/options.js'
import { connectKzgWorker, type KzgWorker } from '../kzg/worker.js'

/** Options of {@link nodeKzgWorker}. */
export type NodeKzgWorkerOptions = {
  /** Compressed points from the start of the mainnet `g1.point` file. */
  points: Uint8Array
  /** A script of your own that calls `serveKzg`, to plug in another backend. */
  script?: URL | undefined
}

/**
 * Starts a thread that computes commitments. It does not keep the process alive between
 * calls.
 *
 * @example
 * ```ts
 * import { nodeKzgWorker } from '@newton/policy-sdk/da/node'
 *
 * const start = (points: Uint8Array) => nodeKzgWorker({ points })
 * ```
 */
export function nodeKzgWorker(options: NodeKzgWorkerOptions): KzgWorker {
  assertOptions(options, { points: 'any', script: 'object' }, { required: ['points'] })
  assertBytes('options.points', options.points)
  const script = options.script ?? new URL('./kzgWorkerMain.js', import.meta.url)
  const worker = new Worker(script)
  let pending = 0
  worker.unref()
  return connectKzgWorker(
    {
      postMessage(message) {
        // Only a call under way keeps the process alive.
        if ((message as { type?: unknown }).type === 'commit') {
          pending += 1
          worker.ref()
        }
        worker.postMessage(message)
      },
      listen(listener, onError) {
        worker.on('message', (data: unknown) => {
          pending -= 1
          if (pending === 0) worker.unref()
          listener(data)
        })
        worker.on('error', onError)
        worker.on('exit', (code) => onError(code))
      },
      close: () => void worker.terminate(),
    },
    options.points,
  )
}
