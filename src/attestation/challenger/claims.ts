/**
 * Challenges by proof in the outbox: what they claim is kept with the challenge, so that after a restart
 * the proof is asked for again, and filed, without anybody who still has the inputs.
 */
import type { Hex } from 'viem'
import {
  type Certificate,
  decodeG1,
  encodeG1,
  type OperatorInfoWitness,
  type OperatorTree,
  operatorWitness,
} from '../../core/bn254/index.js'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import type {
  DocumentChallenge,
  DocumentPublicValues,
  ResultChallenge,
  ResultPublicValues,
} from '../../core/challengeProofs.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import { decodeTask, encodeTask } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { Evidence } from '../verify/evidence.js'
import type { SignedTeeDocument } from '../verify/teeDocument.js'
import { documentPublicValues, resultPublicValues } from './proofs.js'
import type { OutboxEntry, StoredClaim } from './state.js'
import type { ChallengeProver } from './types.js'

/** What a false result is challenged with. */
export function resultClaim(evidence: Evidence): StoredClaim {
  const { task, rerun } = evidence
  if (task === null || rerun === undefined) {
    throw new InvalidInputError({ field: 'evidence', reason: 'it has no task, or no re-run' })
  }
  return {
    values: { ...resultPublicValues(evidence) },
    task: encodeTask(task),
    outputs: rerun.outputs as JsonObject,
    secrets: rerun.secrets as JsonObject,
  }
}

/** What a false document is challenged with. */
export function documentClaim(
  response: PolicyTaskResponse,
  document: SignedTeeDocument,
): StoredClaim {
  const { bytes, operator, pubkeyG2, signature } = document
  return {
    values: { ...documentPublicValues({ response, document: bytes }) },
    document: toHex(bytes),
    operatorIndex: operator.operatorIndex,
    pubkeyG2: { X: pubkeyG2.X.map(String), Y: pubkeyG2.Y.map(String) },
    signature: toHex(encodeG1(signature)),
  }
}

/** The operator that a document is of. */
export function accusedOf(claim: StoredClaim): number {
  return claim['operatorIndex'] as number
}

/** Whether the prover makes proofs of a kind. */
export function canProve(
  prover: ChallengeProver | undefined,
  kind: 'result' | 'document',
): prover is ChallengeProver {
  return (kind === 'result' ? prover?.proveResult : prover?.proveDocument) !== undefined
}

/** Asks for the proof of an entry. */
export async function prove(
  prover: ChallengeProver | undefined,
  { entry, response }: { entry: OutboxEntry; response: PolicyTaskResponse },
  options: IoOptions,
): Promise<Hex> {
  const claim = claimOf(entry)
  if (entry.kind === 'result' && prover?.proveResult !== undefined) {
    return prover.proveResult(
      {
        values: claim['values'] as ResultPublicValues,
        task: decodeTask(claim['task'] as Hex),
        response,
        outputs: claim['outputs'] as Record<Hex, Json>,
        secrets: claim['secrets'] as Record<Hex, Hex>,
      },
      options,
    )
  }
  if (entry.kind === 'document' && prover?.proveDocument !== undefined) {
    return prover.proveDocument(
      {
        values: claim['values'] as DocumentPublicValues,
        response,
        document: fromHex(claim['document'] as Hex),
      },
      options,
    )
  }
  throw new InvalidInputError({ field: 'prover', reason: `it makes no proofs of a ${entry.kind}` })
}

/** The challenge of a result, against some of its signers. */
export function resultChallengeOf(
  entry: OutboxEntry,
  { certificate, signers }: { certificate: Certificate; signers: readonly OperatorInfoWitness[] },
): ResultChallenge {
  const values = claimOf(entry)['values'] as ResultPublicValues
  return { values, proof: entry.proof as Hex, certificate, signers }
}

/** The challenge of a document. */
export function documentChallengeOf(entry: OutboxEntry, tree: OperatorTree): DocumentChallenge {
  const claim = claimOf(entry)
  const { X, Y } = claim['pubkeyG2'] as { X: [string, string]; Y: [string, string] }
  const pair = ([a, b]: [string, string]): [bigint, bigint] => [BigInt(a), BigInt(b)]
  return {
    values: claim['values'] as DocumentPublicValues,
    proof: entry.proof as Hex,
    operator: operatorWitness(tree, accusedOf(claim)),
    pubkeyG2: { X: pair(X), Y: pair(Y) },
    signature: decodeG1(fromHex(claim['signature'] as Hex)),
  }
}

function claimOf(entry: OutboxEntry): StoredClaim {
  if (entry.claim !== undefined) return entry.claim
  throw new InvalidInputError({ field: 'outbox', reason: `${entry.id} has no claim` })
}
