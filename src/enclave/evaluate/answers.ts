/** Evaluations that several requests wait for, and answers that are kept for a host that asks again. */
import type { Hex } from 'viem'
import type { CborInput } from '../cbor/write.js'
import type { Connection } from '../wire/connection.js'

/** The body of an answer. */
export type Answer = { readonly [key: string]: CborInput | undefined }

/** Most answers that are kept. */
const mostKept = 4_096
/** Most bytes of all answers that are kept. */
const mostKeptBytes = 33_554_432

type Flight = {
  answer: Promise<Answer>
  /** Whose connection it asks the host over. */
  connection: Connection
  controller: AbortController
  waiting: number
  /** Set once it is answered. */
  kept: { at: number; bytes: number } | undefined
}

/** Shares evaluations by their digest. */
export type SharedAnswers = {
  /**
   * Waits for the evaluation of this digest, or starts it. It ends when the last who waits has left; where
   * it fails with another one's connection, it starts again over this one.
   */
  share(
    digest: Hex,
    waiter: { signal: AbortSignal; connection: Connection },
    start: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<Answer>
}

/** Creates the record of answers. */
export function createSharedAnswers({
  ttl,
  now,
}: {
  ttl: number
  now: () => number
}): SharedAnswers {
  const flights = new Map<Hex, Flight>()
  let keptBytes = 0

  const drop = (digest: Hex, flight: Flight): void => {
    if (flights.get(digest) !== flight) return
    flights.delete(digest)
    keptBytes -= flight.kept?.bytes ?? 0
  }
  const dropOld = (): void => {
    for (const [digest, flight] of flights) {
      if (flight.kept === undefined) continue
      const expired = now() - flight.kept.at > ttl
      if (!expired && keptBytes <= mostKeptBytes && flights.size <= mostKept) return
      drop(digest, flight)
    }
  }
  const open = (
    digest: Hex,
    connection: Connection,
    start: (signal: AbortSignal) => Promise<Answer>,
  ): Flight => {
    const controller = new AbortController()
    const answer = start(controller.signal)
    const flight: Flight = { answer, connection, controller, waiting: 0, kept: undefined }
    flights.set(digest, flight)
    answer.then(
      (body) => {
        // Nobody waited to the end: it is as if it had never been.
        if (flights.get(digest) !== flight) return
        flight.kept = { at: now(), bytes: sizeOf(body) }
        keptBytes += flight.kept.bytes
        // Behind those that were answered before it.
        flights.delete(digest)
        flights.set(digest, flight)
        dropOld()
      },
      // Only answers are kept; a failure may be tried again.
      () => drop(digest, flight),
    )
    return flight
  }
  const join = async (digest: Hex, flight: Flight, signal: AbortSignal): Promise<Answer> => {
    flight.waiting++
    const leave = (): void => {
      flight.waiting--
      if (flight.waiting > 0 || flight.kept !== undefined) return
      drop(digest, flight)
      flight.controller.abort(signal.reason)
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await flight.answer
    } finally {
      signal.removeEventListener('abort', leave)
      if (!signal.aborted) flight.waiting--
    }
  }

  return {
    share: async (digest, { signal, connection }, start) => {
      dropOld()
      for (;;) {
        signal.throwIfAborted()
        const flight = flights.get(digest) ?? open(digest, connection, start)
        try {
          return await join(digest, flight, signal)
        } catch (cause) {
          if (!flight.connection.ended || connection.ended) throw cause
        }
      }
    },
  }
}

function sizeOf(answer: Answer): number {
  return Object.values(answer).reduce<number>(
    (sum, value) =>
      sum + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 64),
    0,
  )
}
