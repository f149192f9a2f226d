/** Anchored checkpoints of transparency logs, read from `CheckpointAnchor`. */

import { sha256 } from '@noble/hashes/sha2.js'
import { type Address, decodeEventLog, type Hex, toEventSelector } from 'viem'
import * as CheckpointAnchor from '../../core/abi/checkpointAnchorAbi.js'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { anchorLogId } from '../../ledger/anchor/chainAnchor.js'
import { resolveAddress } from '../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../chain/client.js'
import { RpcInconsistentError } from '../chain/errors.js'
import { type ChainLog, readLogs } from '../chain/logs/logs.js'
import { readAt, readBlock, readTag, valueFrom } from '../chain/read.js'
import { functionOf } from '../chain/slices.js'
import { addressOf, blockOf, wordOf } from './inputs.js'
import type { ReadOptions } from './reads.js'

/** An anchored checkpoint. */
export type LogAnchor = {
  /** Entries of the log. */
  size: bigint
  /** Its RFC 6962 root. */
  root: Hex
  /** Seconds of the block that anchored it. */
  time: bigint
  /** Where the contract keeps it, 0 to 95. */
  position: number
}

/** A log as the contract knows it: who sends its checkpoints, and its origin. */
export type AnchoredLog = { owner: Address; origin: string }

const topic = toEventSelector(CheckpointAnchor.CheckpointAnchored)
const windowSize = 10_000n

/** SHA-256 of an origin, which is how the contract and witnesses name a log. */
export function originHashOf(origin: string): Hex {
  if (typeof origin === 'string' && origin !== '') return toHex(sha256(utf8(origin)))
  throw new InvalidInputError({
    field: 'origin',
    reason: 'expected the first line of a checkpoint',
  })
}

/** Checks a size: 1 to 2^63 - 1. */
export function sizeOf(value: bigint, field: string): bigint {
  if (typeof value === 'bigint' && value > 0n && value < 1n << 63n) return value
  throw new InvalidInputError({ field, reason: 'expected a bigint from 1 to 2^63 - 1' })
}

/** Checks an anchor's form. */
export function anchorOf(value: LogAnchor, field: string): LogAnchor {
  const { position, time } = value ?? {}
  if (!Number.isInteger(position) || position < 0 || position > 95) {
    throw new InvalidInputError({ field: `${field}.position`, reason: 'expected 0 to 95' })
  }
  if (typeof time !== 'bigint' || time < 0n || time >= 1n << 64n) {
    throw new InvalidInputError({ field: `${field}.time`, reason: 'expected seconds as a bigint' })
  }
  const size = sizeOf(value.size, `${field}.size`)
  return { size, root: wordOf(value.root, `${field}.root`), time, position }
}

/**
 * Reads the latest anchor of a log, `null` where it has none. Its event is looked for from the newest
 * block down to `fromBlock`, and what it says is checked against the contract's state.
 *
 * @throws {RpcInconsistentError} when the node's events and its state do not fit, or when the event is
 * older than `fromBlock`.
 * @throws {RpcError} when the node does not answer.
 */
export async function getLatestAnchor(
  client: ReadClient,
  parameters: ReadOptions & AnchoredLog & { fromBlock?: bigint | undefined },
): Promise<LogAnchor | null> {
  const owner = addressOf(parameters.owner, 'owner')
  const originHash = originHashOf(parameters.origin)
  const first = blockOf(parameters.fromBlock ?? 0n, 'fromBlock')
  return withClient('Reading the latest anchor', { client, options: parameters }, async (bound) => {
    const address = await contractOf(bound, parameters)
    const head = await readTag(bound, 'latest')
    const call = { address, ...functionOf(CheckpointAnchor.latestPosition) }
    const [answer] = await readAt(bound, {
      block: head,
      calls: [{ ...call, args: [owner, originHash] }],
    })
    const [started, position] = valueFrom(answer) as [boolean, number]
    if (!started) return null
    for (let to = head.number; to >= first; to -= windowSize) {
      const from = to - windowSize + 1n > first ? to - windowSize + 1n : first
      const logs = await readLogs(bound, {
        addresses: [address],
        topics: [topic],
        indexed: [anchorLogId({ owner, origin: parameters.origin })],
        fromBlock: from,
        toBlock: to,
      })
      const last = logs.at(-1)
      if (last === undefined) continue
      const found = await decode(bound, last)
      const there = await isAnchoredAt(bound, { address, owner, originHash, head, anchor: found })
      if (there && found.position === position) return found
      throw new RpcInconsistentError('the latest anchor’s event is not what the contract keeps')
    }
    throw new RpcInconsistentError(`the log is anchored, but not since block ${first}`)
  })
}

/**
 * Whether a checkpoint is among the last 96 anchors of a log, at the newest block.
 *
 * @throws {RpcError} when the node does not answer.
 */
export async function isCheckpointAnchored(
  client: ReadClient,
  parameters: ReadOptions & AnchoredLog & { anchor: LogAnchor },
): Promise<boolean> {
  const owner = addressOf(parameters.owner, 'owner')
  const originHash = originHashOf(parameters.origin)
  const anchor = anchorOf(parameters.anchor, 'anchor')
  return withClient('Reading an anchor', { client, options: parameters }, async (bound) => {
    const address = await contractOf(bound, parameters)
    const head = await readTag(bound, 'latest')
    return isAnchoredAt(bound, { address, owner, originHash, head, anchor })
  })
}

async function contractOf(client: ReadClient, { addresses }: ReadOptions): Promise<Address> {
  const chainId = await chainIdOf(client)
  return resolveAddress('checkpointAnchor', { addresses, chainId })
}

async function isAnchoredAt(
  client: ReadClient,
  at: {
    address: Address
    owner: Address
    originHash: Hex
    head: BlockReference
    anchor: LogAnchor
  },
): Promise<boolean> {
  const { address, owner, originHash, head, anchor } = at
  const call = { address, ...functionOf(CheckpointAnchor.isAnchored) }
  const [answer] = await readAt(client, {
    block: head,
    calls: [{ ...call, args: [owner, originHash, anchor] }],
  })
  return valueFrom(answer) === true
}

async function decode(client: ReadClient, log: ChainLog): Promise<LogAnchor> {
  const block = await readBlock(client, log.blockNumber)
  if (block?.hash !== log.blockHash) {
    throw new RpcInconsistentError(`block ${log.blockNumber} is not the one of its logs`)
  }
  try {
    const { args } = decodeEventLog({
      abi: [CheckpointAnchor.CheckpointAnchored],
      topics: log.topics as [Hex, ...Hex[]],
      data: log.data,
    })
    const { size, root, position } = args
    return { size, root, time: block.timestamp, position }
  } catch (cause) {
    throw new RpcInconsistentError('an anchor’s event does not decode', { cause })
  }
}
