/** Which sequence of an instance is committed: what is at or below it is never let in again. */
import type { Hex } from 'viem'
import { decodeEnvelopeV2, isEnvelopeV1 } from '../../enclave/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import type { UploadRecords } from './records.js'

/** Instances that are remembered; those that were looked at first are forgotten first. */
const MOST = 65_536

/** Committed sequences of instances. */
export type Floors = {
  /** The committed sequence, from the envelope itself; 0 where there is none. Throws where it cannot be had. */
  read(policyDataInstanceId: Hex, io: IoOptions): Promise<bigint>
  /** Whether a sequence is above the committed one. `false` where that cannot be known without its envelope. */
  isAbove(upload: { policyDataInstanceId: Hex; sequence: bigint }): boolean
}

/** Creates them, over uploads whose sequences are known already. */
export function createFloors(
  parameters: {
    committed: (policyDataInstanceId: Hex, options?: IoOptions) => Promise<Uint8Array | null>
    committedHash?: ((policyDataInstanceId: Hex) => Hex | undefined) | undefined
  },
  { held, landed }: UploadRecords,
): Floors {
  const { committed, committedHash } = parameters
  const known = new Map<Hex, { hash: Hex | undefined; sequence: bigint }>()
  const now = (id: Hex): bigint | undefined => {
    const last = known.get(id)
    // Nothing tells what is committed now: what was when it was looked at last.
    if (committedHash === undefined) return last?.sequence ?? 0n
    const hash = committedHash(id)
    if (hash === undefined) return 0n
    if (last?.hash === hash) return last.sequence
    return (held.get(hash) ?? landed.get(hash))?.sequence
  }
  return {
    async read(id, io) {
      const envelope = await committed(id, io)
      const sequence =
        envelope === null || isEnvelopeV1(envelope) ? 0n : decodeEnvelopeV2(envelope).sequence
      known.delete(id)
      known.set(id, {
        hash: envelope === null ? undefined : keccakHex(envelope),
        sequence,
      })
      for (const oldest of known.keys()) {
        if (known.size <= MOST) break
        known.delete(oldest)
      }
      return sequence
    },
    isAbove({ policyDataInstanceId, sequence }) {
      const floor = now(policyDataInstanceId)
      return floor !== undefined && sequence > floor
    },
  }
}
