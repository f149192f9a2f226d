/** Verdicts that another chain has reached. */
import type { Address, Hex } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import { InvalidInputError } from '../../errors/common.js'
import { assertList, assertObject } from '../../internal/options.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import { functionOf } from '../chain/slices.js'
import { checkRelayedVerdict, type Verdict } from '../preflight/verdicts.js'
import { addressOf, wordOf } from '../rows/inputs.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type WriteAction,
  type WriteTriple,
} from './sending/write.js'

/** A verdict, with what its relay wants to see of it. */
export type RelayVerdictInput = {
  verdict: Verdict
  proof: Hex
  /** Positions of its operators, from the first on and before `to`; all of them by default. */
  part?: { from: number; to: number } | undefined
}

/** What a verdict that was relayed emits. */
export type VerdictRelayedEvent = {
  messageHash: Hex
  sourceChainId: bigint
  /** Who was slashed here. */
  operators: readonly Address[]
}

const relay: WriteTriple<RelayVerdictInput, VerdictRelayedEvent, undefined> = defineWrite<
  RelayVerdictInput,
  VerdictRelayedEvent,
  undefined
>({
  name: 'slashForRelayedVerdict',
  prepare: (client, { verdict, proof, part, ...parameters }) => ({
    address: verifierOf(client, parameters),
    ...functionOf(
      part === undefined
        ? ChallengeVerifier.slashForRelayedVerdict
        : ChallengeVerifier.slashPartOfRelayedVerdict,
    ),
    args: [checked(verdict), proof, ...(part === undefined ? [] : positionsOf(part))],
  }),
  preflight: (client, { verdict, part, ...parameters }) =>
    checkRelayedVerdict(client, {
      challengeVerifier: verifierOf(client, parameters),
      verdict: checked(verdict),
      part: part === undefined ? undefined : positionsOf(part),
    }),
  emits: ChallengeVerifier.VerdictRelayed,
  event: (args) => args as VerdictRelayedEvent,
  result: () => undefined,
})

/**
 * Slashes operators on the verdict of another chain, as the relay in force vouches for it. Open to all.
 * An operator pays once for a message, and at most once in a challenge window for all of them. Where all
 * do not fit into one transaction, or the slasher fails for one of them, name the others by `part`.
 *
 * @throws {PreflightError} naming `VerifierNotSet`, `VerifierResting`, `VerdictNotForeign`,
 * `SourceNotListed`, `InvalidPart` or `NothingToSlash`. Whether the proof holds, the call says:
 * `ProofRejected`; and where the slasher gave no answer, `SlasherFailed`.
 * @example
 * ```ts
 * await slashForRelayedVerdictSync(client, { verdict, proof })
 * ```
 */
export const slashForRelayedVerdict: WriteAction<RelayVerdictInput> = relay.send
/** Like {@link slashForRelayedVerdict}, and waits for the receipt and its event. */
export const slashForRelayedVerdictSync: SyncAction<RelayVerdictInput, VerdictRelayedEvent> =
  relay.sync
/** Simulates {@link slashForRelayedVerdict}. */
export const simulateSlashForRelayedVerdict: SimulateAction<RelayVerdictInput, undefined> =
  relay.simulate
/** Checks and transaction of {@link slashForRelayedVerdict}, nothing signed. */
export const dryRunSlashForRelayedVerdict: DryRunAction<RelayVerdictInput> = relay.dryRun

function verifierOf(client: WriteClient, { addresses }: WriteOptions): Address {
  return resolveAddress('challengeVerifier', { addresses, chainId: client.chain.id })
}

function positionsOf(part: { from: number; to: number }): readonly [bigint, bigint] {
  assertObject('part', part)
  const { from, to } = part
  for (const [field, value] of Object.entries({ from, to })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new InvalidInputError({ field: `part.${field}`, reason: 'expected a position' })
    }
  }
  return [BigInt(from), BigInt(to)]
}

function checked(verdict: Verdict): Verdict {
  assertObject('verdict', verdict)
  assertList('verdict.operators', verdict.operators)
  return {
    sourceChainId: verdict.sourceChainId,
    challengeVerifier: addressOf(verdict.challengeVerifier, 'verdict.challengeVerifier'),
    messageHash: wordOf(verdict.messageHash, 'verdict.messageHash'),
    operators: verdict.operators.map((one) => addressOf(one, 'verdict.operators')),
  }
}
