/** Proofs of accounts, storage and receipts against a block header (EIP-1186, EIP-2718). */
import type { Address, Hex } from 'viem'
import { fixedFromHex, fromHex, toHex } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { isRlpList, type RlpValue, readRlp, rlpInteger } from './rlp.js'
import { type TrieFault, type TrieVerdict, verifyTrieProof } from './trie.js'

/** Why a proof is refused: a fault of the trie, or `VALUE` for what is no such value. */
export type StateProofFault = TrieFault | 'VALUE'

/** An account as the state trie holds it. */
export type ProvenAccount = { nonce: bigint; balance: bigint; storageRoot: Hex; codeHash: Hex }

/** A log of a proven receipt. */
export type ProvenLog = { address: Address; topics: readonly Hex[]; data: Hex }

/** A proven receipt. */
export type ProvenReceipt = {
  /** Type of the transaction, 0 for a legacy one. */
  type: number
  succeeded: boolean
  cumulativeGasUsed: bigint
  logs: readonly ProvenLog[]
}

type Verdict<value> = ({ status: 'valid' } & value) | { status: 'reject'; code: StateProofFault }

/**
 * Verifies that an account is, or is not, in a state. Never throws.
 *
 * Pure: reads no chain state. Whether the state root is of the chain is for the caller to know.
 *
 * @param proof.nodes - `accountProof` of `eth_getProof`.
 * @returns The account, or `null` where the proof shows that there is none.
 * @example
 * ```ts
 * import { verifyAccountProof } from '@newton/policy-sdk'
 *
 * const verdict = verifyAccountProof({
 *   stateRoot: `0x${'00'.repeat(32)}`,
 *   address: `0x${'00'.repeat(20)}`,
 *   nodes: [],
 * })
 * if (verdict.status === 'valid') console.log(verdict.account?.storageRoot)
 * ```
 */
export function verifyAccountProof(proof: {
  stateRoot: Hex
  address: Address
  nodes: readonly Hex[]
}): Verdict<{ account: ProvenAccount | null }> {
  const found = prove(
    () => proof.nodes,
    () => ({
      root: fixedFromHex(proof.stateRoot, 32, 'stateRoot'),
      key: keccak(fixedFromHex(proof.address, 20, 'address')),
    }),
  )
  if (found.status === 'reject') return found
  if (found.value === null) return { status: 'valid', account: null }
  const account = readAccount(found.value)
  return account === undefined ? reject('VALUE') : { status: 'valid', account }
}

/**
 * Verifies the value of a storage slot. Never throws.
 *
 * @param proof.storageRoot - Of a proven account.
 * @param proof.nodes - `storageProof[].proof` of `eth_getProof`.
 * @returns The value; 0 where the proof shows that nothing is stored there.
 */
export function verifyStorageProof(proof: {
  storageRoot: Hex
  slot: Hex
  nodes: readonly Hex[]
}): Verdict<{ value: bigint }> {
  const found = prove(
    () => proof.nodes,
    () => ({
      root: fixedFromHex(proof.storageRoot, 32, 'storageRoot'),
      key: keccak(fixedFromHex(proof.slot, 32, 'slot')),
    }),
  )
  if (found.status === 'reject') return found
  if (found.value === null) return { status: 'valid', value: 0n }
  const value = rlpInteger(readRlp(found.value))
  // Nothing is stored by leaving it out, never as a zero.
  return value === undefined || value === 0n ? reject('VALUE') : { status: 'valid', value }
}

/**
 * Verifies that a receipt is in a block. Never throws.
 *
 * @param proof.transactionIndex - Index of the transaction in its block.
 * @param proof.nodes - Nodes of the receipts trie from the root on.
 */
export function verifyReceiptProof(proof: {
  receiptsRoot: Hex
  transactionIndex: number
  nodes: readonly Hex[]
}): Verdict<{ receipt: ProvenReceipt | null }> {
  const transactionIndex = proof?.transactionIndex
  if (!Number.isSafeInteger(transactionIndex) || transactionIndex < 0) return reject('MALFORMED')
  const found = prove(
    () => proof.nodes,
    () => ({
      root: fixedFromHex(proof.receiptsRoot, 32, 'receiptsRoot'),
      key: encodeIndex(transactionIndex),
    }),
  )
  if (found.status === 'reject') return found
  if (found.value === null) return { status: 'valid', receipt: null }
  const receipt = readReceipt(found.value)
  return receipt === undefined ? reject('VALUE') : { status: 'valid', receipt }
}

function prove(
  nodesOf: () => readonly Hex[],
  read: () => { root: Uint8Array; key: Uint8Array },
): TrieVerdict {
  try {
    return verifyTrieProof({ ...read(), nodes: nodesOf().map((node) => fromHex(node)) })
  } catch {
    return { status: 'reject', code: 'MALFORMED' }
  }
}

function readAccount(bytes: Uint8Array): ProvenAccount | undefined {
  const account = readRlp(bytes)
  if (!isRlpList(account) || account.items.length !== 4) return undefined
  const [nonce, balance] = [rlpInteger(account.items[0], 8), rlpInteger(account.items[1])]
  const [storageRoot, codeHash] = [account.items[2], account.items[3]]
  if (nonce === undefined || balance === undefined) return undefined
  if (!isBytes(storageRoot, 32) || !isBytes(codeHash, 32)) return undefined
  return { nonce, balance, storageRoot: toHex(storageRoot), codeHash: toHex(codeHash) }
}

function readReceipt(bytes: Uint8Array): ProvenReceipt | undefined {
  // A typed receipt has its type before the list; a legacy one is the list.
  const type = bytes[0] !== undefined && bytes[0] < 0x80 ? bytes[0] : 0
  const receipt = readRlp(type === 0 ? bytes : bytes.subarray(1))
  if (!isRlpList(receipt) || receipt.items.length !== 4) return undefined
  const [status, gas, , logs] = receipt.items
  const [succeeded, cumulativeGasUsed] = [rlpInteger(status, 1), rlpInteger(gas, 8)]
  if (succeeded === undefined || succeeded > 1n || cumulativeGasUsed === undefined) return undefined
  if (!isRlpList(logs)) return undefined
  const read = logs.items.map(readLog)
  if (read.some((log) => log === undefined)) return undefined
  return { type, succeeded: succeeded === 1n, cumulativeGasUsed, logs: read as ProvenLog[] }
}

function readLog(value: RlpValue): ProvenLog | undefined {
  if (!isRlpList(value) || value.items.length !== 3) return undefined
  const [address, topics, data] = value.items
  if (!isBytes(address, 20) || !isRlpList(topics) || !(data instanceof Uint8Array)) return undefined
  if (topics.items.length > 4 || !topics.items.every((topic) => isBytes(topic, 32)))
    return undefined
  return {
    address: toHex(address),
    topics: topics.items.map((topic) => toHex(topic as Uint8Array)),
    data: toHex(data),
  }
}

function encodeIndex(index: number): Uint8Array {
  if (index === 0) return Uint8Array.of(0x80)
  if (index < 0x80) return Uint8Array.of(index)
  const hex = index.toString(16)
  const bytes = fromHex(`0x${hex.length % 2 === 0 ? hex : `0${hex}`}`)
  return Uint8Array.of(0x80 + bytes.length, ...bytes)
}

function isBytes(value: RlpValue | undefined, size: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === size
}

function reject(code: StateProofFault): { status: 'reject'; code: StateProofFault } {
  return { status: 'reject', code }
}
