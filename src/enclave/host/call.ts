/** Calls between host and enclave, as deterministic CBOR. */
import { concat, concatAll, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { type CborMap, readCbor } from '../cbor/read.js'
import { writeCbor } from '../cbor/write.js'
import { AppCallError } from './errors.js'

/** One request inside a call. */
export type WireCall = { type: string; input: Uint8Array }

/** What the host asks. */
export type AppCall =
  | {
      kind: 'event'
      contract: string
      sequence: bigint
      chainSequence: bigint
      proof: Uint8Array | undefined
      calls: readonly WireCall[]
    }
  | { kind: 'user'; call: WireCall }
  | { kind: 'deploy' }
  | { kind: 'bind'; contract: string }

/** What the enclave answers. */
export type AppReply =
  | { ok: true; outputs: readonly { type: string; output: Uint8Array }[]; document: Uint8Array }
  | { ok: false; code: string; retryable: boolean }

/** Encodes a call. */
export function encodeCall(call: AppCall): Uint8Array {
  switch (call.kind) {
    case 'event':
      return writeCbor({
        ...call,
        sequence: call.sequence,
        proof: call.proof,
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
  const contract = map.get('contract')
  if (typeof contract !== 'string' || contract.length === 0 || contract.length > 256)
    throw malformed()
  if (kind === 'bind') return { kind, contract }
  const calls = map.get('calls')
  const proof = map.get('proof')
  if (kind !== 'event' || !Array.isArray(calls)) throw malformed()
  return {
    kind,
    contract,
    sequence: integer(map.get('sequence')),
    chainSequence: integer(map.get('chainSequence')),
    proof: proof instanceof Uint8Array ? proof : undefined,
    calls: calls.map((entry) => wireCall(entry)),
  }
}

/** Encodes a reply. */
export function encodeReply(reply: AppReply): Uint8Array {
  return writeCbor(
    reply.ok ? { ...reply, outputs: reply.outputs.map((output) => ({ ...output })) } : { ...reply },
  )
}

/** Decodes a reply. Throws `AppCallError` for a refusal and for what is no reply. */
export function decodeReply(bytes: Uint8Array): Extract<AppReply, { ok: true }> {
  const map = mapOf(readCbor(bytes, { form: 'strict' }))
  if (map.get('ok') !== true) {
    const code = map.get('code')
    const known = typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)
    throw new AppCallError({
      reason: known ? code : 'UNKNOWN',
      retryable: map.get('retryable') === true,
    })
  }
  const outputs = map.get('outputs')
  const document = map.get('document')
  if (!Array.isArray(outputs) || !(document instanceof Uint8Array)) throw malformed()
  return {
    ok: true,
    document,
    outputs: outputs.map((entry) => {
      const { type, input } = wireCall(entry, 'output')
      return { type, output: input }
    }),
  }
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
