/**
 * MurmurHash3 x64 of 64 bits, which places names in sharded directories. Not a hash to trust: blocks
 * are checked by the hashes in their CIDs.
 */

const MASK = 0xffff_ffff_ffff_ffffn
const C1 = 0x87c37b91114253d5n
const C2 = 0x4cf5ad432745937fn

/** The first eight bytes of the digest, most significant first, with seed 0. */
export function murmur3x64(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const blocks = bytes.length >> 4
  let h1 = 0n
  let h2 = 0n
  for (let block = 0; block < blocks; block++) {
    h1 ^= first(view.getBigUint64(block * 16, true))
    h1 = times(rotate(h1, 27n) + h2, 5n, 0x52dce729n)
    h2 ^= second(view.getBigUint64(block * 16 + 8, true))
    h2 = times(rotate(h2, 31n) + h1, 5n, 0x38495ab5n)
  }
  const tail = new Uint8Array(16)
  tail.set(bytes.subarray(blocks * 16))
  const rest = new DataView(tail.buffer)
  h2 ^= second(rest.getBigUint64(8, true))
  h1 ^= first(rest.getBigUint64(0, true))
  const length = BigInt(bytes.length)
  h1 ^= length
  h2 ^= length
  h1 = (h1 + h2) & MASK
  h2 = (h2 + h1) & MASK
  h1 = mixed(h1)
  h2 = mixed(h2)
  const out = new Uint8Array(8)
  new DataView(out.buffer).setBigUint64(0, (h1 + h2) & MASK)
  return out
}

function first(k: bigint): bigint {
  return (rotate((k * C1) & MASK, 31n) * C2) & MASK
}

function second(k: bigint): bigint {
  return (rotate((k * C2) & MASK, 33n) * C1) & MASK
}

function times(value: bigint, factor: bigint, added: bigint): bigint {
  return ((value & MASK) * factor + added) & MASK
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK
}

function mixed(value: bigint): bigint {
  let k = value
  k = ((k ^ (k >> 33n)) * 0xff51afd7ed558ccdn) & MASK
  k = ((k ^ (k >> 33n)) * 0xc4ceb9fe1a85ec53n) & MASK
  return k ^ (k >> 33n)
}
