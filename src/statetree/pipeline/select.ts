/** A proposer's walk over the queue. */

import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { withDeadline } from '../../internal/deadline.js'
import type { ArtifactRef, IncludedArtifact } from './delta.js'
import type { CommitPipeline, PreparedWindow } from './pipeline.js'

/** What a proposer includes and walks past. */
export type SelectedEntries = { included: IncludedArtifact[]; omitted: ArtifactRef[] }

/**
 * Walks the queue from its head: includes what can be fetched, omits what cannot and what is too
 * large for this window, and ends at the first entry that does not fit in what is left. Then
 * quarantined entries whose bytes are there and fit.
 */
export async function selectEntries(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  io: IoOptions,
): Promise<SelectedEntries> {
  const cap = pipeline.parameters.maxCommitBytesPerWindow
  let left = cap - 64 * window.foreign.length
  if (left < 0) {
    throw new InvalidInputError({
      field: 'foreign',
      reason: `${window.foreign.length} foreign writes are over the ${cap} bytes of a commit`,
    })
  }
  const room = left
  const included: IncludedArtifact[] = []
  const omitted: ArtifactRef[] = []
  for (const { namespace, hash } of window.state.queue) {
    const ref = { namespace, hash }
    const bytes = await fetchBytes(pipeline, window, ref, io)
    // Too large for this window even on its own: walked past, so that it holds nobody up.
    if (bytes === undefined || bytes.length > room) {
      omitted.push(ref)
      pipeline.metrics?.deferred(bytes === undefined ? 'unavailable' : 'cap_hit')
      continue
    }
    if (bytes.length > left) {
      pipeline.metrics?.deferred('cap_hit')
      break
    }
    included.push({ ...ref, bytes })
    left -= bytes.length
  }
  for (const ref of window.state.quarantine) {
    if (left === 0) break
    const bytes = await fetchBytes(pipeline, window, ref, io)
    if (bytes === undefined || bytes.length > left) continue
    included.push({ namespace: ref.namespace, hash: ref.hash, bytes })
    left -= bytes.length
  }
  return { included, omitted }
}

async function fetchBytes(
  pipeline: CommitPipeline,
  window: PreparedWindow,
  ref: ArtifactRef,
  io: IoOptions,
): Promise<Uint8Array | undefined> {
  const { artifacts, tree } = pipeline
  const local = await tree.store.bytes.get(ref.hash)
  if (local !== undefined) return local
  if (artifacts === undefined) return undefined
  io.signal?.throwIfAborted()
  try {
    return await withDeadline(`Fetching artifact ${ref.hash}`, io, async (signal) => {
      const { index, timestamp: round } = window
      const locators = await pipeline.locators({ ref, round, index }, { signal })
      return artifacts.getArtifact({ ...ref, locators }, { signal })
    })
  } catch (cause) {
    io.signal?.throwIfAborted()
    // Not an error of the commit: the next proposer may have the bytes.
    pipeline.emit({ type: 'statetree.omitted', ref, cause })
    return undefined
  }
}
