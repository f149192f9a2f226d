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
  /** Nothing came of asking the control plane, whatever it said: it is asked again. */
  | { type: 'worker.unreachable'; error: unknown }

/** A worker that runs. */
export type BuildWorker = {
  /** Makes one build; `false` where there was none. */
  runOnce(options?: { signal?: AbortSignal | undefined }): Promise<boolean>
  /** Builds until the signal fires: nothing that a control plane says, or a proxy before it, ends it. */
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
  const { control, builder, idle = 1_000 } = parameters
  assertCount('idle', idle, { most: MAX_TIMER })
  const tell = guarded(parameters.onEvent)
  const handIn = async (
    leaseId: string,
    outcome: BuildOutcome,
    { signal, stop }: { signal: AbortSignal | undefined; stop: AbortSignal },
  ): Promise<boolean> => {
    for (let tries = 1; ; tries++) {
      try {
        return await control.finish(leaseId, outcome, { signal })
      } catch (error) {
        signal?.throwIfAborted()
        if (stop.aborted || tries === maxHandIns || !isPassing(error)) throw error
        // What took minutes to build is not thrown away for a control plane that restarts.
        tell({ type: 'worker.unreachable', error })
        await pause(pauseAfter(tries, idle), stop)
      }
    }
  }
  const runOnce: BuildWorker['runOnce'] = async ({ signal } = {}) => {
    const lease = await control.lease({ signal })
    if (lease === undefined) return false
    const { leaseId, leaseMs, job } = lease
    tell({ type: 'worker.leased', leaseId, image: job.image })
    const stop = new AbortController()
    const onAbort = (): void => stop.abort(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    let lost = false
    // A lease that is another's means that whatever this build gives is of no use any more.
    const lose = (): void => {
      lost = true
      stop.abort(new DOMException('the lease is lost', 'AbortError'))
    }
    let ending = setTimeout(lose, leaseMs)
    const renewing = setInterval(() => {
      control.renew(leaseId, { signal: stop.signal, timeout: leaseMs / 2 }).then(
        (kept) => {
          if (!kept) return lose()
          clearTimeout(ending)
          if (!stop.signal.aborted) ending = setTimeout(lose, leaseMs)
        },
        // An unreachable control plane may be back before the lease ends.
        () => undefined,
      )
    }, leaseMs / 3)
    try {
      const outcome = await builder.build(job, { signal: stop.signal }).catch(failureOf)
      signal?.throwIfAborted()
      if (!lost) {
        const accepted = await handIn(leaseId, outcome, { signal, stop: stop.signal })
        tell({ type: 'worker.finished', leaseId, outcome, accepted })
        return true
      }
      tell({ type: 'worker.lost', leaseId })
      return true
    } finally {
      clearInterval(renewing)
      clearTimeout(ending)
      signal?.removeEventListener('abort', onAbort)
      stop.abort()
    }
  }
  return {
    runOnce,
    run: async ({ signal }) => {
      let failures = 0
      while (!signal.aborted) {
        try {
          const hasBuilt = await runOnce({ signal })
          failures = 0
          if (hasBuilt) continue
        } catch (error) {
          if (signal.aborted) return
          failures += 1
          tell({ type: 'worker.unreachable', error })
        }
        await pause(pauseAfter(failures, idle), signal)
      }
    },
  }
}

/** Times that an outcome is handed in. */
const maxHandIns = 10
const longestPause = 30_000

/** Milliseconds before the control plane is asked again: all workers ask one that is in trouble. */
function pauseAfter(failures: number, idle: number): number {
  return Math.max(idle, Math.min(longestPause, idle * 2 ** Math.max(0, failures - 1)))
}

function isPassing(error: unknown): boolean {
  return isPolicySdkError(error) && (error.retryable || error.code === 'TIMEOUT')
}

/** What a listener throws stops no build. */
function guarded(listen: ((event: WorkerEvent) => void) | undefined): (event: WorkerEvent) => void {
  return (event) => {
    try {
      listen?.(event)
    } catch {
      // It is the listener's own.
    }
  }
}

function failureOf(error: unknown): BuildOutcome {
  return { status: 'worker_failed', reason: isPolicySdkError(error) ? error.code : 'unexpected' }
}
