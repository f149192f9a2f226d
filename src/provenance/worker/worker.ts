/** A worker: leases a build, keeps the lease while it builds, hands in what became of it. */
import { isPolicySdkError } from '../../errors/base.js'
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'
import { pause } from '../../internal/pause.js'
import type { BuildJob, BuildOutcome } from './protocol.js'
import type { WorkerControl } from './workerClient.js'

/** Makes builds. What a build does wrong is an outcome; what it throws is the worker's own fault. */
export interface PluginBuilder {
  build(job: BuildJob, options: { signal: AbortSignal }): Promise<BuildOutcome>
}

/** What a worker did. */
export type WorkerEvent =
  | { type: 'worker.leased'; leaseId: string; image: string }
  | { type: 'worker.finished'; leaseId: string; outcome: BuildOutcome; accepted: boolean }
  | { type: 'worker.lost'; leaseId: string }
  | { type: 'worker.unreachable'; error: unknown }

/** A worker that runs. */
export type BuildWorker = {
  /** Makes one build; `false` where there was none. */
  runOnce(options?: { signal?: AbortSignal | undefined }): Promise<boolean>
  /** Builds until the signal fires. */
  run(options: { signal: AbortSignal }): Promise<void>
}

/**
 * Creates a worker. It holds no key and sees no database.
 *
 * @example
 * ```ts
 * import { createBuildWorker, httpWorkerControl } from '@newton/policy-sdk/provenance'
 *
 * const worker = createBuildWorker({
 *   control: httpWorkerControl({ url: 'https://control.example', token: 'of this worker' }),
 *   builder: { build: async () => ({ status: 'worker_failed', reason: 'no images' }) },
 * })
 * ```
 */
export function createBuildWorker(parameters: {
  control: WorkerControl
  builder: PluginBuilder
  /** Milliseconds to wait where there is nothing to build. @default 1000 */
  idle?: number | undefined
  onEvent?: ((event: WorkerEvent) => void) | undefined
}): BuildWorker {
  assertKnown('parameters', parameters, ['control', 'builder', 'idle', 'onEvent'])
  const { control, builder, idle = 1_000, onEvent } = parameters
  assertCount('idle', idle, { most: MAX_TIMER })
  const runOnce: BuildWorker['runOnce'] = async ({ signal } = {}) => {
    const lease = await control.lease({ signal })
    if (lease === undefined) return false
    const { leaseId, leaseMs, job } = lease
    onEvent?.({ type: 'worker.leased', leaseId, image: job.image })
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    let lost = false
    // A lease that is another's means that whatever this build gives is of no use any more.
    const renewing = setInterval(() => {
      control.renew(leaseId, { signal: stop.signal, timeout: leaseMs / 2 }).then(
        (kept) => {
          if (kept) return
          lost = true
          stop.abort(new DOMException('the lease is lost', 'AbortError'))
        },
        // An unreachable control plane may be back before the lease ends.
        () => undefined,
      )
    }, leaseMs / 3)
    try {
      const outcome = await builder.build(job, { signal: stop.signal }).catch(failureOf)
      if (lost) {
        onEvent?.({ type: 'worker.lost', leaseId })
        return true
      }
      signal?.throwIfAborted()
      const accepted = await control.finish(leaseId, outcome, { signal })
      onEvent?.({ type: 'worker.finished', leaseId, outcome, accepted })
      return true
    } finally {
      clearInterval(renewing)
      signal?.removeEventListener('abort', onAbort)
      stop.abort()
    }
  }
  return {
    runOnce,
    run: async ({ signal }) => {
      while (!signal.aborted) {
        try {
          if (await runOnce({ signal })) continue
        } catch (error) {
          if (signal.aborted) return
          if (isPolicySdkError(error) && !error.retryable && error.code !== 'TIMEOUT') throw error
          onEvent?.({ type: 'worker.unreachable', error })
        }
        await pause(idle, signal)
      }
    },
  }
}

function failureOf(error: unknown): BuildOutcome {
  return { status: 'worker_failed', reason: isPolicySdkError(error) ? error.code : 'unexpected' }
}
