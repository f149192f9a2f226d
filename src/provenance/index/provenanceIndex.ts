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
  completeBuildInfo,
  computeBuildInfoHash,
  decodeBuildInfo,
  parseBuildEntries,
} from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { readMetadata } from '../build/metadata.js'
import { evidenceHashOf, verifyEvidence } from '../claims/evidence.js'
import { BuildInfoError } from '../errors.js'
import { type ClaimPlace, createClaimList, type IndexedClaim } from './claimList.js'
import {
  buildsOf,
  type Entry,
  isListed,
  isSaid,
  type ProvenanceRecord,
  recordOf,
} from './indexEntry.js'

export type { IndexedClaim } from './claimList.js'
export type { IndexedBuild, ProvenanceRecord } from './indexEntry.js'

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

/** Views over the events. Records are frozen: one is the same object until something of it changes. */
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
  const byEvidence = new Map<Hex, ClaimPlace[]>()
  /** Names in their order: of all, and without those that claims alone name. */
  const names: Names = { all: undefined, listed: undefined }
  const entryOf = (wasmHash: Hex): Entry => {
    const known = entries.get(wasmHash)
    if (known !== undefined) return known
    const made: Entry = {
      claims: createClaimList(() => {
        made.record = undefined
      }),
      ...{ wasmHash, entries: [] },
      ...{ registered: false, updatedAt: 0n },
    }
    entries.set(wasmHash, made)
    names.all = undefined
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
        const entry = entryOf(lower(event.wasmHash))
        const wasListed = isListed(entry)
        const place = applyEvent(entry, event)
        entry.record = undefined
        if (isListed(entry) !== wasListed) names.listed = undefined
        const named = place && evidenceHashOf(place.claim.evidenceUri)
        if (place === undefined || named === undefined) continue
        const places = byEvidence.get(named) ?? []
        places.push(place)
        byEvidence.set(named, places)
      }
    },
    addPlugin: (wasm) => {
      const hashes = computeWasmHashes(wasm)
      const entry = entryOf(hashes.wasmHash)
      if (!isListed(entry)) names.listed = undefined
      entry.hashes = Object.freeze(hashes)
      entry.builds = undefined
      entry.record = undefined
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
      for (const place of byEvidence.get(toHex(sha256(bytes))) ?? []) {
        const verdict = verifyEvidence(place.claim, bytes)
        if (verdict.status !== 'verified') continue
        place.setEvidence(verdict.evidence)
        used = true
      }
      return used
    },
    getBySha256: (wasmSha256) => {
      const wasmHash = bySha256.get(lower(wasmSha256))
      return wasmHash && get(wasmHash)
    },
    list: (filter = {}) => listRecords(entries, { names, filter }),
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
        return recordOf(entry).claims.filter(
          ({ evidence, buildInfoHash }) => evidence === undefined && said.has(buildInfoHash),
        )
      }),
  }
}

function applyEvent(entry: Entry, event: ProvenanceEvent): ClaimPlace | undefined {
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
  return entry.claims.add(entry.wasmHash, event)
}

function listRecords(
  entries: ReadonlyMap<Hex, Entry>,
  { names, filter }: { names: Names; filter: ProvenanceFilter },
): ProvenanceRecord[] {
  assertKnown('filter', filter, ['verifier', 'result', 'image', 'claimed', 'after', 'limit'])
  const { verifier, result, image, claimed = false, after, limit = 100 } = filter
  assertFlag('claimed', claimed)
  assertCount('limit', limit, { most: 1_000 })
  const said = { verifier: verifier && lower(verifier), result }
  const inOrder = claimed ? allOf(entries, names) : listedOf(entries, names)
  const found: ProvenanceRecord[] = []
  const begin = after === undefined ? 0 : placeAfter(inOrder, lower(after))
  for (let at = begin; at < inOrder.length && found.length < limit; at++) {
    const entry = entries.get(inOrder[at] as Hex) as Entry
    if ((verifier !== undefined || result !== undefined) && !entry.claims.has(said)) continue
    entry.builds ??= buildsOf(entry)
    if (image !== undefined && !entry.builds.some(({ info }) => info.image === image)) continue
    found.push(recordOf(entry))
  }
  return found
}

type Names = { all: readonly Hex[] | undefined; listed: readonly Hex[] | undefined }

function allOf(entries: ReadonlyMap<Hex, Entry>, names: Names): readonly Hex[] {
  names.all ??= [...entries.keys()].sort()
  return names.all
}

function listedOf(entries: ReadonlyMap<Hex, Entry>, names: Names): readonly Hex[] {
  names.listed ??= [...entries.values()]
    .filter(isListed)
    .map(({ wasmHash }) => wasmHash)
    .sort()
  return names.listed
}

/** Where the names after one begin. */
function placeAfter(names: readonly Hex[], name: Hex): number {
  let [low, high] = [0, names.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((names[middle] as Hex) <= name) low = middle + 1
    else high = middle
  }
  return low
}

function lower(hex: Hex): Hex {
  assertText('hash', hex)
  return hex.toLowerCase() as Hex
}
