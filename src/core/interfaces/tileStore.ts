import type { IoOptions } from '../../internal/deadline.js'

/** A file of a store, and what tells this content of it from all others. */
export type StoredFile = { bytes: Uint8Array; version: string }

/** A file to write. Its path has no leading slash, and `/` between its parts. */
export type TileFile = { path: string; bytes: Uint8Array }

/** Reads the files of logs. */
export interface TileReader {
  /** A file, or `undefined` where there is none. */
  read(path: string, options?: IoOptions): Promise<StoredFile | undefined>
}

/** Keeps the files of logs. What a call answered for is there after a power cut. */
export interface TileStore extends TileReader {
  /**
   * Writes files that never change. One that is there with the same bytes is done; one that is there
   * with other bytes is an error, and stays.
   */
  create(files: readonly TileFile[], options?: IoOptions): Promise<void>
  /**
   * Replaces a file if it still has this version (`undefined`: if it is not there), and answers the
   * new one. Any other state is an error, and stays.
   */
  replace(
    file: TileFile & { version: string | undefined },
    options?: IoOptions,
  ): Promise<{ version: string }>
  /** Removes files. One that is not there is done. */
  remove(paths: readonly string[], options?: IoOptions): Promise<void>
  /** Paths of all files below a folder, in no order. */
  list(folder: string, options?: IoOptions): Promise<string[]>
}
