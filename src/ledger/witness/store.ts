/** The latest checkpoint of each log that a witness cosigned, or that a client saw. */

/** Keeps one text for each log. `swap` is atomic and durable: it decides what is never gone back on. */
export interface CheckpointStore {
  /** What is kept of a log, by the hex SHA-256 of its origin. */
  read(originHash: string, options?: { signal?: AbortSignal }): Promise<string | undefined>
  /**
   * Replaces `expected` by `next`, and answers `false` where something else is kept. Resolves once the
   * new text would survive a crash.
   */
  swap(
    originHash: string,
    change: { expected: string | undefined; next: string },
    options?: { signal?: AbortSignal },
  ): Promise<boolean>
}

/** A memory that ends with the process: for tests. A witness that forgets cosigns forks. */
export function memoryCheckpointStore(): CheckpointStore {
  const kept = new Map<string, string>()
  return {
    read: async (originHash) => kept.get(originHash),
    swap: async (originHash, { expected, next }) => {
      if (kept.get(originHash) !== expected) return false
      kept.set(originHash, next)
      return true
    },
  }
}
