/**
 * Keeps an index up with a chain: its events, and the plugins and evidence that they name. What strangers
 * write on chain costs a bounded amount of work, and nothing that cannot be had stands in another's way.
 */
import type { Address, Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import type { ProvenanceEvents } from '../../core/interfaces/provenance.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { assertKnown, assertList } from '../../internal/options.js'
import { createOrder } from '../../internal/singleFlight.js'
import { MAX_EVIDENCE_BYTES } from '../claims/evidence.js'
import { PluginBytesError, SourceUnavailableError } from '../errors.js'
import { documentsOf, type Failures, inTurn, type Missing, pluginOf } from './missing.js'
import type { ProvenanceIndex } from './provenanceIndex.js'

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
  /** Whose evidence is read before that of others. @default nobody's */
  verifiers?: readonly Address[] | undefined
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
   * Reads some of what is missing, and asks again later, and less often, for what could not be had. What was
   * never asked for goes before what failed, what is at a place that failed goes last, and verifiers take
   * turns. It begins nothing after 20 seconds. Whoever answers from the index need not wait for it: without
   * evidence a claim is one without evidence.
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
/** Milliseconds after which a call of `loadSome` begins no more reads. */
const budget = 20_000
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
  const verifiers = parameters.verifiers ?? []
  assertList('verifiers', verifiers)
  const named = new Set(verifiers.map((verifier) => `${verifier}`.toLowerCase()))
  const failed: Failures = { reads: new Map(), places: new Map() }
  /** Reads, or remembers when to ask again. */
  const attempt = async (what: Missing, options: IoOptions): Promise<void> => {
    try {
      await read(what, options)
      failed.reads.delete(what.key)
      if (what.type === 'evidence') failed.places.delete(what.place)
    } catch {
      options.signal?.throwIfAborted()
      const tries = (failed.reads.get(what.key)?.tries ?? 0) + 1
      const pause = Math.min(longestPause, 1_000 * 2 ** Math.min(tries, 12))
      failed.reads.set(what.key, { tries, notBefore: now() + pause })
      if (what.type === 'evidence') {
        failed.places.set(what.place, (failed.places.get(what.place) ?? 0) + 1)
      }
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
      const isDue = ({ key }: Missing): boolean => (failed.reads.get(key)?.notBefore ?? 0) <= now()
      const end = now() + budget
      let asked = 0
      const readSome = (some: readonly Missing[]): Promise<unknown> =>
        mapBounded(some.slice(0, atOnce), reading, async (one) => {
          if (now() >= end) return
          asked += 1
          await attempt(one, options)
        })
      await readSome(inTurn(index.missingPlugins().map(pluginOf).filter(isDue), failed, named))
      // Which evidence is of any use is known with the plugins.
      await readSome(inTurn(documentsOf(index.missingEvidence()).filter(isDue), failed, named))
      return asked
    },
  }
}

const known = [
  ...['events', 'fromBlock', 'index', 'readPlugin', 'readEvidence', 'verifiers', 'now'],
]

type Reading = (options: IoOptions) => Promise<Uint8Array>

function readerOf({ index, readPlugin, readEvidence }: ProvenanceFollowerParameters) {
  // What does not look at its signal is not waited for either.
  const within = (signal: AbortSignal | undefined, work: Reading): Promise<Uint8Array> =>
    withDeadline('Reading what a claim names', { signal, timeout: patience }, (own) =>
      work({ signal: own, timeout: patience }),
    )
  return async (what: Missing, { signal }: IoOptions): Promise<void> => {
    if (what.type === 'plugin') {
      const wasm = await within(signal, (options) => readPlugin(what.wasmHash, options))
      if (computeArtifactHash(wasm) !== what.wasmHash) throw new PluginBytesError(what.wasmHash)
      index.addPlugin(wasm)
      return
    }
    const bytes = await within(signal, (options) => readEvidence(what.evidenceUri, options))
    if (bytes.length > MAX_EVIDENCE_BYTES || !index.addEvidence(bytes)) {
      throw new SourceUnavailableError('it is not what the claim names')
    }
  }
}
