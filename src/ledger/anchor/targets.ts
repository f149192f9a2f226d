/** Places over HTTP that keep checkpoints: a Rekor log, the calendars of OpenTimestamps. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import { canonicalBytes } from '../../core/canonicalJson.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { readBounded } from '../../internal/boundedBody.js'
import { concat, fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { assertHttpUrl, assertMembers } from '../../internal/options.js'
import { formatCheckpoint } from '../log/checkpoint.js'
import { toBase64 } from '../log/encoding.js'
import type { AnchorTarget } from './anchorer.js'
import { AnchorRefusedError } from './errors.js'
import type { RekorAnchorReceipt, TimestampReceipt } from './receipts.js'
import { anchorKeySpki, type RekorTrust, rekorReceipt, verifyRekorAnchor } from './rekor.js'
import { readCalendarAnswer, readTimestampFile, timestampFile } from './timestampFile.js'

const day = 86_400_000
/** Bytes of the longest answer that is read. */
const maxAnswer = 262_144

/** Parameters of {@link createRekorAnchor}. */
export type RekorAnchorParameters = {
  /** Of the shard that takes entries: the signing configuration of its operator names it. */
  url: string
  trust: RekorTrust
  /** Signs a SHA-256 digest with the anchor key: ECDSA over P-256, in DER. */
  sign: (digest: Uint8Array) => Uint8Array | Promise<Uint8Array>
  /** Least milliseconds between two anchors. @default 86_400_000, a day */
  every?: number | undefined
  fetch?: typeof globalThis.fetch | undefined
}

/**
 * Creates a target for `createAnchorer`: a Rekor log of version 2. Its answer is verified before it counts.
 *
 * @throws {InvalidInputError} for a URL or key that is none.
 * @throws {AnchorRefusedError} from `anchor`, where the log does not answer, or with what is no proof.
 * @example
 * const target = createRekorAnchor({ url, trust: { log: parseNoteKey(text), anchorKey }, sign })
 */
export function createRekorAnchor(parameters: RekorAnchorParameters): AnchorTarget {
  const { url, trust, sign, every = day } = parameters
  assertHttpUrl('url', url)
  const rawBytes = toBase64(anchorKeySpki(trust.anchorKey))
  return {
    ...{ name: `rekor:${trust.log.name}`, every },
    anchor: async ({ checkpoint }, { signal }): Promise<RekorAnchorReceipt> => {
      const text = formatCheckpoint(checkpoint)
      const digest = sha256(utf8(text))
      const signature = await sign(digest)
      const body = canonicalBytes({
        hashedRekordRequestV002: {
          digest: toBase64(digest),
          signature: {
            content: toBase64(signature),
            verifier: { keyDetails: 'PKIX_ECDSA_P256_SHA_256', publicKey: { rawBytes } },
          },
        },
      })
      const bytes = await send({
        ...{ url: `${url.replace(/\/$/, '')}/api/v2/log/entries`, body, signal },
        ...{ type: 'application/json', fetch: parameters.fetch },
      })
      const receipt = rekorReceipt(checkpoint, { text, entry: new TextDecoder().decode(bytes) })
      const verdict = verifyRekorAnchor(receipt, trust)
      if (verdict.status === 'verified') return receipt
      const detail = `its answer shows nothing (${verdict.reason})`
      throw new AnchorRefusedError({ url, fault: 'unverified', detail })
    },
  }
}

/** Parameters of {@link createTimestampAnchor}. */
export type TimestampAnchorParameters = {
  /** Calendars; each that answers is in the file. */
  calendars: readonly string[]
  /** Least milliseconds between two anchors. @default 86_400_000, a day */
  every?: number | undefined
  fetch?: typeof globalThis.fetch | undefined
}

/**
 * Creates a target for `createAnchorer`: calendars of OpenTimestamps. What they answer is a promise, which
 * {@link upgradeTimestamp} turns into a proof under a Bitcoin block some hours later.
 *
 * @throws {InvalidInputError} for calendars that are none.
 * @throws {AnchorRefusedError} from `anchor`, where no calendar answers with a timestamp.
 * @example
 * const target = createTimestampAnchor({ calendars: ['https://alice.btc.calendar.opentimestamps.org'] })
 */
