/**
 * A private-data layer for development: sealed envelopes on their way to the operators' stores and
 * into the next commit. All operators of one network share it.
 */
import type { Hex } from 'viem'
import { computeKeyHash, namespaces } from '../core/artifact.js'
import type { ExternalWrite, ExternalWrites } from '../core/interfaces/externalWrites.js'
import { keccakHex } from '../internal/keccak.js'

/** Envelopes on their way into the tree. */
export type PrivateData = ExternalWrites & {
  /** Hands an envelope to every operator and queues it for the next commit. Returns its hash. */
  store(policyDataInstanceId: Hex, envelope: Uint8Array): Promise<Hex>
  /** Called with every envelope from now on, before its commit. */
  subscribe(keep: (hash: Hex, envelope: Uint8Array) => Promise<void>): void
}

/** Creates an empty private-data layer. */
export function createPrivateData(): PrivateData {
  const keepers: ((hash: Hex, envelope: Uint8Array) => Promise<void>)[] = []
  let waiting: ExternalWrite[] = []
  // What a commit was given once it is given again: every operator has to see the same writes.
  const given = new Map<bigint, readonly ExternalWrite[]>()
  return {
    store: async (policyDataInstanceId, envelope) => {
      const hash = keccakHex(envelope)
      for (const keep of keepers) await keep(hash, Uint8Array.from(envelope))
      const keyHash = computeKeyHash(namespaces.secrets, policyDataInstanceId)
      waiting.push({ namespace: namespaces.secrets, keyHash, valueHash: hash })
      return hash
    },
    subscribe: (keep) => {
      keepers.push(keep)
    },
    writesFor: async ({ sequenceNo }) => {
      const before = given.get(sequenceNo)
      if (before !== undefined) return before
      // The newest write of a key is the one that counts.
      const writes = [...new Map(waiting.map((write) => [write.keyHash, write])).values()]
      waiting = []
      given.set(sequenceNo, writes)
      return writes
    },
  }
}
