/** A store that may be away for a moment: its failures are told, and what is to be kept is tried again. */
import { TimeoutError } from '../../../errors/common.js'
import { pause } from '../../../internal/pause.js'
import type { GatewayStore } from './store.js'

/** Milliseconds before the next try: more each time, up to the last. */
const pauses = [50, 100, 200, 400, 1_000] as const

/**
 * A store of which each call that fails is told. What becomes of it is for whoever made it. Its `webhooks` are
 * as they were: whoever delivers tells what fails there.
 */
export function watchedStore(
  store: GatewayStore,
  onFailure: (error: unknown) => void,
): GatewayStore {
  // Over nothing: a store that is frozen would have to give its own methods.
  return new Proxy({} as GatewayStore, {
    get(_nothing, name) {
      const member = Reflect.get(store, name) as unknown
      if (typeof member !== 'function') return member
      return async (...given: unknown[]) => {
        try {
          return await Reflect.apply(member, store, given)
        } catch (error) {
          onFailure(error)
          throw error
        }
      }
    },
  })
}

/**
 * Keeps something until it is kept: a store that drops a connection, starts again or fails over is no
 * reason to end what is under way. What is tried may have been kept before its answer was lost.
 *
 * @param work - Told the number of the try, the first being 1.
 * @param options.until - When it is given up, by `now`.
 * @throws {TimeoutError} with the last failure. That failure, where the signal fires.
 */
export async function untilKept<value>(
  work: (attempt: number) => Promise<value>,
  options: { until: number; now: () => number; signal: AbortSignal },
): Promise<value> {
  const { until, now, signal } = options
  const started = now()
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (cause) {
      if (signal.aborted) throw cause
      const left = until - now()
      if (left <= 0) {
        const timeout = Math.max(0, until - started)
        throw new TimeoutError({ operation: 'keeping a task', timeout }, { cause })
      }
      await pause(Math.min(pauses[attempt - 1] ?? (pauses.at(-1) as number), left), signal)
    }
  }
}
