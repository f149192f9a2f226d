/**
 * Intents: what a user wants to do, as the policy sees it and as the chain binds it.
 *
 * Source: EIP-712 for the hash; the struct is the current protocol's, field for field.
 */
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex, toHex, uintToBytes, utf8 } from '../internal/bytes.js'
import { keccak } from '../internal/keccak.js'

/** A transaction that a user intends to make. */
export type Intent = {
  from: Address
  to: Address
  /** Wei. */
  value: bigint
  /** Calldata. */
  data: Hex
  chainId: bigint
  /** UTF-8 bytes of the function's signature, such as `function transfer(address to, uint256 amount)`. */
  functionSignature: Hex
}

/**
 * An integer of an intent as callers have it: a bigint, a whole number that is exact, or hex such as
 * `0x5af3107a4000`. Decimal text is none: `10` and `0x10` are too easily taken for one another.
 */
export type IntegerInput = bigint | number | Hex

/** An intent as callers have it. {@link toIntent} makes an {@link Intent} of it. */
export type IntentInput = Omit<Intent, 'value' | 'chainId'> & {
  /** Wei. */
  value: IntegerInput
  chainId: IntegerInput
}

/** EIP-712 types of {@link Intent}. */
export const intentTypes = {
  Intent: [
    { name: 'from', type: 'address' },
    { name: 'to', type: 'address' },
    { name: 'value', type: 'uint256' },
    { name: 'data', type: 'bytes' },
    { name: 'chainId', type: 'uint256' },
    { name: 'functionSignature', type: 'bytes' },
  ],
} as const

/** ABI components of {@link Intent}, in the order of the struct. */
export const intentAbi = intentTypes.Intent

const typeHash = keccak(
  utf8(`Intent(${intentTypes.Intent.map(({ type, name }) => `${type} ${name}`).join(',')})`),
)
const addressPadding = new Uint8Array(12)

/**
 * Computes `intentHash`: the EIP-712 `hashStruct` of the intent, without a domain.
 *
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeIntentHash } from '@newton/policy-sdk'
 *
 * computeIntentHash({
 *   from: '0x1111111111111111111111111111111111111111',
 *   to: '0x2222222222222222222222222222222222222222',
 *   value: 1n,
 *   data: '0x',
 *   chainId: 1n,
 *   functionSignature: '0x',
 * })
 * ```
 */
export function computeIntentHash(intent: Intent): Hex {
  return hashIntentBytes(intentBytes(intent))
}

/** The hash of an intent whose members were read before. */
export function hashIntentBytes(bytes: Record<keyof Intent, Uint8Array>): Hex {
  const { from, to, value, data, chainId, functionSignature } = bytes
  return toHex(
    keccak(
      typeHash,
      addressPadding,
      from,
      addressPadding,
      to,
      value,
      keccak(data),
      chainId,
      keccak(functionSignature),
    ),
  )
}

/**
 * Makes an intent of what a caller has: integers become bigints, everything is checked.
 *
 * @param field - Path that errors name.
 * @throws {InvalidInputError} naming the malformed member.
 * @example
 * ```ts
 * import { computeIntentHash, toIntent } from '@newton/policy-sdk'
 *
 * const intent = toIntent({
 *   from: '0x1111111111111111111111111111111111111111',
 *   to: '0x2222222222222222222222222222222222222222',
 *   value: '0x1',
 *   data: '0x',
 *   chainId: 1,
 *   functionSignature: '0x',
 * })
 * computeIntentHash(intent)
 * ```
 */
export function toIntent(input: IntentInput, field = 'intent'): Intent {
  if (typeof input !== 'object' || input === null) {
    throw new InvalidInputError({ field, reason: 'expected an object' })
  }
  const { from, to, data, functionSignature } = input
  const intent: Intent = {
    ...{ from, to, data, functionSignature },
    value: toInteger(input.value, `${field}.value`),
    chainId: toInteger(input.chainId, `${field}.chainId`),
  }
  assertIntent(intent, field)
  return intent
}

function toInteger(value: IntegerInput, field: string): bigint {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  if (typeof value === 'string' && /^0x[\da-f]+$/i.test(value)) return BigInt(value)
  const reason = 'expected a bigint, a whole number up to 2^53 - 1, or hex with 0x'
  throw new InvalidInputError({ field, reason })
}

/**
 * Checks the shape of an intent.
 *
 * @param field - Path that errors name.
 * @throws {InvalidInputError} naming the malformed member.
 */
export function assertIntent(intent: Intent, field = 'intent'): void {
  intentBytes(intent, field)
}

/** Members of an intent as bytes, integers in 32. Throws as {@link assertIntent} does. */
export function intentBytes(intent: Intent, field = 'intent'): Record<keyof Intent, Uint8Array> {
  if (typeof intent !== 'object' || intent === null) {
    throw new InvalidInputError({ field, reason: 'expected an object' })
  }
  return {
    from: fixedFromHex(intent.from, 20, `${field}.from`),
    to: fixedFromHex(intent.to, 20, `${field}.to`),
    value: bigintBytes(intent.value, 32, `${field}.value`),
    data: fromHex(intent.data, `${field}.data`),
    chainId: bigintBytes(intent.chainId, 32, `${field}.chainId`),
    functionSignature: fromHex(intent.functionSignature, `${field}.functionSignature`),
  }
}

/** Refuses whatever is not a bigint that fits `size` bytes, unsigned. */
export function assertUint(value: bigint, size: number, field: string): void {
  bigintBytes(value, size, field)
}

/** Big-endian bytes of a bigint. Throws as {@link assertUint} does. */
export function bigintBytes(value: bigint, size: number, field: string): Uint8Array {
  if (typeof value !== 'bigint') throw new InvalidInputError({ field, reason: 'expected a bigint' })
  return uintToBytes(value, size, field)
}
