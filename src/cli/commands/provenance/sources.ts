/** What the commands of provenance read: plugins by hash, events, evidence. */
import type { Address, Hex } from 'viem'
import { type ArtifactSource, decodeLocator, namespaces } from '../../../core/index.js'
import type { PluginProvenance } from '../../../core/interfaces/provenance.js'
import { isPolicySdkError } from '../../../errors/base.js'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  assertTrustPolicy,
  createProvenanceFollower,
  createProvenanceIndex,
  indexedProvenance,
  MAX_EVIDENCE_BYTES,
  type ProvenanceFollower,
  type ProvenanceIndex,
  type TrustPolicy,
} from '../../../provenance/index.js'
import { fetchGuarded } from '../../../provenance/node/index.js'
import { createChainEvents, createProvenanceEvents } from '../../../registry/index.js'
import { daOf, sourceOf } from '../../config/artifactStore.js'
import type { ChainTarget } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import { printProgress, type Terminal } from '../../terminal/output.js'

/** Options that all roles have. */
export const sourceArgs = {
  'allow-private': {
    type: 'boolean',
    description: 'Fetch from private addresses and over plain http, as on a devnet',
    default: false,
  },
} as const

/** Option of roles that follow a chain: a claim that a reorganization takes back must not have been shown. */
export const finalityArgs = {
  finality: {
    type: 'string',
    description: 'Blocks to believe: finalized, safe, or latest as on a devnet',
    default: 'finalized',
  },
} as const

/** What `--finality` says. */
export function finalityOf({ finality }: { finality: string }): 'finalized' | 'safe' | 'latest' {
  if (finality === 'finalized' || finality === 'safe' || finality === 'latest') return finality
  throw new UsageError(`--finality is finalized, safe or latest, not ${JSON.stringify(finality)}.`)
}

/** Option of commands that show or require what a reader believes about plugins. */
export const trustArgs = {
  trust: {
    type: 'string',
    description: 'Trust policy: which verifiers and build environments are believed',
    valueHint: 'file.json',
  },
} as const

/** Reads plugins by their hash: from the store, else where the chain says they are. */
export function pluginReader(
  terminal: Terminal,
  { target, args }: { target: ChainTarget; args: { da?: string | undefined } },
): (wasmHash: Hex, options: IoOptions) => Promise<Uint8Array> {
  const source: ArtifactSource | undefined = sourceOf(
    daOf(terminal, { args, profile: target.profile }),
  )
  if (source === undefined) {
    throw new UsageError('There is no store of artifacts: give --da, or set NEWTON_DA.')
  }
  return async (hash, options) => {
    try {
      return await source.getArtifact({ hash, namespace: namespaces.wasm }, options)
    } catch (error) {
      if (!isPolicySdkError(error)) throw error
      const locators = await announced(target, hash, options)
      if (locators.length === 0) throw error
      return source.getArtifact({ hash, namespace: namespaces.wasm, locators }, options)
    }
  }
}

async function announced(
  { client, addresses, fromBlock }: ChainTarget,
  hash: Hex,
  options: IoOptions,
): Promise<ReturnType<typeof decodeLocator>[]> {
  const events = await createChainEvents({ client, addresses })
  const { number: toBlock } = await events.getLatestBlock(options)
  const range = { fromBlock, toBlock, types: ['ArtifactAnnounced'] as const }
  const found = await events.getEvents(range, options)
  return found.flatMap((event) => {
    if (event.type !== 'ArtifactAnnounced' || event.hash !== hash) return []
    try {
      return [decodeLocator(event.locator)]
    } catch {
      // Anybody announces; what is no locator is no place.
      return []
    }
  })
}

/** An index that is kept up with a chain. */
export type FollowedIndex = {
  index: ProvenanceIndex
  follower: ProvenanceFollower
  /** Reads the events that are new. */
  follow(): Promise<void>
  /**
   * Reads the plugins and the evidence that events name, as much as there is in a minute: it is strangers
   * who say where evidence is, and how long that takes.
   */
  load(): Promise<void>
}

/** Milliseconds of reading what events name, between two readings of the chain. */
const loadMs = 60_000

/** Opens an index over a chain. */
export async function followedIndex(
  terminal: Terminal,
  given: {
    target: ChainTarget
    args: { da?: string | undefined; 'allow-private'?: boolean | undefined }
    signal: AbortSignal
    /** What is read once is what stands now; what is followed is what will stand. */
    finality: 'finalized' | 'safe' | 'latest'
    /** Whose evidence is read first. */
    verifiers?: readonly Address[] | undefined
  },
): Promise<FollowedIndex> {
  const { target, args, signal, finality, verifiers } = given
  const { client, addresses, fromBlock } = target
  const allowPrivate = args['allow-private'] ?? false
  const index = createProvenanceIndex()
  const follower = createProvenanceFollower({
    ...{ index, fromBlock, verifiers },
    events: await createProvenanceEvents({ client, addresses, finality }),
    readPlugin: pluginReader(terminal, { target, args }),
    readEvidence: (uri, options) =>
      fetchGuarded(uri, { ...options, allowPrivate, maxBytes: MAX_EVIDENCE_BYTES }),
  })
  const follow = async (): Promise<void> => {
    printProgress(terminal, 'reading events')
    await follower.follow({ signal })
    printProgress(terminal)
  }
  const load = async (): Promise<void> => {
    const end = Date.now() + loadMs
    while (Date.now() < end && (await follower.loadSome({ signal })) > 0);
  }
  return { index, follower, follow, load }
}

/**
 * What the chain says of plugins, as the trust policy of `--trust` has it.
 *
 * @throws {UsageError} for a file that is no trust policy.
 */
export async function provenanceOf(
  terminal: Terminal,
  given: Omit<Parameters<typeof followedIndex>[1], 'finality'> & { trust: string },
): Promise<PluginProvenance> {
  const policy = (await readJsonObject(terminal, given.trust)) as unknown as TrustPolicy
  try {
    assertTrustPolicy(policy)
  } catch (cause) {
    throw new UsageError(`${given.trust} is no trust policy.`, {
      cause: cause as Error,
      metaMessages: [
        (cause as Error).message.split('\n')[0] as string,
        'Its form: { "images": { "<image>": "trusted" }, "verifiers": ["0x…"], "threshold": 1 }',
      ],
    })
  }
  const { index, follower } = await followedIndex(terminal, { ...given, finality: 'latest' })
  return indexedProvenance({ index, policy, follower })
}
