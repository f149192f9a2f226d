/** Blocks as nodes give them: what is used of one is checked, whatever type it came as. */
import type { Hex } from 'viem'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import { RpcInconsistentError } from './errors.js'

/** Whether a value is 32 bytes of hex. */
export function isHash(value: unknown): value is Hex {
  return typeof value === 'string' && /^0x[0-9a-f]{64}$/i.test(value)
}

/**
 * The number, hash and time of a block.
 *
 * @param what - Names it in errors, such as `the latest block`.
 * @throws {RpcInconsistentError} for anything else, a block that is not mined included.
 */
export function checkedBlock(block: object, what: string): BlockReference {
  const { number, hash, timestamp } = block as Record<string, unknown>
  if (typeof number !== 'bigint' || number < 0n) {
    throw new RpcInconsistentError(`${what} has no number`)
  }
  if (!isHash(hash)) throw new RpcInconsistentError(`${what} has no hash`)
  if (typeof timestamp !== 'bigint' || timestamp < 0n) {
    throw new RpcInconsistentError(`${what} has no time`)
  }
  return { number, hash, timestamp }
}
