/** Who signed a read of a leaf: the same signature as that of any call to an operator. */
import type { Address } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import {
  computeParamsDigest,
  MAX_CALL_SECONDS,
  type RpcDomain,
  readCallHeader,
  recoverCaller,
} from './auth.js'
import { readGivenAddress } from './given.js'

/** Parameters of {@link createReadAuthentication}. */
export type ReadAuthenticationParameters = RpcDomain & {
  /** The operator that serves the leaves: reads signed for another one are nobody's. */
  operator: Address
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/** The `authenticate` of a snapshot server's `admission`. */
export type ReadAuthentication = (call: {
  method: string
  params: JsonObject
  authorization: string | null
}) => Promise<Address | undefined>

/**
 * Recognizes the callers of `newt_signedRead` by their `OperatorRpcCall`, valid for 120 s at most. A
 * read changes nothing and its signature is for one leaf, so no nonce is remembered.
 *
 * @throws {InvalidInputError} for options that are none: nobody would be recognized.
 * @example
 * ```ts
 * import { createReadAuthentication } from '@newton/policy-sdk/operator'
 * import { snapshotServer } from '@newton/policy-sdk/statetree'
 *
 * const authenticate = createReadAuthentication({ operator, chainId: 1n, policyRegistry })
 * snapshotServer({ tree, admission: { authenticate, mayRead: ({ caller }) => readers.has(caller) } })
 * ```
 */
export function createReadAuthentication(
  parameters: ReadAuthenticationParameters,
): ReadAuthentication {
  assertMembers('parameters', parameters, ['operator', 'chainId', 'policyRegistry'])
  assertOptions(
    parameters,
    { operator: 'text', chainId: 'uint', policyRegistry: 'text', now: 'function' },
    { field: 'parameters' },
  )
  const { chainId, now = Date.now } = parameters
  const operator = readGivenAddress('parameters.operator', parameters.operator)
  const policyRegistry = readGivenAddress('parameters.policyRegistry', parameters.policyRegistry)
  return async ({ method, params, authorization }) => {
    const header = readCallHeader(authorization)
    if (header === undefined) return undefined
    const seconds = BigInt(Math.floor(now() / 1_000))
    if (header.expiresAt <= seconds || header.expiresAt > seconds + BigInt(MAX_CALL_SECONDS))
      return undefined
    // Of another leaf, it is the signature of nobody who is known.
    const call = { ...header, operator, method, paramsHash: computeParamsDigest(params) }
    return recoverCaller(call, { chainId, policyRegistry })
  }
}
