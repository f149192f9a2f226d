/**
 * An operator's part of a task: it commits to its plugin outputs, and signs what it has evaluated on
 * outputs of its own that the majority has too. What it has answered once it answers from the journal.
 */
import type { Hex } from 'viem'
import { agreeOnGroups, assertOwnOutputs, type OutputCommitment } from '../../attestation/index.js'
import { ZERO_HASH } from '../../core/artifact.js'
import {
  canonicalBytes,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import {
  type DigestPreimage,
  decodeDigestPreimage,
  encodeDigestPreimage,
} from '../../core/digest.js'
import type { Evaluation, Evaluator } from '../../core/interfaces/evaluator.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import {
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  type PolicyTaskResponse,
} from '../../core/response.js'
import { computeTaskId, type Task } from '../../core/task.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertMembers, assertOptions } from '../../internal/options.js'
import { JournalDamagedError } from '../errors.js'
import type { LedgerRecorder } from '../ledger/recorder.js'
import { OperatorRpcError } from '../rpc/errors.js'
import { readGivenBuild } from '../rpc/given.js'
import type { EvaluateAndSignParams, SignedEvaluation } from '../rpc/methods.js'
import type { SigningGuard } from '../signing/guard.js'
import { expirationOf } from './ending.js'
import type { OperatorTables, TableInForce } from './tables.js'

/** Parameters of {@link createTaskEvaluator}. */
export type TaskEvaluatorParameters = {
  guard: SigningGuard
  evaluator: Evaluator
  registry: RegistryReader
  tables: OperatorTables
  /** `keccak256(PCR0)` of this operator's enclave build; left out where it has none. */
  pcr0Commitment?: Hex | undefined
  /** Blocks behind the head after which a task is not taken any more. @default 900 */
  maxAge?: bigint | undefined
  /** Evaluations that run at a time. @default 32 */
  concurrent?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
  /** Keeps each answer for the evaluation ledger before it is given. */
  ledger?: Pick<LedgerRecorder, 'evaluated'> | undefined
}

const evaluatorOptions: Parameters<typeof assertOptions<TaskEvaluatorParameters>>[1] = {
  ...{ guard: 'object', evaluator: 'object', registry: 'object', tables: 'object' },
  ...{ pcr0Commitment: 'text', maxAge: 'uint', concurrent: { least: 1 } },
  ...{ now: 'function', ledger: 'object' },
}

/** An operator's part of tasks. */
export type TaskEvaluator = {
  fetchPolicyData(task: Task, options?: IoOptions): Promise<OutputCommitment>
  evaluateAndSign(params: EvaluateAndSignParams, options?: IoOptions): Promise<SignedEvaluation>
  getOutputs(parameters: { taskId: Hex; hash: Hex }): Promise<Json>
}

/** What is kept of an answer in the journal: all but the signatures, which are made again. */
type KeptAnswer = Omit<SignedEvaluation, 'signature' | 'document'>

/**
 * Creates an operator's part of tasks.
 *
 * @throws {InvalidInputError} for options that are none.
 */
