import type { Hex } from 'viem'
import type { DaClient, DaOptions } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { copyBytes } from '../../internal/bytes.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { DaIntegrityError } from '../errors.js'

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

/**
 * Reads and hashes. A client of a user's own, or several as one, may have forgotten to.
 *
 * @throws {DaIntegrityError} for other bytes, and for what are none.
 */
export async function readVerified(
  client: DaClient,
  { locator, hash }: { locator: DaLocator; hash: Hex },
  options: DaOptions,
): Promise<Uint8Array> {
  const bytes = await client.getWithVerification(locator, hash, options)
  const source = client.kind
  return isVerified(client.getWithVerification) ? bytes : hashed(bytes, { source, expected: hash })
}

/**
 * A copy of what a store or a source answered, where it is the artifact.
 *
 * @throws {DaIntegrityError} where it is not.
 */
export function hashed(
  bytes: unknown,
  { source, expected }: { source: string; expected: Hex },
): Uint8Array {
  if (!(bytes instanceof Uint8Array)) {
    const reason = 'it answered with something else than bytes'
    throw new DaIntegrityError({ source, expected, reason })
  }
  // Whoever answered may go on with its array, or share it: what was hashed is what is given.
  const own = copyBytes(bytes)
  const actual = longKeccakHex(own)
  if (actual === expected) return own
  throw new DaIntegrityError({ source, expected, actual, reason: 'it answered with other bytes' })
}
