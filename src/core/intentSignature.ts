/**
 * EIP-712 signatures of intents, in the domain of the policy client that will execute them.
 *
 * ```
 * digest = keccak256(0x1901 ‖ hashStruct(EIP712Domain) ‖ hashStruct(Intent))
 * ```
 * A client that exposes its domain (EIP-5267, `eip712Domain()`) is asked for it; a domain made up
 * from a name and a version must be the one of its constructor.
 */
import { type Address, type Hex, hashTypedData, recoverAddress } from 'viem'
import { BaseError, type BaseErrorOptions } from '../errors/base.js'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex } from '../internal/bytes.js'
import { assertIntent, assertUint, type Intent, intentTypes } from './intent.js'

/** The EIP-712 domain of a policy client. Members that its contract leaves out are left out. */
export type IntentDomain = {
  name?: string | undefined
  version?: string | undefined
  chainId?: bigint | undefined
  verifyingContract?: Address | undefined
  salt?: Hex | undefined
}

/** ABI of EIP-5267's `eip712Domain()`. */
export const eip712DomainAbi = [
  {
    type: 'function',
    name: 'eip712Domain',
    stateMutability: 'view',
    inputs: [],
    outputs: [
      { name: 'fields', type: 'bytes1' },
      { name: 'name', type: 'string' },
      { name: 'version', type: 'string' },
      { name: 'chainId', type: 'uint256' },
      { name: 'verifyingContract', type: 'address' },
      { name: 'salt', type: 'bytes32' },
      { name: 'extensions', type: 'uint256[]' },
    ],
  },
] as const

/** What `eip712Domain()` returns. */
export type Eip712DomainResult = readonly [
  fields: Hex,
  name: string,
  version: string,
  chainId: bigint,
  verifyingContract: Address,
  salt: Hex,
  extensions: readonly bigint[],
]

/** A signature is not 65 bytes of a recoverable ECDSA signature. */
export class IntentSignatureError extends BaseError {
  override readonly name = 'IntentSignatureError'
  override readonly code = 'INTENT_SIGNATURE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The intent signature cannot be used: ${reason}.`, {
      metaMessages: [
        'Sign the exact intent with signTypedData() in the domain of its policy client.',
      ],
      ...options,
    })
  }
}

/**
 * Reads the domain out of what a policy client's `eip712Domain()` returned.
 *
 * @throws {InvalidInputError} for fields or extensions that are not understood: a signature in a
 * half-read domain would be valid elsewhere.
 */
export function readIntentDomain(result: Eip712DomainResult): IntentDomain {
  const [fields, name, version, chainId, verifyingContract, salt, extensions] = result
  const present = fixedFromHex(fields, 1, 'fields')[0] as number
  if (present > 0x1f || extensions.length > 0) {
    throw new InvalidInputError({
      field: 'fields',
      reason: 'the domain has parts that are not known',
    })
  }
  return {
    name: present & 0x01 ? name : undefined,
    version: present & 0x02 ? version : undefined,
    chainId: present & 0x04 ? chainId : undefined,
    verifyingContract: present & 0x08 ? verifyingContract : undefined,
    salt: present & 0x10 ? salt : undefined,
  }
}

/**
 * Makes what wallets are given to sign: `walletClient.signTypedData({ account, ...typedData })`.
 *
 * @throws {InvalidInputError} naming the malformed member, for an empty domain, and for a domain of
 * another chain than the intent's.
 * @example
 * ```ts
 * import type { Intent } from '@newton/policy-sdk'
 * import { buildIntentTypedData } from '@newton/policy-sdk/newton'
 *
 * declare const intent: Intent
 * buildIntentTypedData({
 *   intent,
 *   domain: {
 *     name: 'NewtonPolicyWallet',
 *     version: '1',
 *     chainId: intent.chainId,
 *     verifyingContract: `0x${'cc'.repeat(20)}`,
 *   },
 * })
 * ```
 */
export function buildIntentTypedData(parameters: { intent: Intent; domain: IntentDomain }): {
  domain: {
    name?: string
    version?: string
    chainId?: bigint
    verifyingContract?: Address
    salt?: Hex
  }
  types: typeof intentTypes
  primaryType: 'Intent'
  message: Intent
} {
  const { intent, domain } = parameters
  assertIntent(intent)
  const members = Object.entries(domain).filter(([, value]) => value !== undefined)
  if (members.length === 0) throw new InvalidInputError({ field: 'domain', reason: 'it is empty' })
  if (domain.chainId !== undefined) {
    assertUint(domain.chainId, 32, 'domain.chainId')
    if (domain.chainId !== intent.chainId) {
      const reason = `the domain is of chain ${domain.chainId}, the intent for chain ${intent.chainId}`
      throw new InvalidInputError({ field: 'domain.chainId', reason })
    }
  }
  if (domain.verifyingContract !== undefined) {
    fixedFromHex(domain.verifyingContract, 20, 'domain.verifyingContract')
  }
  return {
    domain: Object.fromEntries(members),
    types: intentTypes,
    primaryType: 'Intent',
    message: intent,
  }
}

/** Computes the digest that an intent's signature is over. Throws as {@link buildIntentTypedData}. */
export function hashIntentTypedData(parameters: { intent: Intent; domain: IntentDomain }): Hex {
  return hashTypedData(buildIntentTypedData(parameters))
}

/**
 * Recovers who signed an intent with a plain account. Contract wallets (ERC-1271) are asked on
 * chain instead.
 *
 * @throws {IntentSignatureError} for anything but 65 bytes, a high `s`, or a bad recovery byte.
 * @throws {InvalidInputError} naming the malformed member of intent or domain.
 */
export async function recoverIntentSigner(parameters: {
  intent: Intent
  domain: IntentDomain
  signature: Hex
}): Promise<Address> {
  const { signature } = parameters
  const hash = hashIntentTypedData(parameters)
  assertIntentSignature(signature)
  try {
    return await recoverAddress({ hash, signature })
  } catch (cause) {
    throw new IntentSignatureError({ reason: 'no key can be recovered from it' }, { cause })
  }
}

/**
 * Checks the form of a plain account's signature: `r(32) ‖ s(32) ‖ v(1)`, low `s`, `v` 27 or 28.
 *
 * @throws {IntentSignatureError}
 */
export function assertIntentSignature(signature: Hex): void {
  let bytes: Uint8Array
  try {
    bytes = fromHex(signature, 'signature')
  } catch (cause) {
    throw new IntentSignatureError({ reason: 'it is no hex string' }, { cause })
  }
  if (bytes.length !== 65) {
    throw new IntentSignatureError({ reason: `expected exactly 65 bytes, got ${bytes.length}` })
  }
  const s = BigInt(`0x${signature.slice(66, 130)}`)
  if (s > secp256k1HalfOrder) throw new IntentSignatureError({ reason: 'its s is high' })
  if (bytes[64] !== 27 && bytes[64] !== 28) {
    throw new IntentSignatureError({
      reason: `its recovery byte is ${bytes[64]}, expected 27 or 28`,
    })
  }
}

const secp256k1HalfOrder = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n
