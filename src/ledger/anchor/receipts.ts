/** What an anchor leaves in the hands of whoever asks for it, as it is kept and sent. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Hex } from 'viem'
import type { LedgerRecord } from '../../core/interfaces/ledgerSink.js'
import { fromHex, utf8 } from '../../internal/bytes.js'

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
      ...checkpointFields({ origin, size, root }),
      chainId: chainId.toString(),
      contract: contract.toLowerCase(),
      owner: owner.toLowerCase(),
      transactionHash: transactionHash.toLowerCase(),
      blockNumber: blockNumber.toString(),
    },
  }
}

/** A receipt of Rekor as a record of the ledger, by an auditor's key. */
export function rekorAnchorRecord(
  receipt: RekorAnchorReceipt,
  { url, logIndex }: { url: string; logIndex: bigint },
): LedgerRecord {
  const digest = bytesToHex(sha256(utf8(receipt.text)))
  return {
    ...{ domain: 'audit', schemaVersion: 'ets.anchor.rekor/1', key: `${url}/${digest}` },
    fields: {
      ...checkpointFields(receipt),
      ...{ url, logIndex: logIndex.toString(), digest, receipt: receipt.entry },
    },
  }
}

/** A timestamp file as a record of the ledger, by an auditor's key. */
export function timestampAnchorRecord(
  receipt: TimestampReceipt,
  { calendars }: { calendars: readonly string[] },
): LedgerRecord {
  const digest = bytesToHex(sha256(utf8(receipt.text)))
  return {
    ...{ domain: 'audit', schemaVersion: 'ets.anchor.ots/1' },
    // An upgraded file is another event than the promise before it.
    key: `${digest}/${bytesToHex(sha256(fromHex(receipt.file)))}`,
    fields: {
      ...checkpointFields(receipt),
      ...{ digest, calendars: [...calendars], timestamp: receipt.file },
    },
  }
}

function checkpointFields({ origin, size, root }: { origin: string; size: bigint; root: Hex }) {
  return { origin, size: size.toString(), root: root.slice(2).toLowerCase() }
}
