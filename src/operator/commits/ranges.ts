/** Bytes of a peer in pieces: each bounded, one that breaks off asked for again from where it stopped. */
import { InvalidInputError } from '../../errors/common.js'
import { concatAll } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'

/** Most bytes of one piece, as peers give them. */
export const PIECE = 1_048_576
/** Pieces that may fail before the peer is given up. */
const FAILURES = 3

/** What is read, and within which bounds. */
export type RangedRead = {
  url: string
  fetch: typeof globalThis.fetch
  /** Bytes at most, whatever the peer announces. */
  maxBytes: number
  /** Milliseconds for one piece. */
  timeout: number
  signal: AbortSignal
}

type Piece = { bytes: Uint8Array; start: number; total: number }

/**
 * Reads all bytes at a URL. They are the peer's: whether they are the right ones, their hash says.
 *
 * @throws {InvalidInputError} where the peer has them not, gives other ranges than asked for, changes its
 * mind about their number, or gives none.
 */
export async function readInRanges(read: RangedRead): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  let total: number | undefined
  for (let failures = 0; length !== total; ) {
    read.signal.throwIfAborted()
    let piece: Piece
    const taken: Uint8Array[] = []
    try {
      piece = await readPiece(read, { start: length, taken })
    } catch (error) {
      read.signal.throwIfAborted()
      failures++
      if (error instanceof InvalidInputError || failures >= FAILURES) throw error
      // What came before the link broke is kept, where the number of bytes is known.
      if (total !== undefined) length += take(parts, taken, total - length)
      continue
    }
    if (piece.start !== length || (total !== undefined && piece.total !== total)) {
      throw refused('it gives another range than was asked for')
    }
    if (piece.total > read.maxBytes) throw refused(`it has more than ${read.maxBytes} bytes`)
    total = piece.total
    // Whoever gives less than it has would be asked for ever.
    if (piece.bytes.length !== Math.min(PIECE, total - length)) throw refused('it gives less')
    length += take(parts, [piece.bytes], total - length)
  }
  return concatAll(parts)
}

function take(parts: Uint8Array[], taken: readonly Uint8Array[], most: number): number {
  let length = 0
  for (const bytes of taken) {
    const part = bytes.subarray(0, most - length)
    parts.push(part)
    length += part.length
  }
  return length
}

function readPiece(
  { url, fetch, timeout, signal }: RangedRead,
  { start, taken }: { start: number; taken: Uint8Array[] },
): Promise<Piece> {
  return withDeadline(`bytes of ${new URL(url).host}`, { signal, timeout }, async (inner) => {
    const headers = { range: `bytes=${start}-${start + PIECE - 1}` }
    const response = await fetch(url, { signal: inner, redirect: 'error', headers })
    const range = rangeOf(response)
    const reader = response.body?.getReader()
    try {
      if (range === undefined) throw refused(`it answers ${response.status}`)
      let length = 0
      for (;;) {
        const part = await reader?.read()
        if (part === undefined || part.done) break
        length += part.value.length
        if (length > range.length) throw refused('it gives more than it announced')
        taken.push(part.value)
      }
      // Cut off without an error: asked for again from there.
      if (length < range.length) throw new DOMException('It broke off.', 'NetworkError')
      return { ...range, bytes: concatAll(taken) }
    } catch (error) {
      reader?.cancel().catch(() => undefined)
      throw error
    }
  })
}

/** What a 206 says that it holds. Nothing else is an answer to a range. */
function rangeOf(response: Response): { start: number; length: number; total: number } | undefined {
  const named = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(
    response.headers.get('content-range') ?? '',
  )
  if (response.status !== 206 || named === null) return undefined
  const [start, end, total] = named.slice(1).map(Number) as [number, number, number]
  const length = end - start + 1
  return length >= 1 && length <= PIECE && end < total ? { start, length, total } : undefined
}

function refused(reason: string): InvalidInputError {
  return new InvalidInputError({ field: 'delta', reason: `the peer does not give it: ${reason}` })
}
