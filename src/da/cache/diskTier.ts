/** L2: artifact bytes close by. What it holds is hashed when it is read, and may be absent. */
import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { DaIntegrityError } from '../errors.js'
import type { ByteStore } from './byteStore.js'
import type { EmitCacheEvent } from './events.js'

/** The second tier. A failure of the store is told and never a failure of the call. */
export type DiskTier = {
  /** Bytes that hash to `hash`; a damaged copy is reported and removed. */
  read(hash: Hex, io: IoOptions): Promise<Uint8Array | undefined>
  write(hash: Hex, bytes: Uint8Array, io: IoOptions): Promise<void>
  has(hash: Hex, io: IoOptions): Promise<boolean>
}

/** Creates the tier over a store; without one it holds nothing. */
export function createDiskTier(disk: ByteStore | undefined, emit: EmitCacheEvent): DiskTier {
  async function attempt<value>(
    operation: 'read' | 'write' | 'remove',
    io: IoOptions,
    work: (store: ByteStore) => Promise<value>,
  ): Promise<{ value: value } | undefined> {
    if (!disk) return undefined
    try {
      return { value: await work(disk) }
    } catch (error) {
      io.signal?.throwIfAborted()
      emit({ type: 'cache.storeFailed', tier: 'L2', operation, error })
      return undefined
    }
  }

  return {
    async read(hash, io) {
      const bytes = (await attempt('read', io, (store) => store.read(hash, io)))?.value
      const actual = bytes && longKeccakHex(bytes)
      if (actual === hash) {
        emit({ type: 'cache.lookup', tier: 'L2', result: 'hit', form: 'bytes' })
        return bytes
      }
      if (actual !== undefined) {
        const source = disk?.name ?? 'disk'
        const reason = 'the local copy is damaged'
        const error = new DaIntegrityError({ source, expected: hash, actual, reason })
        emit({ type: 'cache.wrongCopy', tier: 'L2', source, hash, error })
        await attempt('remove', io, (store) => store.remove(hash, io))
      }
      if (disk) emit({ type: 'cache.lookup', tier: 'L2', result: 'miss', form: 'bytes' })
      return undefined
    },
    async write(hash, bytes, io) {
      const written = await attempt('write', io, (store) => store.write(hash, bytes, io))
      if (written) emit({ type: 'cache.fill', tier: 'L2', key: hash, byteLength: bytes.length })
    },
    has: async (hash, io) =>
      (await attempt('read', io, (store) => store.has(hash, io)))?.value ?? false,
  }
}
