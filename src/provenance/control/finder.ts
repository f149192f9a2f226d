/** Finds plugins to verify: reads events, then the plugins that they name, and queues their builds. */
import type { Hex } from 'viem'
import type { ProvenanceEvent } from '../../core/interfaces/provenance.js'
import { withDeadline } from '../../internal/deadline.js'
import { mapBounded } from '../../internal/mapBounded.js'
import { computeBuildInfoHash, parseBuildEntries } from '../build/buildInfo.js'
import { guessBuilds, MAX_BUILDS } from '../build/candidates.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { readMetadata } from '../build/metadata.js'
import { PluginBytesError, QueueFullError } from '../errors.js'
import type { IndexedBuild } from '../index/provenanceIndex.js'
import { assertOwn, idOf, isMatch, lower, payloadText } from './buildJobs.js'
import type { ControlPlaneParameters } from './parameters.js'
import { createWaitingList, nobody } from './waitingList.js'

/** Blocks of one reading of events. */
const blocksAtOnce = 10_000n
/** Plugins whose bytes are asked for in one round. */
const readAtOnce = 32
/** Reads under way at a time: one that hangs holds up no other. */
const reading = 8
/** Milliseconds for one plugin, and those after which a round begins no more. */
const patience = 10_000
const budget = 20_000

/** Finds plugins, and looks again at those whose newest build was no match. */
export type PluginFinder = {
  follow(options?: { signal?: AbortSignal | undefined }): Promise<void>
  lookAgain(wasmHash: Hex): void
  /** Jobs of builds that were guessed. */
  guessesOf(wasmHash: Hex): readonly string[]
}

