/**
 * A storage slot with all that proves it, as bytes: RLP of `[header, [account nodes], [storage nodes]]`,
 * the header being the byte string that its block's hash is of.
 */
import type { Address, Hex } from 'viem'
import { toHex } from '../../internal/bytes.js'
import { type ExecutionHeader, readExecutionHeader } from './header.js'
import { type StateProofFault, verifyAccountProof, verifyStorageProof } from './proofs.js'
import { isRlpList, type RlpValue, readRlp } from './rlp.js'

const maxBytes = 1_048_576

/** What a slot proof shows. The header's hash still has to be one of the chain. */
export type SlotVerdict =
  | { status: 'valid'; header: ExecutionHeader; value: bigint }
  | { status: 'reject'; code: StateProofFault | 'HEADER' | 'NO_ACCOUNT' }

/**
 * Verifies a slot proof. Never throws.
 *
 * The result is no statement about a chain: whether the block of `header.hash` is one of it, and final,
 * is for the caller to know.
 *
 * @param proof - Bytes such as `getSlotProof` of `/registry` makes them.
 */
export function verifySlotProof(
  proof: Uint8Array,
  expected: { contract: Address; slot: Hex },
): SlotVerdict {
  if (typeof expected !== 'object' || expected === null) {
    return { status: 'reject', code: 'MALFORMED' }
  }
  const { contract, slot } = expected
  const parts = readParts(proof)
  if (parts === undefined) return { status: 'reject', code: 'MALFORMED' }
  const header = readExecutionHeader(parts.header)
  if (header === undefined) return { status: 'reject', code: 'HEADER' }
  const { stateRoot } = header
  const proven = verifyAccountProof({ stateRoot, address: contract, nodes: parts.account })
  if (proven.status === 'reject') return proven
  if (proven.account === null) return { status: 'reject', code: 'NO_ACCOUNT' }
  const { storageRoot } = proven.account
  const stored = verifyStorageProof({ storageRoot, slot, nodes: parts.storage })
  return stored.status === 'reject' ? stored : { status: 'valid', header, value: stored.value }
}

function readParts(
  proof: Uint8Array,
): { header: Uint8Array; account: Hex[]; storage: Hex[] } | undefined {
  if (!(proof instanceof Uint8Array) || proof.length > maxBytes) return undefined
  const value = readRlp(proof)
  if (!isRlpList(value) || value.items.length !== 3) return undefined
  const [header, account, storage] = value.items
  const [accountNodes, storageNodes] = [nodesOf(account), nodesOf(storage)]
  if (!(header instanceof Uint8Array) || accountNodes === undefined || storageNodes === undefined) {
    return undefined
  }
  return { header, account: accountNodes, storage: storageNodes }
}

function nodesOf(value: RlpValue | undefined): Hex[] | undefined {
  if (!isRlpList(value)) return undefined
  const nodes = value.items.filter((item) => item instanceof Uint8Array)
  return nodes.length === value.items.length ? nodes.map((node) => toHex(node)) : undefined
}
