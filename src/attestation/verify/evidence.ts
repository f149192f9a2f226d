/**
 * Evidence: everything someone else needs to reach the same verdict from chain state.
 *
 * It proves nothing by itself. Whoever receives it verifies task, response and certificate again.
 */
import type { Hex } from 'viem'
import type { Certificate } from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import type { DigestPreimage } from '../../core/digest.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import type { Task } from '../../core/task.js'

/** A signed field that differs from what the chain says. Slashable once the certificate verified. */
export type MismatchReason =
  | 'WRONG_INSTANCE'
  | 'WRONG_TEMPLATE'
  | 'WRONG_PARAMS'
  | 'WRONG_DATA_INSTANCE'
  | 'KIND_MISMATCH'
  | 'NOT_YET_DEPLOYED'
  | 'WRONG_REGO'
  | 'WRONG_DATA_ARTIFACT'
  | 'WRONG_EXPIRATION'
  | 'INVALID_TEE_ATTESTATION'
  /** The digest differs and its preimage did not come with the response. */
  | 'DIGEST_MISMATCH'

/** What the chain says at the reference block. */
export type ExpectedAttestation = {
  /** The client's policy slot, `null` where it is empty. */
  policyInstanceId: Hex | null
  /** `null` where a slot, row or template is absent, so that there is no honest digest. */
  artifactDigest: Hex | null
  expirationBlock: bigint | null
  /** Preimage of the digest. */
  preimage: DigestPreimage | null
  enclaveRequired: boolean
}

/** Evidence of one lie. */
export type Evidence = {
  readonly kind: 'digest' | 'tee' | 'result'
  readonly reason: MismatchReason | 'WRONG_RESULT'
  /** The difference in words, with values. */
  readonly detail: string
  readonly messageHash: Hex
  /** `null` where the chain compared the task on acceptance and the call did not show it. */
  readonly task: Task | null
  readonly response: PolicyTaskResponse
  readonly certificate: Certificate
  /** The block all reads were made at. */
  readonly block: BlockReference
  readonly expected: ExpectedAttestation
  /** Of kind `result`: what the re-run was made on and what it gave. */
  readonly rerun?:
    | {
        readonly outputs: Readonly<Record<Hex, Json>>
        readonly secrets: Readonly<Record<Hex, Hex>>
        readonly allow: boolean
        readonly reasons: readonly string[]
      }
    | undefined
  /** Of kind `tee`, where a signed document is false: index of the operator that signed it. */
  readonly operatorIndex?: number | undefined
  /** Of kind `tee`, with `operatorIndex`: keccak-256 of that document. */
  readonly documentHash?: Hex | undefined
}

/**
 * Serializes evidence as JSON text; integers that are bigints become decimal strings.
 *
 * @example
 * ```ts
 * import { type Evidence, evidenceToJson } from '@newton/policy-sdk/attestation'
 *
 * declare const evidence: Evidence
 * evidenceToJson(evidence)
 * ```
 */
export function evidenceToJson(evidence: Evidence): string {
  return JSON.stringify(evidence, (_, value: unknown) => {
    return typeof value === 'bigint' ? value.toString() : value
  })
}
