/**
 * What the chain says of plugins, replayed into views. Disposable: the events are the record.
 *
 * Bytes that are added besides, plugins and evidence, are checked against the hashes that events name
 * them by, and so is everything that follows from them.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Address, Hex } from 'viem'
import type { ProvenanceEvent, VerificationResult } from '../../core/interfaces/provenance.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import {
  assertBytes,
  assertCount,
  assertFlag,
  assertKnown,
  assertList,
  assertText,
} from '../../internal/options.js'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  decodeBuildInfo,
  type PartialBuildInfo,
  parseBuildEntries,
} from '../build/buildInfo.js'
import { computeWasmHashes, type WasmHashes } from '../build/compareBuild.js'
import { readMetadata } from '../build/metadata.js'
import { evidenceHashOf, type VerificationEvidence, verifyEvidence } from '../claims/evidence.js'
import { BuildInfoError } from '../errors.js'

/** A claim as it stands on chain, and what is known of it. */
export type IndexedClaim = {
  wasmHash: Hex
  verifier: Address
  buildInfoHash: Hex
  result: VerificationResult
  evidenceUri: string
  timestamp: bigint
  blockNumber: bigint
  transactionHash: Hex
  /** What stands behind it, where the document was found and is the claim's. */
  evidence?: VerificationEvidence | undefined
}

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

/** Which records a list has. */
export type ProvenanceFilter = {
  verifier?: Address | undefined
  result?: VerificationResult | undefined
  image?: string | undefined
  /** Those too that claims alone name, which anybody writes about anything. @default false */
  claimed?: boolean | undefined
  /** Begin after this plugin. */
  after?: Hex | undefined
  /** @default 100 */
  limit?: number | undefined
}

/** Views over the events. */
export type ProvenanceIndex = {
  /** Takes events in chain order; what it has already is taken once. */
  apply(events: readonly ProvenanceEvent[]): void
  /** Adds a plugin's bytes, which say who they are. Returns its hash. */
  addPlugin(wasm: Uint8Array): Hex
  /** Adds an evidence document; `false` where no claim names it or it is not what a claim says. */
  addEvidence(bytes: Uint8Array): boolean
  get(wasmHash: Hex): ProvenanceRecord | undefined
  getBySha256(wasmSha256: Hex): ProvenanceRecord | undefined
  list(filter?: ProvenanceFilter): readonly ProvenanceRecord[]
  /** Plugins that are registered, or have an entry of build information, and whose bytes are not here. */
  missingPlugins(): readonly Hex[]
  /**
   * Claims whose evidence is not here. Those about no build that the plugin is said to come from are not
   * among them: anybody writes them about anything, and no evidence makes them mean something.
   */
  missingEvidence(): readonly IndexedClaim[]
}

type Entry = {
  wasmHash: Hex
  hashes?: WasmHashes | undefined
  own?: PartialBuildInfo | undefined
  metadataFault?: string | undefined
  entries: BuildInfo[]
  /** What follows from the three above, until one of them changes. */
  builds?: readonly IndexedBuild[] | undefined
  claims: Map<string, IndexedClaim>
  history: IndexedClaim[]
  registered: boolean
  updatedAt: bigint
}

/**
 * Creates an empty index.
 *
 * @example
 * ```ts
 * import { createProvenanceIndex } from '@newton/policy-sdk/provenance'
 *
 * const index = createProvenanceIndex()
 * index.apply([])
 * index.list() // []
 * ```
 */
export function createProvenanceIndex(): ProvenanceIndex {
  const entries = new Map<Hex, Entry>()
  const bySha256 = new Map<Hex, Hex>()
  const seen = new Set<string>()
  const byEvidence = new Map<Hex, IndexedClaim[]>()
  let names: readonly Hex[] | undefined
  const entryOf = (wasmHash: Hex): Entry => {
    const known = entries.get(wasmHash)
    if (known !== undefined) return known
    const made: Entry = {
      ...{ wasmHash, entries: [], claims: new Map(), history: [] },
      ...{ registered: false, updatedAt: 0n },
    }
    entries.set(wasmHash, made)
    names = undefined
    return made
  }
  const get = (wasmHash: Hex): ProvenanceRecord | undefined => {
    const entry = entries.get(lower(wasmHash))
    return entry && recordOf(entry)
  }
  return {
    get,
    apply: (events) => {
      assertList('events', events)
      for (const event of events) {
        const id = `${event.transactionHash}:${event.logIndex}`
        if (seen.has(id)) continue
        seen.add(id)
        const claim = applyEvent(entryOf(lower(event.wasmHash)), event)
        const named = claim && evidenceHashOf(claim.evidenceUri)
        if (claim === undefined || named === undefined) continue
        const claims = byEvidence.get(named) ?? []
        claims.push(claim)
        byEvidence.set(named, claims)
      }
    },
    addPlugin: (wasm) => {
      const hashes = computeWasmHashes(wasm)
      const entry = entryOf(hashes.wasmHash)
      entry.hashes = hashes
      entry.builds = undefined
      bySha256.set(hashes.wasmSha256, hashes.wasmHash)
      try {
        entry.own = parseBuildEntries(readMetadata(wasm).entries)
        const own = completeBuildInfo(entry.own, hashes.wasmSha256)
        if (own !== undefined) computeBuildInfoHash(own)
      } catch (error) {
        if (!(error instanceof BuildInfoError)) throw error
        entry.metadataFault = error.shortMessage
      }
      return hashes.wasmHash
    },
    addEvidence: (bytes) => {
      assertBytes('bytes', bytes)
      let used = false
      for (const claim of byEvidence.get(toHex(sha256(bytes))) ?? []) {
        const verdict = verifyEvidence(claim, bytes)
        if (verdict.status !== 'verified') continue
        claim.evidence = verdict.evidence
        used = true
      }
      return used
    },
    getBySha256: (wasmSha256) => {
      const wasmHash = bySha256.get(lower(wasmSha256))
      return wasmHash && get(wasmHash)
    },
    list: (filter = {}) => {
      names ??= [...entries.keys()].sort()
      return listRecords(entries, { names, filter })
    },
    missingPlugins: () =>
      [...entries.values()].flatMap((entry) =>
        // A claim alone, which anybody may write about anything, makes nobody look for a plugin.
        entry.hashes === undefined && isSaid(entry) ? [entry.wasmHash] : [],
      ),
    missingEvidence: () =>
      [...entries.values()].flatMap((entry) => {
        if (entry.claims.size === 0) return []
        entry.builds ??= buildsOf(entry)
        const said = new Set(entry.builds.map(({ buildInfoHash }) => buildInfoHash))
        return [...entry.claims.values()].filter(
          ({ evidence, buildInfoHash }) => evidence === undefined && said.has(buildInfoHash),
        )
      }),
  }
}

