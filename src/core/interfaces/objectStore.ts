import type { IoOptions } from '../../internal/deadline.js'

/** An object, and the tag by which a write names just this version of it. */
export type StoredObjectVersion = { bytes: Uint8Array; etag: string }

/** An S3-like store with conditional writes. */
export interface ObjectStore {
  /** An object, or `undefined` where there is none. */
  get(key: string, options?: IoOptions): Promise<StoredObjectVersion | undefined>
  /**
   * Writes where the condition holds: the key is free (`ifNoneMatch: '*'`), or has this version.
   * `undefined` where it does not hold. A failure leaves it unknown whether it was written.
   */
  put(
    key: string,
    bytes: Uint8Array,
    options: IoOptions & ({ ifNoneMatch: '*' } | { ifMatch: string }),
  ): Promise<{ etag: string } | undefined>
  delete(key: string, options?: IoOptions): Promise<void>
  /** Keys that start with a prefix. */
  list(prefix: string, options?: IoOptions): Promise<string[]>
}
