/** L2: artifact bytes close by. What it holds is hashed when it is read, and may be absent. */
import type { Hex } from 'viem'
import { TimeoutError } from '../../errors/common.js'
import { copyBytes } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
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

/** Milliseconds after which a read that is not there counts as a miss, and a write is left to itself. */
const PATIENCE = 500
/** Calls that have not ended, above which the store is left alone until one of them does. */
const MOST_HUNG = 3

/** Creates the tier over a store; without one it holds nothing. A store that hangs is not waited for. */
export function createDiskTier(disk: ByteStore | undefined, emit: EmitCacheEvent): DiskTier {
  let hung = 0

  /** Waits for a call no longer than {@link PATIENCE}; it goes on by itself. */
  async function patiently<value>(
    operation: 'read' | 'write' | 'remove',
    io: IoOptions,
    call: Promise<value>,
  ): Promise<value> {
    try {
      return await withDeadline(
        `disk ${operation}`,
        { signal: io.signal, timeout: PATIENCE },
        () => call,
      )
    } catch (error) {
      if (error instanceof TimeoutError) {
        hung += 1
        const ended = (): void => {
          hung -= 1
        }
        void call.then(ended, ended)
      }
      throw error
    }
  }

  async function attempt<value>(
    operation: 'read' | 'write' | 'remove',
    io: IoOptions,
    work: (store: ByteStore) => Promise<value>,
  ): Promise<{ value: value } | undefined> {
    if (!disk || hung >= MOST_HUNG) return undefined
    try {
      const call = (async () => work(disk))()
      call.catch(() => undefined)
      return { value: await patiently(operation, io, call) }
    } catch (error) {
      io.signal?.throwIfAborted()
      emit({ type: 'cache.storeFailed', tier: 'L2', operation, error })
      return undefined
    }
  }

  return {
    async read(hash, io) {
      const bytes = (await attempt('read', io, (store) => store.read(hash, io)))?.value
      const actual = bytes instanceof Uint8Array ? longKeccakHex(bytes) : undefined
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
      // A write that is left to itself outlives the call, whose bytes are the caller's again.
      const own = copyBytes(bytes)
      const written = await attempt('write', io, (store) => store.write(hash, own, {}))
      if (written) emit({ type: 'cache.fill', tier: 'L2', key: hash, byteLength: bytes.length })
    },
    has: async (hash, io) =>
      (await attempt('read', io, (store) => store.has(hash, io)))?.value ?? false,
  }
}
