/** Checks before signing of operators' keys and tables. */

import { type Address, getAddress } from 'viem'
import * as BN254CertificateVerifier from '../../../core/abi/bn254CertificateVerifierAbi.js'
import type { WriteClient } from '../../chain/client.js'
import { holds, type PreflightCheck, passed, warning } from '../../chain/preflightCheck.js'
import { readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf } from '../../chain/slices.js'
import { ownerCall, ownerCheck } from './gates.js'

/** Most operators of one table, the contract's `MAX_OPERATORS`. */
const MAX_OPERATORS = 512
/** Most weights of one table, the contract's `MAX_WEIGHTS`. */
const MAX_WEIGHTS = 2048

/** Checks who registers an operator's key: the operator itself. */
export async function checkOperatorKey(
  client: WriteClient,
  parameters: { operator: Address },
): Promise<PreflightCheck[]> {
  const sender = getAddress(client.account.address)
  const operator = getAddress(parameters.operator)
  return [
    holds('NotOperator', {
      ok: sender === operator,
      detail: `the sender is ${sender}, the operator ${operator}`,
      fix: `Send it from ${operator}, or have ${operator} sign it and call registerOperatorKeyFor.`,
    }),
  ]
}

/** Checks the registration of a key with the operator's signature. Whether it holds, the call says. */
export async function checkOperatorKeyFor(
  client: WriteClient,
  parameters: { deadline: bigint },
): Promise<PreflightCheck[]> {
  const { timestamp } = await readTag(client, 'latest')
  return [
    holds('SignatureExpired', {
      ok: timestamp <= parameters.deadline,
      detail: `the signature counts until ${parameters.deadline}, the newest block is of ${timestamp}`,
      fix: 'Have the operator sign it again with a later deadline.',
    }),
  ]
}

/** Checks a table of operators: who sends it, its order, its time, and that every key is known. */
export async function checkOperatorTable(
  client: WriteClient,
  parameters: {
    verifier: Address
    referenceTimestamp: number
    operators: readonly Address[]
    weights: readonly (readonly bigint[])[]
  },
): Promise<PreflightCheck[]> {
  const { verifier, referenceTimestamp, operators, weights } = parameters
  const own = callsOf(verifier)
  const block = await readTag(client, 'latest')
  const [owner, set, ...keys] = await readAt(client, {
    block,
    calls: [
      ownerCall(verifier),
      own(BN254CertificateVerifier.operatorSet),
      ...operators.map((operator) => own(BN254CertificateVerifier.operatorKey, [operator])),
    ],
  })
  const [last] = await readAt(client, {
    block,
    calls: [own(BN254CertificateVerifier.latestReferenceTimestamp, [valueFrom(set)])],
  })
  const unsorted = operators.findIndex(
    (operator, index) => index > 0 && BigInt(operator) <= BigInt(operators[index - 1] as Address),
  )
  const keyless = operators.filter((_, index) => {
    const { X, Y } = valueFrom(keys[index]) as { X: bigint; Y: bigint }
    return X === 0n && Y === 0n
  })
  const latest = valueFrom(last) as number
  return [
    ownerCheck(client, { contract: verifier, owner: valueFrom(owner) as Address }),
    holds('TableUpdateStale', {
      ok: referenceTimestamp > latest,
      detail: `its timestamp is ${referenceTimestamp}, the last table’s ${latest}`,
      fix: 'Name a later time.',
    }),
    // The next block is later than the newest one: only the contract knows by how much.
    referenceTimestamp <= Number(block.timestamp)
      ? passed('ReferenceTimestampInFuture', 'its timestamp is not in the future')
      : warning(
          'ReferenceTimestampInFuture',
          `its timestamp is ${referenceTimestamp - Number(block.timestamp)} s ahead of the newest block`,
          'Wait for a block with a later timestamp.',
        ),
    ...sizeChecks(operators, weights),
    holds('OperatorsNotSorted', {
      ok: unsorted === -1,
      detail: unsorted === -1 ? 'strictly ascending' : `operator ${unsorted} is out of order`,
      fix: 'Sort the operators by address, each once.',
    }),
    holds('OperatorKeyMissing', {
      ok: keyless.length === 0,
      detail: keyless.length === 0 ? 'every key is known' : `no key of ${keyless.join(', ')}`,
      fix: 'Register the operators’ keys first.',
    }),
  ]
}

/** What fits one transaction. */
function sizeChecks(
  operators: readonly Address[],
  weights: readonly (readonly bigint[])[],
): PreflightCheck[] {
  const weightCount = weights.reduce((sum, list) => sum + list.length, 0)
  return [
    holds('InvalidOperatorCount', {
      ok: operators.length > 0 && operators.length <= MAX_OPERATORS,
      detail: `${operators.length} operators`,
      fix: `Name 1 to ${MAX_OPERATORS} operators.`,
    }),
    holds('TooManyWeights', {
      ok: weightCount <= MAX_WEIGHTS,
      detail: `${weightCount} weights`,
      fix: `Name at most ${MAX_WEIGHTS} weights in all.`,
    }),
    holds('ArrayLengthMismatch', {
      ok: operators.length === weights.length,
      detail: `${operators.length} operators, ${weights.length} lists of weights`,
      fix: 'Give each operator one list of weights.',
    }),
  ]
}
