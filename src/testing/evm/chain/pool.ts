/** Transactions that wait for a block, and what is refused before it waits. */
import type { TypedTransaction } from '@ethereumjs/tx'
import type { Address, Hex } from 'viem'
import { fromHex } from '../../../internal/bytes.js'
import type { EvmLibraries } from '../libraries.js'
import { gasRejected, invalidParams, transactionRejected } from '../nodeError.js'
import { BLOCK_GAS, hashOf } from './blocks.js'
import type { Machine } from './state.js'

/** A pool of transactions, in the order they came. */
export type Pool = {
  readonly waiting: readonly TypedTransaction[]
  add(tx: TypedTransaction): void
  find(hash: Hex): TypedTransaction | undefined
  /** Those whose nonces are next, from the state's nonces on; the others go on waiting. */
  takeReady(nonceOf: (sender: Address) => Promise<bigint>): Promise<TypedTransaction[]>
  restore(waiting: readonly TypedTransaction[]): void
}

/** Creates an empty pool. */
export function createPool(): Pool {
  let waiting: readonly TypedTransaction[] = []
  return {
    get waiting() {
      return waiting
    },
    add: (tx) => {
      // One that pays more takes the place of another of the same nonce, as in a node's pool.
      waiting = [...waiting.filter((other) => !sameSlot(other, tx)), tx]
    },
    find: (hash) => waiting.find((tx) => hashOf(tx) === hash),
    takeReady: async (nonceOf) => {
      const next = new Map<string, bigint>()
      const ready: TypedTransaction[] = []
      let rest = [...waiting]
      for (;;) {
        const found = await firstReady(rest, { next, nonceOf })
        if (found === undefined) break
        ready.push(found)
        next.set(senderOf(found), found.nonce + 1n)
        rest = rest.filter((tx) => tx !== found)
      }
      waiting = rest
      return ready
    },
    restore: (before) => {
      waiting = before
    },
  }
}

async function firstReady(
  waiting: readonly TypedTransaction[],
  from: { next: Map<string, bigint>; nonceOf: (sender: Address) => Promise<bigint> },
): Promise<TypedTransaction | undefined> {
  for (const tx of waiting) {
    const sender = senderOf(tx)
    if (tx.nonce === (from.next.get(sender) ?? (await from.nonceOf(sender)))) return tx
  }
  return undefined
}

/** Who sent a transaction. */
export function senderOf(tx: TypedTransaction): Address {
  return tx.getSenderAddress().toString()
}

function sameSlot(a: TypedTransaction, b: TypedTransaction): boolean {
  return a.nonce === b.nonce && senderOf(a) === senderOf(b)
}

/** Reads a signed transaction. Blob and authorization transactions are not known here. */
export function readTransaction(
  raw: unknown,
  { tx: txs }: EvmLibraries,
  { vm }: Machine,
): TypedTransaction {
  if (typeof raw !== 'string' || !/^0x([0-9a-fA-F]{2})+$/.test(raw)) {
    throw invalidParams('expected the bytes of a signed transaction')
  }
  let tx: TypedTransaction
  try {
    tx = txs.createTxFromRLP(fromHex(raw as Hex), { common: vm.common })
  } catch (error) {
    // What the library says of a chain id that is not its own.
    if (/chain ?id/i.test((error as Error).message)) {
      throw transactionRejected('invalid chain id for signer')
    }
    throw invalidParams('failed to decode signed transaction')
  }
  if (tx.type > 2) throw transactionRejected('transaction type not supported')
  if (!tx.isSigned() || !tx.verifySignature()) throw transactionRejected('invalid signature')
  return tx
}

/** Refuses what a block could not take, in the words that clients know. */
export async function assertAcceptable(
  tx: TypedTransaction,
  at: { machine: Machine; libraries: EvmLibraries; baseFee: bigint; pool: Pool },
): Promise<void> {
  const account = await at.machine.state.getAccount(tx.getSenderAddress())
  const [nonce, balance] = [account?.nonce ?? 0n, account?.balance ?? 0n]
  const maxFee =
    'maxFeePerGas' in tx ? tx.maxFeePerGas : (tx as unknown as { gasPrice: bigint }).gasPrice
  if (at.pool.find(hashOf(tx)) !== undefined)
    throw transactionRejected('transaction already imported')
  if (tx.nonce < nonce) throw transactionRejected('nonce too low')
  if (tx.gasLimit > BLOCK_GAS) {
    throw gasRejected('intrinsic gas too high -- tx.gas_limit > env.block.gas_limit')
  }
  if (tx.gasLimit < tx.getIntrinsicGas()) throw gasRejected('intrinsic gas too low')
  if (maxFee < at.baseFee) throw transactionRejected('max fee per gas less than block base fee')
  if (tx.gasLimit * maxFee + tx.value > balance) {
    throw transactionRejected('Insufficient funds for gas * price + value')
  }
  const other = at.pool.waiting.find((waiting) => sameSlot(waiting, tx))
  const otherFee = other !== undefined && 'maxFeePerGas' in other ? other.maxFeePerGas : 0n
  if (other !== undefined && maxFee <= otherFee) {
    throw transactionRejected('replacement transaction underpriced')
  }
}
