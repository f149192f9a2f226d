/**
 * Sealed envelope, version 1: the current protocol's, byte for byte.
 *
 * JSON of five members in this order, hex without `0x`, `AAD = keccak256(client ‖ uint64 chainId)`. It
 * names no data instance, so it can be moved between the plugins of one client.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import {
  bytesEqual,
  fixedFromHex,
  fromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { envelopeObject } from './envelopeV2.js'
import { EnvelopeInvalidError } from './errors.js'

/** A decoded envelope of version 1. */
export type EnvelopeV1 = {
  enc: Uint8Array
  ciphertext: Uint8Array
  /** As written by the sealer, any case. */
  policyClient: Address
  chainId: bigint
  /** Raw X25519 public key, 32 bytes. */
  recipient: Hex
}

const members = 'chain_id,ciphertext,enc,policy_client,recipient_pubkey'

/** Computes the additional data of version 1: `keccak256(client(20) ‖ chainId(8))`. */
export function envelopeV1Aad(context: { client: Address; chainId: bigint | number }): Uint8Array {
  return keccak(
    fixedFromHex(context.client, 20, 'client'),
    uintToBytes(context.chainId, 8, 'chainId'),
  )
}

/**
 * Encodes an envelope of version 1 as the existing SDK does.
 *
 * @throws {InvalidInputError} for a chain id that JSON cannot hold exactly.
 */
export function encodeEnvelopeV1(envelope: EnvelopeV1): Uint8Array {
  if (envelope.chainId < 1n || envelope.chainId > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidInputError({ field: 'chainId', reason: 'version 1 holds 1 to 2^53 - 1' })
  }
  return utf8(
    JSON.stringify({
      enc: bytesToHex(envelope.enc),
      ciphertext: bytesToHex(envelope.ciphertext),
      policy_client: envelope.policyClient,
      chain_id: Number(envelope.chainId),
      recipient_pubkey: bytesToHex(fromHex(envelope.recipient)),
    }),
  )
}

/**
 * Decodes an envelope of version 1.
 *
 * @throws {EnvelopeInvalidError} naming the member.
 */
export function decodeEnvelopeV1(bytes: Uint8Array): EnvelopeV1 {
  const value = envelopeObject(bytes)
  if (Object.keys(value).sort().join() !== members) {
    throw new EnvelopeInvalidError({ field: 'envelope', reason: `expected the members ${members}` })
  }
  const { enc, ciphertext, policy_client, chain_id, recipient_pubkey } = value
  const sealed = bareHex(ciphertext, 'ciphertext')
  if (sealed.length < 16)
    throw new EnvelopeInvalidError({ field: 'ciphertext', reason: 'shorter than its tag' })
  if (typeof chain_id !== 'number' || !Number.isSafeInteger(chain_id) || chain_id < 1) {
    throw new EnvelopeInvalidError({ field: 'chain_id', reason: 'expected a positive integer' })
  }
  if (typeof policy_client !== 'string' || !/^0x[0-9a-fA-F]{40}$/.test(policy_client)) {
    throw new EnvelopeInvalidError({ field: 'policy_client', reason: 'expected an address' })
  }
  return {
    enc: bareHex(enc, 'enc', 32),
    ciphertext: sealed,
    policyClient: policy_client as Address,
    chainId: BigInt(chain_id),
    recipient: toHex(bareHex(recipient_pubkey, 'recipient_pubkey', 32)),
  }
}

/** Whether the bytes look like an envelope of version 1: a JSON object without the member `v`. */
export function isEnvelopeV1(bytes: Uint8Array): boolean {
  return !Object.hasOwn(envelopeObject(bytes), 'v')
}

/** Signs an envelope's bytes with Ed25519, as the current protocol expects it beside the envelope. */
export function signEnvelope(parameters: { envelope: Uint8Array; privateKey: Uint8Array }): {
  signature: string
  senderPublicKey: string
} {
  const { envelope, privateKey } = parameters
  if (!(privateKey instanceof Uint8Array) || privateKey.length !== 32) {
    throw new InvalidInputError({ field: 'privateKey', reason: 'expected 32 bytes' })
  }
  return {
    signature: bytesToHex(ed25519.sign(envelope, privateKey)),
    senderPublicKey: bytesToHex(ed25519.getPublicKey(privateKey)),
  }
}

/** Whether an Ed25519 signature over an envelope's bytes verifies (RFC 8032). Never throws. */
export function verifyEnvelopeSignature(parameters: {
  envelope: Uint8Array
  signature: string
  senderPublicKey: string
}): boolean {
  try {
    const signature = hexToBytes(parameters.signature)
    const key = hexToBytes(parameters.senderPublicKey)
    return (
      bytesEqual(Uint8Array.of(signature.length, key.length), Uint8Array.of(64, 32)) &&
      ed25519.verify(signature, parameters.envelope, key, { zip215: false })
    )
  } catch {
    return false
  }
}

function bareHex(text: unknown, field: string, size?: number): Uint8Array {
  // The existing SDK writes a recipient as it was passed, with or without the prefix.
  const match = typeof text === 'string' ? /^(?:0x)?((?:[0-9a-fA-F]{2})*)$/.exec(text) : null
  if (match === null) throw new EnvelopeInvalidError({ field, reason: 'expected hex' })
  const bytes = hexToBytes(match[1] as string)
  if (size !== undefined && bytes.length !== size) {
    throw new EnvelopeInvalidError({ field, reason: `expected ${size} bytes, got ${bytes.length}` })
  }
  return bytes
}
