/**
 * Keeps an index up with a chain: its events, and the plugins and evidence that they name. What strangers
 * write on chain costs a bounded amount of work, and nothing that cannot be had stands in another's way.
 */
import type { Address, Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import type { ProvenanceEvents } from '../../core/interfaces/provenance.js'
import type { IoOptions } from '../../internal/deadline.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { assertKnown } from '../../internal/options.js'
import { createOrder } from '../../internal/singleFlight.js'
import { evidenceHashOf, MAX_EVIDENCE_BYTES } from '../claims/evidence.js'
import { PluginBytesError, SourceUnavailableError } from '../errors.js'
import type { IndexedClaim, ProvenanceIndex } from './provenanceIndex.js'

/** What {@link createProvenanceFollower} works with. */
export type ProvenanceFollowerParameters = {
  events: ProvenanceEvents
  /** Block to begin at: that of the contracts, or earlier. */
  fromBlock: bigint
  index: ProvenanceIndex
  /** Reads a plugin by its hash; what comes is checked against it. */
  readPlugin: (wasmHash: Hex, options: IoOptions) => Promise<Uint8Array>
  /** Reads an evidence document; what comes is checked against the claim that names it. */
  readEvidence: (evidenceUri: string, options: IoOptions) => Promise<Uint8Array>
  now?: (() => number) | undefined
}

/** Keeps an index up with a chain. */
export type ProvenanceFollower = {
  /**
   * Reads the events that are new.
   *
   * @throws Whatever the chain throws: the index is behind then, and what it says may be over.
   */
  follow(options?: IoOptions): Promise<void>
  /** Reads what the matches of these verifiers about one plugin rest on. What cannot be had stays missing. */
  load(wasmHash: Hex, verifiers: readonly Address[], options?: IoOptions): Promise<void>
  /**
   * Reads some of what is missing, and asks again later, and less often, for what could not be had.
   *
   * @returns How much it asked for: 0 where nothing is missing that is due.
   */
  loadSome(options?: IoOptions): Promise<number>
}

const blocksAtOnce = 10_000n
/** Plugins and documents of one call of `loadSome`. */
const atOnce = 32
/** Reads under way at a time: one that hangs holds up no other. */
const reading = 8
/** Milliseconds for one plugin or document. */
const patience = 10_000
const longestPause = 3_600_000

/**
 * Creates a follower. What it has read it keeps: give it events of blocks that stand (`finality` of
 * `createProvenanceEvents`), since a claim of a block that is reorganized away would go on counting.
 *
 * @example
 * ```ts
 * import { createProvenanceFollower, createProvenanceIndex } from '@newton/policy-sdk/provenance'
 *
 * const index = createProvenanceIndex()
 * const follower = createProvenanceFollower({
 *   ...{ events, fromBlock: 0n, index, readPlugin },
 *   readEvidence: async (uri) => new Uint8Array(await (await fetch(uri)).arrayBuffer()),
 * })
 * await follower.follow()
 * await follower.loadSome()
 * ```
 */
export function createProvenanceFollower(
  parameters: ProvenanceFollowerParameters,
): ProvenanceFollower {
  assertKnown('parameters', parameters, known)
  const { index, now = Date.now } = parameters
  const read = readerOf(parameters)
  const failed = new Map<string, { tries: number; notBefore: number }>()
  /** Reads, or remembers when to ask again. */
  const attempt = async (what: Missing, options: IoOptions): Promise<void> => {
    try {
      await read(what, options)
      failed.delete(what.key)
    } catch {
      options.signal?.throwIfAborted()
      const tries = (failed.get(what.key)?.tries ?? 0) + 1
      const pause = Math.min(longestPause, 1_000 * 2 ** Math.min(tries, 12))
      failed.set(what.key, { tries, notBefore: now() + pause })
    }
  }
  let next = parameters.fromBlock
  // One after another: two that read the same blocks would read them twice.
  const inOrder = createOrder()
  const readEvents = async (options: IoOptions): Promise<void> => {
    const head = await parameters.events.getFinalizedBlock(options)
    while (next <= head) {
      const toBlock = next + blocksAtOnce - 1n < head ? next + blocksAtOnce - 1n : head
      index.apply(await parameters.events.getEvents({ fromBlock: next, toBlock }, options))
      next = toBlock + 1n
    }
  }
  return {
    follow: (options = {}) => inOrder(() => readEvents(options)),
    load: async (wasmHash, verifiers, options = {}) => {
      const record = index.get(wasmHash)
      if (record === undefined) return
      const believed = new Set(verifiers.map((verifier) => verifier.toLowerCase()))
      const wanted = [
        ...(record.hashes === undefined ? [pluginOf(record.wasmHash)] : []),
        // Only what a match rests on decides anything.
        ...documentsOf(
          record.claims.filter(
            ({ verifier, result }) => result === 'match' && believed.has(verifier),
          ),
        ),
      ]
      await mapBounded(wanted, reading, (one) => attempt(one, options))
    },
    loadSome: async (options = {}) => {
      const isDue = ({ key }: Missing): boolean => (failed.get(key)?.notBefore ?? 0) <= now()
      const plugins = index.missingPlugins().map(pluginOf).filter(isDue)
      const documents = documentsOf(index.missingEvidence()).filter(isDue)
      const some = [...plugins.slice(0, atOnce), ...documents.slice(0, atOnce)]
      await mapBounded(some, reading, (one) => attempt(one, options))
      return some.length
    },
  }
}

const known = ['events', 'fromBlock', 'index', 'readPlugin', 'readEvidence', 'now']

type Missing =
  | { type: 'plugin'; key: string; wasmHash: Hex }
  | { type: 'evidence'; key: string; evidenceUri: string }

function pluginOf(wasmHash: Hex): Missing {
  return { type: 'plugin', key: wasmHash, wasmHash }
}

/** Documents that claims name by hash, each once. */
function documentsOf(claims: readonly IndexedClaim[]): Missing[] {
  const found = new Map<string, Missing>()
  for (const { evidence, evidenceUri } of claims) {
    // What names no hash can be no evidence, wherever it leads.
    if (evidence !== undefined || evidenceHashOf(evidenceUri) === undefined) continue
    found.set(evidenceUri, { type: 'evidence', key: evidenceUri, evidenceUri })
  }
  return [...found.values()]
}

function readerOf({ index, readPlugin, readEvidence }: ProvenanceFollowerParameters) {
  return async (what: Missing, { signal }: IoOptions): Promise<void> => {
    const options = { signal, timeout: patience }
    if (what.type === 'plugin') {
      const wasm = await readPlugin(what.wasmHash, options)
      if (computeArtifactHash(wasm) !== what.wasmHash) throw new PluginBytesError(what.wasmHash)
      index.addPlugin(wasm)
      return
    }
    const bytes = await readEvidence(what.evidenceUri, options)
    if (bytes.length > MAX_EVIDENCE_BYTES || !index.addEvidence(bytes)) {
      throw new SourceUnavailableError('it is not what the claim names')
    }
  }
}
