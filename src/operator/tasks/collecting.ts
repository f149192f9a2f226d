/**
 * What is asked of operators for one task, from its first commitment to its certificate.
 *
 * 1. All operators are asked for their commitment to plugin outputs; as soon as a majority by stake
 *    named the same ones, or at the deadline, it goes on. What they said is checked by its sum, each alone
 *    where that fails, and passed on as sums. A policy without plugins has no such phase.
 * 2. Those that can sign are asked to evaluate. Answers are checked against the task, grouped by
 *    message hash, and the first group at quorum is aggregated and checked as a whole. Only where that
 *    fails is each share looked at, and whoever sent a bad one is named and left out.
 *
 * Nothing is believed that an operator sends: the certificate is checked, outputs and preimage are
 * compared with what was signed.
 */
import type { Address, Hex } from 'viem'
import type { OutputGroup } from '../../attestation/index.js'
import {
  type Aggregation,
  buildCertificate,
  type Certificate,
  CertificateBuildError,
  type G1Point,
  type RefusedShare,
  type SignatureShare,
} from '../../core/bn254/index.js'
import type { Json } from '../../core/canonicalJson.js'
import { computeArtifactDigest, type DigestPreimage } from '../../core/digest.js'
import { computeInputsHash } from '../../core/inputsHash.js'
import { computeIntentHash } from '../../core/intent.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { TimeoutError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import type { OperatorClient } from '../rpc/client.js'
import { readGivenBuild } from '../rpc/given.js'
import type { SignedEvaluation } from '../rpc/methods.js'
import { agreeWithOperators } from './agreeing.js'
import { type Asking, fault, mayReach, type OwnWork, race, why } from './asking.js'
import { type OperatorFault, TaskFailedError } from './errors.js'
import { type OperatorTables, reaches, weightOf } from './tables.js'

/** A task with everything that `verifyTaskAttestation` needs at level `result`. */
export type TaskAnswer = {
  task: Task
  taskId: Hex
  response: PolicyTaskResponse
  certificate: Certificate
  preimage: DigestPreimage
  inputs: {
    outputs: Readonly<Record<Hex, Json>>
    secrets: Readonly<Record<Hex, Hex>>
  }
  reasons: readonly string[]
  /** Indices in the table of those that signed. */
  signers: readonly number[]
  /** Documents of enclaves with their operators' signatures, for the verifier and the challenger. */
  documents: readonly { operator: Hex; bytes: Hex; signature: { X: bigint; Y: bigint } }[]
  /** What operators did that was not this answer. */
  faults: readonly OperatorFault[]
}

/** A response with an operator's signature under it. */
export type CollectedShare = {
  operator: Address
  messageHash: Hex
  response: PolicyTaskResponse
  signature: G1Point
}

