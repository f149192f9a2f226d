/** Where a process has artifacts from, and the one cache that all its parts share. */
import { join, resolve } from 'node:path'
import type { Hex } from 'viem'
import type { ArtifactSource } from '../../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import type { MetricsRegistry } from '../../../core/metrics.js'
import {
  ArtifactUnavailableError,
  type ByteStore,
  createArtifactSource,
  createLayeredArtifactCache,
  eigenDa,
  type LayeredArtifactCache,
  recordCacheMetrics,
} from '../../../da/index.js'
import { diskByteStore, fileDa, filePayments } from '../../../da/node/index.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { longKeccakHex } from '../../../internal/longKeccak.js'
import { type CommitPipeline, snapshotClient } from '../../../statetree/index.js'
import type { Closers } from './running.js'

/** What artifacts are had with. */
export type ArtifactSettings = {
  'da.directory'?: string | undefined
  'da.proxy_url'?: string | undefined
  'da.bootnodes': readonly string[]
}

/** What a process knows of artifacts from the chain: its tree, and who announced what. */
type Followed = Pick<CommitPipeline, 'tree' | 'locators'>

/** Stores that are written to and read from. */
export type OpenedArtifacts = {
  readonly clients: readonly DaClient[]
  readonly cache: LayeredArtifactCache
  /** Whether the bytes are on this disk and hash to their name; damaged ones may be replaced. */
  holds(hash: Hex): Promise<boolean>
  /** From then on the tree's own copies are read first, then the locators that are announced. */
  follow(followed: Followed): void
}

/**
 * Opens the stores of a process. One cache serves evaluator, plugins, schemas, replays and reader;
 * it is there before the tree, which is filled through it.
 */
export function openArtifacts(
  settings: ArtifactSettings,
  parts: {
    directory: string
    metrics?: MetricsRegistry | undefined
    /** Of a process that writes: it remembers in its directory what it has paid for. */
    closers?: Closers | undefined
  },
): OpenedArtifacts {
  const { 'da.directory': shared, 'da.proxy_url': proxy, 'da.bootnodes': bootnodes } = settings
  const clients: DaClient[] = []
  if (shared !== undefined) clients.push(fileDa({ directory: resolve(shared) }))
  const { directory, metrics, closers } = parts
  const payments = closers && filePayments({ path: join(directory, 'payments.json') })
  if (payments !== undefined) closers?.add(payments.close)
  if (proxy !== undefined) clients.push(eigenDa({ url: proxy, payments }))
  let followed: Followed | undefined
  const { onCacheEvent, onArtifactEvent } = recorded(metrics)
  const da = createArtifactSource({
    clients,
    locatorsOf: async ({ hash, namespace }, io) =>
      (await followed?.locators({ ref: { hash, namespace } }, io)) ?? [],
    onEvent: onArtifactEvent,
  })
  const files = diskByteStore({ directory: join(directory, 'artifacts') })
  const disk = beforeDisk(files, () => followed?.tree.store.bytes)
  const cache = createLayeredArtifactCache({
    disk,
    ...(clients.length === 0 ? {} : { da }),
    ...(bootnodes.length === 0 ? {} : { peers: bootnodeSource(bootnodes) }),
    onEvent: onCacheEvent,
  })
  return {
    ...{ clients, cache },
    async holds(hash) {
      const found = await disk.read(hash).catch(() => undefined)
      return found !== undefined && longKeccakHex(found) === hash
    },
    follow: (next) => {
      followed = next
    },
  }
}

function recorded(
  metrics: MetricsRegistry | undefined,
): Partial<ReturnType<typeof recordCacheMetrics>> {
  return metrics === undefined ? {} : recordCacheMetrics(metrics)
}

/**
 * The tree's copies before those of the disk: they go only with their leaf, so what the tree needs is
 * never evicted and not kept twice. A damaged one is mended by what comes from elsewhere.
 */
export function beforeDisk(
  disk: ByteStore,
  bytesOf: () => Followed['tree']['store']['bytes'] | undefined,
): ByteStore {
  const isHeld = async (key: string): Promise<boolean> =>
    (await bytesOf()?.has(key as Hex)) === true
  return {
    ...disk,
    async read(key, io) {
      // One that is damaged is none: the next place is asked.
      const own = await bytesOf()
        ?.get(key as Hex)
        .catch(() => undefined)
      return own ?? disk.read(key, io)
    },
    write: async (key, bytes, io) =>
      (await isHeld(key)) ? bytesOf()?.put(key as Hex, bytes) : disk.write(key, bytes, io),
    has: async (key, io) => (await isHeld(key)) || disk.has(key, io),
  }
}

/** Bytes from bootnodes, one after another. What they give is hashed by whoever asked. */
export function bootnodeSource(urls: readonly string[]): ArtifactSource {
  const nodes = urls.map((url) => snapshotClient({ url, resumptions: 1 }))
  return {
    async getArtifact({ hash }, io = {}) {
      let failure: unknown
      for (const node of nodes) {
        try {
          return await node.bytes(hash, { timeout: 15_000, ...io })
        } catch (error) {
          io.signal?.throwIfAborted()
          failure = error
        }
      }
      const cause = isPolicySdkError(failure) ? failure : undefined
      throw new ArtifactUnavailableError({ artifactHash: hash, attempts: [] }, { cause })
    },
  }
}
