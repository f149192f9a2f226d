/**
 * Intents: what a user wants to do, as the policy sees it and as the chain binds it.
 *
 * Source: EIP-712 for the hash; the struct is the current protocol's, field for field.
 */
import { type Address, type Hex, hashStruct } from 'viem'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex, uintToBytes } from '../internal/bytes.js'

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
  assertIntent(intent)
  return hashStruct({ primaryType: 'Intent', types: intentTypes, data: intent })
}

/**
 * Checks the shape of an intent.
 *
 * @param field - Path that errors name.
 * @throws {InvalidInputError} naming the malformed member.
 */
export function assertIntent(intent: Intent, field = 'intent'): void {
  if (typeof intent !== 'object' || intent === null) {
    throw new InvalidInputError({ field, reason: 'expected an object' })
  }
  fixedFromHex(intent.from, 20, `${field}.from`)
  fixedFromHex(intent.to, 20, `${field}.to`)
  assertUint(intent.value, 32, `${field}.value`)
  fromHex(intent.data, `${field}.data`)
  assertUint(intent.chainId, 32, `${field}.chainId`)
  fromHex(intent.functionSignature, `${field}.functionSignature`)
}

/** Refuses whatever is not a bigint that fits `size` bytes, unsigned. */
export function assertUint(value: bigint, size: number, field: string): void {
  if (typeof value !== 'bigint') throw new InvalidInputError({ field, reason: 'expected a bigint' })
  uintToBytes(value, size, field)
}
