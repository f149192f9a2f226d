/**
 * What can go wrong with an enclave, as data: where it is injected and the code a caller sees.
 */

import { type AppCall, decodeCall, encodeCall } from '../app/call.js'
import { computeSessionUserData } from '../evaluate/session.js'
import type { NitroErrorCode } from '../nitro/errors.js'
import type { ByteStream, EnclaveTransport } from '../wire/stream.js'
import type { DocumentFault } from './device.js'
import type { PkiOverrides } from './pki.js'

/** A fault of a document that the simulator makes. */
export type DocumentFaultEntry = {
  name: string
  /** Code of the verifier's refusal. */
  code: NitroErrorCode
  fault: (context: {
    now: number
    /** A document that was made before, for replays. */
    previous: Uint8Array
    /** The enclave's key of an earlier epoch. */
    older: { publicKey: Uint8Array; epoch: bigint }
  }) => DocumentFault
}

/** A fault of the certificates, which are fixed when a simulator is created. */
export type PkiFaultEntry = { name: string; code: NitroErrorCode; pki: PkiOverrides }

const hour = 3_600_000
const zeroPcrs = new Map([0, 1, 2].map((index) => [index, new Uint8Array(48)]))

/** Faults of documents. */
export const documentFaults: readonly DocumentFaultEntry[] = [
  {
    name: 'wrongPcr0',
    code: 'PCR_MISMATCH',
    fault: () => ({
      fields: { pcrs: new Map([0, 1, 2].map((i) => [i, new Uint8Array(48).fill(9)])) },
    }),
  },
  { name: 'debugMode', code: 'DEBUG_MODE', fault: () => ({ fields: { pcrs: zeroPcrs } }) },
  {
    name: 'missingPcr0',
    code: 'PCR_MISSING',
    fault: () => ({ fields: { pcrs: new Map([[1, new Uint8Array(48).fill(9)]]) } }),
  },
  {
    name: 'nitroTpmDocument',
    code: 'NOT_ENCLAVE_DOC',
    fault: () => ({ form: { nitroTpm: true } }),
  },
  {
    name: 'staleDocument',
    code: 'STALE',
    fault: ({ now }) => ({ credentialAt: now - hour, fields: { timestamp: now - hour + 1000 } }),
  },
  {
    name: 'clockSkew',
    code: 'FUTURE',
    fault: ({ now }) => ({ fields: { timestamp: now + hour } }),
  },
  {
    name: 'expiredLeaf',
    code: 'CERT_EXPIRED',
    fault: ({ now }) => ({ credentialAt: now - 4 * hour, fields: { timestamp: now - 4 * hour } }),
  },
  {
    name: 'leafNotYetValid',
    code: 'CERT_NOT_YET_VALID',
    fault: ({ now }) => ({ credentialAt: now + 3 * hour, fields: { timestamp: now + 3 * hour } }),
  },
  {
    name: 'secondsForMilliseconds',
    code: 'STALE',
    fault: ({ now }) => ({ fields: { timestamp: Math.floor(now / 1000) } }),
  },
  {
    name: 'replayPrevious',
    code: 'NONCE_MISMATCH',
    fault: ({ previous }) => ({ after: () => previous }),
  },
  {
    name: 'wrongNonce',
    code: 'NONCE_MISMATCH',
    fault: () => ({ fields: { nonce: new Uint8Array(32).fill(1) } }),
  },
  {
    name: 'wrongUserData',
    code: 'USER_DATA_MISMATCH',
    fault: () => ({ fields: { userData: new Uint8Array(32).fill(1) } }),
  },
  {
    name: 'missingPublicKey',
    code: 'PUBLIC_KEY_MISMATCH',
    fault: () => ({ fields: { publicKey: undefined } }),
  },
  {
    name: 'shortPublicKey',
    code: 'PUBLIC_KEY_MISMATCH',
    fault: () => ({ fields: { publicKey: new Uint8Array(31).fill(1) } }),
  },
  {
    // A good key, but one of the past: the session's user data binds the epoch.
    name: 'oldEpochKey',
    code: 'USER_DATA_MISMATCH',
    fault: ({ older: { publicKey, epoch } }) => ({
      fields: { publicKey, userData: computeSessionUserData(epoch) },
    }),
  },
  { name: 'wrongDigest', code: 'DIGEST', fault: () => ({ fields: { digest: 'SHA256' } }) },
  {
    name: 'truncate',
    code: 'MALFORMED',
    fault: () => ({ after: (document) => document.slice(0, document.length - 40) }),
  },
  {
    name: 'flipBit',
    code: 'SIGNATURE',
    fault: () => ({
      after: (document) => {
        const flipped = document.slice()
        flipped[document.length - 5] = (flipped[document.length - 5] as number) ^ 1
        return flipped
      },
    }),
  },
  {
    name: 'trailingByte',
    code: 'TRAILING',
    fault: () => ({ after: (document) => Uint8Array.from([...document, 0]) }),
  },
  {
    name: 'tagged',
    code: 'NON_CANONICAL_OUTER',
    fault: () => ({ after: (document) => Uint8Array.from([0xd2, ...document]) }),
  },
]

