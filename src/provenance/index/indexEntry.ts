/** What an index keeps of one plugin, and what follows from it. */
import type { Hex } from 'viem'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  type PartialBuildInfo,
} from '../build/buildInfo.js'
import type { WasmHashes } from '../build/compareBuild.js'
import { BuildInfoError } from '../errors.js'
import type { ClaimList, IndexedClaim } from './claimList.js'

/** A build that a plugin is said to come from. */
export type IndexedBuild = {
  buildInfoHash: Hex
  info: BuildInfo
  /** Who says so: the plugin itself, or a manager of the registry. */
  origin: 'plugin' | 'registry'
}

/** All that is known of one plugin. */
export type ProvenanceRecord = {
  wasmHash: Hex
  /** Known once the bytes were seen: nobody's word is taken for it. */
  hashes?: WasmHashes | undefined
  /** Why the plugin's own metadata is of no use, where it has some. */
  metadataFault?: string | undefined
  builds: readonly IndexedBuild[]
  /** The newest claim of each verifier about each build. */
  claims: readonly IndexedClaim[]
  /** Every claim, replaced ones too, oldest first. */
  history: readonly IndexedClaim[]
  registered: boolean
  /** Unix seconds of the newest event. */
  updatedAt: bigint
}

/** What is kept of a plugin. */
export type Entry = {
  wasmHash: Hex
  hashes?: WasmHashes | undefined
  own?: PartialBuildInfo | undefined
  metadataFault?: string | undefined
  entries: BuildInfo[]
  /** What follows from the three above, until one of them changes. */
  builds?: readonly IndexedBuild[] | undefined
  claims: ClaimList
  /** What is handed out, until something changes. */
  record?: ProvenanceRecord | undefined
  registered: boolean
  updatedAt: bigint
}

/** Whether a list has it though nobody asks for what claims alone name. */
export function isListed(entry: Entry): boolean {
  return isSaid(entry) || entry.hashes !== undefined
}

/** Whether a plugin is registered, or a manager says how it was built. */
export function isSaid({ registered, entries }: Entry): boolean {
  return registered || entries.length > 0
}

/** What is handed out of it. */
export function recordOf(entry: Entry): ProvenanceRecord {
  const { wasmHash, hashes, metadataFault, claims, registered, updatedAt } = entry
  entry.builds ??= buildsOf(entry)
  entry.record ??= Object.freeze({
    ...{ wasmHash, hashes, metadataFault, registered, updatedAt },
    ...{ builds: entry.builds, claims: claims.current(), history: claims.history() },
  })
  return entry.record
}

/** What a plugin says of itself comes first; an entry only adds to it. */
export function buildsOf({ hashes, own, entries, metadataFault }: Entry): readonly IndexedBuild[] {
  const builds = new Map<Hex, IndexedBuild>()
  const add = (info: BuildInfo | undefined, origin: IndexedBuild['origin']): void => {
    if (info === undefined) return
    const buildInfoHash = hashOf(info)
    if (buildInfoHash === undefined || builds.has(buildInfoHash)) return
    for (const part of [info, info.args, info.options]) Object.freeze(part)
    builds.set(buildInfoHash, Object.freeze({ buildInfoHash, info, origin }))
  }
  if (hashes === undefined || metadataFault !== undefined) {
    // Without the bytes nobody knows what the plugin says itself, or whose hash the entry has.
    return []
  }
  add(completeBuildInfo(own ?? {}, hashes.wasmSha256), 'plugin')
  for (const entry of entries) {
    add(completeBuildInfo(own ?? {}, hashes.wasmSha256, entry), 'registry')
  }
  return Object.freeze([...builds.values()])
}

/** A plugin carries more than a claim can name: such a build has no name, and no claim is about it. */
function hashOf(info: BuildInfo): Hex | undefined {
  try {
    return computeBuildInfoHash(info)
  } catch (error) {
    if (error instanceof BuildInfoError) return undefined
    throw error
  }
}
