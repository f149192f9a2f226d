/**
 * The checks of operators' keys: in the subgroup, and both forms of one secret.
 *
 * All keys at once. With random digits `dᵢ` below 64 for each of 24 windows, a window's sum
 * `Σ dᵢ·pk₂ᵢ` is in the subgroup, where some key is not, for at most one of the 64 values of its digit:
 * the smallest factor of the cofactor is 10,069. All 24 sums are checked, and the coefficients that
 * the windows make together, of 144 bits, show keys of two secrets with one pairing product. Either
 * misses with a chance of 2^-144. Digits are expanded from a hash of all keys, so that nobody can choose
 * keys to fit them.
 *
 * A key that passed is remembered: tables change by a few operators.
 */
import { concat, uintToBytes } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { type Bn254Backend, nobleBackend } from '../backend.js'
import { combineG1, drawCoefficients, joinWindowsG2, windowSumsG2 } from '../curve/pointSums.js'
import type { BlsPublicKey } from '../keys.js'
import { isOneSecret } from '../signature.js'
import { isKnownKey, type KeyName, keyName, rememberKey } from './knownKeys.js'

/** Why a key whose points are on their curves is refused. */
export type KeyFault = 'POINT_NOT_IN_SUBGROUP' | 'KEY_MISMATCH'

const BITS = 6
const WINDOWS = 24

/**
 * Finds the first key that must be refused. Points are assumed to be on their curves.
 *
 * @returns Its index and fault, `undefined` where all are good.
 */
export function findBadKey(
  keys: readonly BlsPublicKey[],
  backend: Bn254Backend = nobleBackend,
): { index: number; fault: KeyFault } | undefined {
  const names = keys.map(keyName)
  const fresh = keys.flatMap((_, index) =>
    isKnownKey(names[index] as KeyName, backend) ? [] : [index],
  )
  if (fresh.length > 0 && faultOf(fresh, { keys, names, backend }) !== undefined) {
    return firstBad(fresh, { keys, names, backend })
  }
  for (const index of fresh) rememberKey(names[index] as KeyName, { backend, as: 'operators' })
  return undefined
}

type KeysInTable = {
  keys: readonly BlsPublicKey[]
  names: readonly KeyName[]
  backend: Bn254Backend
}

/** The first bad key of some among which there is one. */
function firstBad(
  among: readonly number[],
  of: KeysInTable,
): { index: number; fault: KeyFault } | undefined {
  let open = among
  while (open.length > 1) {
    const half = open.slice(0, open.length >> 1)
    open = faultOf(half, of) === undefined ? open.slice(half.length) : half
  }
  // Halving ends at a good key with a chance of 2^-144: then each is looked at.
  for (const index of [...open, ...among]) {
    const fault = faultOf([index], of)
    if (fault !== undefined) return { index, fault }
  }
  return undefined
}

function faultOf(open: readonly number[], of: KeysInTable): KeyFault | undefined {
  const { backend } = of
  const keys = open.map((index) => of.keys[index] as BlsPublicKey)
  const [only] = keys
  const each = keys.length <= WINDOWS
  if (each && keys.some(({ pubkeyG2 }) => !backend.isInSubgroup(pubkeyG2))) {
    return 'POINT_NOT_IN_SUBGROUP'
  }
  if (keys.length === 1 && only !== undefined) {
    return isOneSecret(only, backend) ? undefined : 'KEY_MISMATCH'
  }
  const seed = keccak(...open.map((index) => of.names[index] as KeyName))
  const coefficients = drawCoefficients({
    count: keys.length,
    // Few keys need no windows to be checked alone: narrow ones then cost less.
    ...(each ? { windows: 72, bits: 2 } : { windows: WINDOWS, bits: BITS }),
    random: expand(seed),
  })
  const sums = windowSumsG2(
    keys.map(({ pubkeyG2 }) => pubkeyG2),
    coefficients,
  )
  if (!each && sums.some((sum) => !backend.isInSubgroup(sum))) return 'POINT_NOT_IN_SUBGROUP'
  const pubkey = combineG1(
    keys.map((key) => key.pubkey),
    coefficients,
  )
  const pubkeyG2 = joinWindowsG2(sums, coefficients)
  return isOneSecret({ pubkey, pubkeyG2 }, backend) ? undefined : 'KEY_MISMATCH'
}

function expand(seed: Uint8Array): (length: number) => Uint8Array {
  let block = 0
  return (length) => {
    const parts: Uint8Array[] = []
    for (let made = 0; made < length; made += 32) parts.push(keccak(seed, uintToBytes(block++, 4)))
    return concat(...parts).subarray(0, length)
  }
}
