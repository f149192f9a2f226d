/**
 * Who calls an operator: EIP-712 over the call, in a header.
 *
 * ```
 * OperatorRpcCall(address operator,string method,bytes32 paramsHash,bytes32 nonce,uint64 expiresAt)
 * domain: NewtonOperatorRpc, 1, chain, PolicyRegistry
 * authorization: OperatorRpcCall <signature>.<nonce>.<expiresAt>
 * ```
 * `operator` is the one that is called, so that no operator can pass a call on. `paramsHash` is keccak
 * of the parameters' canonical JSON.
 */
import { type Address, type Hex, hashTypedData, recoverAddress } from 'viem'
import { canonicalBytes, type Json } from '../../core/canonicalJson.js'
import { toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** Most seconds that a call is valid for. */
export const MAX_CALL_SECONDS = 120

/** The network that calls are made in. */
export type RpcDomain = { chainId: bigint; policyRegistry: Address }

/** What a caller signs. */
export type OperatorRpcCall = {
  operator: Address
  method: string
  paramsHash: Hex
  nonce: Hex
  /** Unix seconds. */
  expiresAt: bigint
}

const types = {
  OperatorRpcCall: [
    { name: 'operator', type: 'address' },
    { name: 'method', type: 'string' },
    { name: 'paramsHash', type: 'bytes32' },
    { name: 'nonce', type: 'bytes32' },
    { name: 'expiresAt', type: 'uint64' },
  ],
} as const

/** Typed data of a call, as viem's `signTypedData` takes it. */
export type OperatorRpcTypedData = {
  domain: { name: string; version: string; chainId: bigint; verifyingContract: Address }
  types: typeof types
  primaryType: 'OperatorRpcCall'
  message: OperatorRpcCall
}

/** Makes what a caller signs. */
export function operatorRpcTypedData(
  call: OperatorRpcCall,
  { chainId, policyRegistry }: RpcDomain,
): OperatorRpcTypedData {
  return {
    domain: {
      name: 'NewtonOperatorRpc',
      version: '1',
      chainId,
      verifyingContract: policyRegistry,
    },
    types,
    primaryType: 'OperatorRpcCall',
    message: call,
  }
}

/** Hashes the parameters of a call. */
export function computeParamsDigest(params: Json): Hex {
  return keccakHex(canonicalBytes(params))
}

/** Signs typed data: a viem account is one. */
export type CallSigner = {
  readonly address: Address
  signTypedData(typedData: OperatorRpcTypedData): Promise<Hex>
}

/** Signs a call and writes its header. */
export async function signCall(
  account: CallSigner,
  call: OperatorRpcCall,
  domain: RpcDomain,
): Promise<string> {
  const signature = await account.signTypedData(operatorRpcTypedData(call, domain))
  return `OperatorRpcCall ${signature}.${call.nonce}.${call.expiresAt}`
}

/** What a header holds. */
export type CallHeader = { signature: Hex; nonce: Hex; expiresAt: bigint }

/** Reads a header; `undefined` where it is none. Costs nothing, so it comes before the body. */
export function readCallHeader(header: string | null | undefined): CallHeader | undefined {
  const match = /^OperatorRpcCall (0x[0-9a-f]{130})\.(0x[0-9a-f]{64})\.(\d{1,12})$/.exec(
    header ?? '',
  )
  if (match === null) return undefined
  return {
    signature: match[1] as Hex,
    nonce: match[2] as Hex,
    expiresAt: BigInt(match[3] as string),
  }
}

/** Who signed a call; `undefined` where nobody did. Never throws. */
export async function recoverCaller(
  call: OperatorRpcCall & { signature: Hex },
  domain: RpcDomain,
): Promise<Address | undefined> {
  const { signature, ...message } = call
  try {
    const hash = hashTypedData(operatorRpcTypedData(message, domain))
    return (await recoverAddress({ hash, signature })).toLowerCase() as Address
  } catch {
    return undefined
  }
}

/** A nonce from 32 random bytes. */
export function randomNonce(
  randomBytes: (length: number) => Uint8Array = (length) =>
    globalThis.crypto.getRandomValues(new Uint8Array(length)),
): Hex {
  return toHex(randomBytes(32))
}
