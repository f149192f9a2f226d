/** Keeps a log's checkpoints anchored in `CheckpointAnchor`. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, fromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertMembers } from '../../internal/options.js'
import type { AnchorCandidate, AnchorTarget } from '../../ledger/anchor/anchorer.js'
import { anchorSlot, anchorWord } from '../../ledger/anchor/chainAnchor.js'
import type { ChainAnchorReceipt } from '../../ledger/anchor/receipts.js'
import { AnchorConflictError } from '../../ledger/errors.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import { resolveAddress } from '../chain/addresses.js'
import { type ReadClient, type WriteClient, withClient, writerOf } from '../chain/client.js'
import { RpcInconsistentError } from '../chain/errors.js'
import { getSlotProof } from '../chain/proofs/slot.js'
import { readBlock } from '../chain/read.js'
import { getLatestAnchor, type LogAnchor } from '../rows/anchors.js'
import { anchorCheckpointSync } from './anchors.js'

/** Parameters of {@link createChainAnchor}. */
export type ChainAnchorTargetParameters = {
  /** Sends the anchors: its account is the owner that readers name. */
  client: WriteClient
  addresses?: PolicyAddressesInput | undefined
  /** Least milliseconds between two anchors. @default 900000, a quarter of an hour */
  every?: number | undefined
  /** First block to look for earlier anchors in. @default 0n */
  fromBlock?: bigint | undefined
}

/**
 * Creates a target for `createAnchorer` of `/ledger`. What is anchored already is looked at first: a
 * transaction whose outcome was unknown is found and not sent twice, and a log that is not what was
 * anchored stops there.
 *
 * @throws {AnchorConflictError} from `anchor`, where the log does not extend its latest anchor.
 * @example
 * ```ts
 * import { createChainAnchor } from '@newton/policy-sdk/registry'
 * import { createWalletClient, http } from 'viem'
 * import { privateKeyToAccount } from 'viem/accounts'
 * import { foundry } from 'viem/chains'
 *
 * const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
 * const client = createWalletClient({ account, chain: foundry, transport: http() })
 * export const target = createChainAnchor({ client })
 * ```
 */
export function createChainAnchor(parameters: ChainAnchorTargetParameters): AnchorTarget {
  assertMembers('parameters', parameters, ['client'])
  const { addresses, every = 900_000, fromBlock } = parameters
  const client = writerOf('createChainAnchor', parameters.client, {})
  const owner = client.account.address
  const contract = resolveAddress('checkpointAnchor', { addresses, chainId: client.chain.id })
  const receiptOf = (
    origin: string,
    { size, root, time, position }: LogAnchor,
    transactionHash?: Hex,
  ): ChainAnchorReceipt => ({
    ...{ kind: 'chain', chainId: client.chain.id, contract, owner, origin },
    ...{ size, root, time, position },
    ...(transactionHash === undefined ? {} : { transactionHash }),
  })
  return {
    name: `chain:${client.chain.id}`,
    every,
    anchor: async (candidate, { signal }) => {
      const { origin, size, root } = candidate.checkpoint
      const latest = await getLatestAnchor(client, { owner, origin, addresses, fromBlock, signal })
      const proof = latest === null ? [] : await proveGrowth(candidate, latest, signal)
      if (latest?.size === size) return receiptOf(origin, latest)
      const { receipt, ...anchored } = await anchorCheckpointSync(client, {
        ...{ origin, size, root: toHex(root), proof, addresses, signal },
        latest: latest ?? undefined,
      })
      const block = await withClient(
        'Reading an anchor’s block',
        { client, options: { signal } },
        (bound) => readBlock(bound, receipt.blockNumber),
      )
      if (block?.hash !== receipt.blockHash) {
        throw new RpcInconsistentError(`block ${receipt.blockNumber} is not that of its receipt`)
      }
      const place = { ...anchored, time: block.timestamp }
      return receiptOf(origin, place, receipt.transactionHash)
    },
  }
}

async function proveGrowth(
  { checkpoint, reader }: AnchorCandidate,
  latest: LogAnchor,
  signal: AbortSignal,
): Promise<Hex[]> {
  const { origin, size } = checkpoint
  const conflict = { origin, anchored: latest.size, size }
  if (latest.size > size) throw new AnchorConflictError(conflict)
  const { root, proof } = await reader.prefix(latest.size, { signal })
  if (!bytesEqual(root, fromHex(latest.root))) throw new AnchorConflictError(conflict)
  return proof.map((hash) => toHex(hash))
}

/**
 * Adds the proof to a receipt by which `verifyChainAnchor` of `/ledger` verifies it offline.
 *
 * Reads `eth_getBlockByNumber` and `eth_getProof`. Of the last 96 anchors of a log only.
 *
 * @param parameters.block - @default 'finalized'
 * @throws {RpcInconsistentError} where the contract does not keep the anchor at that block.
 */
export async function proveAnchor(
  client: ReadClient,
  parameters: {
    receipt: ChainAnchorReceipt
    block?: bigint | 'latest' | 'safe' | 'finalized' | undefined
  },
  options: IoOptions = {},
): Promise<ChainAnchorReceipt> {
  const { receipt, block = 'finalized' } = parameters
  if (receipt?.kind !== 'chain') {
    throw new InvalidInputError({ field: 'receipt', reason: 'expected the receipt of a chain' })
  }
  const { contract } = receipt
  const slot = anchorSlot(receipt)
  const proven = await getSlotProof(client, { contract, slot, block }, options)
  const complete = { ...receipt, proof: toHex(proven.proof) }
  if ((proven.value & ((1n << 255n) - 1n)) === anchorWord(receipt)) return complete
  throw new RpcInconsistentError(`block ${proven.block.number} does not keep that anchor`)
}
