/**
 * Read functions of this package, which have hashed what they return. Any other function, of
 * whatever client or source, is checked by whoever calls it.
 */
const reads = new WeakSet<object>()

/** Records a function that hashes what it returns. */
export function marksVerified(read: object): void {
  reads.add(read)
}

/** Whether `read` hashes what it returns. */
export function isVerified(read: object): boolean {
  return reads.has(read)
}
