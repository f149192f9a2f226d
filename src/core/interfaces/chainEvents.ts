import type { Address, Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { ChallengeWindows } from '../chains.js'
import type { BlockReference } from './registryReader.js'

/** Where a log stands in its chain. Logs are ordered by these three, in this order. */
export type EventPosition = {
  blockNumber: bigint
  blockHash: Hex
  transactionIndex: number
  logIndex: number
  transactionHash: Hex
}

/** An event of the contracts, decoded. Enough to rebuild every row and slot. */
export type ChainEvent = EventPosition &
  (
    | {
        type: 'PolicyTemplateRegistered'
        id: Hex
        author: Address
        regoHash: Hex
        paramsSchemaHash: Hex
        refs: readonly Hex[]
      }
    | {
        type: 'PolicyDataTemplateRegistered'
        id: Hex
        author: Address
        wasmHash: Hex
        paramsSchemaHash: Hex
        secretsSchemaHash: Hex
      }
    | {
        type: 'PolicyInstanceDeployed' | 'PolicyDataInstanceDeployed'
        id: Hex
        client: Address
        templateId: Hex
        paramsHash: Hex
        expireAfter: bigint
        params: Hex
      }
    | { type: 'CurrentPolicyInstanceSet'; client: Address; previous: Hex; current: Hex }
    | {
        type: 'CurrentPolicyDataInstanceSet'
        client: Address
        templateId: Hex
        previous: Hex
        current: Hex
      }
    | {
        type: 'ArtifactAnnounced'
        hash: Hex
        namespace: number
        announcer: Address
        locator: Hex
      }
    | { type: 'EnclaveRequirementChanged'; required: boolean }
    | {
        type: 'StateRootCommitted'
        sequenceNo: bigint
        prevStateRoot: Hex
        newStateRoot: Hex
        timestamp: bigint
        daCertHash: Hex
        pcr0Commitment: Hex
      }
    | { type: 'SnapshotAnchored'; sequenceNo: bigint; root: Hex; timestamp: bigint }
    | { type: 'CommitAnnounced'; sequenceNo: bigint; deltaHash: Hex; locators: readonly Hex[] }
    | { type: 'CommitCopyAnnounced'; sequenceNo: bigint; locator: Hex }
  )

/** Name of an event of {@link ChainEvent}. */
export type ChainEventType = ChainEvent['type']

/** Ordered events and blocks of one chain. */
export interface ChainEvents {
  readonly chainId: bigint
  /**
   * All events of blocks `fromBlock` to `toBlock`, both included, in chain order. Fewer are an error:
   * a node that has not reached `toBlock` fails.
   */
  getEvents(
    parameters: {
      fromBlock: bigint
      toBlock: bigint
      types?: readonly ChainEventType[] | undefined
    } & ReadAnchors,
    options?: IoOptions,
  ): Promise<readonly ChainEvent[]>
  getBlock(number: bigint, options?: IoOptions): Promise<BlockReference | null>
  getLatestBlock(options?: IoOptions): Promise<BlockReference>
  /** The newest block that will not be reorganized. */
  getFinalizedBlock(options?: IoOptions): Promise<BlockReference>
  /** The deployed contracts' windows, `null` where this chain has no `ChallengeVerifier`. */
  getWindows?(options?: IoOptions): Promise<ChallengeWindows | null>
  /**
   * What slots held at the end of a block, from the contracts and not from events: what is rebuilt
   * from events is compared with it.
   */
  getSlotValues?(parameters: { block: bigint } & SlotKeys, options?: IoOptions): Promise<SlotValues>
}

/** Blocks that a read of a range has to fit: an answer of another branch is an error. */
export type ReadAnchors = {
  /** Hash of the block before `fromBlock`. */
  parentHash?: Hex | undefined
  /** Hash of `toBlock`. */
  blockHash?: Hex | undefined
}

/** Which slots. */
export type SlotKeys = {
  policies: readonly Address[]
  policyData: readonly { client: Address; templateId: Hex }[]
}

/** Values of slots, in the order of their keys; `null` is an empty slot. */
export type SlotValues = {
  /** Hash of the block that they are of. */
  blockHash: Hex
  policies: readonly (Hex | null)[]
  policyData: readonly (Hex | null)[]
  enclaveRequired: boolean
}
