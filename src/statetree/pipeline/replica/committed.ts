/** What is under the root that was committed on chain at a block. */
import type { Hex } from 'viem'
import { computeKeyHash, namespaces } from '../../../core/artifact.js'
import type { ChainEvent, ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { CommittedArtifacts, EnvelopeSource } from '../../../core/interfaces/secretsOpener.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { assertOptions } from '../../../internal/options.js'
import { createRecall } from '../../../internal/singleFlight.js'
import { BytesNotFoundError } from '../../errors.js'
import type { TreeProof } from '../../proof/proof.js'
import type { StateTree } from '../../stateTree.js'
import { ArtifactNotCommittedError, PipelineStateError } from '../errors.js'
import { finalEvents } from './finalEvents.js'

/** A root with the version of the tree it is of. */
export type CommittedRoot = { sequenceNo: bigint; root: Hex; block: bigint }

/** Reads a tree as the chain knew it at a block. */
export type CommittedTree = CommittedArtifacts &
  EnvelopeSource & {
    /** The last commit that landed at or before `block`; `null` before the first. */
    rootAt(block: bigint, options?: IoOptions): Promise<CommittedRoot | null>
    /**
     * Proves an artifact under the root committed at `block`.
     *
     * @throws {ArtifactNotCommittedError} where it is not there (yet): retryable.
     */
    proveArtifact(
      parameters: { namespace: number; hash: Hex; block: bigint },
      options?: IoOptions,
    ): Promise<CommittedRoot & { proof: TreeProof }>
  }

/**
 * Joins a tree with the commits on chain.
 *
 * An attesting operator refuses artifacts that are not under the root committed at the reference
 * block; `isCommittedAt` answers that, and fails rather than guess while the tree is behind.
 *
 * @param options.startBlock - First block with commits. Default 0.
 * @param options.life - Milliseconds for which the root at a block is not asked for again: it changes only
 * where the chain is reorganized. Default 0.
 */
export function committedTree(options: {
  tree: StateTree
  events: ChainEvents
  startBlock?: bigint | undefined
  life?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}): CommittedTree {
  assertOptions(
    options,
    {
      ...{ tree: 'object', events: 'object', startBlock: 'uint' },
      ...{ life: 'milliseconds', now: 'function' },
    },
    { required: ['tree', 'events'] },
  )
  const { tree, events, startBlock = 0n, life = 0, now } = options
  const recall = createRecall<CommittedRoot | null>({
    ...{ operation: 'committed root', life, now, keep: (root) => root !== null },
  })
  const roots: CommittedRoot[] = []
  // Only final blocks are remembered: what is not final can still be reorganized away.
  const final = finalEvents({
    events,
    startBlock,
    types: ['StateRootCommitted'],
    onReset: () => {
      roots.length = 0
    },
  })

  const rootAt = (block: bigint, io: IoOptions = {}): Promise<CommittedRoot | null> =>
    recall(`${block}`, io, (own) => readRoot(block, own))
  const readRoot = async (block: bigint, io: IoOptions): Promise<CommittedRoot | null> => {
    await final.read((event) => roots.push(...rootsOf([event])), io)
    const recent = block > final.upTo ? await commits(final.upTo + 1n, block, io) : []
    let found: CommittedRoot | null = null
    for (const root of [...roots, ...recent]) if (root.block <= block) found = root
    return found
  }
  const commits = async (
    fromBlock: bigint,
    toBlock: bigint,
    io: IoOptions,
  ): Promise<CommittedRoot[]> => {
    return rootsOf(
      await events.getEvents({ fromBlock, toBlock, types: ['StateRootCommitted'] }, io),
    )
  }
  const versionOf = (committed: CommittedRoot): { version: number } => {
    const version = Number(committed.sequenceNo)
    if (tree.root({ version }) !== committed.root) {
      throw new PipelineStateError({
        reason: `version ${version} of the tree is not the committed root`,
      })
    }
    return { version }
  }
  return {
    rootAt,
    async isCommittedAt({ namespace, hash, block }, io) {
      const committed = await rootAt(block, io)
      if (committed === null) return false
      return tree.get(computeKeyHash(namespace, hash), versionOf(committed)) !== undefined
    },
    async proveArtifact({ namespace, hash, block }, io) {
      const committed = await rootAt(block, io)
      const keyHash = computeKeyHash(namespace, hash)
      const proof = committed === null ? undefined : tree.prove(keyHash, versionOf(committed))
      if (committed === null || proof?.type !== 'inclusion') {
        throw new ArtifactNotCommittedError({ hash, namespace, block })
      }
      return { ...committed, proof }
    },
    async getEnvelope({ policyDataInstanceId, block }, io) {
      const committed = await rootAt(block, io)
      if (committed === null) return null
      const keyHash = computeKeyHash(namespaces.secrets, policyDataInstanceId)
      const valueHash = tree.get(keyHash, versionOf(committed))
      if (valueHash === undefined) return null
      const bytes = await tree.store.bytes.get(valueHash)
      if (bytes === undefined) throw new BytesNotFoundError({ hash: valueHash })
      return bytes
    },
  }
}

function rootsOf(events: readonly ChainEvent[]): CommittedRoot[] {
  return events.flatMap((event) =>
    event.type === 'StateRootCommitted'
      ? [{ sequenceNo: event.sequenceNo, root: event.newStateRoot, block: event.blockNumber }]
      : [],
  )
}