export function createTimestampAnchor(parameters: TimestampAnchorParameters): AnchorTarget {
  assertMembers('parameters', parameters, ['calendars'])
  const { calendars, every = day, fetch } = parameters
  if (calendars.length === 0) {
    throw new InvalidInputError({ field: 'calendars', reason: 'expected one at least' })
  }
  for (const calendar of calendars) assertHttpUrl('calendars', calendar)
  return {
    ...{ name: 'opentimestamps', every },
    anchor: async ({ checkpoint }, { signal }): Promise<TimestampReceipt> => {
      const { origin, size, root } = checkpoint
      const text = formatCheckpoint(checkpoint)
      const digest = sha256(utf8(text))
      const asked = await Promise.allSettled(
        calendars.map(async (calendar) => {
          const url = `${calendar.replace(/\/$/, '')}/digest`
          const answer = await send({ url, body: digest, type: octets, signal, fetch })
          return readOrRefuse(url, answer, digest)
        }),
      )
      signal.throwIfAborted()
      const branches = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
      const [first] = asked
      if (branches.length === 0) throw first?.status === 'rejected' ? first.reason : undefined
      const file = toHex(timestampFile(digest, branches))
      return { kind: 'opentimestamps', origin, size, root: toHex(root), text, file }
    },
  }
}

/**
 * Asks the calendars of a receipt whether a block has it by now. Those that `calendars` does not name are
 * not asked: a file names hosts of whoever made it.
 *
 * @returns The receipt with a proof under a block, or `undefined` where no calendar has one yet.
 */
export async function upgradeTimestamp(
  parameters: {
    receipt: TimestampReceipt
    calendars: readonly string[]
    fetch?: typeof globalThis.fetch | undefined
  },
  options: IoOptions = {},
): Promise<TimestampReceipt | undefined> {
  const { receipt, calendars, fetch } = parameters
  const { digest, attestations } = readTimestampFile(fromHex(receipt.file))
  const known = new Set(calendars.map((calendar) => calendar.replace(/\/$/, '')))
  return withDeadline('Asking calendars for a block', options, async (signal) => {
    for (const attestation of attestations) {
      if (attestation.kind !== 'pending') continue
      const { message, operations } = attestation
      const calendar = attestation.calendar.replace(/\/$/, '')
      if (!known.has(calendar)) continue
      const url = `${calendar}/timestamp/${bytesToHex(message)}`
      try {
        const answer = await send({ url, body: undefined, type: octets, signal, fetch })
        const isThere = readCalendarAnswer(answer, message).some(({ kind }) => kind === 'bitcoin')
        if (!isThere) continue
        const file = toHex(timestampFile(digest, [concat(operations, answer)]))
        return { ...receipt, file }
      } catch (error) {
        signal.throwIfAborted()
        // 404 until it has a block; what is wrong otherwise is no reason not to ask the next one.
        if (!isPolicySdkError(error)) throw error
      }
    }
    return undefined
  })
}

const octets = 'application/octet-stream'

function readOrRefuse(url: string, answer: Uint8Array, digest: Uint8Array): Uint8Array {
  try {
    readCalendarAnswer(answer, digest)
    return answer
  } catch (cause) {
    throw new AnchorRefusedError(
      { url, fault: 'answer', detail: 'it sent no timestamp' },
      { cause },
    )
  }
}

/** One request: a POST with a body, else a GET. Nothing is followed, and the answer is bounded. */
async function send(request: {
  url: string
  body: Uint8Array | undefined
  type: string
  signal: AbortSignal
  fetch: typeof globalThis.fetch | undefined
}): Promise<Uint8Array> {
  const { url, body, type, signal } = request
  const call = request.fetch ?? globalThis.fetch
  let response: Response
  let bytes: Uint8Array | undefined
  try {
    response = await call(url, {
      ...{ method: body === undefined ? 'GET' : 'POST', signal, redirect: 'error' },
      headers: { 'Content-Type': type, Accept: type },
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    })
    bytes = await readBounded(response, maxAnswer)
  } catch (cause) {
    signal.throwIfAborted()
    const detail = 'it gave no answer'
    throw new AnchorRefusedError({ url, fault: 'unreachable', detail }, { cause })
  }
  if (response.status >= 500 || response.status === 429) {
    const detail = `it answered ${response.status}`
    throw new AnchorRefusedError({ url, fault: 'unreachable', detail })
  }
  if (!response.ok || bytes === undefined) {
    const detail = bytes === undefined ? 'its answer is too long' : `it answered ${response.status}`
    throw new AnchorRefusedError({ url, fault: 'answer', detail })
  }
  return bytes
}