/** Parameters of {@link collectTask}. */
export type CollectTaskParameters = {
  task: Task
  /** `keccak256(PCR0)` that is asked for; left out where no enclave is named. */
  pcr0Commitment?: Hex | undefined
  operators: readonly OperatorClient[]
  registry: RegistryReader
  tables: OperatorTables
  /** What the registries hold for the task, where it was read already. */
  snapshot?: RegistrySnapshot | undefined
  /** Told when operators are asked for what; asking waits for it. */
  onPhase?: ((phase: 'committing' | 'signing') => Promise<void> | void) | undefined
  /**
   * Keeps a share before it counts. Gives all different ones that its operator sent for the task, this
   * one included: more than one are an equivocation, and none of them counts.
   */
  keepShare?: ((share: CollectedShare) => Promise<readonly CollectedShare[]>) | undefined
  /**
   * Keeps commitments to outputs, whose signatures were checked. Gives all that are kept for the task,
   * these included: two different ones of an operator are an equivocation, and none of them counts.
   */
  keepCommitments?: Asking['keepCommitments']
  /** Milliseconds for all of it. @default 30_000 */
  timeout?: number | undefined
  signal?: AbortSignal | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

const collectOptions: Parameters<typeof assertOptions<CollectTaskParameters>>[1] = {
  ...{ task: 'object', pcr0Commitment: 'text', operators: 'list', registry: 'object' },
  ...{ tables: 'object', snapshot: 'object', onPhase: 'function', keepShare: 'function' },
  ...{ keepCommitments: 'function', timeout: 'milliseconds', signal: 'object', now: 'function' },
}

/**
 * Gathers a task's certificate from operators.
 *
 * @throws {TaskFailedError} with what each operator did, where there is no decision.
 * @throws {InvalidInputError} for parameters that are none.
 * @example
 * ```ts
 * import { collectTask } from '@newton/policy-sdk/operator'
 *
 * const { response, certificate } = await collectTask({ task, operators, registry, tables })
 * ```
 */
export async function collectTask(parameters: CollectTaskParameters): Promise<TaskAnswer> {
  assertMembers('parameters', parameters, ['task', 'operators', 'registry', 'tables'])
  assertOptions(parameters, collectOptions, { field: 'parameters' })
  const { task, signal, timeout = 30_000 } = parameters
  const taskId = computeTaskId(task)
  const now = parameters.now ?? Date.now
  const until = now() + timeout * 0.4
  const faults: OperatorFault[] = []
  let inner: AbortSignal | undefined
  try {
    return await withDeadline(`task ${taskId}`, { signal, timeout }, (own) => {
      inner = own
      return collect(parameters, { taskId, faults, until, now, signal: own })
    })
  } catch (error) {
    const isOver = error instanceof TimeoutError && error === inner?.reason
    if (!isOver || signal?.aborted === true) throw error
    const detail = `its ${timeout} ms were over${why(faults)}`
    throw new TaskFailedError(
      { taskId, failure: 'TIMED_OUT', detail, faults: [...faults] },
      { cause: error },
    )
  }
}

async function collect(
  parameters: CollectTaskParameters,
  options: {
    taskId: Hex
    faults: OperatorFault[]
    until: number
    now: () => number
    signal: AbortSignal
  },
): Promise<TaskAnswer> {
  const { task, registry, tables } = parameters
  const { taskId, faults, until, now, signal } = options
  const block = task.referenceBlock
  const [snapshot, inForce] = await Promise.all([
    parameters.snapshot ?? registry.snapshot({ client: task.policyClient, block }, { signal }),
    tables.tableAt(block, { signal }),
  ])
  assertDecidable(task, snapshot, taskId)
  if (inForce === null) {
    const detail = `no known operator table is in force at block ${block}`
    throw new TaskFailedError({ taskId, failure: 'NO_OPERATORS', detail })
  }
  const state: Collecting = {
    taskId,
    inForce,
    operators: parameters.operators.filter(({ operator }) => inForce.table.indexOf(operator) >= 0),
    faults,
    keepShare: parameters.keepShare,
    keepCommitments: parameters.keepCommitments,
  }
  const templates = snapshot.data.map(({ templateId }) => templateId)
  let signing = state.operators
  let outputGroups: readonly OutputGroup[] = []
  if (templates.length > 0) {
    await parameters.onPhase?.('committing')
    const agreed = await agreeWithOperators(state, { task, templates, until, now, signal })
    signing = agreed.signing
    outputGroups = agreed.outputGroups
  }
  await parameters.onPhase?.('signing')
  const pcr0Commitment = readGivenBuild('parameters.pcr0Commitment', parameters.pcr0Commitment)
  const { referenceTimestamp } = inForce
  const request = { task, pcr0Commitment, referenceTimestamp, outputGroups }
  return collectShares(state, { request, signing, signal })
}

function assertDecidable(task: Task, snapshot: RegistrySnapshot, taskId: Hex): void {
  const { policyClient, referenceBlock: block } = task
  if (snapshot.policyInstance === null || snapshot.policyTemplate === null) {
    const detail = `client ${policyClient} has no policy at block ${block}`
    throw new TaskFailedError({ taskId, failure: 'NOT_DECIDABLE', detail })
  }
  const missing = snapshot.data.find(({ instance }) => instance === null)
  if (missing === undefined) return
  const detail = `client ${policyClient} has no instance of ${missing.templateId} at block ${block}`
  throw new TaskFailedError({ taskId, failure: 'NOT_DECIDABLE', detail })
}

type Collecting = Asking & { keepShare: CollectTaskParameters['keepShare'] }

type Group = {
  answers: Map<number, SignedEvaluation>
  first: SignedEvaluation
  /** Answers that came in, and whether they are being aggregated. */
  received: number
  busy: boolean
}

/** Asks the signers, and ends with the first certificate that reaches the quorum. */
async function collectShares(
  state: Collecting,
  options: {
    request: Parameters<typeof checkAnswer>[0]['request']
    signing: readonly OperatorClient[]
    signal: AbortSignal
  },
): Promise<TaskAnswer> {
  const { request, signal } = options
  const { taskId, inForce, faults } = state
  const { table, quorumBps } = inForce
  const total = table.info.totalWeights
  const groups = new Map<Hex, Group>()
  let answer: TaskAnswer | undefined
  await race({ ...state, operators: options.signing }, { signal }, async (client, io, own) => {
    const signed = await client.call('newt_evaluateAndSign', request, {
      ...io,
      timeout: 30_000,
    })
    if (answer !== undefined) return true
    const wrong = checkAnswer({ request, taskId, signed })
    if (wrong !== undefined) {
      fault(state, client, 'MALFORMED', wrong)
      return false
    }
    const messageHash = computeMessageHash(signed.response)
    if (await equivocates(state, { client, signed, messageHash, own })) return false
    if (answer !== undefined) return true
    const group = groups.get(messageHash) ?? {
      answers: new Map(),
      first: signed,
      received: 0,
      busy: false,
    }
    groups.set(messageHash, group)
    group.received++
    group.answers.set(table.indexOf(client.operator), signed)
    if (!reaches(weightOf(table, group.answers.keys()), { total, bps: quorumBps })) return false
    if (group.busy) return false
    group.busy = true
    try {
      // What comes in meanwhile is aggregated by the same call, not once for each.
      for (let taken = -1; answer === undefined && taken !== group.received; ) {
        taken = group.received
        const made = await certify(state, { group, messageHash, task: request.task, signal })
        answer ??= made
      }
    } finally {
      group.busy = false
    }
    return answer !== undefined
  })
  if (answer !== undefined) return answer
  const detail = `${groups.size} different responses, none with ${quorumBps / 100} % of the stake behind it${why(faults)}`
  const signed = [...groups.values()].map(({ answers }) => answers.keys())
  const suffices = (weights: readonly bigint[]): boolean =>
    reaches(weights, { total, bps: quorumBps })
  const mayPass = mayReach(state, { groups: signed, suffices })
  throw new TaskFailedError({ taskId, failure: 'NO_QUORUM', detail, faults, mayPass })
}

/** Whether the operator has sent another response for this task before, whoever asked it then. */
async function equivocates(
  state: Collecting,
  answered: { client: OperatorClient; signed: SignedEvaluation; messageHash: Hex; own: OwnWork },
): Promise<boolean> {
  const { client, signed, messageHash, own } = answered
  const { response, signature } = signed
  const { operator } = client
  const share = { operator, messageHash, response, signature }
  const all = await own(async () => state.keepShare?.(share))
  if (all === undefined || all.length < 2) return false
  const detail = `it answered with ${all.length} different responses`
  fault(state, client, 'EQUIVOCATION', detail)
  return true
}

/** Aggregates a group; who sent a bad share leaves it. `undefined` where the rest is too little. */
async function certify(
  state: Collecting,
  parameters: { group: Group; messageHash: Hex; task: Task; signal: AbortSignal },
): Promise<TaskAnswer | undefined> {
  const { group, messageHash, task, signal } = parameters
  const { taskId, inForce, faults } = state
  const { table, referenceTimestamp, quorumBps, backend } = inForce
  const total = table.info.totalWeights
  if (!reaches(weightOf(table, group.answers.keys()), { total, bps: quorumBps })) return undefined
  const shares: SignatureShare[] = [...group.answers].map(([index, { signature }]) => ({
    operator: table.operators[index]?.operator as Hex,
    signature,
  }))
  let built: Aggregation | undefined
  let refused: readonly RefusedShare[]
  try {
    const signed = { table, referenceTimestamp, messageHash, shares, backend }
    built = await buildCertificate(signed, { signal })
    refused = built.refused
  } catch (error) {
    if (!(error instanceof CertificateBuildError)) throw error
    refused = error.refused
  }
  for (const { index, operator, fault, detail } of refused) {
    if (group.answers.delete(index)) faults.push({ operator, fault, detail })
  }
  const [next] = group.answers.values()
  if (built === undefined || next === undefined) return undefined
  group.first = next
  if (!reaches(weightOf(table, built.signers), { total, bps: quorumBps })) return undefined
  const { response, preimage, outputs, secrets, reasons } = group.first
  return {
    task,
    taskId,
    response,
    certificate: built.certificate,
    preimage,
    inputs: { outputs, secrets },
    reasons,
    signers: built.signers,
    documents: built.signers.flatMap((index) => {
      const document = group.answers.get(index)?.document
      return document === undefined
        ? []
        : [{ operator: table.operators[index]?.operator as Hex, ...document }]
    }),
    faults: [...faults],
  }
}

/** What is wrong with an answer, without any pairing; `undefined` where it is of the task. */
function checkAnswer(parameters: {
  request: {
    task: Task
    pcr0Commitment: Hex
    referenceTimestamp: number
    outputGroups: readonly OutputGroup[]
  }
  taskId: Hex
  signed: SignedEvaluation
}): string | undefined {
  const { request, taskId, signed } = parameters
  const { task } = request
  const { response, preimage, outputs, secrets } = signed
  const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()
  if (
    response.taskId !== taskId ||
    response.chainId !== task.chainId ||
    !same(response.policyRegistry, task.policyRegistry) ||
    !same(response.policyClient, task.policyClient) ||
    response.intentHash !== computeIntentHash(task.intent) ||
    response.referenceBlock !== task.referenceBlock ||
    !same(response.referenceBlockHash, task.referenceBlockHash) ||
    response.referenceTimestamp !== request.referenceTimestamp ||
    response.pcr0Commitment !== request.pcr0Commitment
  ) {
    return 'a response to another task'
  }
  try {
    if (computeArtifactDigest(preimage) !== response.artifactDigest) return 'another preimage'
    if (computeInputsHash({ outputs, secrets }) !== response.inputsHash) return 'other inputs'
  } catch {
    return 'inputs that have no hash'
  }
  return undefined
}
