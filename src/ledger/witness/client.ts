/** Asks witnesses to cosign a log's checkpoints (C2SP tlog-witness). */
import { InvalidInputError } from '../../errors/common.js'
import { readBounded } from '../../internal/boundedBody.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { type WitnessFault, WitnessRefusedError } from '../errors.js'
import { parseCheckpoint } from '../log/checkpoint.js'
import { fromDecimal } from '../log/encoding.js'
import type { NoteKey } from '../log/keys.js'
import { type NoteSigned, openNote, parseNote } from '../log/note.js'
import { formatAddCheckpoint } from './request.js'

/** Proves that the log at the checkpoint extends its first `oldSize` entries: `prefix` of a reader. */
export type ProveGrowth = (
  oldSize: bigint,
  options: { signal: AbortSignal },
) => Promise<readonly Uint8Array[]>

/** A witness as a log asks it. */
export type WitnessClient = {
  readonly key: NoteKey
  /** Has a signed checkpoint cosigned; answers the signature line, verified. */
  cosign(
    checkpoint: { note: string; prove: ProveGrowth },
    options?: IoOptions,
  ): Promise<{ line: string; time: bigint }>
}

/** Bytes of an answer, and tries until a witness and we agree on what it knows. */
const maxAnswer = 65_536
const maxTries = 4

/**
 * Creates the client of one witness. It remembers the size that the witness knows, so that after the
 * first checkpoint one request is enough.
 *
 * @param parameters.url - Submission prefix; `/add-checkpoint` is added.
 * @throws InvalidInputError for a URL or a key that is none.
 * @example
 * const witness = createWitnessClient({ url: 'https://witness.example', key: parseNoteKey(vkey) })
 * const prove = async (size) => (await reader.prefix(size)).proof
 * const { line } = await witness.cosign({ note, prove }, { timeout: 5_000 })
 */
export function createWitnessClient(parameters: {
  url: string
  key: NoteKey
  fetch?: typeof fetch | undefined
}): WitnessClient {
  const { key, fetch: send = fetch } = parameters
  if (key?.kind !== 'witness') {
    throw new InvalidInputError({ field: 'key', reason: 'it is the key of a cosigner (type 4)' })
  }
  if (!URL.canParse(parameters.url)) {
    throw new InvalidInputError({
      field: 'url',
      reason: 'expected the witness’s submission prefix',
    })
  }
  const url = `${parameters.url.replace(/\/+$/, '')}/add-checkpoint`
  let known = 0n
  return {
    key,
    cosign: ({ note, prove }, options = {}) =>
      withDeadline('Asking a witness', options, async (signal) => {
        const text = parseNote(note)?.text
        const size = text === undefined ? undefined : parseCheckpoint(text)?.size
        if (text === undefined || size === undefined) {
          throw new InvalidInputError({ field: 'note', reason: 'it is no signed checkpoint' })
        }
        let oldSize = known < size ? known : size
        for (let attempt = 0; attempt < maxTries; attempt += 1) {
          const proof = oldSize === 0n || oldSize === size ? [] : await prove(oldSize, { signal })
          const body = formatAddCheckpoint({ oldSize, proof: [...proof], note })
          const answer = await post({ send, url, body, witness: key.name, signal })
          if (answer.status === 200) {
            known = size
            return readCosignature({ text, body: answer.body, key })
          }
          oldSize = readConflict(answer, { witness: key.name, size })
          known = oldSize
        }
        throw refused(key.name, 'answer', 'it names another size at every try')
      }),
  }
}

/** A checkpoint with the cosignatures that were obtained, and the witnesses that gave none. */
export type Cosigned = {
  /** The note with one line for each witness that cosigned. */
  note: string
  signed: NoteSigned[]
  failed: { witness: NoteKey; error: unknown }[]
}

/**
 * Asks all witnesses at once. A witness that is slow or down costs its own `timeout` and holds up no
 * other; whether those that cosigned are enough is for a trust file to say.
 *
 * @param options.timeout - Milliseconds for each witness. @default 10000
 */
export async function collectCosignatures(
  parameters: { note: string; witnesses: readonly WitnessClient[]; prove: ProveGrowth },
  options: IoOptions = {},
): Promise<Cosigned> {
  const { note, witnesses, prove } = parameters
  const { signal, timeout = 10_000 } = options
  const asked = await Promise.allSettled(
    witnesses.map((witness) => witness.cosign({ note, prove }, { signal, timeout })),
  )
  signal?.throwIfAborted()
  const result: Cosigned = { note, signed: [], failed: [] }
  for (const [at, outcome] of asked.entries()) {
    const { key } = witnesses[at] as WitnessClient
    if (outcome.status === 'rejected') {
      result.failed.push({ witness: key, error: outcome.reason })
    } else {
      result.note += outcome.value.line
      result.signed.push({ key, time: outcome.value.time })
    }
  }
  return result
}

type Answer = { status: number; contentType: string; body: string }

async function post(request: {
  send: typeof fetch
  url: string
  body: string
  witness: string
  signal: AbortSignal
}): Promise<Answer> {
  const { send, url, body, witness, signal } = request
  try {
    const response = await send(url, { method: 'POST', body, redirect: 'manual', signal })
    const bytes = await readBounded(response, maxAnswer)
    if (bytes === undefined) throw refused(witness, 'answer', 'its answer is too long')
    const contentType = response.headers.get('content-type') ?? ''
    return { status: response.status, contentType, body: fromUtf8(bytes) }
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    if (cause instanceof WitnessRefusedError) throw cause
    throw refused(witness, 'unreachable', 'it cannot be reached', cause)
  }
}

function readCosignature(answer: { text: string; body: string; key: NoteKey }): {
  line: string
  time: bigint
} {
  const { text, body, key } = answer
  const line = body.split('\n').find((candidate) => {
    const [, name] = candidate.split(' ')
    return name === key.name && openNote(`${text}\n${candidate}\n`, [key]).status === 'verified'
  })
  const opened = line === undefined ? undefined : openNote(`${text}\n${line}\n`, [key])
  const time = opened?.status === 'verified' ? opened.signed[0]?.time : undefined
  if (line === undefined || time === undefined) {
    throw refused(key.name, 'answer', 'its answer has no cosignature of its key')
  }
  return { line: `${line}\n`, time }
}

/** The size that the witness knows, where that is why it refused. */
function readConflict(
  { status, contentType, body }: Answer,
  { witness, size }: { witness: string; size: bigint },
): bigint {
  const isSize = contentType.split(';')[0]?.trim() === 'text/x.tlog.size'
  const known = isSize && body.endsWith('\n') ? fromDecimal(body.slice(0, -1)) : undefined
  if (status !== 409 || known === undefined) {
    const fault = faults[status] ?? (status >= 500 || status === 429 ? 'unreachable' : 'answer')
    throw refused(witness, fault, `it answered ${status}`)
  }
  if (known > size) throw refused(witness, 'ahead', `it knows ${known} entries, more than ${size}`)
  return known
}

const faults: Readonly<Record<number, WitnessFault>> = {
  403: 'refused',
  404: 'unknown',
  422: 'inconsistent',
}

function refused(
  witness: string,
  fault: WitnessFault,
  detail: string,
  cause?: unknown,
): WitnessRefusedError {
  const options = cause === undefined ? {} : { cause }
  return new WitnessRefusedError({ witness, fault, detail }, options)
}
