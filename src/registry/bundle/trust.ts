/** Whom a verifier of bundles believes, and what it was told. */
import type { Hex } from 'viem'
import type { OperatorSetInfo } from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import type { ChainAnchorTrust } from '../../ledger/anchor/chainAnchor.js'
import type { CheckpointTrust } from '../../ledger/log/checkpoint.js'

/** Parts of a bundle that may be absent, and can be demanded. */
export const optionalParts = ['tree', 'anchor', 'provenance'] as const

/** One of them. */
export type OptionalPart = (typeof optionalParts)[number]

/** What a bundle is verified against. All of it comes from elsewhere than the bundle. */
export type BundleTrust = {
  operators: {
    chainId: bigint
    policyRegistry: Hex
    /** Operator tables as the chain keeps them, by the timestamp that names each. */
    tables: readonly { referenceTimestamp: number; table: OperatorSetInfo }[]
    /** Part of each strategy's weight that must have signed, 1 to 10,000. */
    quorumBps: number
  }
  ledger: {
    /** Name of the ledger, which its logs' origins start with. */
    name: string
    /** The meta log's key and its witnesses: a trust file, or keys and a quorum. */
    meta: CheckpointTrust
    /** Key ids (`sha256:…`) of those who may say that an evaluation happened. */
    writers: readonly string[]
  }
  /** Roots of the state tree that were committed on chain. */
  stateRoots?: readonly Hex[] | undefined
  /** Anchors in a `CheckpointAnchor`. */
  anchor?: ChainAnchorTrust | undefined
  /**
   * Whether a claim says of a plugin what is wanted of it. Without it claims are not checked.
   *
   * It is called with what the bundle says; what it throws counts as no.
   */
  provenance?: ((claim: Json, wasmHash: Hex) => boolean) | undefined
  /** Parts that must be there and hold. @default none */
  demand?: readonly OptionalPart[] | undefined
}

/** What a check found. What was not looked at has not passed. */
export type BundleCheck =
  | { status: 'passed' }
  | { status: 'failed'; reason: string }
  | { status: 'not_checked'; reason: string }

/** The checks, in their order. */
export const bundleChecks = [
  /** What the verifier was told is whole. */
  'trust',
  /** The file is a bundle. */
  'form',
  /** The response is of the chain and registry that are meant, and its digest is of these artifacts. */
  'digest',
  /** The event is whole, signed, for this ledger, and by a writer that is trusted. */
  'event',
  /** The event says what the response says. */
  'binding',
  /** The event is in its domain's log. */
  'domainProof',
  /** The record is in the meta log, which witnesses cosigned. */
  'metaProof',
  /** The record's root is its own, and it names that domain's size and root. */
  'metaRoot',
  /** Every artifact is under a root that was committed. */
  'tree',
  /** The meta log at the proof, or grown from there, is anchored. */
  'anchor',
  /** Every plugin has a claim that is accepted. */
  'provenance',
  /** A quorum of operators signed the response. */
  'attestation',
] as const

/** Name of a check. */
export type BundleCheckName = (typeof bundleChecks)[number]

/** What `verifyEvaluationBundle` answers. */
export type BundleVerdict = {
  /** `incomplete`: nothing is wrong, and something that has to be shown was not. */
  status: 'verified' | 'invalid' | 'incomplete'
  checks: Record<BundleCheckName, BundleCheck>
  /** What is shown, where the status is `verified`. */
  evaluation?: { allowed: boolean; taskId: Hex; policyClient: Hex; eventId: string; at: string }
}
