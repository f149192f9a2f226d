/**
 * What the owner of the challenge verifier decides: injected verifiers, their suspensions, and whose
 * verdicts count. An announcement is in force from one upgrade delay on, without another call.
 */
import type { Address } from 'viem'
import * as ChallengeVerifier from '../../../core/abi/challengeVerifierAbi.js'
import { InvalidInputError } from '../../../errors/common.js'
import {
  checkAnnounced,
  checkSuspension,
  checkVerifierCode,
} from '../../preflight/admin/ownerDecisions.js'
import { verifierKinds } from '../../preflight/verifierChallenges.js'
import { addressOf } from '../../rows/inputs.js'
import type {
  DryRunAction,
  SimulateAction,
  SyncAction,
  WriteAction,
  WriteTriple,
} from '../sending/write.js'
import { defineOwnerWrite, type OwnerWrite } from './ownerWrites.js'

/** What an injected verifier decides: results of re-runs, documents, verdicts of other chains. */
export type InjectedVerifierKind = keyof typeof verifierKinds

/** A verifier to announce; the zero address for none. */
export type ScheduleVerifierInput = { kind: InjectedVerifierKind; verifier: Address }
/** An announcement to withdraw. */
export type CancelVerifierInput = { kind: InjectedVerifierKind }
/** The verifier in force, and for how many blocks it rests. */
export type SuspendVerifierInput = {
  kind: InjectedVerifierKind
  blocks: bigint
  /** A past block: the verifier that judges what was accepted at it. The one in force now by default. */
  acceptedAt?: bigint | undefined
}
/** A contract of another chain, and whether its verdicts are to count. */
export type ScheduleVerdictSourceInput = {
  sourceChainId: bigint
  challengeVerifier: Address
  listed: boolean
}

/** What an announcement emits. */
export type VerifierScheduledEvent = { kind: number; verifier: Address; fromBlock: bigint }
/** What a withdrawal emits. */
export type VerifierCancelledEvent = { kind: number; verifier: Address }
/** What a suspension emits. */
export type VerifierSuspendedEvent = { kind: number; verifier: Address; untilBlock: bigint }
/** What a change of sources emits. */
export type VerdictSourceScheduledEvent = {
  chainId: bigint
  challengeVerifier: Address
  listed: boolean
  fromBlock: bigint
}

function kindOf({ kind }: { kind: InjectedVerifierKind }): number {
  if (!Object.hasOwn(verifierKinds, kind)) {
    throw new InvalidInputError({
      field: 'kind',
      reason: `expected one of ${Object.keys(verifierKinds).join(', ')}`,
    })
  }
  return verifierKinds[kind]
}

function define<parameters extends object, event>(
  definition: Omit<OwnerWrite<parameters, event>, 'contract' | 'event'>,
): WriteTriple<parameters, event, undefined> {
  return defineOwnerWrite<parameters, event>({
    ...definition,
    contract: 'challengeVerifier',
    event: (args) => args as event,
  })
}

const schedule: WriteTriple<ScheduleVerifierInput, VerifierScheduledEvent, undefined> = define({
  name: 'scheduleVerifier',
  item: ChallengeVerifier.scheduleVerifier,
  args: (parameters: ScheduleVerifierInput) => [
    kindOf(parameters),
    addressOf(parameters.verifier, 'verifier'),
  ],
  emits: ChallengeVerifier.VerifierScheduled,
  check: checkVerifierCode,
})

/**
 * Announces a verifier, or none: in force from one upgrade delay on, for responses accepted from then
 * on. Replaces an earlier announcement. The owner of the challenge verifier only.
 *
 * @throws {PreflightError} naming `OwnableUnauthorizedAccount` or `VerifierWithoutCode`.
 * @example
 * ```ts
 * import { scheduleVerifierSync } from '@newton/policy-sdk/registry'
 *
 * const { fromBlock } = await scheduleVerifierSync(walletClient, {
 *   addresses,
 *   kind: 'result',
 *   verifier: `0x${'11'.repeat(20)}`,
 * })
 * ```
 */
export const scheduleVerifier: WriteAction<ScheduleVerifierInput> = schedule.send
/** Like {@link scheduleVerifier}, and waits for the receipt and its event. */
export const scheduleVerifierSync: SyncAction<ScheduleVerifierInput, VerifierScheduledEvent> =
  schedule.sync
/** Simulates {@link scheduleVerifier}. */
export const simulateScheduleVerifier: SimulateAction<ScheduleVerifierInput, undefined> =
  schedule.simulate
/** Checks and transaction of {@link scheduleVerifier}, nothing signed. */
export const dryRunScheduleVerifier: DryRunAction<ScheduleVerifierInput> = schedule.dryRun

