/** Calls between host and enclave, as deterministic CBOR. */
import { concat, concatAll, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { type CborMap, readCbor } from '../cbor/read.js'
import { writeCbor } from '../cbor/write.js'
import { AppCallError, reasonForm } from './errors.js'

/** One request inside a call. */
export type WireCall = { type: string; input: Uint8Array }

/** A place in a contract's events, with what shows how far the contract has got. */
export type EventPlace = {
  contract: string
  sequence: bigint
  chainSequence: bigint
  proof: Uint8Array | undefined
  /** Distinguishes two versions of one event. An answer that was given is found again by it. */
  id?: string | undefined
}

/** What the host asks. */
export type AppCall =
  | ({ kind: 'event'; calls: readonly WireCall[] } & EventPlace)
  | ({ kind: 'skip'; calls: readonly WireCall[]; reason: string } & EventPlace)
  | { kind: 'recall'; contract: string; sequence: bigint; id: string }
  | { kind: 'user'; call: WireCall }
  | { kind: 'deploy' }
  | { kind: 'hand-over'; request: Uint8Array }
  | { kind: 'bind'; contract: string }

/** Why a request has no outputs, attested. */
export type AppRefusal = { type: 'refused' | 'skipped'; reason: string }

/** What the enclave answers. */
export type AppReply =
  | {
      ok: true
      outputs: readonly { type: string; output: Uint8Array }[]
      document: Uint8Array
      refusal?: AppRefusal | undefined
    }
  | { ok: false; code: string; retryable: boolean; byHandler: boolean }

/** Encodes a call. */
export function encodeCall(call: AppCall): Uint8Array {
  switch (call.kind) {
    case 'event':
    case 'skip':
      return writeCbor({
        ...call,
        calls: call.calls.map(({ type, input }) => ({ type, input })),
      })
    case 'user':
      return writeCbor({ kind: 'user', call: { ...call.call } })
    default:
      return writeCbor({ ...call })
  }
}

/** Decodes a call. Throws `EnclaveCborError` or `AppCallError`. */
export function decodeCall(bytes: Uint8Array): AppCall {
  const map = mapOf(readCbor(bytes, { form: 'strict' }))
  const kind = map.get('kind')
  if (kind === 'user') return { kind, call: wireCall(map.get('call')) }
  if (kind === 'deploy') return { kind }
  if (kind === 'hand-over') {
    const request = map.get('request')
    if (!(request instanceof Uint8Array)) throw malformed()
    return { kind, request }
  }
  const contract = contractOf(map)
  if (kind === 'bind') return { kind, contract }
  const id = idOf(map)
  if (kind === 'recall') {
    if (id === undefined) throw malformed()
    return { kind, contract, sequence: integer(map.get('sequence')), id }
  }
  const calls = map.get('calls')
  if ((kind !== 'event' && kind !== 'skip') || !Array.isArray(calls)) throw malformed()
  const proof = map.get('proof')
  const place = {
    contract,
    sequence: integer(map.get('sequence')),
    chainSequence: integer(map.get('chainSequence')),
    proof: proof instanceof Uint8Array ? proof : undefined,
    id,
    calls: calls.map((entry) => wireCall(entry)),
  }
  return kind === 'event' ? { kind, ...place } : { kind, ...place, reason: reasonOf(map) }
}

/** Encodes a reply. */
export function encodeReply(reply: AppReply): Uint8Array {
  if (!reply.ok) return writeCbor({ ...reply })
  const { outputs, document, refusal } = reply
  return writeCbor({
    ok: true,
    outputs: outputs.map((output) => ({ ...output })),
    document,
    refusal: refusal === undefined ? undefined : { ...refusal },
  })
}

/** Decodes a reply. Throws `AppCallError` for a failure and for what is no reply. */
export function decodeReply(bytes: Uint8Array): Extract<AppReply, { ok: true }> {
  const map = mapOf(readCbor(bytes, { form: 'strict' }))
  if (map.get('ok') !== true) {
    const code = map.get('code')
    throw new AppCallError({
      reason: typeof code === 'string' && reasonForm.test(code) ? code : 'UNKNOWN',
      retryable: map.get('retryable') === true,
      byHandler: map.get('byHandler') === true,
    })
  }
  const outputs = map.get('outputs')
  const document = map.get('document')
  if (!Array.isArray(outputs) || !(document instanceof Uint8Array)) throw malformed()
  return {
    ok: true,
    document,
    refusal: map.has('refusal') ? readRefusal(mapOf(map.get('refusal'))) : undefined,
    outputs: outputs.map((entry) => {
      const { type, input } = wireCall(entry, 'output')
      return { type, output: input }
    }),
  }
}

function readRefusal(map: CborMap): AppRefusal {
  const type = map.get('type')
  if (type !== 'refused' && type !== 'skipped') throw malformed()
  return { type, reason: reasonOf(map) }
}

function contractOf(map: CborMap): string {
  const contract = map.get('contract')
  // As a part of keys it has to fit, and to be itself in UTF-8.
  if (typeof contract !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(contract)) throw malformed()
  return contract
}

function idOf(map: CborMap): string | undefined {
  const id = map.get('id')
  if (id === undefined) return undefined
  if (typeof id !== 'string' || !/^[\x21-\x7e]{1,256}$/.test(id)) throw malformed()
  return id
}

function reasonOf(map: CborMap): string {
  const reason = map.get('reason')
  if (typeof reason === 'string' && reasonForm.test(reason)) return reason
  throw malformed()
}

/** Hash of what an event asks: two requests under one sequence are told apart by it. */
export function hashCalls(calls: readonly WireCall[]): Uint8Array {
  return keccak(writeCbor(calls.map(({ type, input }) => ({ type, input }))))
}

/**
 * User data of an answer where its route names none:
 * `keccak256(keccak256("NewtonEnclaveAppV1") ‖ keccak256(app) ‖ keccak256(contract) ‖ sequence(8) ‖
 * requestHash ‖ keccak256(outputs))`, contract empty and sequence 0 for a user's request.
 */
export function appUserData(parameters: {
  app: string
  contract: string
  sequence: bigint
  calls: readonly WireCall[]
  outputs: readonly Uint8Array[]
}): Uint8Array {
  const { app, contract, sequence, calls, outputs } = parameters
  const framed = outputs.map((output) => concat(uintToBytes(output.length, 4), output))
  return keccak(
    keccak(utf8('NewtonEnclaveAppV1')),
    keccak(utf8(app)),
    keccak(utf8(contract)),
    uintToBytes(sequence, 8, 'sequence'),
    hashCalls(calls),
    keccak(concatAll(framed)),
  )
}

/**
 * User data of a refusal: `keccak256(keccak256("NewtonEnclaveAppRefusalV1") ‖ keccak256(app) ‖
 * keccak256(contract) ‖ sequence(8) ‖ requestHash ‖ keccak256(type ‖ ":" ‖ reason))`, the type being
 * `refused` (by the handler) or `skipped` (by the operator, after it failed).
 */
export function appRefusalUserData(parameters: {
  app: string
  contract: string
  sequence: bigint
  calls: readonly WireCall[]
  refusal: AppRefusal
}): Uint8Array {
  const { app, contract, sequence, calls, refusal } = parameters
  return keccak(
    keccak(utf8('NewtonEnclaveAppRefusalV1')),
    keccak(utf8(app)),
    keccak(utf8(contract)),
    uintToBytes(sequence, 8, 'sequence'),
    hashCalls(calls),
    keccak(utf8(`${refusal.type}:${refusal.reason}`)),
  )
}

function wireCall(value: unknown, member: 'input' | 'output' = 'input'): WireCall {
  const map = mapOf(value)
  const type = map.get('type')
  const input = map.get(member)
  if (typeof type !== 'string' || !(input instanceof Uint8Array)) throw malformed()
  return { type, input }
}

function mapOf(value: unknown): CborMap {
  if (value instanceof Map) return value as CborMap
  throw malformed()
}

function integer(value: unknown): bigint {
  if ((typeof value === 'number' || typeof value === 'bigint') && value >= 0) return BigInt(value)
  throw malformed()
}

function malformed(): AppCallError {
  return new AppCallError({ reason: 'MALFORMED', retryable: false })
}
