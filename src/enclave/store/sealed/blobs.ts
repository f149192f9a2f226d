import { copyBytes } from '../../../internal/bytes.js'
/** Where sealed records are kept, outside the enclave. */

/**
 * Named byte strings that nobody has to trust. A name is written once; names are text of digits, hex digits
 * and a hyphen.
 */
export interface BlobStore {
  read(name: string): Promise<Uint8Array | undefined>
  /** Durable once it resolves; under the name there are all the bytes or none. */
  write(name: string, blob: Uint8Array): Promise<void>
  /** Every name that is there, in any order. */
  names(): Promise<readonly string[]>
  /** Deletes; a name that is not there is no error. */
  delete(name: string): Promise<void>
}

/** Keeps blobs in memory, for tests. */
export function memoryBlobs(): BlobStore {
  const blobs = new Map<string, Uint8Array>()
  return {
    read: async (name) => blobs.get(name)?.slice(),
    write: async (name, blob) => {
      blobs.set(name, copyBytes(blob))
    },
    names: async () => [...blobs.keys()],
    delete: async (name) => {
      blobs.delete(name)
    },
  }
}
