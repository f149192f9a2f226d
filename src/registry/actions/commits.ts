/** State commits and the announcements of their deltas. */
import type { AbiEvent, AbiFunction, Address, Hex } from 'viem'
import * as StateCommitRegistry from '../../core/abi/stateCommitRegistryAbi.js'
import { type Certificate, encodeCertificate } from '../../core/bn254/certificate.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { assertStateCommit, type StateCommit } from '../../core/stateCommit.js'
import { assertList, assertObject } from '../../internal/options.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import type { PreflightCheck } from '../chain/preflightCheck.js'
import { functionOf } from '../chain/slices.js'
import { checkAnnounceCommit, checkCommit } from '../preflight/commits.js'
import { wordOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A commit with the quorum's certificate. */
export type CommitStateRootInput = { commit: StateCommit; certificate: Certificate }
/** The delta of a commit, by its hash, and where it is. */
export type AnnounceCommitInput = {
  sequenceNo: bigint
  deltaHash: Hex
  locators: readonly DaLocator[]
}
/** Another place where a commit's delta is. A hint. */
export type AnnounceCommitCopyInput = { sequenceNo: bigint; locator: DaLocator }

/** What landing a commit emits. */
export type StateRootCommittedEvent = {
  sequenceNo: bigint
  prevStateRoot: Hex
  newStateRoot: Hex
  timestamp: bigint
  daCertHash: Hex
  pcr0Commitment: Hex
}
/** What announcing a delta emits. */
export type CommitAnnouncedEvent = {
  sequenceNo: bigint
  deltaHash: Hex
  locators: readonly Hex[]
}
/** What announcing a copy emits. */
export type CommitCopyAnnouncedEvent = { sequenceNo: bigint; locator: Hex }

function define<parameters, event>(definition: {
  name: string
  item: AbiFunction
  emits: AbiEvent
  args: (parameters: parameters) => readonly unknown[]
  check: (
    client: WriteClient,
    parameters: parameters & { registry: Address },
  ) => Promise<readonly PreflightCheck[]>
}): WriteTriple<parameters, event, undefined> {
  return defineWrite<parameters, event, undefined>({
    name: definition.name,
    prepare: (client, parameters) => ({
      address: registryOf(client, parameters),
      ...functionOf(definition.item),
      args: definition.args(parameters),
    }),
    preflight: (client, parameters) =>
      definition.check(client, { ...parameters, registry: registryOf(client, parameters) }),
    emits: definition.emits,
    event: (args) => args as event,
    result: () => undefined,
  })
}

function registryOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('stateCommitRegistry', { addresses, chainId: client.chain.id })
}

const commit: WriteTriple<CommitStateRootInput, StateRootCommittedEvent, undefined> = define({
  name: 'commitStateRoot',
  item: StateCommitRegistry.commitStateRoot,
  emits: StateCommitRegistry.StateRootCommitted,
  args: ({ commit, certificate }: CommitStateRootInput) => {
    assertStateCommit(commit)
    return [commit, encodeCertificate(certificate)]
  },
  check: checkCommit,
})

/** Lands a state commit. Open to all: the certificate is the permission. */
export const commitStateRoot: WriteAction<CommitStateRootInput> = commit.send
/** Like {@link commitStateRoot}, and waits for the receipt and its event. */
export const commitStateRootSync: SyncAction<CommitStateRootInput, StateRootCommittedEvent> =
  commit.sync
/** Simulates {@link commitStateRoot}. */
export const simulateCommitStateRoot: SimulateAction<CommitStateRootInput, undefined> =
  commit.simulate
/** Checks and transaction of {@link commitStateRoot}, nothing signed. */
export const dryRunCommitStateRoot: DryRunAction<CommitStateRootInput> = commit.dryRun

const announce: WriteTriple<AnnounceCommitInput, CommitAnnouncedEvent, undefined> = define({
  name: 'announceCommit',
  item: StateCommitRegistry.announceCommit,
  emits: StateCommitRegistry.CommitAnnounced,
  args: ({ sequenceNo, deltaHash, locators }: AnnounceCommitInput) => {
    assertList('locators', locators)
    return [sequenceNo, wordOf(deltaHash, 'deltaHash'), locators.map(encodeLocator)]
  },
  check: (client, { registry, sequenceNo, deltaHash: hash, locators }) =>
    checkAnnounceCommit(client, { registry, sequenceNo, delta: { hash, locators } }),
})

/** Announces a commit's delta. Under version 2 the contract checks it against the commit. */
export const announceCommit: WriteAction<AnnounceCommitInput> = announce.send
/** Like {@link announceCommit}, and waits for the receipt and its event. */
export const announceCommitSync: SyncAction<AnnounceCommitInput, CommitAnnouncedEvent> =
  announce.sync
/** Simulates {@link announceCommit}. */
export const simulateAnnounceCommit: SimulateAction<AnnounceCommitInput, undefined> =
  announce.simulate
/** Checks and transaction of {@link announceCommit}, nothing signed. */
export const dryRunAnnounceCommit: DryRunAction<AnnounceCommitInput> = announce.dryRun

const copy: WriteTriple<AnnounceCommitCopyInput, CommitCopyAnnouncedEvent, undefined> = define({
  name: 'announceCommitCopy',
  item: StateCommitRegistry.announceCommitCopy,
  emits: StateCommitRegistry.CommitCopyAnnounced,
  args: ({ sequenceNo, locator }: AnnounceCommitCopyInput) => {
    assertObject('locator', locator)
    return [sequenceNo, encodeLocator(locator)]
  },
  check: (client, { registry, sequenceNo }) =>
    checkAnnounceCommit(client, { registry, sequenceNo }),
})

/** Announces one more place of a commit's delta, for renewals. A hint. */
export const announceCommitCopy: WriteAction<AnnounceCommitCopyInput> = copy.send
/** Like {@link announceCommitCopy}, and waits for the receipt and its event. */
export const announceCommitCopySync: SyncAction<AnnounceCommitCopyInput, CommitCopyAnnouncedEvent> =
  copy.sync
/** Simulates {@link announceCommitCopy}. */
export const simulateAnnounceCommitCopy: SimulateAction<AnnounceCommitCopyInput, undefined> =
  copy.simulate
/** Checks and transaction of {@link announceCommitCopy}, nothing signed. */
export const dryRunAnnounceCommitCopy: DryRunAction<AnnounceCommitCopyInput> = copy.dryRun
