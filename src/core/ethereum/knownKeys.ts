/**
 * Who signed, where it is most often one of a few: keys that were seen before are tried with tables of their
 * multiples, which takes a fifth of a recovery. What comes out is what a recovery gives, for every signature.
 */
import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { Address } from 'viem'
import { fromHex, toHex } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'

/** Recovers signers. */
export type SignerRecovery = {
  /** The address, in lower case, that signed; `undefined` where nobody did. Never throws. */
  recover(hash: Uint8Array, signature: `0x${string}`): Address | undefined
  /** Remembers the key of an address that was recovered last: for signers that will sign again. */
  keep(address: Address): void
}

const { Point } = secp256k1
const { Fn } = Point
type Key = InstanceType<typeof Point>

/** Keys that are remembered: a table takes some 400 kB and 30 ms. */
const KEPT = 4

/** Creates a recovery that knows nobody. */
export function createSignerRecovery(): SignerRecovery {
  const kept = new Map<Address, Key>()
  let last: { address: Address; key: Key } | undefined
  return {
    recover(hash, signature) {
      try {
        const bytes = fromHex(signature)
        if (bytes.length !== 65) return undefined
        const [r, s] = [toNumber(bytes.subarray(0, 32)), toNumber(bytes.subarray(32, 64))]
        const odd = parityOf(bytes)
        if (!Fn.isValidNot0(r) || !Fn.isValidNot0(s) || odd === undefined) return undefined
        const inverse = Fn.inv(s)
        const u1 = Fn.mul(Fn.create(toNumber(hash)), inverse)
        const u2 = Fn.mul(r, inverse)
        // The newest first: a caller comes again.
        for (const [address, key] of [...kept].reverse()) {
          const point = Point.BASE.multiplyUnsafe(u1).add(key.multiplyUnsafe(u2))
          if (point.is0()) continue
          const { x, y } = point.toAffine()
          if (x === r && (y & 1n) === odd) return address
        }
        const signed = secp256k1.Signature.fromBytes(bytes.subarray(0, 64), 'compact')
        const key = signed.addRecoveryBit(Number(odd)).recoverPublicKey(hash)
        const address = addressOf(key)
        last = { address, key }
        return address
      } catch {
        return undefined
      }
    },
    keep(address) {
      if (last?.address !== address || kept.has(address)) return
      kept.set(address, last.key.precompute(8, true))
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break
        kept.delete(oldest)
      }
    },
  }
}

function addressOf(key: Key): Address {
  return toHex(keccak(key.toBytes(false).subarray(1)).subarray(12)) as Address
}

/** Which of the two points of a signature's `r` it is; in both ways of writing it. */
function parityOf(bytes: Uint8Array): bigint | undefined {
  const v = bytes[64] ?? 255
  if (v === 0 || v === 27) return 0n
  return v === 1 || v === 28 ? 1n : undefined
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(toHex(bytes))
}
