/**
 * Sealed envelope, version 2: bound to chain, client, data instance, key, epoch and sequence.
 *
 * `AAD = keccak256(keccak256("NewtonSecretsEnvelopeV2") ‖ chainId(32) ‖ client(20) ‖
 * policyDataInstanceId(32) ‖ keyId(32) ‖ epoch(8) ‖ sequence(8))`; bytes are RFC 8785 JSON.
 */
import type { Address, Hex } from 'viem'
import {
  canonicalBytes,
  isCanonicalJson,
  type Json,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import {
  asBytes,
  concat,
  fixedFromHex,
  fromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { EnvelopeInvalidError } from './errors.js'

/** Largest envelope in bytes: 64 KiB of secrets in hex, and the rest of it. */
export const MAX_ENVELOPE_BYTES = 140_000

/** What an envelope of version 2 is bound to. */
export type EnvelopeContext = {
  chainId: bigint
  client: Address
  policyDataInstanceId: Hex
  keyId: Hex
  /** 0 for a provisioned key. */
  epoch: bigint
  /** 1 for the first envelope of an instance. */
  sequence: bigint
}

/** A decoded envelope of version 2. */
export type EnvelopeV2 = EnvelopeContext & { enc: Uint8Array; ciphertext: Uint8Array }

const typeHash = keccak(utf8('NewtonSecretsEnvelopeV2'))
const members = [
  'chain_id',
  'ciphertext',
  'client',
  'enc',
  'epoch',
  'instance',
  'key_id',
  'sequence',
  'v',
]

/**
 * Computes the additional data that an envelope of version 2 is sealed under.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function envelopeV2Aad(context: EnvelopeContext): Uint8Array {
  if (context.sequence < 1n)
    throw new InvalidInputError({ field: 'sequence', reason: 'the first one is 1' })
  return keccak(
    typeHash,
    uintToBytes(context.chainId, 32, 'chainId'),
    fixedFromHex(context.client, 20, 'client'),
    fixedFromHex(context.policyDataInstanceId, 32, 'policyDataInstanceId'),
    fixedFromHex(context.keyId, 32, 'keyId'),
    uintToBytes(context.epoch, 8, 'epoch'),
    uintToBytes(context.sequence, 8, 'sequence'),
  )
}

/** Encodes an envelope of version 2. */
export function encodeEnvelopeV2(envelope: EnvelopeV2): Uint8Array {
  return canonicalBytes({
    v: 2,
    chain_id: envelope.chainId.toString(),
    client: envelope.client.toLowerCase(),
    instance: envelope.policyDataInstanceId.toLowerCase(),
    key_id: envelope.keyId.toLowerCase(),
    epoch: envelope.epoch.toString(),
    sequence: envelope.sequence.toString(),
    enc: toHex(envelope.enc),
    ciphertext: toHex(envelope.ciphertext),
  })
}

/**
 * Decodes an envelope of version 2, in its one form only: its hash is what the tree commits to.
 *
 * @throws {EnvelopeInvalidError} naming the member.
 */
export function decodeEnvelopeV2(bytes: Uint8Array): EnvelopeV2 {
  const value = envelopeObject(bytes)
  const names = Object.keys(value).sort()
  if (names.join() !== members.join()) {
    throw new EnvelopeInvalidError({
      field: 'envelope',
      reason: `expected the members ${members.join(', ')}`,
    })
  }
  if (value['v'] !== 2) throw new EnvelopeInvalidError({ field: 'v', reason: 'expected 2' })
  if (!isCanonicalJson(bytes)) {
    throw new EnvelopeInvalidError({ field: 'envelope', reason: 'not in RFC 8785 form' })
  }
  const ciphertext = hexMember(value, 'ciphertext')
  if (ciphertext.length < 16) {
    throw new EnvelopeInvalidError({ field: 'ciphertext', reason: 'shorter than its tag' })
  }
  const sequence = integerMember(value, 'sequence', 8)
  if (sequence < 1n)
    throw new EnvelopeInvalidError({ field: 'sequence', reason: 'the first one is 1' })
  return {
    chainId: integerMember(value, 'chain_id', 32),
    client: toHex(hexMember(value, 'client', 20)),
    policyDataInstanceId: toHex(hexMember(value, 'instance', 32)),
    keyId: toHex(hexMember(value, 'key_id', 32)),
    epoch: integerMember(value, 'epoch', 8),
    sequence,
    enc: hexMember(value, 'enc', 32),
    ciphertext,
  }
}

/** The JSON object of an envelope of either version. Throws `EnvelopeInvalidError`. */
export function envelopeObject(given: Uint8Array): Record<string, Json> {
  const bytes = asBytes(given)
  if (bytes === undefined || bytes.length === 0 || bytes.length > MAX_ENVELOPE_BYTES) {
    throw new EnvelopeInvalidError({
      field: 'envelope',
      reason: `expected 1 to ${MAX_ENVELOPE_BYTES} bytes`,
    })
  }
  let value: Json
  try {
    value = parseJsonBytes(bytes)
  } catch (cause) {
    throw new EnvelopeInvalidError({ field: 'envelope', reason: 'not JSON' }, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new EnvelopeInvalidError({ field: 'envelope', reason: 'not a JSON object' })
  }
  return value as Record<string, Json>
}

function hexMember(value: Record<string, Json>, field: string, size?: number): Uint8Array {
  const text = value[field]
  if (typeof text !== 'string' || !/^0x(?:[0-9a-f]{2})*$/.test(text)) {
    throw new EnvelopeInvalidError({ field, reason: 'expected 0x lower-case hex' })
  }
  const bytes = fromHex(text, field)
  if (size !== undefined && bytes.length !== size) {
    throw new EnvelopeInvalidError({ field, reason: `expected ${size} bytes, got ${bytes.length}` })
  }
  return concat(bytes)
}

function integerMember(value: Record<string, Json>, field: string, size: number): bigint {
  const text = value[field]
  if (typeof text !== 'string' || !/^(?:0|[1-9][0-9]{0,77})$/.test(text)) {
    throw new EnvelopeInvalidError({ field, reason: 'expected a decimal string' })
  }
  const integer = BigInt(text)
  if (integer >= 1n << BigInt(size * 8)) {
    throw new EnvelopeInvalidError({ field, reason: `expected an integer of ${size} bytes` })
  }
  return integer
}
