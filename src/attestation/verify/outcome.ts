/** Levels, outcomes and reasons of verifying an attestation. */
import type { Evidence, MismatchReason } from './evidence.js'

/** Levels of verification, each including those before it. */
export const attestationLevels = [
  'binding',
  'registry',
  'artifacts',
  'digest',
  'quorum',
  'result',
] as const

/** How far an attestation is verified. `quorum` is the first level at which one is valid. */
export type AttestationLevel = (typeof attestationLevels)[number]

/** Why an attestation is refused without anyone being to blame on chain. */
export type RejectReason =
  | 'MALFORMED_TASK'
  | 'MALFORMED_RESPONSE'
  | 'CROSS_CHAIN_REPLAY'
  | 'TASK_MISMATCH'
  | 'REFERENCE_BLOCK_MISMATCH'
  | 'EXPIRED'
  | 'UNKNOWN_OPERATOR'
  | 'BAD_CERTIFICATE'
  /** Only with `acceptance`: the contract takes no certificate of a table this old. */
  | 'CERTIFICATE_STALE'
  | MismatchReason

/** What could not be obtained or decided. Never valid, never evidence. */
export type InconclusiveReason =
  | 'INVALID_ARGUMENTS'
  | 'RPC_FAILED'
  | 'TIMEOUT'
  | 'REFERENCE_BLOCK_UNAVAILABLE'
  | 'REGISTRY_INCONSISTENT'
  | 'ARTIFACT_UNAVAILABLE'
  | 'CERTIFICATE_UNAVAILABLE'
  | 'INPUTS_UNAVAILABLE'
  | 'SECRETS_UNAVAILABLE'
  | 'DOCUMENT_UNAVAILABLE'
  | 'TRANSCRIPT_MISMATCH'
  | 'RERUN_NO_DECISION'

/**
 * How far a verification has come. Levels are told in the order in which they are checked, which is not
 * quite theirs: `digest` and `quorum` come before `artifacts`, so that nothing is fetched for a lie.
 */
export type LevelProgress = {
  readonly level: AttestationLevel
  readonly state: 'checking' | 'passed'
}

/** Levels below {@link AttestationLevel} `quorum`: nothing is valid there yet. */
export type ConsistentLevel = 'binding' | 'registry' | 'artifacts' | 'digest'

/** Outcome of `verifyTaskAttestation`. Only `valid` may be acted on. */
export type AttestationOutcome =
  | { readonly status: 'valid'; readonly level: 'quorum' | 'result' }
  | { readonly status: 'consistent'; readonly level: ConsistentLevel }
  | { readonly status: 'reject'; readonly reason: RejectReason; readonly detail: string }
  | {
      readonly status: 'slashable'
      readonly reason: MismatchReason | 'WRONG_RESULT'
      readonly evidence: Evidence
      /**
       * Whether a challenge has a way on chain. Challenges are of accepted responses: `true` where it
       * was accepted (`accepted`) or can be; `false` where acceptance refuses it, because the instance
       * that it names is not the client's current one. A client that accepts superseded instances
       * makes that possible again.
       */
      readonly challengeable: boolean
    }
  | { readonly status: 'disputed'; readonly reason: 'WRONG_RESULT'; readonly evidence: Evidence }
  | {
      readonly status: 'inconclusive'
      readonly reason: InconclusiveReason
      /** Whether trying again can help. `false` where the caller's own arguments are wrong. */
      readonly retryable: boolean
      readonly detail: string
    }

/** Whether `level` includes `wanted`. */
export function includesLevel(level: AttestationLevel, wanted: AttestationLevel): boolean {
  return attestationLevels.indexOf(level) >= attestationLevels.indexOf(wanted)
}
