/**
 * Who calls an operator: EIP-712 over the call, in a header.
 *
 * ```
 * OperatorRpcCall(address operator,string method,bytes32 paramsHash,bytes32 nonce,uint64 expiresAt)
 * domain: NewtonOperatorRpc, 1, chain, PolicyRegistry
 * authorization: OperatorRpcCall <signature>.<nonce>.<expiresAt>.<method>.<paramsHash>
 * ```
 * `operator` is the one that is called, so that no operator can pass a call on. `paramsHash` is keccak
 * of the parameters' canonical JSON. The header alone says who calls: nothing is read of a stranger's body.
 */
import type { Address, Hex } from 'viem'
import { canonicalBytes, type Json } from '../../core/canonicalJson.js'
import { createSignerRecovery, type SignerRecovery } from '../../core/ethereum/knownKeys.js'
import { concat, fixedFromHex, toHex, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'

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

const domainType = keccak(
  utf8('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'),
)
const [nameHash, versionHash] = [keccak(utf8('NewtonOperatorRpc')), keccak(utf8('1'))]
const callType = keccak(
  utf8(
    'OperatorRpcCall(address operator,string method,bytes32 paramsHash,bytes32 nonce,uint64 expiresAt)',
  ),
)

/** What a caller signs, hashed: EIP-712 of {@link operatorRpcTypedData}, without a walk over its types. */
export function computeCallDigest(
  call: OperatorRpcCall,
  { chainId, policyRegistry }: RpcDomain,
): Uint8Array {
  const { operator, method, paramsHash, nonce, expiresAt } = call
  const domain = keccak(
    ...[domainType, nameHash, versionHash, wordOf(chainId)],
    ...[PADDING, fixedFromHex(policyRegistry, 20, 'policyRegistry')],
  )
  const message = keccak(
    ...[callType, PADDING, fixedFromHex(operator, 20, 'operator'), keccak(utf8(method))],
    ...[fixedFromHex(paramsHash, 32, 'paramsHash'), fixedFromHex(nonce, 32, 'nonce')],
    wordOf(expiresAt),
  )
  return keccak(concat(Uint8Array.of(0x19, 0x01), domain, message))
}

/** What is before an address in a word. */
const PADDING = new Uint8Array(12)

function wordOf(value: bigint): Uint8Array {
  return fixedFromHex(`0x${value.toString(16).padStart(64, '0')}`, 32, 'value')
}

/** Hashes the parameters of a call. */
export function computeParamsDigest(params: Json): Hex {
  return keccakHex(canonicalBytes(params))
}

/** Signs typed data: a viem account is one. */
export type CallSigner = {
  readonly address: Address
  signTypedData(typedData: OperatorRpcTypedData): Promise<Hex>
  /** `local`: its key is at hand. */
  readonly type?: string | undefined
  /** Of a local account: signs the typed data's hash, which is the same signature for less work. */
  sign?: ((parameters: { hash: Hex }) => Promise<Hex>) | undefined
}

/** Signs a call and writes its header. */
export async function signCall(
  account: CallSigner,
  call: OperatorRpcCall,
  domain: RpcDomain,
): Promise<string> {
  const { sign } = account
  const signature =
    account.type === 'local' && sign !== undefined
      ? await sign({ hash: toHex(computeCallDigest(call, domain)) })
      : await account.signTypedData(operatorRpcTypedData(call, domain))
  const { nonce, expiresAt, method, paramsHash } = call
  return `OperatorRpcCall ${signature}.${nonce}.${expiresAt}.${method}.${paramsHash}`
}

/** What a header holds: all of a call but whom it is for. */
export type CallHeader = Omit<OperatorRpcCall, 'operator'> & { signature: Hex }

const HEADER =
  /^OperatorRpcCall (0x[0-9a-f]{130})\.(0x[0-9a-f]{64})\.(\d{1,12})\.(\w{1,64})\.(0x[0-9a-f]{64})$/

/** Reads a header; `undefined` where it is none. Costs nothing, so it comes before the body. */
export function readCallHeader(header: string | null | undefined): CallHeader | undefined {
  const match = HEADER.exec(header ?? '')
  if (match === null) return undefined
  const [, signature, nonce, expiresAt, method, paramsHash] = match as unknown as string[]
  return {
    signature: signature as Hex,
    nonce: nonce as Hex,
    expiresAt: BigInt(expiresAt as string),
    method: method as string,
    paramsHash: paramsHash as Hex,
  }
}

/** Who signed a call; `undefined` where nobody did. Never throws. */
export function recoverCaller(
  call: OperatorRpcCall & { signature: Hex },
  domain: RpcDomain,
  recovery: SignerRecovery = createSignerRecovery(),
): Address | undefined {
  const { signature, ...message } = call
  try {
    return recovery.recover(computeCallDigest(message, domain), signature)
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
