/**
 * A log with all that proves it, as bytes: RLP of `[header, transactionIndex, logIndex, [receipt nodes]]`,
 * the header being the byte string that its block's hash is of, and `logIndex` the log's place in its
 * receipt.
 */
import type { Address, Hex } from 'viem'
import { toHex } from '../../internal/bytes.js'
import { type ExecutionHeader, readExecutionHeader } from './header.js'
import { type ProvenLog, type StateProofFault, verifyReceiptProof } from './proofs.js'
import { isRlpList, type RlpValue, readRlp, rlpInteger } from './rlp.js'

const maxBytes = 8_388_608

/** What an event proof shows. The header's hash still has to be one of the chain. */
export type EventVerdict =
  | { status: 'valid'; header: ExecutionHeader; transactionIndex: number; log: ProvenLog }
  | {
      status: 'reject'
      /** `NO_LOG`: the receipt has none there, or failed. `OTHER_CONTRACT`: another one emitted it. */
      code: StateProofFault | 'HEADER' | 'NO_LOG' | 'OTHER_CONTRACT'
    }

/**
 * Verifies that a contract emitted a log in a block. Never throws.
 *
 * The result is no statement about a chain: whether the block of `header.hash` is one of it, and final,
 * is for the caller to know.
 *
 * @param proof - Bytes such as `getEventProof` of `/registry` makes them.
 */
export function verifyEventProof(proof: Uint8Array, expected: { contract: Address }): EventVerdict {
  const contract: unknown = expected?.contract
  const parts = readParts(proof)
  if (parts === undefined) return { status: 'reject', code: 'MALFORMED' }
  const { transactionIndex, logIndex, nodes } = parts
  const header = readExecutionHeader(parts.header)
  if (header === undefined) return { status: 'reject', code: 'HEADER' }
  const { receiptsRoot } = header
  const proven = verifyReceiptProof({ receiptsRoot, transactionIndex, nodes })
  if (proven.status === 'reject') return proven
  const log = proven.receipt?.succeeded === true ? proven.receipt.logs[logIndex] : undefined
  if (log === undefined) return { status: 'reject', code: 'NO_LOG' }
  if (typeof contract !== 'string' || log.address.toLowerCase() !== contract.toLowerCase()) {
    return { status: 'reject', code: 'OTHER_CONTRACT' }
  }
  return { status: 'valid', header, transactionIndex, log }
}

type Parts = { header: Uint8Array; transactionIndex: number; logIndex: number; nodes: Hex[] }

function readParts(proof: Uint8Array): Parts | undefined {
  if (!(proof instanceof Uint8Array) || proof.length > maxBytes) return undefined
  const value = readRlp(proof)
  if (!isRlpList(value) || value.items.length !== 4) return undefined
  const [header, transaction, log, list] = value.items
  const [transactionIndex, logIndex] = [rlpInteger(transaction, 4), rlpInteger(log, 4)]
  if (!(header instanceof Uint8Array) || !isRlpList(list)) return undefined
  if (transactionIndex === undefined || logIndex === undefined) return undefined
  const isBytes = (item: RlpValue): item is Uint8Array => item instanceof Uint8Array
  if (!list.items.every(isBytes)) return undefined
  return {
    ...{ header, transactionIndex: Number(transactionIndex), logIndex: Number(logIndex) },
    nodes: list.items.map((node) => toHex(node as Uint8Array)),
  }
}
