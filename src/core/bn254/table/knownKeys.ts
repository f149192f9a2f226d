/**
 * Keys that were found good: in the subgroup, and both forms of one secret. What is known of a key is
 * not worked out again, and a signature under it needs neither a subgroup check nor a check of the key.
 *
 * Keys of operators stay from table to table; sums of keys are those of the signers of a certificate,
 * which are mostly the same from one to the next. Each backend knows its own: what one of them finds
 * says nothing of another.
 */
import { concat, toHex } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import type { Bn254Backend } from '../backend.js'
import { g1Words, g2Words } from '../curve/points.js'
import type { BlsPublicKey } from '../keys.js'

/** Keys that are remembered: two of the largest tables would not fit, and need not. */
const OPERATORS = 65_536
/** Others: sums of signers, and keys that are asked about one by one. */
const OTHERS = 1_024

/** A key's name: a hash of both its forms. */
export type KeyName = Uint8Array

/** Names of keys, the least recently used forgotten first. */
type Names = { readonly most: number; readonly names: Set<string> }
type Known = { readonly operators: Names; readonly others: Names }

const known = new WeakMap<Bn254Backend, Known>()

/** Names a key, valid or not. */
export function keyName({ pubkey, pubkeyG2 }: BlsPublicKey): KeyName {
  return keccak(concat(g1Words(pubkey), g2Words(pubkeyG2)))
}

/** Whether this backend found the key good. */
export function isKnownKey(name: KeyName, backend: Bn254Backend): boolean {
  const { operators, others } = knownTo(backend)
  const text = toHex(name)
  if (operators.names.has(text)) return true
  if (!others.names.has(text)) return false
  keep(others, text)
  return true
}

/** Remembers a good key. */
export function rememberKey(
  name: KeyName,
  { backend, as }: { backend: Bn254Backend; as: 'operators' | 'others' },
): void {
  keep(knownTo(backend)[as], toHex(name))
}

function keep({ names, most }: Names, name: string): void {
  names.delete(name)
  names.add(name)
  for (const oldest of names) {
    if (names.size <= most) break
    names.delete(oldest)
  }
}

function knownTo(backend: Bn254Backend): Known {
  const found = known.get(backend)
  if (found !== undefined) return found
  const made = {
    operators: { most: OPERATORS, names: new Set<string>() },
    others: { most: OTHERS, names: new Set<string>() },
  }
  known.set(backend, made)
  return made
}
