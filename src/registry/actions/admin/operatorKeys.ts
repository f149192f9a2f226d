/** What an operator signs to have its key registered by another account. */
import { type Address, encodeAbiParameters, type Hex, keccak256 } from 'viem'
import type { G1Point } from '../../../core/bn254/curve/points.js'

const keyTypes = {
  RegisterOperatorKey: [
    { name: 'operator', type: 'address' },
    { name: 'pubkeyHash', type: 'bytes32' },
    { name: 'nonce', type: 'uint256' },
    { name: 'deadline', type: 'uint256' },
  ],
} as const

/**
 * What an operator signs, by EIP-712, to have a key registered for it.
 *
 * @param parameters.verifier - The certificate verifier.
 * @param parameters.nonce - The operator's `operatorKeyNonce` there.
 * @param parameters.deadline - Unix seconds until which the signature counts.
 * @example
 * ```ts
 * import { operatorKeyTypedData } from '@newton/policy-sdk/registry'
 *
 * const verifier = '0x00000000000000000000000000000000000000aa'
 * const operator = '0x00000000000000000000000000000000000000bb'
 * const pkG1 = { X: 1n, Y: 2n }
 * const content = { chainId: 1, verifier, operator, pkG1, nonce: 0n, deadline: 1_800_000_000n }
 * operatorKeyTypedData(content).domain.name // 'NewtonBN254CertificateVerifier'
 * ```
 */
export function operatorKeyTypedData(parameters: {
  chainId: number
  verifier: Address
  operator: Address
  pkG1: G1Point
  nonce: bigint
  deadline: bigint
}): {
  domain: { name: string; version: string; chainId: number; verifyingContract: Address }
  types: typeof keyTypes
  primaryType: 'RegisterOperatorKey'
  message: { operator: Address; pubkeyHash: Hex; nonce: bigint; deadline: bigint }
} {
  const { chainId, verifier, operator, pkG1, nonce, deadline } = parameters
  const pubkeyHash = keccak256(
    encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256' }], [pkG1.X, pkG1.Y]),
  )
  return {
    domain: {
      name: 'NewtonBN254CertificateVerifier',
      version: '1',
      chainId,
      verifyingContract: verifier,
    },
    types: keyTypes,
    primaryType: 'RegisterOperatorKey',
    message: { operator, pubkeyHash, nonce, deadline },
  }
}