export function createTaskEvaluator(parameters: TaskEvaluatorParameters): TaskEvaluator {
  assertMembers('parameters', parameters, ['guard', 'evaluator', 'registry', 'tables'])
  assertOptions(parameters, evaluatorOptions, { field: 'parameters' })
  const { guard, registry, tables, maxAge = 900n, concurrent = 32 } = parameters
  const build = readGivenBuild('parameters.pcr0Commitment', parameters.pcr0Commitment)
  const pcr0Commitment = build === ZERO_HASH ? undefined : build
  const evaluations = createFlights(concurrent)
  const headAtLeast = createHead(registry, parameters.now ?? Date.now)

  const assertOwnTask = async (task: Task, options: IoOptions | undefined): Promise<void> => {
    if (
      task.chainId !== registry.chainId ||
      task.policyRegistry.toLowerCase() !== registry.policyRegistry.toLowerCase()
    ) {
      throw refuse('FOREIGN_CHAIN', `this operator evaluates for chain ${registry.chainId}`)
    }
    const latest = await headAtLeast(task.referenceBlock, options)
    if (task.referenceBlock > latest) {
      throw refuse('BEHIND', `the newest block here is ${latest}`)
    }
    if (task.referenceBlock + maxAge < latest) {
      throw refuse('TASK_EXPIRED', `its reference block is more than ${maxAge} blocks old`)
    }
  }
  /** No contract takes an answer from its expiration block on. */
  const assertInTime = async (
    { task, expirationBlock }: { task: Task; expirationBlock: bigint | undefined },
    options: IoOptions | undefined,
  ): Promise<void> => {
    const latest = await headAtLeast(task.referenceBlock, options)
    if (expirationBlock === undefined || latest < expirationBlock) return
    throw refuse('TASK_EXPIRED', `it expired at block ${expirationBlock}, the newest is ${latest}`)
  }
  const snapshotInTime = async (
    task: Task,
    options: IoOptions | undefined,
  ): Promise<RegistrySnapshot> => {
    const { policyClient: client, referenceBlock: block } = task
    const snapshot = await registry.snapshot({ client, block }, options)
    await assertInTime({ task, expirationBlock: expirationOf(snapshot) }, options)
    return snapshot
  }
  const tableOf = async (task: Task, options: IoOptions | undefined): Promise<TableInForce> => {
    const inForce = await tables.tableAt(task.referenceBlock, options)
    if (inForce === null || inForce.table.indexOf(guard.operator) === -1) {
      throw refuse('OPERATOR_NOT_REGISTERED', 'this operator is not in the table of the task')
    }
    return inForce
  }
  /** One evaluation of a task at a time: whoever asks meanwhile waits for the same one. */
  const evaluate = (
    request: { task: Task; referenceTimestamp: number; outputs?: Readonly<Record<Hex, Json>> },
    options: IoOptions | undefined,
  ): Promise<Evaluation> => {
    const { task, referenceTimestamp, outputs } = request
    const taskId = computeTaskId(task)
    return evaluations(`${taskId} ${outputs === undefined ? 'run' : 'agreed'}`, () =>
      parameters.evaluator.evaluate(
        {
          task,
          referenceTimestamp,
          ...(pcr0Commitment === undefined ? {} : { pcr0Commitment }),
          ...(outputs === undefined ? {} : { agreedOutputs: outputs }),
        },
        { timeout: options?.timeout },
      ),
    )
  }
  const running = new Map<Hex, Promise<OutputCommitment>>()
  /**
   * Runs the plugins and commits to their outputs, once at a time. It goes on where whoever asked has left:
   * a gateway waits for a majority only, and asks the slower ones to sign all the same.
   */
  const committed = (
    task: Task,
    taskId: Hex,
    options: IoOptions = {},
  ): Promise<OutputCommitment> => {
    const run = async (): Promise<OutputCommitment> => {
      const { timeout } = options
      const { referenceTimestamp } = await tableOf(task, { timeout })
      await snapshotInTime(task, { timeout })
      const { outputs } = await evaluate({ task, referenceTimestamp }, { timeout })
      const { referenceBlock } = task
      return guard.signOutputs({ taskId, referenceBlock, outputs }, { timeout })
    }
    const flight = running.get(taskId) ?? run().finally(() => running.delete(taskId))
    running.set(taskId, flight)
    // Nobody may be left who hears of its failure.
    flight.catch(() => undefined)
    return withDeadline(`outputs of task ${taskId}`, options, () => flight)
  }
  /** What this operator committed to, or is about to. */
  const ownOutputs = async (
    taskId: Hex,
    options: IoOptions = {},
  ): Promise<Readonly<Record<Hex, Json>> | undefined> => {
    const flight = running.get(taskId)
    if (flight !== undefined) {
      const settled = flight.then(
        () => undefined,
        () => undefined,
      )
      await withDeadline(`outputs of task ${taskId}`, options, () => settled)
    }
    return guard.findOutputs(taskId)
  }
  const sign = async (
    kept: KeptAnswer,
    document: Hex | undefined,
    options: IoOptions | undefined,
  ): Promise<SignedEvaluation> => {
    const { response } = kept
    const given = encodeAnswer(kept)
    const {
      share,
      answer: recorded,
      document: own,
    } = document === undefined
      ? { ...(await guard.signResponse({ response, answer: given }, options)), document: undefined }
      : await guard.signAnswer({ response, answer: given, document }, options)
    const answer = decodeAnswer(recorded, response)
    const { preimage, outputs, secrets, reasons } = answer
    const { signature } = share
    // It is in the journal: where this fails, whoever asks again is answered from there.
    await parameters.ledger?.evaluated(
      { response: answer.response, preimage, inputs: { outputs, secrets }, reasons },
      options,
    )
    if (own !== undefined) return { ...answer, signature, document: own }
    const held = await guard.findDocument(response.taskId)
    if (held === undefined) return { ...answer, signature }
    const beside = await guard.signDocument({ response, document: held }, options)
    return {
      ...answer,
      signature,
      document: { bytes: beside.document, signature: beside.signature },
    }
  }

  return {
    async fetchPolicyData(task, options) {
      await assertOwnTask(task, options)
      const taskId = computeTaskId(task)
      const { referenceBlock } = task
      const before = await guard.findOutputs(taskId)
      if (before !== undefined) {
        return guard.signOutputs({ taskId, referenceBlock, outputs: before }, options)
      }
      return committed(task, taskId, options)
    },
    async evaluateAndSign(params, options) {
      const { task, referenceTimestamp, outputGroups: groups } = params
      await assertOwnTask(task, options)
      if (params.pcr0Commitment !== (pcr0Commitment ?? ZERO_HASH)) {
        throw refuse('ENCLAVE_MISSING', 'this operator runs another build')
      }
      const taskId = computeTaskId(task)
      const inForce = await tableOf(task, options)
      if (inForce.referenceTimestamp !== referenceTimestamp) {
        throw refuse('BEHIND', `the table in force is of ${inForce.referenceTimestamp}`)
      }
      const before = await guard.findResponse(taskId)
      if (before !== undefined) {
        return sign(decodeKept(before.answer, before.messageHash), undefined, options)
      }
      const snapshot = await snapshotInTime(task, options)
      const templates = snapshot.data.map(({ templateId }) => templateId)
      let outputs: Readonly<Record<Hex, Json>> = {}
      if (templates.length === 0 && groups.length > 0) {
        throw refuse('INVALID_PARAMS', 'the policy has no plugins, and the call commitments')
      }
      if (templates.length > 0) {
        const { table, backend } = inForce
        const own = await ownOutputs(taskId, options)
        if (own === undefined) {
          throw refuse('UNKNOWN_TASK', 'this operator has no outputs of its own for it')
        }
        const { hashes } = await agreeOnGroups(
          { table, taskId, templates, groups, backend },
          options,
        )
        assertOwnOutputs({ agreed: hashes, outputs: own })
        outputs = own
      }
      const evaluation = await evaluate({ task, referenceTimestamp, outputs }, options)
      const { response, digestPreimage: preimage, secrets, reasons, document } = evaluation
      // The evaluation took its time.
      await assertInTime({ task, expirationBlock: response.expirationBlock }, options)
      return sign(
        { response, preimage, outputs: evaluation.outputs, secrets, reasons },
        document,
        options,
      )
    },
    async getOutputs({ taskId, hash }) {
      const outputs = Object.values((await guard.findOutputs(taskId)) ?? {})
      const found = outputs.find((output) => keccakHex(canonicalBytes(output)) === hash)
      if (found === undefined) throw refuse('UNKNOWN_TASK', 'there is no such output here')
      return found
    },
  }
}