/** Faults of certificates. */
export const pkiFaults: readonly PkiFaultEntry[] = [
  { name: 'leafIsCa', code: 'BASIC_CONSTRAINTS', pki: { leaf: { ca: true } } },
  {
    name: 'instanceIsNoCa',
    code: 'BASIC_CONSTRAINTS',
    pki: { instance: { ca: false, pathLength: undefined } },
  },
  { name: 'pathTooLong', code: 'PATH_LEN', pki: { regional: { pathLength: 0 } } },
  { name: 'mayNotSignCertificates', code: 'KEY_USAGE', pki: { zonal: { keyUsage: [0] } } },
  { name: 'mayNotSignDocuments', code: 'KEY_USAGE', pki: { leaf: { keyUsage: [1] } } },
  { name: 'noKeyUsage', code: 'KEY_USAGE', pki: { leaf: { keyUsage: [] } } },
  {
    name: 'expiredIntermediate',
    code: 'CERT_EXPIRED',
    pki: { zonal: { notAfter: 1_600_000_000_000, notBefore: 1_590_000_000_000 } },
  },
  { name: 'foreignIssuer', code: 'CHAIN', pki: { leaf: { issuer: Uint8Array.of(0x30, 0x00) } } },
  {
    name: 'constraintsNotCritical',
    code: 'BASIC_CONSTRAINTS',
    pki: { regional: { basicConstraintsCritical: false } },
  },
  {
    name: 'unknownCriticalExtension',
    code: 'CRITICAL_EXTENSION',
    // 2.5.29.30, name constraints, critical, empty.
    pki: {
      leaf: {
        extraExtensions: [
          Uint8Array.from([
            0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x1e, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
          ]),
        ],
      },
    },
  },
]

/** A fault of the connection, applied to the bytes that the enclave sends. */
export type WireFaultEntry = {
  name: string
  /** Code of the error that the caller sees. */
  code: string
  apply: (stream: ByteStream) => ByteStream
}

/** Bytes of the enclave's greeting, after which faults begin. */
type Rewrite = (chunk: Uint8Array) => readonly (Uint8Array | 'drop' | 'hang' | { delay: number })[]

/** Rewrites what comes in after the first chunk, which is the greeting's answer. */
function rewrite(stream: ByteStream, change: Rewrite): ByteStream {
  async function* read(): AsyncGenerator<Uint8Array> {
    let greeted = false
    for await (const chunk of stream.incoming) {
      for (const part of greeted ? change(chunk) : [chunk]) {
        if (part === 'hang') await new Promise(() => undefined)
        else if (part === 'drop') {
          stream.destroy()
          return
        } else if (part instanceof Uint8Array) yield part
        else await new Promise((resolve) => setTimeout(resolve, part.delay))
      }
      greeted = true
    }
  }
  return { ...stream, incoming: read() }
}

