/** What an object store does for the adapter, over signed HTTP or over the AWS SDK. */
import type { DaCall } from '../adapter.js'

/** An object, and the tag by which a write can name just this version of it. */
export type StoredObject = { bytes: Uint8Array; etag: string | undefined }

/** An object store. */
export type Store = {
  /**
   * Writes where the condition holds.
   *
   * @param options.replacing - The version to replace. Without it, the key has to be free.
   */
  put(
    key: string,
    bytes: Uint8Array,
    options: { replacing?: string | undefined; signal: AbortSignal },
  ): Promise<'written' | 'refused'>
  get(key: string, call: Pick<DaCall, 'signal' | 'onProgress'>): Promise<StoredObject>
  head(key: string, signal: AbortSignal): Promise<number | undefined>
}
