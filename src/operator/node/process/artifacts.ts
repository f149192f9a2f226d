/** Where a process has artifacts from, and the one cache that all its parts share. */
import { join, resolve } from 'node:path'
import type { ArtifactSource } from '../../../core/interfaces/artifactSource.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import {
  ArtifactUnavailableError,
  createArtifactSource,
  createLayeredArtifactCache,
  eigenDa,
  type LayeredArtifactCache,
} from '../../../da/index.js'
import { diskByteStore, fileDa } from '../../../da/node/index.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { snapshotClient } from '../../../statetree/index.js'

/** What artifacts are had with. */
export type ArtifactSettings = {
  'da.directory'?: string | undefined
  'da.proxy_url'?: string | undefined
  'da.bootnodes': readonly string[]
}

/** Stores that are written to and read from. */
export type OpenedArtifacts = {
  readonly clients: readonly DaClient[]
  readonly cache: LayeredArtifactCache
}

/** Opens the stores of a process. One cache serves evaluator, plugins, schemas and reader. */
export function openArtifacts(settings: ArtifactSettings, directory: string): OpenedArtifacts {
  const { 'da.directory': files, 'da.proxy_url': proxy, 'da.bootnodes': bootnodes } = settings
  const clients: DaClient[] = []
  if (files !== undefined) clients.push(fileDa({ directory: resolve(files) }))
  if (proxy !== undefined) clients.push(eigenDa({ url: proxy }))
  const cache = createLayeredArtifactCache({
    disk: diskByteStore({ directory: join(directory, 'artifacts') }),
    ...(clients.length === 0 ? {} : { da: createArtifactSource({ clients }) }),
    ...(bootnodes.length === 0 ? {} : { peers: bootnodeSource(bootnodes) }),
  })
  return { clients, cache }
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
