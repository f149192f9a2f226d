/** What owners set once in a while: quorums, staleness, signers of snapshots; and mirrored builds. */

import type { Address, Hex } from 'viem'
import * as BN254CertificateVerifier from '../../../core/abi/bn254CertificateVerifierAbi.js'
import * as EnclaveVersionMirror from '../../../core/abi/enclaveVersionMirrorAbi.js'
import * as EnclaveVersionRegistry from '../../../core/abi/enclaveVersionRegistryAbi.js'
import * as StateCommitRegistry from '../../../core/abi/stateCommitRegistryAbi.js'
import { InvalidInputError } from '../../../errors/common.js'
import { assertList } from '../../../internal/options.js'
import { resolveAddress } from '../../chain/addresses.js'
import { functionOf } from '../../chain/slices.js'
import { addressOf, wordOf } from '../../rows/inputs.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'
import { defineOwnerWrite } from './ownerWrites.js'

/** A quorum of stake, in ten thousandths. */
export type QuorumInput = { quorumBps: number }
/** Seconds after which certificates of an operator table are not accepted any more. */
export type MaxStalenessInput = { maxStaleness: number }
/** Who signs recovery snapshots, and how many of them have to. */
export type SnapshotSignersInput = { signers: readonly Address[]; threshold: number }
/** An account that may activate and deprecate builds, or may not any more. */
export type TaskGeneratorInput = { generator: Address; allowed: boolean }
/** A build of the registry that a mirror follows. */
export type SyncEnclaveVersionInput = { pcr0Hash: Hex }

/** What announcing a quorum of certificates emits. */
export type QuorumBpsChangedEvent = { previous: number; current: number; blockNumber: bigint }
/** What a change of staleness emits. */
export type MaxStalenessChangedEvent = { previous: number; current: number }
/** What announcing a quorum of commits emits. */
export type MinQuorumBpsScheduledEvent = { newBps: number; fromBlock: bigint }
/** What the mirror noted of a build: that it is active, or that it is not any more. */
export type EnclaveVersionSyncedEvent = { pcr0Hash: Hex; active: boolean }

function integerOf(value: number, { field, most }: { field: string; most: number }): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value
  throw new InvalidInputError({ field, reason: `expected an integer from 0 to ${most}` })
}

const quorumArgs = ({ quorumBps }: QuorumInput): readonly unknown[] => [
  integerOf(quorumBps, { field: 'quorumBps', most: 10_000 }),
]

const quorum: WriteTriple<QuorumInput, QuorumBpsChangedEvent, undefined> = defineOwnerWrite({
  name: 'setQuorumBps',
  item: BN254CertificateVerifier.setQuorumBps,
  contract: 'certificateVerifier',
  args: quorumArgs,
  emits: BN254CertificateVerifier.QuorumBpsChanged,
  event: (args) => args as QuorumBpsChangedEvent,
})

/**
 * Announces the quorum of certificates, in force from one upgrade delay on. The quorum in force
 * withdraws an announcement. The owner of the certificate verifier only.
 */
export const setQuorumBps: WriteAction<QuorumInput> = quorum.send
/** Like {@link setQuorumBps}, and waits for the receipt and its event. */
export const setQuorumBpsSync: SyncAction<QuorumInput, QuorumBpsChangedEvent> = quorum.sync
/** Simulates {@link setQuorumBps}. */
export const simulateSetQuorumBps: SimulateAction<QuorumInput, undefined> = quorum.simulate
/** Checks and transaction of {@link setQuorumBps}, nothing signed. */
export const dryRunSetQuorumBps: DryRunAction<QuorumInput> = quorum.dryRun

const staleness: WriteTriple<MaxStalenessInput, MaxStalenessChangedEvent, undefined> =
  defineOwnerWrite({
    name: 'setMaxStaleness',
    item: BN254CertificateVerifier.setMaxStaleness,
    contract: 'certificateVerifier',
    args: ({ maxStaleness }: MaxStalenessInput) => [
      integerOf(maxStaleness, { field: 'maxStaleness', most: 0xffff_ffff }),
    ],
    emits: BN254CertificateVerifier.MaxStalenessChanged,
    event: (args) => args as MaxStalenessChangedEvent,
  })

/**
 * Sets how old an operator table may be when a certificate of it is accepted: never more than it was
 * set up with. The owner of the certificate verifier only.
 */
export const setMaxStaleness: WriteAction<MaxStalenessInput> = staleness.send
/** Like {@link setMaxStaleness}, and waits for the receipt and its event. */
export const setMaxStalenessSync: SyncAction<MaxStalenessInput, MaxStalenessChangedEvent> =
  staleness.sync
/** Simulates {@link setMaxStaleness}. */
export const simulateSetMaxStaleness: SimulateAction<MaxStalenessInput, undefined> =
  staleness.simulate
/** Checks and transaction of {@link setMaxStaleness}, nothing signed. */
export const dryRunSetMaxStaleness: DryRunAction<MaxStalenessInput> = staleness.dryRun

const commitQuorum: WriteTriple<QuorumInput, MinQuorumBpsScheduledEvent, undefined> =
  defineOwnerWrite({
    name: 'setMinQuorumBps',
    item: StateCommitRegistry.setMinQuorumBps,
    contract: 'stateCommitRegistry',
    args: quorumArgs,
    emits: StateCommitRegistry.MinQuorumBpsScheduled,
    event: (args) => args as MinQuorumBpsScheduledEvent,
  })

/**
 * Announces the quorum of state commits, in force from one upgrade delay on. The owner of the commit
 * registry only.
 */
