/** What an anchor leaves in the hands of whoever asks for it, as it is kept and sent. */
import type { Hex } from 'viem'
import type { LedgerRecord } from '../../core/interfaces/ledgerSink.js'

/** A checkpoint in a `CheckpointAnchor`. */
export type ChainAnchorReceipt = {
  kind: 'chain'
  chainId: number
  contract: Hex
  /** Who sends the log's checkpoints. */
  owner: Hex
  origin: string
  size: bigint
  root: Hex
  /** Seconds of the block that anchored it. */
  time: bigint
  /** Where the contract keeps it, 0 to 95. */
  position: number
  transactionHash?: Hex | undefined
  /** The slot with all that proves it, as `getSlotProof` of `/registry` makes it. */
  proof?: Hex | undefined
}

/** A checkpoint in a Rekor log, version 2. */
export type RekorAnchorReceipt = {
  kind: 'rekor'
  origin: string
  size: bigint
  root: Hex
  /** The note text whose SHA-256 was signed. */
  text: string
  /** The log's answer, JSON as it came. */
  entry: string
}

/** A checkpoint under OpenTimestamps. */
export type TimestampReceipt = {
  kind: 'opentimestamps'
  origin: string
  size: bigint
  root: Hex
  /** The note text whose SHA-256 was stamped. */
  text: string
  /** A detached timestamp file. */
  file: Hex
}

/** A receipt of any kind. */
export type AnchorReceipt = ChainAnchorReceipt | RekorAnchorReceipt | TimestampReceipt

/**
 * A receipt of a chain as a record of the ledger, by an auditor's key. `blockNumber` is the block that
 * anchored it.
 */
export function anchorRecord(
  receipt: ChainAnchorReceipt & { transactionHash: Hex },
  { blockNumber }: { blockNumber: bigint },
): LedgerRecord {
  const { origin, size, root, chainId, contract, owner, transactionHash, time } = receipt
  return {
    domain: 'audit',
    schemaVersion: 'ets.anchor.chain/1',
    key: `${chainId}/${transactionHash.toLowerCase()}`,
    time: Number(time) * 1_000,
    fields: {
      ...{ origin, size: size.toString(), root: root.slice(2).toLowerCase() },
      chainId: chainId.toString(),
      contract: contract.toLowerCase(),
      owner: owner.toLowerCase(),
      transactionHash: transactionHash.toLowerCase(),
      blockNumber: blockNumber.toString(),
    },
  }
}
