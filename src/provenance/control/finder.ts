/** Finds plugins to verify: reads events, then the plugins that they name, and queues their builds. */
import type { Hex } from 'viem'
import { computeWasmHashes } from '../build/compareBuild.js'
import { PluginBytesError } from '../errors.js'
import { assertOwn, idOf, isMatch, lower, payloadText } from './buildJobs.js'
import type { ControlPlaneParameters } from './parameters.js'

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

type Waiting = { tries: number; notBefore: number }

/** Reads events, then the plugins they name, then queues their builds. */
export function createFinder(
  parameters: ControlPlaneParameters,
  pending: Map<Hex, Set<string>>,
): PluginFinder {
  const { events, index, onEvent, now = Date.now, queue, confirmations = 1 } = parameters
  const { verifier } = parameters.claims
  // Jobs of each source: who registers one source many times over waits behind the others.
  const bySource = new Map<Hex, number>()
  const waiting = new Map<Hex, Waiting>()
  let next = parameters.fromBlock
  const readEvents = async (signal: AbortSignal | undefined): Promise<void> => {
    const last = await events.getFinalizedBlock({ signal })
    while (next <= last) {
      const toBlock = next + blocksAtOnce - 1n < last ? next + blocksAtOnce - 1n : last
      const read = await events.getEvents({ fromBlock: next, toBlock }, { signal })
      index.apply(read)
      for (const { type, wasmHash } of read) {
        if (type !== 'ClaimSubmitted') waiting.set(lower(wasmHash), { tries: 0, notBefore: 0 })
      }
      next = toBlock + 1n
    }
  }
  const look = async (wasmHash: Hex, signal: AbortSignal | undefined): Promise<void> => {
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
      pending.set(wasmHash, (pending.get(wasmHash) ?? new Set()).add(id))
      if (stored !== undefined) return
      const priority = Math.min(bySource.get(info.sourceSha256) ?? 0, 1_000_000)
      bySource.set(info.sourceSha256, priority + 1)
      const payload = payloadText({ wasm, info, buildInfoHash, verifier })
      if (await queue.put({ id, payload, priority })) {
        onEvent?.({ type: 'control.queued', wasmHash, buildInfoHash })
      }
      return
    }
  }
  const lookAgain = (wasmHash: Hex): void => {
    waiting.set(wasmHash, { tries: 0, notBefore: 0 })
  }
  const follow: PluginFinder['follow'] = async ({ signal } = {}) => {
    try {
      await readEvents(signal)
    } catch (error) {
      signal?.throwIfAborted()
      onEvent?.({ type: 'control.failed', step: 'follow', error })
    }
    const due = [...waiting].filter(([, { notBefore }]) => notBefore <= now()).slice(0, readAtOnce)
    for (const [wasmHash, { tries }] of due) {
      try {
        await look(wasmHash, signal)
        waiting.delete(wasmHash)
      } catch (error) {
        signal?.throwIfAborted()
        // Asked for again later, and behind the others: bytes may be published after their hash.
        const delay = Math.min(3_600_000, 1_000 * 2 ** Math.min(tries, 12))
        waiting.delete(wasmHash)
        waiting.set(wasmHash, { tries: tries + 1, notBefore: now() + delay })
        onEvent?.({ type: 'control.unreadable', wasmHash, error })
      }
    }
  }
  return { follow, lookAgain }
}