/** Reads events, then the plugins they name, then queues their builds. */
export function createFinder(
  parameters: ControlPlaneParameters,
  pending: Map<Hex, Set<string>>,
): PluginFinder {
  const { events, index, onEvent, now = Date.now, queue, confirmations = 1 } = parameters
  const { verifier } = parameters.claims
  const waiting = createWaitingList(now)
  const guesses = new Map<Hex, readonly string[]>()
  let next = parameters.fromBlock
  const readEvents = async (signal: AbortSignal | undefined): Promise<void> => {
    const last = await events.getFinalizedBlock({ signal })
    while (next <= last) {
      const toBlock = next + blocksAtOnce - 1n < last ? next + blocksAtOnce - 1n : last
      const read = await events.getEvents({ fromBlock: next, toBlock }, { signal })
      index.apply(read)
      for (const event of read) {
        if (event.type !== 'ClaimSubmitted') waiting.add(lower(event.wasmHash), requesterOf(event))
      }
      next = toBlock + 1n
    }
  }
  const look = async (
    wasmHash: Hex,
    { requester, wasm }: { requester: string; wasm: Uint8Array },
  ): Promise<void> => {
    index.addPlugin(wasm)
    const { builds = [], metadataFault: fault } = index.get(wasmHash) ?? {}
    // Metadata that is malformed is the author's to mend: to guess past it would override it.
    const isGuessed = builds.length === 0 && fault === undefined
    const toTry = isGuessed ? guessesFor(parameters, wasm) : builds.slice(0, MAX_BUILDS)
    const ids = toTry.map(({ buildInfoHash }) => idOf(wasmHash, buildInfoHash, isGuessed))
    if (isGuessed && ids.length > 0) guesses.set(wasmHash, ids)
    // In their order, one after another, and the first match ends it.
    for (const [at, { info, buildInfoHash }] of toTry.entries()) {
      const id = ids[at] as string
      const stored = await queue.get(id)
      if (stored !== undefined) {
        assertOwn(stored, parameters.claims)
        if (isMatch(stored, confirmations)) return
        if (stored.state !== 'queued' && stored.state !== 'leased') continue
      }
      const payload = payloadText({ wasm, info, buildInfoHash, verifier, guessed: isGuessed })
      // One that is there already may go earlier: another has asked for it too.
      const put = { id, payload, requester: requester === nobody ? info.sourceSha256 : requester }
      const isNew = await queue.put(put)
      pending.set(wasmHash, (pending.get(wasmHash) ?? new Set()).add(id))
      if (isNew) onEvent?.({ type: 'control.queued', wasmHash, buildInfoHash })
      return
    }
    if (builds.length > 0) return
    const tried = toTry.length
    onEvent?.({ type: 'control.undescribed', wasmHash, tried, ...(fault ? { fault } : {}) })
  }
  const queueOne = async (
    wasmHash: Hex,
    given: { requester: string; signal: AbortSignal | undefined; read: ReadPlugin },
  ): Promise<void> => {
    const { requester, signal, read } = given
    if (!waiting.isOpen(requester)) return
    try {
      if (read.wasm === undefined) throw read.error
      await look(wasmHash, { requester, wasm: read.wasm })
      waiting.done(wasmHash)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof QueueFullError) {
        const { of } = error
        waiting.close(of === 'queue' ? undefined : requester)
        onEvent?.({ type: 'control.full', of, ...(of === 'queue' ? {} : { requester }) })
        return
      }
      waiting.later(wasmHash)
      onEvent?.({ type: 'control.unreadable', wasmHash, error })
    }
  }
  const follow: PluginFinder['follow'] = async ({ signal } = {}) => {
    try {
      await readEvents(signal)
    } catch (error) {
      signal?.throwIfAborted()
      onEvent?.({ type: 'control.failed', step: 'follow', error })
    }
    const end = now() + budget
    const due = waiting.due(readAtOnce)
    for (let at = 0; at < due.length && now() < end; at += reading) {
      const some = due.slice(at, at + reading).filter(([, it]) => waiting.isOpen(it.requester))
      const read = await mapBounded(some, reading, ([wasmHash]) =>
        readWasm(parameters, { wasmHash, signal }),
      )
      // Read at once, and queued one after another, in their order.
      for (const [place, [wasmHash, { requester }]] of some.entries()) {
        await queueOne(wasmHash, { requester, signal, read: read[place] as ReadPlugin })
      }
    }
  }
  return {
    follow,
    lookAgain: (wasmHash) => waiting.add(wasmHash),
    guessesOf: (wasmHash) => guesses.get(wasmHash) ?? [],
  }
}

type ReadPlugin = { wasm: Uint8Array; error?: undefined } | { wasm?: undefined; error: unknown }

/** The bytes of a plugin, or why there are none now: where they are, and how long that takes, strangers say. */
async function readWasm(
  { readPlugin }: ControlPlaneParameters,
  { wasmHash, signal }: { wasmHash: Hex; signal: AbortSignal | undefined },
): Promise<ReadPlugin> {
  try {
    const wasm = await withDeadline('Reading a plugin', { signal, timeout: patience }, (own) =>
      readPlugin(wasmHash, { signal: own }),
    )
    if (computeWasmHashes(wasm).wasmHash !== wasmHash) throw new PluginBytesError(wasmHash)
    return { wasm }
  } catch (error) {
    return { error }
  }
}

/** What may have built a plugin of which nobody says it. */
function guessesFor(
  { candidates }: ControlPlaneParameters,
  wasm: Uint8Array,
): Pick<IndexedBuild, 'info' | 'buildInfoHash'>[] {
  if (candidates === undefined) return []
  const own = parseBuildEntries(readMetadata(wasm).entries)
  return guessBuilds(candidates, { ...computeWasmHashes(wasm), own }).map((info) => ({
    ...{ info, buildInfoHash: computeBuildInfoHash(info) },
  }))
}

/** Who asks for what an event brings. */
function requesterOf(event: Exclude<ProvenanceEvent, { type: 'ClaimSubmitted' }>): string {
  const who = event.type === 'PluginRegistered' ? event.author : event.submitter
  return who === undefined ? nobody : lower(who)
}
