import { type IoOptions, withDeadline } from './deadline.js'

/** Joins concurrent calls for one key into one piece of work. */
export type SingleFlight<value> = {
  /**
   * Runs `work`, or waits for the run under way for `key`.
   *
   * The work is cancelled only when every caller has gone; one caller's deadline is its own.
   */
  run(
    key: string,
    options: IoOptions,
    work: (signal: AbortSignal) => Promise<value>,
  ): Promise<value>
  /** Keys under way. */
  readonly size: number
}

/** Creates an empty set of flights. */
export function createSingleFlight<value>(operation: string): SingleFlight<value> {
  type Flight = { promise: Promise<value>; controller: AbortController; waiting: number }
  const flights = new Map<string, Flight>()
  return {
    get size() {
      return flights.size
    },
    async run(key, options, work) {
      options.signal?.throwIfAborted()
      let flight = flights.get(key)
      if (!flight) {
        const controller = new AbortController()
        const created: Flight = {
          controller,
          waiting: 0,
          promise: work(controller.signal).finally(() => {
            if (flights.get(key) === created) flights.delete(key)
          }),
        }
        // Waiters observe the promise; without one left, a rejection is nobody's business.
        created.promise.catch(() => undefined)
        flights.set(key, created)
        flight = created
      }
      const joined = flight
      joined.waiting += 1
      try {
        return await withDeadline(operation, options, () => joined.promise)
      } finally {
        joined.waiting -= 1
        if (joined.waiting === 0 && flights.get(key) === joined) {
          flights.delete(key)
          joined.controller.abort(new DOMException('No caller is left.', 'AbortError'))
        }
      }
    },
  }
}

/** Recalls answers. Failures, and answers that `keep` refuses, are asked for again. */
export type Recall<value> = (
  key: string,
  options: IoOptions,
  work: (io: IoOptions) => Promise<value>,
) => Promise<value>

/** Milliseconds for work that several wait for, whatever each of them allows. */
const PATIENCE = 30_000

/**
 * Creates a recall.
 *
 * @param parameters.life - Milliseconds that an answer is given again for; 0 for not at all.
 * @param parameters.most - Answers at most. @default 256
 */
export function createRecall<value>(parameters: {
  operation: string
  life: number
  most?: number | undefined
  keep?: ((value: value) => boolean) | undefined
  now?: (() => number) | undefined
}): Recall<value> {
  const { operation, life, most = 256, keep = () => true, now = Date.now } = parameters
  const flights = createSingleFlight<value>(operation)
  const known = new Map<string, { value: value; until: number }>()
  return async (key, options, work) => {
    if (life <= 0) return work(options)
    const found = known.get(key)
    if (found !== undefined && now() < found.until) return found.value
    return flights.run(key, options, async (signal) => {
      const asked = now()
      const value = await work({ signal, timeout: PATIENCE })
      known.delete(key)
      if (!keep(value)) return value
      known.set(key, { value, until: asked + life })
      for (const oldest of known.keys()) {
        if (known.size <= most) break
        known.delete(oldest)
      }
      return value
    })
  }
}

/**
 * Makes a queue of one: work begins when all that was asked for before has ended, however it ended. What is
 * looked at and what is done about it then see the same state.
 */
export function createOrder(): <value>(work: () => Promise<value>) => Promise<value> {
  let tail: Promise<unknown> = Promise.resolve()
  return (work) => {
    const run = tail.then(work)
    tail = run.catch(() => undefined)
    return run
  }
}