const cancel: WriteTriple<CancelVerifierInput, VerifierCancelledEvent, undefined> = define({
  name: 'cancelVerifier',
  item: ChallengeVerifier.cancelVerifier,
  args: (parameters: CancelVerifierInput) => [kindOf(parameters)],
  emits: ChallengeVerifier.VerifierCancelled,
  check: (client, { address, ...parameters }) =>
    checkAnnounced(client, { address, kind: kindOf(parameters) }),
})

/** Withdraws an announced verifier. The owner of the challenge verifier only. */
export const cancelVerifier: WriteAction<CancelVerifierInput> = cancel.send
/** Like {@link cancelVerifier}, and waits for the receipt and its event. */
export const cancelVerifierSync: SyncAction<CancelVerifierInput, VerifierCancelledEvent> =
  cancel.sync
/** Simulates {@link cancelVerifier}. */
export const simulateCancelVerifier: SimulateAction<CancelVerifierInput, undefined> =
  cancel.simulate
/** Checks and transaction of {@link cancelVerifier}, nothing signed. */
export const dryRunCancelVerifier: DryRunAction<CancelVerifierInput> = cancel.dryRun

const suspend: WriteTriple<SuspendVerifierInput, VerifierSuspendedEvent, undefined> = define({
  name: 'suspendVerifier',
  item: ({ acceptedAt }) =>
    acceptedAt === undefined
      ? ChallengeVerifier.suspendVerifier
      : ChallengeVerifier.suspendVerifierAt,
  args: ({ blocks, acceptedAt, ...parameters }: SuspendVerifierInput) => [
    kindOf(parameters),
    ...(acceptedAt === undefined ? [] : [countOf(acceptedAt, 'acceptedAt')]),
    countOf(blocks, 'blocks'),
  ],
  emits: ChallengeVerifier.VerifierSuspended,
  check: (client, { address, blocks, acceptedAt, ...parameters }) =>
    checkSuspension(client, { address, blocks, acceptedAt, kind: kindOf(parameters) }),
})

/**
 * Lets a verifier rest at once, once in its life: nobody is slashed by its word, and what was accepted
 * under it stays open for as long beyond its window. The one in force, or by `acceptedAt` one that was
 * replaced and judges still what was accepted before. The owner of the challenge verifier only.
 *
 * @throws {PreflightError} naming `VerifierNotSet`, `InvalidSuspension` or `SuspendedBefore`.
 */
export const suspendVerifier: WriteAction<SuspendVerifierInput> = suspend.send
/** Like {@link suspendVerifier}, and waits for the receipt and its event. */
export const suspendVerifierSync: SyncAction<SuspendVerifierInput, VerifierSuspendedEvent> =
  suspend.sync
/** Simulates {@link suspendVerifier}. */
export const simulateSuspendVerifier: SimulateAction<SuspendVerifierInput, undefined> =
  suspend.simulate
/** Checks and transaction of {@link suspendVerifier}, nothing signed. */
export const dryRunSuspendVerifier: DryRunAction<SuspendVerifierInput> = suspend.dryRun

const source: WriteTriple<ScheduleVerdictSourceInput, VerdictSourceScheduledEvent, undefined> =
  define({
    name: 'scheduleVerdictSource',
    item: ChallengeVerifier.scheduleVerdictSource,
    args: ({ sourceChainId, challengeVerifier, listed }: ScheduleVerdictSourceInput) => [
      countOf(sourceChainId, 'sourceChainId'),
      addressOf(challengeVerifier, 'challengeVerifier'),
      listed,
    ],
    emits: ChallengeVerifier.VerdictSourceScheduled,
  })

/**
 * Announces that verdicts of a contract on another chain count, or no longer do. Saying what is so
 * already withdraws an announcement. The owner of the challenge verifier only.
 */
export const scheduleVerdictSource: WriteAction<ScheduleVerdictSourceInput> = source.send
/** Like {@link scheduleVerdictSource}, and waits for the receipt and its event. */
export const scheduleVerdictSourceSync: SyncAction<
  ScheduleVerdictSourceInput,
  VerdictSourceScheduledEvent
> = source.sync
/** Simulates {@link scheduleVerdictSource}. */
export const simulateScheduleVerdictSource: SimulateAction<ScheduleVerdictSourceInput, undefined> =
  source.simulate
/** Checks and transaction of {@link scheduleVerdictSource}, nothing signed. */
export const dryRunScheduleVerdictSource: DryRunAction<ScheduleVerdictSourceInput> = source.dryRun

function countOf(value: bigint, field: string): bigint {
  if (typeof value === 'bigint' && value >= 0n) return value
  throw new InvalidInputError({ field, reason: 'expected a bigint, 0 or more' })
}