function encodeAnswer({ response, preimage, outputs, secrets, reasons }: KeptAnswer): Uint8Array {
  return canonicalBytes({
    response: encodeResponse(response),
    preimage: toHex(encodeDigestPreimage(preimage)),
    outputs: outputs as JsonObject,
    secrets: secrets as JsonObject,
    reasons: [...reasons],
  })
}

function decodeAnswer(bytes: Uint8Array, response: PolicyTaskResponse): KeptAnswer {
  return decodeKept(bytes, computeMessageHash(response))
}

/** Reads an answer of the journal, and compares it with the message hash it was recorded under. */
function decodeKept(bytes: Uint8Array, messageHash: Hex): KeptAnswer {
  try {
    const kept = parseJsonBytes(bytes) as Record<string, Json>
    const response = decodeResponse(kept['response'] as Hex)
    const preimage: DigestPreimage = decodeDigestPreimage(fromHex(kept['preimage'] as Hex))
    if (computeMessageHash(response) === messageHash) {
      return {
        response,
        preimage,
        outputs: kept['outputs'] as Record<Hex, Json>,
        secrets: kept['secrets'] as Record<Hex, Hex>,
        reasons: kept['reasons'] as string[],
      }
    }
  } catch (cause) {
    throw damaged(cause)
  }
  throw damaged()
}

function damaged(cause?: unknown): JournalDamagedError {
  const reason = 'an answer is not the one that was recorded'
  return new JournalDamagedError({ segment: 0, offset: 0, reason }, { cause })
}

/** Milliseconds for which the newest block is not asked for again. */
const HEAD_LIFE = 1_000

/** The newest block, asked for where the one that is known does not tell whether `block` is there. */
function createHead(
  registry: RegistryReader,
  now: () => number,
): (block: bigint, options: IoOptions | undefined) => Promise<bigint> {
  let head = 0n
  let until = Number.NEGATIVE_INFINITY
  return async (block, options) => {
    if (block <= head && now() < until) return head
    const asked = now()
    head = (await registry.getLatestBlock(options)).number
    until = asked + HEAD_LIFE
    return head
  }
}

/** Runs one piece of work for each key at a time, and so many keys at most. */
function createFlights(
  most: number,
): <value>(key: string, work: () => Promise<value>) => Promise<value> {
  const flights = new Map<string, Promise<unknown>>()
  return <value>(key: string, work: () => Promise<value>): Promise<value> => {
    const running = flights.get(key)
    if (running !== undefined) return running as Promise<value>
    if (flights.size >= most) {
      const detail = 'too many evaluations run at a time'
      throw new OperatorRpcError({ fault: 'OVERLOADED', detail, retryAfter: 250 })
    }
    const flight = work().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}

function refuse(
  fault: ConstructorParameters<typeof OperatorRpcError>[0]['fault'],
  detail: string,
): OperatorRpcError {
  return new OperatorRpcError({ fault, detail })
}
