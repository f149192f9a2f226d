/** What a keeper finds and means to do. */
import type { Hex } from 'viem'
import type { ArtifactNamespace } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'

/** An artifact that is watched, with what the chain says about it. */
export type RetentionEntry = {
  artifactHash: Hex
  /** A template that names it, for announcements. */
  templateId: Hex
  namespace: ArtifactNamespace
  /** Announced locators; those of the registration and the author first, since few are tried. */
  locators: readonly DaLocator[]
  /** Whether an expiring copy is renewed, or may lapse once an archive holds the bytes. @default 'renew' */
  policy?: 'renew' | 'lapse' | undefined
}

/** Something to do. Each step is safe to do again. */
export type RetentionStep =
  | {
      type: 'archive'
      artifactHash: Hex
      namespace: ArtifactNamespace
      /** The store to fill, or to repair; each has a step of its own. */
      store: string
      locators: readonly DaLocator[]
    }
  | {
      type: 'renew'
      artifactHash: Hex
      namespace: ArtifactNamespace
      templateId: Hex
      /** The copy that expires last, of those that were read or paid for by the keeper. */
      previous: DaLocator | undefined
      locators: readonly DaLocator[]
      /** Unix seconds, where known. */
      expiresAt: number | undefined
      /** An earlier renewal may have been paid for and lost in a crash. */
      mayPayTwice: boolean
    }
  | {
      type: 'announce'
      artifactHash: Hex
      namespace: ArtifactNamespace
      templateId: Hex
      locator: DaLocator
    }
  /** A renewal whose locator the chain shows: it is no longer under way. */
  | { type: 'settle'; artifactHash: Hex }

/** Something to know. */
export type RetentionFinding =
  /** No permanent store has the bytes; `archive` steps follow where there are stores. */
  | { type: 'nowherePermanent'; artifactHash: Hex }
  /** The last expiring copy is gone. */
  | { type: 'expired'; artifactHash: Hex; expiresAt: number }
  /** A copy whose expiry could not be told, or cannot be true; it counts as expired. */
  | { type: 'unknownExpiry'; artifactHash: Hex; error: unknown }
  /** An announced copy that gave no bytes when read; it counts for nothing. */
  | { type: 'unprovenCopy'; artifactHash: Hex; locator: DaLocator; error: unknown }
  /** A store could not be asked. */
  | { type: 'storeUnreachable'; artifactHash: Hex; store: string; error: unknown }
  /** A store serves other bytes. */
  | { type: 'damagedCopy'; artifactHash: Hex; store: string; error: unknown }
  /** An expiring copy is left to lapse; an archive holds the bytes. */
  | { type: 'lapsing'; artifactHash: Hex; expiresAt: number | undefined; store: string }
  /** Neither a copy that was read or paid for nor an archive holds it: there are only claims. */
  | { type: 'onlyClaimed'; artifactHash: Hex }
  /** An archive holds it, and no expiring copy was read or paid for, only announced: none is paid for. */
  | { type: 'unreadClaims'; artifactHash: Hex; store: string }
  /** So often was a renewal sent, and may have been paid for, without a copy that could be read. */
  | { type: 'paidUnseen'; artifactHash: Hex; count: number }
  /** A copy is due, and there is no publisher to renew it at. */
  | { type: 'renewalMissing'; artifactHash: Hex; expiresAt: number | undefined }
  /** The artifact, or an entry that names none, could not be looked at; the others were. */
  | { type: 'notPlanned'; artifactHash: Hex | undefined; error: unknown }
  /** A renewal that may have been paid is held back until it is urgent. */
  | {
      type: 'renewalUncertain'
      artifactHash: Hex
      startedAt: number
      expiresAt: number | undefined
    }

/** Findings and steps, in the order they are done. */
export type RetentionPlan = {
  /** Unix seconds. */
  at: number
  steps: readonly RetentionStep[]
  findings: readonly RetentionFinding[]
}

/** What came of a step. */
export type RetentionResult = {
  step: RetentionStep
  status: 'done' | 'skipped' | 'failed'
  /** Why it was skipped. */
  reason?: string | undefined
  /** Why it failed. */
  error?: unknown
}
