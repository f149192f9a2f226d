/**
 * A pool of workers that run one job each at a time.
 *
 * A worker that takes too long is terminated, which is the only way to stop a guest that loops,
 * and replaced when the next job needs one.
 */
import { TimeoutError } from '../../errors/common.js'
import { PluginWorkerError } from './errors.js'
import type { HttpTransport } from './http.js'
import type { WorkerReady } from './protocol.js'

/** A started worker, whatever the platform. */
export type PluginWorker = {
  post(message: unknown): void
  /** The one receiver of messages and of the worker's death. */
  listen(handlers: {
    onMessage: (message: unknown) => void
    onExit: (reason: string) => void
  }): void
  terminate(): void
}

/** Starts workers on one platform, and makes requests as that platform can make them safely. */
export type PluginWorkers = {
  /**
   * How requests are made where the caller names no transport. Part of the platform, because only
   * the platform knows whether the addresses that a name resolves to can be checked.
   */
  readonly transport: HttpTransport
  startRunWorker(): PluginWorker
  /** `background`: for what nobody waits for, at the lowest priority that the platform has. */
  startCompileWorker(options?: { background?: boolean | undefined }): PluginWorker
  /** Workers that may run at once where the caller names no number: half of the cores. */
  readonly concurrency: number
}

/** A worker of the pool with what it holds. */
export type PooledWorker = {
  readonly worker: PluginWorker
  /** Plugins loaded, least recently used first. */
  readonly loaded: Set<string>
  /** Distinct plugins ever loaded; glue code of a browser worker is never freed. */
  loads: number
}

/** Options of one job. */
export type JobOptions = {
  operation: string
  signal?: AbortSignal | undefined
  /** Milliseconds of the job alone, without waiting for a worker. */
  timeout: number
}

/** See {@link createWorkerPool}. */
export type WorkerPool = {
  /** Runs a job on the next free worker. `prepare` sees the worker that was chosen. */
  run<reply>(prepare: (worker: PooledWorker) => object, options: JobOptions): Promise<reply>
  /** Starts workers ahead of the first job. */
  prestart(count: number): Promise<void>
  close(): void
  readonly size: number
}

/** Creates a pool of at most `size` workers. */
export function createWorkerPool(parameters: {
  start: () => PluginWorker
  size: number
  /** Milliseconds until a new worker must be ready. @default 20000 */
  startTimeout?: number | undefined
  /** A worker that loaded this many plugins is replaced. @default 64 */
  maxLoads?: number | undefined
}): WorkerPool {
  const { start, size, startTimeout = 20_000, maxLoads = 64 } = parameters
  const idle: PooledWorker[] = []
  const waiting: ((worker: PooledWorker | undefined) => void)[] = []
  const all = new Set<PooledWorker>()
  let starting = 0
  let closed = false

  async function acquire(signal: AbortSignal | undefined): Promise<PooledWorker> {
    signal?.throwIfAborted()
    const free = idle.pop()
    if (free) return free
    if (all.size + starting < size) return launch()
    const freed = await new Promise<PooledWorker | undefined>((resolve, reject) => {
      const onAbort = (): void => {
        const at = waiting.indexOf(take)
        if (at >= 0) waiting.splice(at, 1)
        reject(signal?.reason)
      }
      const take = (worker: PooledWorker | undefined): void => {
        signal?.removeEventListener('abort', onAbort)
        resolve(worker)
      }
      waiting.push(take)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
    return freed ?? acquire(signal)
  }

  function release(worker: PooledWorker): void {
    if (closed || worker.loads > maxLoads) {
      discard(worker)
      return
    }
    const next = waiting.shift()
    if (next) next(worker)
    else idle.push(worker)
  }

  function discard(worker: PooledWorker): void {
    worker.worker.terminate()
    all.delete(worker)
    const at = idle.indexOf(worker)
    if (at >= 0) idle.splice(at, 1)
    // Whoever waits starts a new one.
    waiting.shift()?.(undefined)
  }

  async function launch(): Promise<PooledWorker> {
    if (closed) throw new PluginWorkerError('the runtime is closed', { retryable: false })
    starting++
    try {
      const worker = start()
      const pooled: PooledWorker = { worker, loaded: new Set(), loads: 0 }
      await untilReady(worker, startTimeout)
      worker.listen({ onMessage: () => {}, onExit: () => discard(pooled) })
      all.add(pooled)
      return pooled
    } catch (error) {
      // Whoever waited for this one starts its own.
      queueMicrotask(() => waiting.shift()?.(undefined))
      throw error
    } finally {
      starting--
    }
  }

  async function run<reply>(
    prepare: (worker: PooledWorker) => object,
    options: JobOptions,
  ): Promise<reply> {
    if (closed) throw new PluginWorkerError('the runtime is closed', { retryable: false })
    const pooled = await acquire(options.signal)
    let done = false
    try {
      const reply = await runOn<reply>(pooled, prepare, options)
      done = true
      return reply
    } finally {
      if (done) {
        pooled.worker.listen({ onMessage: () => {}, onExit: () => discard(pooled) })
        release(pooled)
      } else {
        discard(pooled)
      }
    }
  }

  return {
    run,
    async prestart(count) {
      const missing = Math.min(count, size) - all.size - starting
      const started = await Promise.all(
        Array.from({ length: Math.max(0, missing) }, () => launch()),
      )
      for (const worker of started) release(worker)
    },
    close() {
      closed = true
      for (const worker of [...all]) discard(worker)
      for (const next of waiting.splice(0)) next(undefined)
    },
    size,
  }
}

/** Waits for a new worker's first message; one that fails or is late is ended. */
function untilReady(worker: PluginWorker, timeout: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      worker.terminate()
      reject(new PluginWorkerError(`it was not ready within ${timeout} ms`))
    }, timeout)
    worker.listen({
      onMessage: (message) => {
        clearTimeout(timer)
        const { failed } = message as WorkerReady
        if (failed === undefined) resolve()
        else {
          worker.terminate()
          reject(new PluginWorkerError(failed))
        }
      },
      onExit: (reason) => {
        clearTimeout(timer)
        reject(new PluginWorkerError(reason))
      },
    })
  })
}

/** One job on a worker that nobody else uses. */
async function runOn<reply>(
  pooled: PooledWorker,
  prepare: (worker: PooledWorker) => object,
  { operation, signal, timeout }: JobOptions,
): Promise<reply> {
  let timer: ReturnType<typeof setTimeout> | undefined
  let onAbort: (() => void) | undefined
  try {
    signal?.throwIfAborted()
    return await new Promise<reply>((resolve, reject) => {
      pooled.worker.listen({
        onMessage: (message) => resolve(message as reply),
        onExit: (reason) => reject(new PluginWorkerError(reason)),
      })
      timer = setTimeout(() => reject(new TimeoutError({ operation, timeout })), timeout)
      onAbort = () => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort, { once: true })
      pooled.worker.post(prepare(pooled))
    })
  } finally {
    clearTimeout(timer)
    if (onAbort) signal?.removeEventListener('abort', onAbort)
  }
}
