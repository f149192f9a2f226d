/** Checks before signing of verdicts of other chains. */
import { type Address, type Hex, zeroAddress } from 'viem'
import * as ChallengeVerifier from '../../core/abi/challengeVerifierAbi.js'
import type { WriteClient } from '../chain/client.js'
import { holds, type PreflightCheck } from '../chain/preflightCheck.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../chain/read.js'
import { callsOf } from '../chain/slices.js'
import { verifierKinds } from './verifierChallenges.js'

/** The outcome of a challenge on another chain. */
export type Verdict = {
  sourceChainId: bigint
  /** The contract there that reached it. */
  challengeVerifier: Address
  messageHash: Hex
  /** Whom it found guilty. */
  operators: readonly Address[]
}

/** Checks that a relay is in force, that the verdict is of a listed source, and that it hits somebody. */
export async function checkRelayedVerdict(
  client: WriteClient,
  parameters: {
    challengeVerifier: Address
    verdict: Verdict
    part?: readonly [from: bigint, to: bigint] | undefined
  },
): Promise<PreflightCheck[]> {
  const { challengeVerifier, verdict } = parameters
  const { sourceChainId, messageHash } = verdict
  const all = BigInt(verdict.operators.length)
  const [from, to] = parameters.part ?? [0n, all]
  const operators = verdict.operators.slice(Number(from), Number(to))
  const head = await readTag(client, 'latest')
  const next = head.number + 1n
  const own = callsOf(challengeVerifier)
  const read = async <values>(calls: readonly ReadCall[]): Promise<values> =>
    (await readAt(client, { block: head, calls })).map(valueFrom) as values
  const source = [sourceChainId, verdict.challengeVerifier] as const
  const [relay, listed] = await read<[Address, boolean]>([
    own(ChallengeVerifier.verifierAt, [verifierKinds.relay, next]),
    own(ChallengeVerifier.isVerdictSource, source),
  ])
  const [suspension, ...states] = await read<[{ untilBlock: bigint }, ...(boolean | bigint)[]]>([
    own(ChallengeVerifier.suspensionOf, [verifierKinds.relay, relay]),
    ...operators.flatMap((operator) => [
      own(ChallengeVerifier.isSlashedForVerdict, [...source, messageHash, operator]),
      own(ChallengeVerifier.relayedSlashFrom, [operator]),
    ]),
  ])
  const hit = operators.filter(
    (_, at) => states[2 * at] === false && (states[2 * at + 1] as bigint) <= next,
  )
  return [
    holds('VerifierNotSet', {
      ok: relay !== zeroAddress,
      detail: `the relay in force is ${relay}`,
      fix: 'Have the owner schedule one: until then verdicts of other chains stay there.',
    }),
    holds('VerifierResting', {
      ok: suspension.untilBlock <= next,
      detail: `its suspension ends with block ${suspension.untilBlock}, the next block is ${next}`,
      fix: 'Wait until then.',
    }),
    holds('VerdictNotForeign', {
      ok: sourceChainId !== BigInt(client.chain.id),
      detail: `the verdict is of chain ${sourceChainId}, this is chain ${client.chain.id}`,
      fix: 'Challenge here what was accepted here.',
    }),
    holds('SourceNotListed', {
      ok: listed,
      detail: `${verdict.challengeVerifier} on chain ${sourceChainId} is ${listed ? '' : 'not '}listed`,
      fix: 'Have the owner list it: `scheduleVerdictSource`.',
    }),
    ...(parameters.part === undefined
      ? []
      : [
          holds('InvalidPart', {
            ok: from < to && to <= all,
            detail: `positions ${from} up to ${to} of ${all} operators`,
            fix: 'Name one of its operators or more.',
          }),
        ]),
    holds('NothingToSlash', {
      ok: hit.length > 0,
      detail: `${hit.length} of ${operators.length} operators can be slashed for it now`,
      fix: 'Each pays once for a message and once in a challenge window: wait until `relayedSlashFrom`.',
    }),
  ]
}
