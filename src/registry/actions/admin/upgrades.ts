/** Upgrades of the contracts: announced, applied after the delay, withdrawn. */
import type { Address, Hex } from 'viem'
import * as ChallengeVerifier from '../../../core/abi/challengeVerifierAbi.js'
import { InvalidInputError } from '../../../errors/common.js'
import { fromHex, toHex } from '../../../internal/bytes.js'
import { checkImplementation, checkUpgrade } from '../../preflight/admin/ownerDecisions.js'
import { addressOf, blockOf } from '../../rows/inputs.js'
import type {
  DryRunAction,
  SimulateAction,
  SyncAction,
  WriteAction,
  WriteTriple,
} from '../sending/write.js'
import { defineOwnerWrite, type OwnerWrite } from './ownerWrites.js'

const upgradeable = [
  'policyRegistry',
  'policyDataRegistry',
  'policyClientRegistry',
  'enclaveVersionRegistry',
  'certificateVerifier',
  'stateCommitRegistry',
  'responseRegistry',
  'challengeVerifier',
] as const

/** A contract behind a proxy. */
export type UpgradeableContract = (typeof upgradeable)[number]

/** An upgrade: the new code of a contract, and the call made with it. */
export type UpgradeInput = {
  contract: UpgradeableContract
  implementation: Address
  /** @default none */
  data?: Hex | undefined
}
/** A contract whose announced upgrade is withdrawn. */
export type CancelUpgradeInput = { contract: UpgradeableContract }
/** A contract, and how many blocks its upgrades wait from now on. */
export type UpgradeDelayInput = { contract: UpgradeableContract; blocks: bigint }

/** What announcing an upgrade emits. */
export type UpgradeScheduledEvent = { implementation: Address; dataHash: Hex; readyAt: bigint }

function contractOf({ contract }: { contract: UpgradeableContract }): UpgradeableContract {
  if (upgradeable.includes(contract)) return contract
  throw new InvalidInputError({
    field: 'contract',
    reason: `expected one of ${upgradeable.join(', ')}`,
  })
}

function dataOf({ data = '0x' }: UpgradeInput): Hex {
  return toHex(fromHex(data, 'data'))
}

// What is called here is the same of every contract behind a proxy.
function define<parameters extends { contract: UpgradeableContract }, event>(
  definition: Omit<OwnerWrite<parameters, event>, 'contract' | 'event'>,
): WriteTriple<parameters, event, undefined> {
  return defineOwnerWrite<parameters, event>({
    ...definition,
    contract: contractOf,
    event: (args) => args as event,
  })
}

const schedule: WriteTriple<UpgradeInput, UpgradeScheduledEvent, undefined> = define({
  name: 'scheduleUpgrade',
  item: ChallengeVerifier.scheduleUpgrade,
  args: (parameters: UpgradeInput) => [
    addressOf(parameters.implementation, 'implementation'),
    dataOf(parameters),
  ],
  emits: ChallengeVerifier.UpgradeScheduled,
  check: checkImplementation,
})

/**
 * Announces an upgrade, which can be applied after the contract's delay and lapses as long again
 * after that. Replaces an earlier announcement. The contract's owner only.
 *
 * @throws {PreflightError} naming `OwnableUnauthorizedAccount`.
 * @example
 * ```ts
 * import { scheduleUpgradeSync } from '@newton/policy-sdk/registry'
 *
 * const { readyAt } = await scheduleUpgradeSync(walletClient, {
 *   addresses,
 *   contract: 'responseRegistry',
 *   implementation: `0x${'11'.repeat(20)}`,
 * })
 * ```
 */
export const scheduleUpgrade: WriteAction<UpgradeInput> = schedule.send
/** Like {@link scheduleUpgrade}, and waits for the receipt and its event. */
export const scheduleUpgradeSync: SyncAction<UpgradeInput, UpgradeScheduledEvent> = schedule.sync
/** Simulates {@link scheduleUpgrade}. */
export const simulateScheduleUpgrade: SimulateAction<UpgradeInput, undefined> = schedule.simulate
/** Checks and transaction of {@link scheduleUpgrade}, nothing signed. */
export const dryRunScheduleUpgrade: DryRunAction<UpgradeInput> = schedule.dryRun

const apply: WriteTriple<UpgradeInput, { implementation: Address }, undefined> = define({
  name: 'executeUpgrade',
  item: ChallengeVerifier.upgradeToAndCall,
  args: (parameters: UpgradeInput) => [
    addressOf(parameters.implementation, 'implementation'),
    dataOf(parameters),
  ],
  emits: ChallengeVerifier.Upgraded,
  check: (client, { address, ...parameters }) =>
    checkUpgrade(client, {
      address,
      implementation: addressOf(parameters.implementation, 'implementation'),
      data: dataOf(parameters),
    }),
})

/**
 * Applies an announced upgrade whose delay is over. The contract's owner only.
 *
 * @throws {PreflightError} naming `UpgradeNotScheduled`, `UpgradeNotReady` or `UpgradeLapsed`.
 */
export const executeUpgrade: WriteAction<UpgradeInput> = apply.send
/** Like {@link executeUpgrade}, and waits for the receipt and its event. */
export const executeUpgradeSync: SyncAction<UpgradeInput, { implementation: Address }> = apply.sync
/** Simulates {@link executeUpgrade}. */
export const simulateExecuteUpgrade: SimulateAction<UpgradeInput, undefined> = apply.simulate
/** Checks and transaction of {@link executeUpgrade}, nothing signed. */
export const dryRunExecuteUpgrade: DryRunAction<UpgradeInput> = apply.dryRun

const cancel: WriteTriple<CancelUpgradeInput, { implementation: Address }, undefined> = define({
  name: 'cancelUpgrade',
  item: ChallengeVerifier.cancelUpgrade,
  args: () => [],
  emits: ChallengeVerifier.UpgradeCancelled,
})

/** Withdraws an announced upgrade. The contract's owner only. */
export const cancelUpgrade: WriteAction<CancelUpgradeInput> = cancel.send
/** Like {@link cancelUpgrade}, and waits for the receipt and its event. */
export const cancelUpgradeSync: SyncAction<CancelUpgradeInput, { implementation: Address }> =
  cancel.sync
/** Simulates {@link cancelUpgrade}. */
export const simulateCancelUpgrade: SimulateAction<CancelUpgradeInput, undefined> = cancel.simulate
/** Checks and transaction of {@link cancelUpgrade}, nothing signed. */
export const dryRunCancelUpgrade: DryRunAction<CancelUpgradeInput> = cancel.dryRun

const delay: WriteTriple<UpgradeDelayInput, { blocks: bigint }, undefined> = define({
  name: 'setUpgradeDelay',
  item: ChallengeVerifier.setUpgradeDelay,
  args: ({ blocks }: UpgradeDelayInput) => [blockOf(blocks, 'blocks')],
  emits: ChallengeVerifier.UpgradeDelayChanged,
})

/** Makes the upgrades of a contract wait longer, never shorter. The contract's owner only. */
export const setUpgradeDelay: WriteAction<UpgradeDelayInput> = delay.send
/** Like {@link setUpgradeDelay}, and waits for the receipt and its event. */
export const setUpgradeDelaySync: SyncAction<UpgradeDelayInput, { blocks: bigint }> = delay.sync
/** Simulates {@link setUpgradeDelay}. */
export const simulateSetUpgradeDelay: SimulateAction<UpgradeDelayInput, undefined> = delay.simulate
/** Checks and transaction of {@link setUpgradeDelay}, nothing signed. */
export const dryRunSetUpgradeDelay: DryRunAction<UpgradeDelayInput> = delay.dryRun