function applyEvent(entry: Entry, event: ProvenanceEvent): IndexedClaim | undefined {
  if (event.timestamp > entry.updatedAt) entry.updatedAt = event.timestamp
  if (event.type === 'PluginRegistered') {
    entry.registered = true
    return undefined
  }
  if (event.type === 'BuildInfoSubmitted') {
    // The contract checks the form, not the meaning: an entry that says nothing of a build is no build.
    try {
      entry.entries.push(decodeBuildInfo(fromHex(event.xdr)))
      entry.builds = undefined
    } catch (error) {
      if (!(error instanceof BuildInfoError)) throw error
    }
    return undefined
  }
  const { result, evidenceUri, timestamp, blockNumber, transactionHash } = event
  const [verifier, buildInfoHash] = [lower(event.verifier) as Address, lower(event.buildInfoHash)]
  const claim: IndexedClaim = {
    ...{ wasmHash: entry.wasmHash, verifier, buildInfoHash, result, evidenceUri },
    ...{ timestamp, blockNumber, transactionHash },
  }
  entry.history.push(claim)
  entry.claims.set(`${buildInfoHash}:${verifier}`, claim)
  return claim
}

/** Whether a plugin is registered, or a manager says how it was built. */
function isSaid({ registered, entries }: Entry): boolean {
  return registered || entries.length > 0
}

function recordOf(entry: Entry): ProvenanceRecord {
  const { wasmHash, hashes, metadataFault, history, registered, updatedAt } = entry
  entry.builds ??= buildsOf(entry)
  return {
    ...{ wasmHash, hashes, metadataFault, registered, updatedAt },
    builds: entry.builds,
    claims: [...entry.claims.values()],
    history: [...history],
  }
}

/** What a plugin says of itself comes first; an entry only adds to it. */
function buildsOf({ hashes, own, entries, metadataFault }: Entry): IndexedBuild[] {
  const builds = new Map<Hex, IndexedBuild>()
  const add = (info: BuildInfo | undefined, origin: IndexedBuild['origin']): void => {
    if (info === undefined) return
    const buildInfoHash = hashOf(info)
    if (buildInfoHash === undefined || builds.has(buildInfoHash)) return
    builds.set(buildInfoHash, { buildInfoHash, info, origin })
  }
  if (hashes === undefined || metadataFault !== undefined) {
    // Without the bytes nobody knows what the plugin says itself, or whose hash the entry has.
    return []
  }
  add(completeBuildInfo(own ?? {}, hashes.wasmSha256), 'plugin')
  for (const entry of entries) {
    add(completeBuildInfo(own ?? {}, hashes.wasmSha256, entry), 'registry')
  }
  return [...builds.values()]
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

function listRecords(
  entries: ReadonlyMap<Hex, Entry>,
  { names, filter }: { names: readonly Hex[]; filter: ProvenanceFilter },
): ProvenanceRecord[] {
  assertKnown('filter', filter, ['verifier', 'result', 'image', 'claimed', 'after', 'limit'])
  const { verifier, result, image, claimed = false, after, limit = 100 } = filter
  assertFlag('claimed', claimed)
  assertCount('limit', limit, { most: 1_000 })
  const found: ProvenanceRecord[] = []
  for (const name of names) {
    if (found.length === limit) break
    if (after !== undefined && name <= lower(after)) continue
    const entry = entries.get(name) as Entry
    if (!claimed && !isSaid(entry) && entry.hashes === undefined) continue
    const record = recordOf(entry)
    const claims = record.claims.filter(
      (claim) =>
        (verifier === undefined || claim.verifier === lower(verifier)) &&
        (result === undefined || claim.result === result),
    )
    if ((verifier !== undefined || result !== undefined) && claims.length === 0) continue
    if (image !== undefined && !record.builds.some(({ info }) => info.image === image)) continue
    found.push(record)
  }
  return found
}

function lower(hex: Hex): Hex {
  assertText('hash', hex)
  return hex.toLowerCase() as Hex
}
