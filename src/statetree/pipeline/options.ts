/** Options of a pipeline, checked once, and what it tells of itself. */
import type { Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { ExternalWrites } from '../../core/interfaces/externalWrites.js'
import type { MetricsRegistry } from '../../core/metrics.js'
import { InvalidInputError } from '../../errors/common.js'
import { asBytes } from '../../internal/bytes.js'
import { assertFunctions, assertMembers, assertOptions } from '../../internal/options.js'
import type { StateTree } from '../stateTree.js'
import type { ArtifactRef } from './delta.js'
import type { CommitParameters } from './parameters.js'
import type { ClientOwner } from './queue/locators.js'

/** Something that happened in a pipeline. */
export type PipelineEvent =
  | { type: 'statetree.enqueued'; count: number; block: bigint }
  | { type: 'statetree.skipped'; template: readonly ArtifactRef[]; reason: 'author' | 'total' }
  | { type: 'statetree.omitted'; ref: ArtifactRef; cause: unknown }
  | { type: 'statetree.damaged'; hash: Hex; mended: boolean; cause: unknown }
  | {
      type: 'statetree.committed'
      sequenceNo: bigint
      root: Hex
      included: number
      deleted: number
    }
  | { type: 'statetree.backpressure'; queueBytes: number; limit: number }

/** Options of {@link openCommitPipeline}. */
export type CommitPipelineOptions = {
  tree: StateTree
  events: ChainEvents
  /** Where the bytes of artifacts come from. Not needed by who only validates. */
  artifacts?: ArtifactSource | undefined
  /** Writes of the private-data layer. Default: none. */
  external?: ExternalWrites | undefined
  /**
   * Constants of the network. Default: windows of the deployed contracts, the rest from the table of
   * chains.
   */
  parameters?: CommitParameters | undefined
  /** First block with events of the registries. Default 0. */
  startBlock?: bigint | undefined
  /**
   * This operator's own secret, at least 16 bytes, by which it orders the locators of strangers.
   * Random where left out.
   */
  locatorKey?: Uint8Array | undefined
  /** Owner of a client, whose announcements have places of their own. Without it only clients do. */
  ownerOf?: ClientOwner | undefined
  metrics?: MetricsRegistry | undefined
  onEvent?: ((event: PipelineEvent) => void) | undefined
}

/** Bytes of a key that nobody guesses. */
const LEAST_KEY_BYTES = 16

const optionRules = {
  tree: 'object',
  events: 'object',
  artifacts: 'object',
  external: 'object',
  parameters: 'object',
  startBlock: 'uint',
  locatorKey: 'object',
  ownerOf: 'function',
  metrics: 'object',
  onEvent: 'function',
} as const

/** @throws {InvalidInputError} for an option that is missing, misspelled or out of its bounds. */
export function assertPipelineOptions(options: CommitPipelineOptions): void {
  assertOptions(options, optionRules, { required: ['tree', 'events'] })
  const { tree, events, artifacts, external, locatorKey } = options
  assertMembers('options.tree', tree, ['store', 'range', 'commit'])
  assertFunctions('options.events', events, ['getEvents', 'getBlock'])
  if (artifacts !== undefined) assertFunctions('options.artifacts', artifacts, ['getArtifact'])
  if (external !== undefined) assertFunctions('options.external', external, ['writesFor'])
  if (locatorKey === undefined) return
  if (asBytes(locatorKey) !== undefined && locatorKey.length >= LEAST_KEY_BYTES) return
  const reason = `expected at least ${LEAST_KEY_BYTES} bytes of a secret`
  throw new InvalidInputError({ field: 'options.locatorKey', reason })
}
