import { keccak_256 } from '@noble/hashes/sha3.js'

/**
 * Deterministic random bytes: `keccak256(seed ‖ counter(8))` for counter 0, 1, …, concatenated.
 *
 * @param seed - `taskId ‖ policyDataInstanceId`.
 */
export function createByteStream(seed: Uint8Array): (length: number) => Uint8Array {
  const preimage = new Uint8Array(seed.length + 8)
  preimage.set(seed)
  const view = new DataView(preimage.buffer)
  let counter = 0n
  let block = new Uint8Array()
  let at = 0
  return (length) => {
    const out = new Uint8Array(length)
    for (let filled = 0; filled < length; ) {
      if (at === block.length) {
        view.setBigUint64(seed.length, counter++)
        block = keccak_256(preimage) as Uint8Array<ArrayBuffer>
        at = 0
      }
      const take = Math.min(block.length - at, length - filled)
      out.set(block.subarray(at, at + take), filled)
      at += take
      filled += take
    }
    return out
  }
}
