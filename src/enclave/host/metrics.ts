/** What an operator watches of a host: how much waits, for how long, how often it failed. */

/** Numbers of a host since it started; what waits is of its store. */
export type AppHostMetrics = {
  /** Events that were new. */
  received: number
  /** Events handled: answered, refused, skipped, or passed by. */
  handled: number
  /** Answers that their contract took, from this host or another. */
  submitted: number
  /** Failures that were tried again, by step. */
  retries: { handle: number; submit: number }
  /** Events in the inbox and answers in the outbox. */
  waiting: { inbox: number; outbox: number }
  deadLetters: number
  /** Milliseconds since the oldest event that is not done yet came, or since the start. 0 for none. */
  lag: number
  /** Milliseconds from an event's coming to its end, of the last one and the longest. */
  latency: { last: number; longest: number }
}

/** Counts for {@link AppHostMetrics}. */
export type MetricsRecorder = {
  received(place: Place): void
  /** `ends` where nothing is submitted for it. */
  handled(place: Place, ends: boolean): void
  submitted(place: Place): void
  /** Given up: it waits for an operator and for nothing else. */
  buried(place: Place): void
  failed(step: 'handle' | 'submit'): void
  read(counts: { inbox: number; outbox: number; deadLetters: number }): AppHostMetrics
}

type Place = { contract: string; sequence: bigint }

/** Arrival times that are kept: beyond them, lag is of those. */
const mostTimes = 100_000

/** Creates the counts of one host. */
export function createMetrics(now: () => number): MetricsRecorder {
  const startedAt = now()
  const times = new Map<string, number>()
  const counts = { received: 0, handled: 0, submitted: 0 }
  const retries = { handle: 0, submit: 0 }
  const latency = { last: 0, longest: 0 }
  const keyOf = ({ contract, sequence }: Place): string => `${contract}/${sequence}`
  const end = (place: Place): void => {
    const since = times.get(keyOf(place))
    if (since === undefined) return
    times.delete(keyOf(place))
    latency.last = Math.max(0, now() - since)
    latency.longest = Math.max(latency.longest, latency.last)
  }
  return {
    received: (place) => {
      counts.received++
      if (times.size < mostTimes && !times.has(keyOf(place))) times.set(keyOf(place), now())
    },
    handled: (place, ends) => {
      counts.handled++
      if (ends) end(place)
    },
    submitted: (place) => {
      counts.submitted++
      end(place)
    },
    buried: (place) => {
      times.delete(keyOf(place))
    },
    failed: (step) => {
      retries[step]++
    },
    read: ({ inbox, outbox, deadLetters }) => {
      // What waited before this process has no arrival time: it waits since the start at least.
      const known = times.values().next().value
      const oldest = inbox + outbox > times.size ? startedAt : known
      return {
        ...counts,
        retries: { ...retries },
        waiting: { inbox, outbox },
        deadLetters,
        lag: inbox + outbox === 0 || oldest === undefined ? 0 : Math.max(0, now() - oldest),
        latency: { ...latency },
      }
    },
  }
}
