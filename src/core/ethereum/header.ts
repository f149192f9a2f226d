/** Block headers, read from their encoding. */
import type { Hex } from 'viem'
import { toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { isRlpList, readRlp, rlpInteger } from './rlp.js'

/** What proofs need of a header. */
export type ExecutionHeader = {
  hash: Hex
  parentHash: Hex
  stateRoot: Hex
  receiptsRoot: Hex
  number: bigint
  /** Seconds since 1970. */
  timestamp: bigint
}

const leastFields = 15
const mostFields = 64

/**
 * Reads a header. Its hash is computed: whether that hash is of the chain is for the caller to know.
 *
 * @param bytes - RLP of the header, such as `debug_getRawHeader` gives. Fields of later forks are allowed.
 * @returns `undefined` for bytes that are none.
 */
export function readExecutionHeader(bytes: Uint8Array): ExecutionHeader | undefined {
  if (!(bytes instanceof Uint8Array) || bytes.length > 16_384) return undefined
  const header = readRlp(bytes)
  if (!isRlpList(header)) return undefined
  const { items } = header
  if (items.length < leastFields || items.length > mostFields) return undefined
  const [parentHash, stateRoot, receiptsRoot] = [items[0], items[3], items[5]]
  const [number, timestamp] = [rlpInteger(items[8], 8), rlpInteger(items[11], 8)]
  if (!isWord(parentHash) || !isWord(stateRoot) || !isWord(receiptsRoot)) return undefined
  if (number === undefined || timestamp === undefined) return undefined
  return {
    hash: keccakHex(bytes),
    parentHash: toHex(parentHash),
    stateRoot: toHex(stateRoot),
    receiptsRoot: toHex(receiptsRoot),
    number,
    timestamp,
  }
}

function isWord(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32
}
