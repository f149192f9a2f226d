/**
 * A private-data layer for development: hands sealed envelopes to every operator and queues them
 * for the next commit. All operators of one network share it.
 */
import type { Hex } from 'viem'
import type { ExternalWrites } from '../core/interfaces/externalWrites.js'
import { envelopeWrites } from '../statetree/index.js'

/** Envelopes on their way into the tree. */
export type PrivateData = ExternalWrites & {
  /** Hands an envelope to every operator and queues it for the next commit. Returns its hash. */
  store(policyDataInstanceId: Hex, envelope: Uint8Array): Promise<Hex>
  /** Called with every envelope from now on, before its commit. */
  subscribe(keep: (hash: Hex, envelope: Uint8Array) => Promise<void>): void
}

/**
 * Creates an empty private-data layer.
 *
 * @example
 * ```ts
 * import { createPrivateData } from '@newton/policy-sdk/testing'
 *
 * const privateData = createPrivateData()
 * ```
 */
export function createPrivateData(): PrivateData {
  const keepers: ((hash: Hex, envelope: Uint8Array) => Promise<void>)[] = []
  const writes = envelopeWrites()
  return {
    store: async (policyDataInstanceId, envelope) => {
      const bytes = Uint8Array.from(envelope)
      const { valueHash } = writes.add({ policyDataInstanceId, bytes })
      for (const keep of keepers) await keep(valueHash, bytes)
      return valueHash
    },
    subscribe: (keep) => {
      keepers.push(keep)
    },
    writesFor: writes.writesFor,
  }
}