function changed(chunk: Uint8Array, change: (copy: Uint8Array) => void): Uint8Array {
  const copy = chunk.slice()
  change(copy)
  return copy
}

/** Faults of the connection. */
export const wireFaults: readonly WireFaultEntry[] = [
  {
    name: 'dropAfterBytes',
    code: 'ENCLAVE_TRANSPORT',
    apply: (s) => rewrite(s, (c) => [c.slice(0, 30), 'drop']),
  },
  { name: 'crash', code: 'ENCLAVE_TRANSPORT', apply: (s) => rewrite(s, () => ['drop']) },
  { name: 'halfOpen', code: 'TIMEOUT', apply: (s) => rewrite(s, () => ['hang']) },
  // Longer than whoever asks is ready to wait; the answer then comes too late for anyone.
  {
    name: 'delayMs',
    code: 'TIMEOUT',
    apply: (s) => rewrite(s, (c) => [{ delay: 600 }, c]),
  },
  { name: 'duplicateResponse', code: 'ENCLAVE_PROTOCOL', apply: (s) => rewrite(s, (c) => [c, c]) },
  {
    name: 'wrongRequestId',
    code: 'ENCLAVE_PROTOCOL',
    apply: (s) => rewrite(s, (c) => [changed(c, (b) => b.set([0, 0, 0x42, 0x42], 8))]),
  },
  {
    name: 'oversizedFrame',
    code: 'ENCLAVE_PROTOCOL',
    apply: (s) => rewrite(s, (c) => [changed(c, (b) => b.set([0xff, 0xff, 0xff, 0xff], 16))]),
  },
  {
    name: 'wrongMagic',
    code: 'ENCLAVE_PROTOCOL',
    apply: (s) => rewrite(s, (c) => [changed(c, (b) => b.fill(0, 0, 4))]),
  },
  {
    name: 'wrongVersion',
    code: 'ENCLAVE_PROTOCOL',
    apply: (s) => rewrite(s, (c) => [changed(c, (b) => b.fill(9, 4, 5))]),
  },
  {
    name: 'brokenBody',
    code: 'ENCLAVE_PROTOCOL',
    apply: (s) => rewrite(s, (c) => [changed(c, (b) => b.fill(0xff, 20, 21))]),
  },
]

/**
 * Puts a fault between a host and its enclave.
 *
 * @param fault - Asked for each connection; `undefined` for none.
 */
export function faultyTransport(
  transport: EnclaveTransport,
  fault: () => WireFaultEntry | undefined,
): EnclaveTransport {
  return {
    name: transport.name,
    connect: async (options) => {
      const stream = await transport.connect(options)
      return fault()?.apply(stream) ?? stream
    },
  }
}

/** A fault of the sequence under which a host hands events to its application. */
export type SequenceFaultEntry = {
  name: string
  /** Reason of the `AppCallError` that the host sees. */
  code: string
  /** Sequence that is sent instead. */
  sequence: (given: bigint) => bigint
}

/** Faults of sequences. */
export const sequenceFaults: readonly SequenceFaultEntry[] = [
  { name: 'seqGap', code: 'SEQUENCE_GAP', sequence: (given) => given + 1n },
  // Under the sequence of the event before, which another request had.
  { name: 'seqReplay', code: 'SEQUENCE_REPLAY', sequence: (given) => given - 1n },
]

/**
 * Puts a fault of sequences between a host and its application enclave.
 *
 * @param fault - Asked for each call; `undefined` for none.
 */
export function faultyCalls<options>(
  call: (bytes: Uint8Array, options?: options) => Promise<Uint8Array>,
  fault: () => SequenceFaultEntry | undefined,
): (bytes: Uint8Array, options?: options) => Promise<Uint8Array> {
  return (bytes, options) => {
    const entry = fault()
    if (entry === undefined) return call(bytes, options)
    const given: AppCall = decodeCall(bytes)
    if (given.kind !== 'event') return call(bytes, options)
    return call(encodeCall({ ...given, sequence: entry.sequence(given.sequence) }), options)
  }
}
