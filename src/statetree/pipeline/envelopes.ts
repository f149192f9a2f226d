/** A source of namespace 0x03 for networks of our own: sealed secrets, one per data instance. */
import type { Hex } from 'viem'
import { computeKeyHash, namespaces } from '../../core/artifact.js'
import type { ExternalWrite, ExternalWrites } from '../../core/interfaces/externalWrites.js'
import { keccakHex } from '../../internal/keccak.js'

/** Envelopes that wait for a commit, and those already given to one. */
export type EnvelopeWrites = ExternalWrites & {
  /** Queues an envelope; the next commit that is asked for carries it. */
  add(envelope: { policyDataInstanceId: Hex; bytes: Uint8Array }): { keyHash: Hex; valueHash: Hex }
  /** Queues the removal of an instance's envelope. */
  remove(policyDataInstanceId: Hex): void
}

/**
 * Creates a source that all operators of one network share.
 *
 * What one sequence number was given stays with it, however often it is asked for, so that
 * proposers and validators see the same list. The bytes of envelopes do not travel in deltas: put
 * them in each operator's byte store under their hash.
 */
export function envelopeWrites(): EnvelopeWrites {
  let waiting: ExternalWrite[] = []
  const given = new Map<bigint, readonly ExternalWrite[]>()
  const queue = (write: ExternalWrite): void => {
    // A key is written once in a commit: the last write of it counts.
    waiting = [...waiting.filter(({ keyHash }) => keyHash !== write.keyHash), write]
  }
  const namespace = namespaces.secrets
  return {
    add({ policyDataInstanceId, bytes }) {
      const keyHash = computeKeyHash(namespace, policyDataInstanceId)
      const valueHash = keccakHex(bytes)
      queue({ namespace, keyHash, valueHash })
      return { keyHash, valueHash }
    },
    remove(policyDataInstanceId) {
      queue({
        namespace,
        keyHash: computeKeyHash(namespace, policyDataInstanceId),
        valueHash: null,
      })
    },
    async writesFor({ sequenceNo }) {
      const known = given.get(sequenceNo)
      if (known !== undefined) return known
      const writes = waiting
      waiting = []
      given.set(sequenceNo, writes)
      return writes
    },
  }
}
