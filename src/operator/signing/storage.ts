/** Where a signing journal lies, and what knows how far it had come. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { concat, copyBytes } from '../../internal/bytes.js'

/** Append-only segments. A promise that resolves means that the bytes survive a loss of power. */
export interface JournalStorage {
  /** The segments' ids, ascending. */
  segments(): Promise<readonly number[]>
  /** All bytes of a segment, or a part of it. */
  read(id: number, range?: { offset: number; length: number }): Promise<Uint8Array>
  /** Makes a segment that is not there yet. */
  create(id: number, bytes: Uint8Array): Promise<void>
  append(id: number, bytes: Uint8Array): Promise<void>
  truncate(id: number, size: number): Promise<void>
  remove(id: number): Promise<void>
  close(): Promise<void>
}

/** How far a journal had come. */
export type WitnessMark = { counter: bigint; hash: Hex }

/**
 * Keeps the mark of a journal outside its directory, so that an old copy of the directory is noticed.
 * On another disk, or with another machine: what is restored together with the journal knows nothing.
 */
export interface JournalWitness {
  read(): Promise<WitnessMark | undefined>
  /** Durable when it resolves. */
  write(mark: WitnessMark): Promise<void>
  /** Lets go of what it holds open; it may be written to again. */
  close?(): Promise<void>
}

/** A storage in memory, for tests: what is in it ends with the process. */
export function memoryJournalStorage(): JournalStorage {
  const held = new Map<number, Uint8Array>()
  const get = (id: number): Uint8Array => {
    const bytes = held.get(id)
    if (bytes === undefined)
      throw new InvalidInputError({ field: 'id', reason: `no segment ${id}` })
    return bytes
  }
  return {
    segments: async () => [...held.keys()].sort((a, b) => a - b),
    read: async (id, range) => {
      const bytes = get(id)
      return range === undefined
        ? copyBytes(bytes)
        : bytes.slice(range.offset, range.offset + range.length)
    },
    create: async (id, bytes) => {
      if (held.has(id))
        throw new InvalidInputError({ field: 'id', reason: `segment ${id} is there` })
      held.set(id, copyBytes(bytes))
    },
    append: async (id, bytes) => {
      held.set(id, concat(get(id), bytes))
    },
    truncate: async (id, size) => {
      held.set(id, get(id).slice(0, size))
    },
    remove: async (id) => {
      held.delete(id)
    },
    close: async () => undefined,
  }
}