export const setMinQuorumBps: WriteAction<QuorumInput> = commitQuorum.send
/** Like {@link setMinQuorumBps}, and waits for the receipt and its event. */
export const setMinQuorumBpsSync: SyncAction<QuorumInput, MinQuorumBpsScheduledEvent> =
  commitQuorum.sync
/** Simulates {@link setMinQuorumBps}. */
export const simulateSetMinQuorumBps: SimulateAction<QuorumInput, undefined> = commitQuorum.simulate
/** Checks and transaction of {@link setMinQuorumBps}, nothing signed. */
export const dryRunSetMinQuorumBps: DryRunAction<QuorumInput> = commitQuorum.dryRun

const signers: WriteTriple<SnapshotSignersInput, SnapshotSignersInput, undefined> =
  defineOwnerWrite({
    name: 'setSnapshotSigners',
    item: StateCommitRegistry.setSnapshotSigners,
    contract: 'stateCommitRegistry',
    args: ({ signers: accounts, threshold }: SnapshotSignersInput) => {
      assertList('signers', accounts)
      return [
        accounts.map((account) => addressOf(account, 'signers')),
        integerOf(threshold, { field: 'threshold', most: 0xff }),
      ]
    },
    emits: StateCommitRegistry.SnapshotSignersChanged,
    event: (args) => args as SnapshotSignersInput,
  })

/** Names who signs recovery snapshots, and how many have to. The owner of the commit registry only. */
export const setSnapshotSigners: WriteAction<SnapshotSignersInput> = signers.send
/** Like {@link setSnapshotSigners}, and waits for the receipt and its event. */
export const setSnapshotSignersSync: SyncAction<SnapshotSignersInput, SnapshotSignersInput> =
  signers.sync
/** Simulates {@link setSnapshotSigners}. */
export const simulateSetSnapshotSigners: SimulateAction<SnapshotSignersInput, undefined> =
  signers.simulate
/** Checks and transaction of {@link setSnapshotSigners}, nothing signed. */
export const dryRunSetSnapshotSigners: DryRunAction<SnapshotSignersInput> = signers.dryRun

const generator: WriteTriple<
  TaskGeneratorInput,
  { generator: Address; allowed: boolean },
  undefined
> = defineOwnerWrite({
  name: 'setTaskGenerator',
  item: EnclaveVersionRegistry.setTaskGenerator,
  contract: 'enclaveVersionRegistry',
  args: ({ generator: account, allowed }: TaskGeneratorInput) => [
    addressOf(account, 'generator'),
    allowed,
  ],
  emits: EnclaveVersionRegistry.TaskGeneratorSet,
  event: ({ account, allowed }) => ({
    generator: account as Address,
    allowed: allowed as boolean,
  }),
})

/** Lets an account activate and deprecate builds, or not. The owner of the registry of builds only. */
export const setTaskGenerator: WriteAction<TaskGeneratorInput> = generator.send
/** Like {@link setTaskGenerator}, and waits for the receipt and its event. */
export const setTaskGeneratorSync: SyncAction<
  TaskGeneratorInput,
  { generator: Address; allowed: boolean }
> = generator.sync
/** Simulates {@link setTaskGenerator}. */
export const simulateSetTaskGenerator: SimulateAction<TaskGeneratorInput, undefined> =
  generator.simulate
/** Checks and transaction of {@link setTaskGenerator}, nothing signed. */
export const dryRunSetTaskGenerator: DryRunAction<TaskGeneratorInput> = generator.dryRun

const mirrored: WriteTriple<SyncEnclaveVersionInput, EnclaveVersionSyncedEvent, undefined> =
  defineWrite<SyncEnclaveVersionInput, EnclaveVersionSyncedEvent, undefined>({
    name: 'syncEnclaveVersion',
    prepare: (client, { addresses, pcr0Hash }) => ({
      address: resolveAddress('enclaveVersionRegistry', { addresses, chainId: client.chain.id }),
      ...functionOf(EnclaveVersionMirror.sync),
      args: [wordOf(pcr0Hash, 'pcr0Hash')],
    }),
    emits: EnclaveVersionMirror.EnclaveVersionActivated,
    event: ({ pcr0Hash }) => ({ pcr0Hash: pcr0Hash as Hex, active: true }),
    // A sync that is mined noted one of the two.
    noEvent: (_client, { pcr0Hash }) => ({ pcr0Hash: wordOf(pcr0Hash, 'pcr0Hash'), active: false }),
    result: () => undefined,
  })

/**
 * Has the mirror of a registry of builds note what the registry says of one now, where the chain
 * counts other blocks than that registry. Anyone may send it.
 *
 * @throws {ContractRevertError} naming `VersionNotRegistered`, `VersionAlreadyDeprecated` or
 * `NothingToSync`.
 */
export const syncEnclaveVersion: WriteAction<SyncEnclaveVersionInput> = mirrored.send
/** Like {@link syncEnclaveVersion}, and waits for the receipt. */
export const syncEnclaveVersionSync: SyncAction<
  SyncEnclaveVersionInput,
  EnclaveVersionSyncedEvent
> = mirrored.sync
/** Simulates {@link syncEnclaveVersion}. */
export const simulateSyncEnclaveVersion: SimulateAction<SyncEnclaveVersionInput, undefined> =
  mirrored.simulate
/** Checks and transaction of {@link syncEnclaveVersion}, nothing signed. */
export const dryRunSyncEnclaveVersion: DryRunAction<SyncEnclaveVersionInput> = mirrored.dryRun
