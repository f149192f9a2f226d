/** Value bytes go when no retained version of any chain needs them. */
import type { Hex } from 'viem'
import { computeKeyHash } from '../../core/artifact.js'
import { concatAll, fixedFromHex, toHex } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import type { StateTree } from '../stateTree.js'
import type { ArtifactRef } from './delta.js'

const prefix = 'gc/'

/** The record by which a commit remembers what it deleted. */
export function deletionRecord(
  sequenceNo: bigint,
  deleted: readonly ArtifactRef[],
): [string, Uint8Array][] {
  if (deleted.length === 0) return []
  const name = `${prefix}${sequenceNo.toString().padStart(20, '0')}`
  return [[name, concatAll(deleted.map(({ hash }) => fixedFromHex(hash, 32, 'deleted.hash')))]]
}

/**
 * Deletes bytes whose last reference was removed by a commit that is pruned by now.
 *
 * Bounded and safe to repeat: a hash stays while some tree has it in its newest version, or while a
 * later commit that deletes it is still retained.
 *
 * @param options.trees - All trees that share the byte store, such as those of several chains.
 * @param options.limit - Most hashes looked at. Default 1,000.
 */
export async function collectBytes(options: {
  trees: readonly StateTree[]
  /** Hashes to keep whatever the trees say, such as those that wait in a queue. */
  keep?: ReadonlySet<Hex> | undefined
  limit?: number | undefined
}): Promise<{ deleted: number; done: boolean }> {
  // A misspelled `keep` would delete what waits.
  assertOptions(
    options,
    { trees: 'list', keep: 'object', limit: { least: 1 } },
    { required: ['trees'] },
  )
  const { trees, keep, limit = 1_000 } = options
  let deleted = 0
  let looked = 0
  for (const tree of trees) {
    const oldest = tree.range()?.oldest ?? 0
    for (const name of tree.store.recordNames(prefix)) {
      if (Number(name.slice(prefix.length)) > oldest) break
      const hashes = split(tree.store.record(name) ?? new Uint8Array(0))
      if (looked > 0 && looked + hashes.length > limit) return { deleted, done: false }
      looked += hashes.length
      for (const hash of hashes) {
        if (
          keep?.has(hash) === true ||
          trees.some((other) => needs(other, hash, other === tree ? name : undefined))
        )
          continue
        await tree.store.bytes.delete(hash)
        deleted++
      }
      await tree.store.writeRecords([[name, null]])
    }
  }
  return { deleted, done: true }
}

function needs(tree: StateTree, hash: Hex, self: string | undefined): boolean {
  if (tree.range() === undefined) return false
  if ([4, 5, 6, 7, 8].some((namespace) => tree.get(computeKeyHash(namespace, hash)) !== undefined))
    return true
  const bytes = fixedFromHex(hash, 32, 'hash')
  return tree.store
    .recordNames(prefix)
    .some((name) => name !== self && contains(tree.store.record(name) ?? new Uint8Array(0), bytes))
}

function split(bytes: Uint8Array): Hex[] {
  const hashes: Hex[] = []
  for (let at = 0; at < bytes.length; at += 32) hashes.push(toHex(bytes.slice(at, at + 32)))
  return hashes
}

function contains(list: Uint8Array, hash: Uint8Array): boolean {
  return split(list).includes(toHex(hash))
}
