/**
 * Who may upload sealed secrets: the owner of the policy client, by an EIP-712 signature.
 */
import { type Address, type Hex, hashTypedData, recoverAddress } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, fromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'

/** EIP-712 types of an upload. */
export const secretsUploadTypes = {
  SecretsUpload: [
    { name: 'policyDataInstanceId', type: 'bytes32' },
    { name: 'envelopeHash', type: 'bytes32' },
    { name: 'sequence', type: 'uint64' },
    { name: 'deadline', type: 'uint64' },
  ],
} as const

/** What an upload is about. */
export type SecretsUpload = {
  chainId: bigint
  /** `PolicyDataRegistry`, the domain's verifying contract. */
  policyDataRegistry: Address
  policyDataInstanceId: Hex
  envelopeHash: Hex
  sequence: bigint
  /** Unix seconds after which no operator takes it any more. */
  deadline: bigint
}

/** Typed data as wallets and viem's `signTypedData` take it. */
export type SecretsUploadTypedData = {
  domain: { name: 'NewtonSecrets'; version: '2'; chainId: bigint; verifyingContract: Address }
  types: typeof secretsUploadTypes
  primaryType: 'SecretsUpload'
  message: { policyDataInstanceId: Hex; envelopeHash: Hex; sequence: bigint; deadline: bigint }
}

/**
 * Builds the typed data that the client's owner signs for an upload.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function secretsUploadTypedData(upload: SecretsUpload): SecretsUploadTypedData {
  uintToBytes(upload.chainId, 32, 'chainId')
  uintToBytes(upload.sequence, 8, 'sequence')
  uintToBytes(upload.deadline, 8, 'deadline')
  if (upload.sequence < 1n)
    throw new InvalidInputError({ field: 'sequence', reason: 'the first one is 1' })
  return {
    domain: {
      name: 'NewtonSecrets',
      version: '2',
      chainId: upload.chainId,
      verifyingContract: toHex(fixedFromHex(upload.policyDataRegistry, 20, 'policyDataRegistry')),
    },
    types: secretsUploadTypes,
    primaryType: 'SecretsUpload',
    message: {
      policyDataInstanceId: toHex(
        fixedFromHex(upload.policyDataInstanceId, 32, 'policyDataInstanceId'),
      ),
      envelopeHash: toHex(fixedFromHex(upload.envelopeHash, 32, 'envelopeHash')),
      sequence: upload.sequence,
      deadline: upload.deadline,
    },
  }
}

/** Hash that the owner's signature is over (EIP-712). */
export function hashSecretsUpload(upload: SecretsUpload): Hex {
  return hashTypedData(secretsUploadTypedData(upload))
}

/** Asks a contract owner whether a signature is its own (ERC-1271). */
export type ContractSignatureCheck = (
  parameters: { owner: Address; hash: Hex; signature: Hex },
  options?: IoOptions,
) => Promise<boolean>

/**
 * Whether an upload is signed by the client's owner, a key or a contract. Never throws.
 *
 * @param parameters.isValidContractSignature - ERC-1271 `isValidSignature` of the owner, for owners that
 * are contracts. Without it only keys are recognized.
 */
export async function verifySecretsUpload(
  parameters: {
    upload: SecretsUpload
    owner: Address
    signature: Hex
    isValidContractSignature?: ContractSignatureCheck | undefined
  },
  options: IoOptions = {},
): Promise<boolean> {
  try {
    const { upload, owner, signature, isValidContractSignature } = parameters
    const hash = hashSecretsUpload(upload)
    const expected = toHex(fixedFromHex(owner, 20, 'owner'))
    if (fromHex(signature, 'signature').length === 65) {
      const recovered = await recoverAddress({ hash, signature }).catch(() => undefined)
      if (recovered?.toLowerCase() === expected) return true
    }
    if (isValidContractSignature === undefined) return false
    return await withDeadline('The check of a contract signature', options, async (signal) => {
      return (
        (await isValidContractSignature({ owner: expected, hash, signature }, { signal })) === true
      )
    })
  } catch {
    return false
  }
}
