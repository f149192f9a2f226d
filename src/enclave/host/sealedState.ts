/**
 * State that leaves the enclave sealed, with its sequence and its predecessor in the additional data, so
 * that an old one is refused.
 *
 * Bytes: `"NPSS"(4) ‖ 0x01 ‖ sequence(8) ‖ previousHash(32) ‖ iv(12) ‖ AES-256-GCM ciphertext`; the
 * additional data is everything before `iv`. The state's hash is keccak-256 of all of it.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import {
  bytesEqual,
  bytesToUint,
  concat,
  fixedFromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { defaultRandomBytes } from '../nitro/nonces.js'
import { SealedStateError, StateRollbackError } from './errors.js'

const magic = concat(utf8('NPSS'), Uint8Array.of(1))
const headerBytes = magic.length + 8 + 32

/** A sealed state's place in its history. */
export type StatePlace = { sequence: bigint; stateHash: Hex }

/**
 * What knows the newest state: the chain, read through a proof, or a service that the host does not run.
 * The host's own word is no anchor.
 */
export interface StateAnchor {
  /** `undefined` before the first state. */
  latest(): Promise<StatePlace | undefined>
  /** Moves on; refuses unless `previous` is what it knows. */
  advance(place: StatePlace & { previous: Hex }): Promise<void>
}

/** Hash that stands for "no state before". */
export const NO_PREVIOUS_STATE: Hex = `0x${'00'.repeat(32)}`

/** Seals a state. `key` is 32 bytes that only the enclave has. */
export async function sealState(parameters: {
  key: Uint8Array
  sequence: bigint
  previousHash: Hex
  state: Uint8Array
  randomBytes?: ((length: number) => Uint8Array) | undefined
}): Promise<{ blob: Uint8Array; stateHash: Hex }> {
  const { sequence, previousHash, state, randomBytes = defaultRandomBytes } = parameters
  const header = concat(
    magic,
    uintToBytes(sequence, 8, 'sequence'),
    fixedFromHex(previousHash, 32, 'previousHash'),
  )
  const iv = randomBytes(12)
  const key = await importKey(parameters.key)
  const sealed = await crypto.subtle.encrypt(gcm(iv, header), key, state as BufferSource)
  const blob = concat(header, iv, new Uint8Array(sealed))
  return { blob, stateHash: keccakHex(blob) }
}

/**
 * Opens a state that is the newest one, or the one right after it where its writer ended before telling
 * the anchor.
 *
 * @throws {StateRollbackError} for an older state, one from nowhere, or one further ahead.
 * @throws {SealedStateError} for another key or changed bytes.
 */
export async function openState(parameters: {
  key: Uint8Array
  blob: Uint8Array
  newest: StatePlace | undefined
}): Promise<{ state: Uint8Array; sequence: bigint; previousHash: Hex; stateHash: Hex }> {
  const { blob, newest } = parameters
  if (blob.length < headerBytes + 12 + 16 || !bytesEqual(blob.subarray(0, magic.length), magic)) {
    throw new SealedStateError({ reason: 'it is not one' })
  }
  const sequence = bytesToUint(blob.subarray(magic.length, magic.length + 8))
  const previousHash = toHex(blob.subarray(magic.length + 8, headerBytes))
  const stateHash = keccakHex(blob)
  const expected = newest?.sequence ?? 0n
  const isNewest =
    newest !== undefined && sequence === newest.sequence && stateHash === newest.stateHash
  const isNext =
    sequence === expected + 1n && previousHash === (newest?.stateHash ?? NO_PREVIOUS_STATE)
  if (!isNewest && !isNext) throw new StateRollbackError({ sequence, expected })
  const iv = blob.subarray(headerBytes, headerBytes + 12)
  try {
    const key = await importKey(parameters.key)
    const header = blob.subarray(0, headerBytes)
    const sealed = blob.subarray(headerBytes + 12) as BufferSource
    const state = new Uint8Array(await crypto.subtle.decrypt(gcm(iv, header), key, sealed))
    return { state, sequence, previousHash, stateHash }
  } catch (cause) {
    if (cause instanceof InvalidInputError) throw cause
    throw new SealedStateError({ reason: 'it does not open under this key' })
  }
}

/** An anchor in memory, for tests and for enclaves whose state need not outlive them. */
export function memoryAnchor(): StateAnchor {
  let newest: StatePlace | undefined
  return {
    latest: async () => newest,
    advance: async ({ sequence, stateHash, previous }) => {
      const expected = (newest?.sequence ?? 0n) + 1n
      if (sequence !== expected || previous !== (newest?.stateHash ?? NO_PREVIOUS_STATE)) {
        throw new StateRollbackError({ sequence, expected })
      }
      newest = { sequence, stateHash }
    },
  }
}

function gcm(iv: Uint8Array, additionalData: Uint8Array): AesGcmParams {
  return { name: 'AES-GCM', iv: iv as BufferSource, additionalData: additionalData as BufferSource }
}

function importKey(key: Uint8Array): Promise<CryptoKey> {
  if (!(key instanceof Uint8Array) || key.length !== 32) {
    throw new InvalidInputError({ field: 'key', reason: 'expected 32 bytes' })
  }
  return crypto.subtle.importKey('raw', key as BufferSource, 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ])
}
