/** Blocks of a chain: mined by the EVM with the roots that clients prove against. */
import type { Block } from '@ethereumjs/block'
import type { TypedTransaction } from '@ethereumjs/tx'
import type { RunTxResult } from '@ethereumjs/vm'
import { toHex } from '../../../internal/bytes.js'
import type { EvmLibraries } from '../libraries.js'
import type { Machine } from './state.js'

/** Gas of a block. */
export const BLOCK_GAS = 30_000_000n

/** A transaction in its block. */
export type MinedTransaction = { tx: TypedTransaction; result: RunTxResult }

/** A block with what its transactions did. */
export type MinedBlock = { block: Block; transactions: readonly MinedTransaction[] }

/** The header fields of a block after `parent`. */
function headerAfter(parent: Block, { timestamp, salt }: NextBlock): object {
  return {
    parentHash: parent.hash(),
    number: parent.header.number + 1n,
    timestamp: BigInt(timestamp),
    gasLimit: BLOCK_GAS,
    baseFeePerGas: parent.header.calcNextBaseFee(),
    excessBlobGas: 0n,
    blobGasUsed: 0n,
    parentBeaconBlockRoot: new Uint8Array(32),
    // A block that replaces another one of the same content and time still has a hash of its own.
    ...(salt === 0 ? {} : { extraData: Uint8Array.of(salt) }),
  }
}

/** Time of a block, and what tells it from one it replaces. */
export type NextBlock = { timestamp: number; salt: number }

/** The first block. */
export function genesisBlock(
  { block }: EvmLibraries,
  { vm }: Machine,
  { stateRoot, timestamp }: { stateRoot: Uint8Array; timestamp: number },
): Block {
  const header = {
    stateRoot,
    number: 0n,
    timestamp: BigInt(timestamp),
    gasLimit: BLOCK_GAS,
    baseFeePerGas: 1_000_000_000n,
    excessBlobGas: 0n,
    blobGasUsed: 0n,
    parentBeaconBlockRoot: new Uint8Array(32),
  }
  return block.createBlock({ header, withdrawals: [] }, { common: vm.common })
}

/** A block that could come next, for calls at `pending`. */
export function pendingBlock(
  { block }: EvmLibraries,
  { vm }: Machine,
  { parent, next }: { parent: Block; next: NextBlock },
): Block {
  return block.createBlock({ header: headerAfter(parent, next) }, { common: vm.common })
}

/** Mines a block. Transactions that the EVM does not take are left out and given back. */
export async function mineBlock(
  { vm: vms }: EvmLibraries,
  { vm }: Machine,
  given: { parent: Block; next: NextBlock; transactions: readonly TypedTransaction[] },
): Promise<MinedBlock & { left: readonly TypedTransaction[] }> {
  const builder = await vms.buildBlock(vm, {
    parentBlock: given.parent,
    headerData: headerAfter(given.parent, given.next),
    withdrawals: [],
    blockOpts: { putBlockIntoBlockchain: false },
  })
  const transactions: MinedTransaction[] = []
  const left: TypedTransaction[] = []
  for (const tx of given.transactions) {
    try {
      transactions.push({ tx, result: await builder.addTransaction(tx) })
    } catch {
      left.push(tx)
    }
  }
  const { block } = await builder.build()
  return { block, transactions, left }
}

/** Hash of a block or a transaction. */
export function hashOf(hashed: { hash(): Uint8Array }): `0x${string}` {
  return toHex(hashed.hash())
}
