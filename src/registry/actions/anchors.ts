/** Anchor the checkpoints of a transparency log on chain, each shown to extend the one before it. */

import { sha256 } from '@noble/hashes/sha2.js'
import type { Abi, Hex } from 'viem'
import * as CheckpointAnchor from '../../core/abi/checkpointAnchorAbi.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { verifyConsistency } from '../../ledger/log/merkle.js'
import { resolveAddress } from '../chain/addresses.js'
import { functionOf } from '../chain/slices.js'
import { anchorOf, type LogAnchor, originHashOf, sizeOf } from '../rows/anchors.js'
import { wordOf } from '../rows/inputs.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A checkpoint to anchor. The sender is the owner that readers name. */
export type AnchorCheckpointInput = {
  /** Origin of the log, the first line of its checkpoints. */
  origin: string
  size: bigint
  root: Hex
  /** The log's latest anchor; nothing for its first. */
  latest?: LogAnchor | undefined
  /** RFC 9162 consistency proof from the latest anchor; nothing for the first. */
  proof?: readonly Hex[] | undefined
}

/** What anchoring a checkpoint emits. */
export type CheckpointAnchoredEvent = { log: Hex } & Omit<LogAnchor, 'time'>

function prepareArguments(input: AnchorCheckpointInput): {
  abi: Abi
  functionName: string
  args: readonly unknown[]
} {
  const { latest, proof = [] } = input
  const originHash = originHashOf(input.origin)
  const size = sizeOf(input.size, 'size')
  const root = wordOf(input.root, 'root')
  if (!Array.isArray(proof)) {
    throw new InvalidInputError({ field: 'proof', reason: 'expected a list of hashes' })
  }
  const hashes = proof.map((hash, at) => wordOf(hash, `proof[${at}]`))
  if (latest === undefined) {
    if (hashes.length === 0) {
      return { ...functionOf(CheckpointAnchor.start), args: [originHash, size, root] }
    }
    throw new InvalidInputError({ field: 'proof', reason: 'the first anchor has none' })
  }
  const known = anchorOf(latest, 'latest')
  const consistent = verifyConsistency({
    ...{ oldSize: known.size, oldRoot: fromHex(known.root) },
    ...{ newSize: size, newRoot: fromHex(root), proof: hashes.map((hash) => fromHex(hash)) },
  })
  if (size <= known.size || !consistent) {
    throw new InvalidInputError({
      field: 'proof',
      reason: `it does not show that ${size} entries extend the ${known.size} of \`latest\``,
      hint: 'Prove the growth from the latest anchor: `consistency` of a log reader does.',
    })
  }
  return { ...functionOf(CheckpointAnchor.extend), args: [originHash, known, size, root, hashes] }
}

const anchor: WriteTriple<AnchorCheckpointInput, CheckpointAnchoredEvent, undefined> = defineWrite<
  AnchorCheckpointInput,
  CheckpointAnchoredEvent,
  undefined
>({
  name: 'anchorCheckpoint',
  prepare: (client, parameters) => ({
    address: resolveAddress('checkpointAnchor', {
      addresses: parameters.addresses,
      chainId: client.chain.id,
    }),
    ...prepareArguments(parameters),
  }),
  ids: (_client, { origin }) => ({ originHash: toHex(sha256(utf8(origin))) }),
  emits: CheckpointAnchor.CheckpointAnchored,
  event: (args) => args as CheckpointAnchoredEvent,
  result: () => undefined,
})

/**
 * Anchors a checkpoint of the sender's log in `CheckpointAnchor`, which refuses one that does not
 * extend the latest: a log that was rewritten has no proof. The proof is checked before anything is
 * signed.
 *
 * @throws {ContractRevertError} `NotLatest` where another anchor landed meanwhile.
 * @example
 * ```ts
 * import { anchorCheckpointSync, getLatestAnchor } from '@newton/policy-sdk/registry'
 * import { createWalletClient, http } from 'viem'
 * import { privateKeyToAccount } from 'viem/accounts'
 * import { foundry } from 'viem/chains'
 *
 * const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
 * const client = createWalletClient({ account, chain: foundry, transport: http() })
 * const origin = 'ledger.example/meta'
 * export const first = (size: bigint, root: `0x${string}`) =>
 *   anchorCheckpointSync(client, { origin, size, root })
 * export const latest = () => getLatestAnchor(client, { owner: account.address, origin })
 * ```
 */
export const anchorCheckpoint: WriteAction<AnchorCheckpointInput> = anchor.send
/** Like {@link anchorCheckpoint}, and waits for the receipt and its event. */
export const anchorCheckpointSync: SyncAction<AnchorCheckpointInput, CheckpointAnchoredEvent> =
  anchor.sync
/** Simulates {@link anchorCheckpoint}. */
export const simulateAnchorCheckpoint: SimulateAction<AnchorCheckpointInput, undefined> =
  anchor.simulate
/** Checks and transaction of {@link anchorCheckpoint}, nothing signed. */
export const dryRunAnchorCheckpoint: DryRunAction<AnchorCheckpointInput> = anchor.dryRun
