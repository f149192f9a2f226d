/** What a gateway's answer is checked for beyond its attestation, and how its refusals are told. */
import type { AttestationReader, SignedTeeDocument } from '../../../attestation/index.js'
import { ZERO_HASH } from '../../../core/artifact.js'
import { operatorWitness } from '../../../core/bn254/index.js'
import { blocksToAnswer, chainConstants } from '../../../core/chains.js'
import { computeArtifactDigest } from '../../../core/digest.js'
import { computeIntentHash } from '../../../core/intent.js'
import type { ResultReplayer } from '../../../core/interfaces/evaluator.js'
import type { Task } from '../../../core/task.js'
import { isPolicySdkError } from '../../../errors/base.js'
import { TimeoutError } from '../../../errors/common.js'
import { fromHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { sleep } from '../../../internal/pause.js'
import { OperatorRpcError } from '../../rpc/errors.js'
import { faultOfCode } from '../../rpc/faults.js'
import type { TaskAnswer } from '../../tasks/collecting.js'
import type { OperatorTables } from '../../tasks/tables.js'
import { GatewayAnswerError } from '../errors.js'
import type { TaskRequest, TaskStatus } from '../wire.js'

/** What answers are checked with: parts of the client's parameters. */
type AnswerChecks = {
  reader: AttestationReader
  tables?: OperatorTables | undefined
  maxReferenceAge?: bigint | undefined
}

/** Times that a gateway is asked that is not reached, over some 8 s. */
const TRIES = 6

/** The answer has to be to what was asked, on the chain and the registry of this client, and fresh. */
export function assertAsked(
  asked: { request: TaskRequest; task: Task; since: bigint },
  { reader: { registry }, maxReferenceAge }: AnswerChecks,
): void {
  const { request, task, since } = asked
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  const other = (reason: string): GatewayAnswerError => new GatewayAnswerError({ reason })
  if (
    task.chainId !== registry.chainId ||
    !same(task.policyRegistry, registry.policyRegistry) ||
    !same(task.policyClient, request.policyClient) ||
    !same(task.wasmArgs, request.wasmArgs ?? '0x') ||
    computeIntentHash(task.intent) !== computeIntentHash(request.intent)
  ) {
    throw other('its task is not what was asked for')
  }
  const age = maxReferenceAge ?? blocksToAnswer(chainConstants(registry.chainId))
  // So that what is no number is too old, too.
  if (!(task.referenceBlock + age >= since)) {
    throw other(`its reference block ${task.referenceBlock} was too old at block ${since}`)
  }
}

/** The digest that was signed is that of the preimage beside it. */
export function assertPreimage({
  preimage,
  response,
}: Pick<TaskAnswer, 'preimage' | 'response'>): void {
  if (computeArtifactDigest(preimage) === response.artifactDigest.toLowerCase()) return
  throw new GatewayAnswerError({ reason: 'its preimage is not that of the digest that was signed' })
}

/** Indices of those that signed: all of the table but the non-signers of the certificate. */
export async function signersOf(
  { response, certificate }: Pick<TaskAnswer, 'response' | 'certificate'>,
  reader: AttestationReader,
  io: IoOptions,
): Promise<readonly number[]> {
  const inForce = await reader.certificates?.tableAt(response.referenceBlock, io)
  const silent = new Set(certificate.nonSignerWitnesses.map(({ operatorIndex }) => operatorIndex))
  const count = Number(inForce?.table.numOperators ?? 0n)
  return Array.from({ length: count }, (_, index) => index).filter((index) => !silent.has(index))
}

/** A replayer that remembers the reasons which its run gives: nobody signs those of an answer. */
export function keepReasons({ replayer }: AttestationReader): {
  replayer: AttestationReader['replayer']
  reasons(): readonly string[]
} {
  let reasons: readonly string[] = []
  return {
    reasons: () => reasons,
    replayer: {
      replayResult: async (parameters, options) => {
        const outcome = await (replayer as ResultReplayer).replayResult(parameters, options)
        reasons = outcome.reasons
        return outcome
      },
    },
  }
}

/** The first signer's document, where documents are verified. */
export async function documentOf(
  { task, response, documents }: Omit<TaskAnswer, 'faults'>,
  { reader, tables }: AnswerChecks,
  io: IoOptions,
): Promise<SignedTeeDocument | undefined> {
  const [first] = documents
  if (reader.documents === undefined || first === undefined || tables === undefined)
    return undefined
  if (response.pcr0Commitment === ZERO_HASH) return undefined
  const inForce = await tables.tableAt(task.referenceBlock, io)
  const index = inForce?.table.indexOf(first.operator) ?? -1
  const operator = inForce?.table.operators[index]
  if (inForce === null || operator === undefined) return undefined
  return {
    bytes: fromHex(first.bytes),
    operator: operatorWitness(inForce.table, index),
    pubkeyG2: operator.pubkeyG2,
    signature: first.signature,
  }
}

/** Asks once more where the gateway is not reached: it may be starting, or another one takes over. */
export async function askAgain<value>(
  work: () => Promise<value>,
  signal: AbortSignal | undefined,
): Promise<value> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      const unavailable = isPolicySdkError(error) && error.code === 'GATEWAY_UNAVAILABLE'
      if (!unavailable || attempt === TRIES) throw toRefusal(error)
      await sleep(250 * 2 ** (attempt - 1), signal)
    }
  }
}

/** A gateway's refusal by its fault; what the gateway client has a class of its own for stays that. */
function toRefusal(error: unknown): unknown {
  if (error instanceof TimeoutError || !isPolicySdkError(error) || !('rpcCode' in error))
    return error
  const fault = typeof error.rpcCode === 'number' ? faultOfCode(error.rpcCode) : undefined
  if (fault === undefined) return error
  const detail = error.shortMessage.replace(/^.*?refuses the call \([A-Z_]+\): /, '')
  return new OperatorRpcError(
    { fault, detail: detail.replace(/\.+$/, ''), by: 'gateway' },
    { cause: error },
  )
}

/** The error of a task that a gateway says has failed. */
export function refusalOf({ fault, detail }: NonNullable<TaskStatus['failure']>): OperatorRpcError {
  return new OperatorRpcError({ fault, detail, by: 'gateway' })
}
