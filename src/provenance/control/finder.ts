/** Finds plugins to verify: reads events, then the plugins that they name, and queues their builds. */
import type { Hex } from 'viem'
import type { ProvenanceEvent } from '../../core/interfaces/provenance.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { PluginBytesError, QueueFullError } from '../errors.js'
import { assertOwn, idOf, isMatch, lower, payloadText } from './buildJobs.js'
import type { ControlPlaneParameters } from './parameters.js'
import { createWaitingList, nobody } from './waitingList.js'

/** Blocks of one reading of events. */
const blocksAtOnce = 10_000n
/** Plugins whose bytes are asked for in one round. */
const readAtOnce = 32
/** Builds of one plugin that are tried at most. */
const maxBuilds = 64

/** Finds plugins, and looks again at those whose newest build was no match. */
export type PluginFinder = {
  follow(options?: { signal?: AbortSignal | undefined }): Promise<void>
  lookAgain(wasmHash: Hex): void
}

/** Reads events, then the plugins they name, then queues their builds. */
export function createFinder(
  parameters: ControlPlaneParameters,
  pending: Map<Hex, Set<string>>,
): PluginFinder {
  const { events, index, onEvent, now = Date.now, queue, confirmations = 1 } = parameters
  const { verifier } = parameters.claims
  const waiting = createWaitingList(now)
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
    { requester, signal }: { requester: string; signal: AbortSignal | undefined },
  ): Promise<void> => {
    const wasm = await parameters.readPlugin(wasmHash, { signal })
    const hashes = computeWasmHashes(wasm)
    if (hashes.wasmHash !== wasmHash) throw new PluginBytesError(wasmHash)
    index.addPlugin(wasm)
    const builds = index.get(wasmHash)?.builds ?? []
    // In their order, one after another, and the first match ends it.
    for (const { info, buildInfoHash } of builds.slice(0, maxBuilds)) {
      const id = idOf(wasmHash, buildInfoHash)
      const stored = await queue.get(id)
      if (stored !== undefined) {
        assertOwn(stored, parameters.claims)
        if (isMatch(stored, confirmations)) return
        if (stored.state !== 'queued' && stored.state !== 'leased') continue
      }
      const payload = payloadText({ wasm, info, buildInfoHash, verifier })
      // One that is there already may go earlier: another has asked for it too.
      const put = { id, payload, requester: requester === nobody ? info.sourceSha256 : requester }
      const isNew = await queue.put(put)
      pending.set(wasmHash, (pending.get(wasmHash) ?? new Set()).add(id))
      if (isNew) onEvent?.({ type: 'control.queued', wasmHash, buildInfoHash })
      return
    }
  }
  const follow: PluginFinder['follow'] = async ({ signal } = {}) => {
    try {
      await readEvents(signal)
    } catch (error) {
      signal?.throwIfAborted()
      onEvent?.({ type: 'control.failed', step: 'follow', error })
    }
    for (const [wasmHash, { requester }] of waiting.due(readAtOnce)) {
      if (!waiting.isOpen(requester)) continue
      try {
        await look(wasmHash, { requester, signal })
        waiting.done(wasmHash)
      } catch (error) {
        signal?.throwIfAborted()
        if (error instanceof QueueFullError) {
          const { of } = error
          waiting.close(of === 'queue' ? undefined : requester)
          onEvent?.({ type: 'control.full', of, ...(of === 'queue' ? {} : { requester }) })
          continue
        }
        waiting.later(wasmHash)
        onEvent?.({ type: 'control.unreadable', wasmHash, error })
      }
    }
  }
  return { follow, lookAgain: (wasmHash) => waiting.add(wasmHash) }
}

/** Who asks for what an event brings. */
function requesterOf(event: Exclude<ProvenanceEvent, { type: 'ClaimSubmitted' }>): string {
  const who = event.type === 'PluginRegistered' ? event.author : event.submitter
  return who === undefined ? nobody : lower(who)
}
