/** Claims and build information in the evaluation ledger, as the chain has them. */
import type { Address, Hex } from 'viem'
import type { LedgerRecord, LedgerSink } from '../../core/interfaces/ledgerSink.js'
import type { ProvenanceEvent, ProvenanceEvents } from '../../core/interfaces/provenance.js'
import { fromHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertCount, assertKnown, assertList, assertMembers } from '../../internal/options.js'
import { type BuildInfo, decodeBuildInfo } from '../build/buildInfo.js'
import { BuildInfoError } from '../errors.js'
import { evidenceHashOf } from './evidence.js'

/** What {@link createProvenanceRecorder} works with. */
export type ProvenanceRecorderParameters = {
  events: ProvenanceEvents
  /** Where records go; its key has to be a builder's. */
  sink: LedgerSink
  /**
   * Whose claims are recorded: the ledger takes a builder's record of a match for its own word, and
   * anybody may write claims on chain.
   */
  verifiers: readonly Address[]
  /** Block to begin at. A ledger refuses what is older than its builder's key. */
  fromBlock: bigint
  /** Blocks of one reading. @default 10000 */
  blocksAtOnce?: number | undefined
}

/** Writes what verifiers say to a ledger. */
export type ProvenanceRecorder = {
  /**
   * Records what is new up to the newest final block.
   *
   * @returns How many events were handed over, and the block to go on from.
   * @throws Whatever the chain or the sink throws. Nothing is passed over: the next call begins with
   * the blocks where this one stopped, and what is handed over twice is one event.
   */
  record(options?: IoOptions): Promise<{ recorded: number; next: bigint }>
}

/**
 * Creates a recorder. The chain is its memory: an event's place and time make its id, so that any
 * number of recorders, from any block, write each event once.
 *
 * @example
 * ```ts
 * import { createProvenanceRecorder } from '@newton/policy-sdk/provenance'
 *
 * const recorder = createProvenanceRecorder({ events, sink, verifiers: [verifier], fromBlock: 0n })
 * const { recorded } = await recorder.record()
 * ```
 */
export function createProvenanceRecorder(
  parameters: ProvenanceRecorderParameters,
): ProvenanceRecorder {
  assertKnown('parameters', parameters, known)
  assertMembers('parameters', parameters, ['events', 'sink'])
  const { events, sink, blocksAtOnce = 10_000 } = parameters
  assertList('verifiers', parameters.verifiers)
  assertCount('blocksAtOnce', blocksAtOnce)
  const verifiers = new Set(parameters.verifiers.map((verifier) => verifier.toLowerCase()))
  let next = parameters.fromBlock
  return {
    async record(options = {}) {
      let recorded = 0
      const last = await events.getFinalizedBlock(options)
      while (next <= last) {
        const end = next + BigInt(blocksAtOnce) - 1n
        const toBlock = end < last ? end : last
        for (const event of await events.getEvents({ fromBlock: next, toBlock }, options)) {
          const record = recordOf(event, verifiers)
          if (record === undefined) continue
          await sink.record(record, options)
          recorded += 1
        }
        next = toBlock + 1n
      }
      return { recorded, next }
    },
  }
}

const known = ['events', 'sink', 'verifiers', 'fromBlock', 'blocksAtOnce']

const words = { match: 'MATCH', no_match: 'NO_MATCH', did_not_run: 'DID_NOT_RUN' } as const
const noHash: Hex = `0x${'00'.repeat(32)}`
/** Ledgers write SHA-256 without the prefix. */
const digits = (hash: Hex): string => hash.slice(2)

// Nothing but the event decides what the record says: a record of the same event is the same record.
function recordOf(
  event: ProvenanceEvent,
  verifiers: ReadonlySet<string>,
): LedgerRecord | undefined {
  const { blockNumber, logIndex, transactionHash, timestamp } = event
  const common = {
    domain: 'context',
    key: `${transactionHash}:${blockNumber}:${logIndex}`,
    time: Number(timestamp) * 1_000,
  }
  if (event.type === 'ClaimSubmitted') {
    if (!verifiers.has(event.verifier.toLowerCase())) return undefined
    const { wasmHash, buildInfoHash, result, evidenceUri } = event
    const fields = {
      ...{ wasmHash, buildInfoHash: digits(buildInfoHash), result: words[result] },
      // By the contract's rule a match is an exact one; how near another comes, its evidence tells.
      level: result === 'match' ? 'exact' : 'none',
      reportHash: digits(evidenceHashOf(evidenceUri) ?? noHash),
    }
    return { ...common, schemaVersion: 'newton.verification/1', fields }
  }
  const info = event.type === 'BuildInfoSubmitted' ? infoOf(event.xdr) : undefined
  if (event.type !== 'BuildInfoSubmitted' || info === undefined) return undefined
  const fields = {
    ...{ wasmHash: event.wasmHash, buildInfoHash: digits(event.buildInfoHash) },
    ...{ sourceUri: noteOf(info.sourceUri ?? '') },
    sourceSha256: digits(info.sourceSha256),
    // No longer than a note.
    buildImage: info.image,
  }
  return { ...common, schemaVersion: 'newton.build-info/1', fields }
}

/** Characters of a note of the ledger. */
const noteLength = 1_000

/** The beginning of a text, and never half of a character: that is no text, and would stop all records. */
function noteOf(text: string): string {
  return text.slice(0, noteLength).replace(/[\ud800-\udbff]$/, '')
}

// The contract checks less than the form says: what is no build information is no record either.
function infoOf(xdr: Hex): BuildInfo | undefined {
  try {
    return decodeBuildInfo(fromHex(xdr))
  } catch (error) {
    if (error instanceof BuildInfoError) return undefined
    throw error
  }
}
