/** Verdicts that another chain has reached. */
import type { Address, Hex } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
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
export type RelayVerdictInput = { verdict: Verdict; proof: Hex }

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
  prepare: (client, parameters) => ({
    address: verifierOf(client, parameters),
    ...functionOf(ChallengeVerifier.slashForRelayedVerdict),
    args: [checked(parameters.verdict), parameters.proof],
  }),
  preflight: (client, parameters) =>
    checkRelayedVerdict(client, {
      challengeVerifier: verifierOf(client, parameters),
      verdict: checked(parameters.verdict),
    }),
  emits: ChallengeVerifier.VerdictRelayed,
  event: (args) => args as VerdictRelayedEvent,
  result: () => undefined,
})

/**
 * Slashes operators on the verdict of another chain, as the relay in force vouches for it. Open to all.
 * An operator pays once for a message, and at most once in a challenge window for all of them.
 *
 * @throws {PreflightError} naming `VerifierNotSet`, `VerifierResting`, `VerdictNotForeign`,
 * `SourceNotListed` or `NothingToSlash`. Whether the proof holds, the call says: `ProofRejected`.
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
