/** A store whose whole content leaves the enclave as one sealed state. */
import { InvalidInputError } from '../../errors/common.js'
import { EnclaveCborError } from '../cbor/errors.js'
import { type CborMap, readCbor } from '../cbor/read.js'
import { writeCbor } from '../cbor/write.js'
import { SealedStateError } from './errors.js'
import { applyBatch, type KvStore } from './kv.js'
import { NO_PREVIOUS_STATE, openState, type StateAnchor, sealState } from './sealedState.js'

/** Where the sealed bytes are kept, outside the enclave: a file, an object. Writing replaces at once. */
export interface BlobPlace {
  read(): Promise<Uint8Array | undefined>
  write(blob: Uint8Array): Promise<void>
}

/**
 * Opens a sealed store. Every commit seals the content anew, writes it, then moves the anchor.
 *
 * Meant for states up to a few megabytes, since each commit writes all of it.
 *
 * @throws {StateRollbackError} where the place holds an older state, or none though there was one.
 */
export async function openSealedKv(parameters: {
  key: Uint8Array
  place: BlobPlace
  anchor: StateAnchor
}): Promise<KvStore> {
  const { place, anchor } = parameters
  if (!(parameters.key instanceof Uint8Array) || parameters.key.length !== 32) {
    throw new InvalidInputError({ field: 'key', reason: 'expected 32 bytes' })
  }
  const key = parameters.key.slice()
  const newest = await anchor.latest()
  const blob = await place.read()
  let map = new Map<string, Uint8Array>()
  let sequence = 0n
  let stateHash = NO_PREVIOUS_STATE
  if (blob !== undefined) {
    const opened = await openState({ key, blob, newest })
    map = decodeContent(opened.state)
    sequence = opened.sequence
    stateHash = opened.stateHash
    // Written, then interrupted before the anchor heard of it.
    if (newest === undefined || sequence > newest.sequence) {
      await anchor.advance({ sequence, stateHash, previous: opened.previousHash })
    }
  } else if (newest !== undefined)
    throw new SealedStateError({ reason: 'it is missing though there was one' })

  let tail: Promise<unknown> = Promise.resolve()
  const commit = async (batch: Parameters<KvStore['commit']>[0]): Promise<boolean> => {
    const next = new Map(map)
    if (!applyBatch(next, batch)) return false
    if (batch.writes.length === 0) return true
    const sealed = await sealState({
      key,
      sequence: sequence + 1n,
      previousHash: stateHash,
      state: writeCbor(next),
    })
    await place.write(sealed.blob)
    await anchor.advance({
      sequence: sequence + 1n,
      stateHash: sealed.stateHash,
      previous: stateHash,
    })
    map = next
    sequence += 1n
    stateHash = sealed.stateHash
    return true
  }
  return {
    get: async (name) => map.get(name)?.slice(),
    keys: async (prefix) => [...map.keys()].filter((name) => name.startsWith(prefix)).sort(),
    commit: (batch) => {
      const done = tail.then(() => commit(batch))
      tail = done.catch(() => undefined)
      return done
    },
    close: async () => {
      await tail
      key.fill(0)
    },
  }
}

function decodeContent(state: Uint8Array): Map<string, Uint8Array> {
  let value: unknown
  try {
    value = readCbor(state, { form: 'strict', items: 1_000_000 })
  } catch (cause) {
    if (cause instanceof EnclaveCborError)
      throw new SealedStateError({ reason: 'its content is not readable' })
    throw cause
  }
  if (!(value instanceof Map)) throw new SealedStateError({ reason: 'its content is not a map' })
  return new Map(
    [...(value as CborMap)].map(([name, content]) => {
      if (typeof name !== 'string' || !(content instanceof Uint8Array)) {
        throw new SealedStateError({ reason: 'its content is of another type' })
      }
      return [name, content.slice()]
    }),
  )
}
