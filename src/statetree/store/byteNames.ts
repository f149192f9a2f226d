/** Whether bytes are what their name says: one rule for all byte stores. */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { BytesCorruptError } from '../errors.js'
import { defaultHasher } from '../hash/hasher.js'

/** Thirty-two bytes of any bytes. */
export type HashBytes = (bytes: Uint8Array) => Uint8Array

/**
 * The one spelling of a name.
 *
 * @throws {InvalidInputError} when it is no 32-byte hash.
 */
export function byteName(hash: Hex): Hex {
  return toHex(fixedFromHex(hash, 32, 'hash'))
}

/**
 * Checks bytes against their name. Without `hash`, either hash of a tree may name them, keccak-256
 * or SHA-256, so that a store fits every tree: nobody can find bytes that fit another's name.
 *
 * @throws {BytesCorruptError} when they are others.
 */
export function assertNamed(name: Hex, bytes: Uint8Array, hash?: HashBytes | undefined): void {
  const actual = toHex((hash ?? defaultHasher().hash)(bytes))
  if (actual === name) return
  if (hash === undefined && toHex(sha256(bytes)) === name) return
  throw new BytesCorruptError({ hash: name, actual })
}
