/**
 * Works on tasks: from `received` to an answer that is kept, or a failure that is. A task is worked on
 * under a lease that is renewed; one whose gateway died is taken up by whoever claims it next, and
 * operators answer again from their journals.
 */
import type { Hex } from 'viem'
import type { OutputCommitment } from '../../attestation/index.js'
import { decodeG1, encodeG1 } from '../../core/bn254/index.js'
import { canonicalJson, type JsonObject } from '../../core/canonicalJson.js'
import type { RegistryReader, RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import type { ResponseSink } from '../../core/interfaces/sinks.js'
import { decodeResponse, encodeResponse } from '../../core/response.js'
import { decodeTask } from '../../core/task.js'
import { isPolicySdkError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { pause } from '../../internal/pause.js'
import type { LedgerRecorder } from '../ledger/recorder.js'
import type { OperatorClient } from '../rpc/client.js'
import { toRefusal, withoutStop } from '../rpc/envelope.js'
import type { RpcFault } from '../rpc/faults.js'
import { type CollectedShare, collectTask, type TaskAnswer } from '../tasks/collecting.js'
import { createTaskWatch } from '../tasks/ending.js'
import { type OperatorFault, TaskFailedError, type TaskFailure } from '../tasks/errors.js'
import type { OperatorTables } from '../tasks/tables.js'
import type { GatewayEvent } from './events.js'
import { isLanding, landTask } from './landing.js'
import type {
  GatewayStore,
  LeasedTask,
  StoredCommitment,
  StoredShare,
  TaskFailureRecord,
  TaskState,
} from './store/store.js'
import { untilKept } from './store/watched.js'
import { writeTaskAnswer } from './wire.js'

/** What tasks are worked on with. */
export type RunParameters = {
  store: GatewayStore
  registry: RegistryReader
  tables: OperatorTables
  operators: () => readonly OperatorClient[]
  /** Lands answers; left out where this gateway lands nothing. */
  sink: ResponseSink | undefined
  /** Milliseconds between two looks at the chain for one task. */
  landingInterval: number
  /** Milliseconds that a lease lasts without being renewed. */
  lease: number
  now: () => number
  /** Told each answer that was kept, before its change. */
  onAnswer?: ((taskId: Hex, answer: JsonObject) => void) | undefined
  /** Called after each change that is kept. */
  onChange: (taskId: Hex, state: TaskState) => void
  onEvent: (event: GatewayEvent) => void
  /** Keeps what was attested, and what operators did that they must not. */
  ledger?: Pick<LedgerRecorder, 'attested' | 'anomaly'> | undefined
}

/** The lease is somebody else's by now: whatever this gateway still knows of the task is not told. */
const leaseLost: unique symbol = Symbol('lease lost')

/** Milliseconds between two turns with operators that may come back: more each time, up to the last. */
const pauses = [500, 750, 1_100, 1_600, 2_000] as const

/**
 * Works on a task until it is decided, its lease is lost, or the signal fires, which hands it back.
 * Never throws.
 */
export async function runTask(
  task: LeasedTask,
  parameters: RunParameters,
  options: { signal: AbortSignal; snapshot?: RegistrySnapshot | undefined },
): Promise<void> {
  const { store, now, lease } = parameters
  const { signal } = options
  const { taskId, fence } = task
  const holder = { taskId, fence }
  const controller = new AbortController()
  const stop = (): void => controller.abort(signal.reason)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  const renewing = setInterval(() => {
    store.renew(holder, lease).then(
      (held) => {
        if (!held) controller.abort(leaseLost)
      },
      // A store that does not answer now may at the next turn; until then the lease lasts.
      () => undefined,
    )
  }, lease / 3)
  const started = now()
  try {
    const inner = { ...options, signal: controller.signal }
    if (!isLanding(task.state)) {
      const answer = await decide(task, parameters, inner)
      await finish({ task, answer, started, signal: controller.signal }, parameters)
    }
    if (task.broadcast) await land(task, parameters, inner)
  } catch (error) {
    await giveUp({ task, error, started }, parameters, controller.signal)
  } finally {
    clearInterval(renewing)
    signal.removeEventListener('abort', stop)
    // What still tries to keep something of it stops.
    controller.abort()
  }
}

/** One step on the way to the chain. The lease then lasts until the next one, whoever makes it. */
async function land(
  task: LeasedTask,
  parameters: RunParameters,
  { signal }: { signal: AbortSignal },
): Promise<void> {
  const { store, sink, landingInterval, onChange, onEvent } = parameters
  const { taskId, fence } = task
  if (sink !== undefined) {
    if (
      task.state !== 'landed' &&
      !(await store.advance({ taskId, fence }, { state: 'landing' }))
    ) {
      throw leaseLost
    }
    const step = await landTask(task, { store, sink, onEvent }, { signal })
    if (!(await store.advance({ taskId, fence }, step))) throw leaseLost
    onChange(taskId, step.state)
  }
  await store.renew({ taskId, fence }, landingInterval)
}

/**
 * Asks operators until there is an answer, or asking again is of no use: too few of them can come back,
 * the time is over, or no contract would take an answer any more. Another block is another task, whose
 * answer nobody who waits for this one has asked for: it ends, with the reason, and may be asked anew.
 */
async function decide(
  task: LeasedTask,
  parameters: RunParameters,
  options: { signal: AbortSignal; snapshot?: RegistrySnapshot | undefined },
): Promise<TaskAnswer> {
  const { now } = parameters
  const { signal } = options
  const { taskId } = task
  const chain = createTaskWatch(decodeTask(task.task), taskId, parameters.registry)
  for (let turn = 0; ; turn++) {
    const left = task.deadline - now()
    if (left <= 0) throw new TimeoutError({ operation: `task ${taskId}`, timeout: 0 })
    try {
      return await askOnce(task, parameters, { ...options, left })
    } catch (error) {
      if (signal.aborted || !mayPass(error)) throw error
      const ended = await chain.endOf(error, { signal, snapshot: options.snapshot })
      if (ended !== undefined) throw ended
      const rest = task.deadline - now()
      if (rest <= 0) throw outOfTime(taskId, error)
      if (rest < 1_000) throw error
      await pause(Math.min(pauses[turn] ?? (pauses.at(-1) as number), rest - 500), signal)
    }
  }
}

async function askOnce(
  task: LeasedTask,
  parameters: RunParameters,
  options: { signal: AbortSignal; snapshot?: RegistrySnapshot | undefined; left: number },
): Promise<TaskAnswer> {
  const { store, registry, tables, operators, now } = parameters
  const { signal, snapshot, left } = options
  const { taskId, fence } = task
  const kept = <value>(work: () => Promise<value>): Promise<value> =>
    untilKept(work, { until: task.deadline, now, signal })
  const answer = await collectTask({
    task: decodeTask(task.task),
    pcr0Commitment: task.pcr0Commitment,
    operators: operators(),
    ...{ registry, tables, snapshot },
    onPhase: async (state) => {
      if (!(await kept(() => store.advance({ taskId, fence }, { state })))) throw leaseLost
      parameters.onChange(taskId, state)
    },
    keepShare: async (share) => {
      const all = await kept(() => store.addShare(taskId, toStored(share)))
      return all.map(fromStored)
    },
    keepCommitments: async (commitments) => {
      const stored = commitments.map(toStoredCommitment)
      const all = await kept(() => store.addCommitments(taskId, stored))
      return all.map((one) => fromStoredCommitment(taskId, one))
    },
    timeout: left,
    signal,
    now,
  })
  await parameters.ledger?.attested(answer, { signal })
  return answer
}

/** What was in the way of a task is what its end says. */
function outOfTime(taskId: Hex, error: unknown): TaskFailedError {
  const faults = error instanceof TaskFailedError ? error.faults : []
  const reason = isPolicySdkError(error) ? error.shortMessage : 'it failed'
  const detail = `its time was over; before, ${withoutStop(reason)}`
  return new TaskFailedError({ taskId, failure: 'TIMED_OUT', detail, faults }, { cause: error })
}

/** Keeps the answer. One that is there already, of another gateway, is the answer. */
async function finish(
  done: { task: LeasedTask; answer: TaskAnswer; started: number; signal: AbortSignal },
  { store, now, lease, onChange, onAnswer, onEvent, ledger }: RunParameters,
): Promise<void> {
  const { taskId, fence } = done.task
  const { faults, ...answer } = done.answer
  const { messageHash } = answer.certificate
  const written = writeTaskAnswer(answer)
  const text = JSON.stringify(written)
  const kept = await untilKept(
    async (attempt) => {
      const outcome = await store.saveAnswer({ taskId, fence }, { messageHash, answer: text })
      // A try whose answer was lost may have kept it.
      if (outcome !== 'exists' || attempt === 1) return outcome
      return (await store.answer(taskId))?.answer === text ? 'stored' : outcome
    },
    { until: Math.max(done.task.deadline, now() + lease), now, signal: done.signal },
  )
  tellFaults(taskId, faults, { onEvent, ledger })
  if (kept !== 'stored') return
  onAnswer?.(taskId, written)
  onEvent({ type: 'task.ended', taskId, outcome: 'signed', milliseconds: now() - done.started })
  onChange(taskId, 'signed')
}

async function giveUp(
  failed: { task: LeasedTask; error: unknown; started: number },
  { store, now, onChange, onEvent, ledger }: RunParameters,
  signal: AbortSignal,
): Promise<void> {
  const { task, error, started } = failed
  const { taskId, fence } = task
  if (error === leaseLost || signal.reason === leaseLost) return
  try {
    // Shut down: whoever is next goes on with it.
    if (signal.aborted) {
      await store.release({ taskId, fence })
      return
    }
    // The answer is there: only its landing has met what it did not expect, and is tried again.
    if ((await store.answer(taskId)) !== undefined) {
      onEvent({ type: 'landing.failed', taskId, error })
      return
    }
    const failure = describeFailure(error)
    if (error instanceof TaskFailedError) tellFaults(taskId, error.faults, { onEvent, ledger })
    if (!(await store.advance({ taskId, fence }, { state: 'failed', failure }))) return
    const milliseconds = now() - started
    onEvent({ type: 'task.ended', taskId, outcome: failure.fault, milliseconds, error })
    onChange(taskId, 'failed')
  } catch {
    // The store does not take it, which is told: the lease ends by itself, and the task is claimed again.
  }
}

const faultsOfFailures: Readonly<Record<TaskFailure, RpcFault>> = {
  NOT_DECIDABLE: 'EVALUATION_FAILED',
  NO_OPERATORS: 'NOT_READY',
  INPUTS_DIVERGE: 'INPUTS_DIVERGE',
  NO_QUORUM: 'NO_QUORUM',
  TIMED_OUT: 'TIMED_OUT',
  REFERENCE_BLOCK_LOST: 'REFERENCE_BLOCK_LOST',
  EXPIRED: 'TASK_EXPIRED',
}

/** What is told of a failure. What operators said of each other stays in the hooks. */
export function describeFailure(error: unknown): TaskFailureRecord {
  if (error instanceof TaskFailedError) {
    const fault = faultsOfFailures[error.failure]
    return { fault, detail: withoutStop(error.shortMessage), code: error.code }
  }
  const { fault, shortMessage } = toRefusal(error, 'gateway')
  const code = isPolicySdkError(error) && fault !== 'INTERNAL' ? { code: error.code } : {}
  const prefix = `The gateway refuses the call (${fault}): `
  const text = shortMessage.startsWith(prefix) ? shortMessage.slice(prefix.length) : shortMessage
  return { fault, detail: withoutStop(text), ...code }
}

function mayPass(error: unknown): boolean {
  if (error === leaseLost) return false
  if (error instanceof TaskFailedError) return error.mayPass
  return isPolicySdkError(error) && error.retryable && !(error instanceof TimeoutError)
}

function tellFaults(
  taskId: Hex,
  faults: readonly OperatorFault[],
  { onEvent, ledger }: Pick<RunParameters, 'onEvent' | 'ledger'>,
): void {
  for (const found of faults) {
    onEvent({ type: 'operator.fault', taskId, ...found })
    const { operator, fault, detail } = found
    if (fault !== 'EQUIVOCATION') continue
    ledger?.anomaly({ kind: 'equivocation', subject: `${operator} in task ${taskId}`, detail })
  }
}

function toStored({ operator, messageHash, response, signature }: CollectedShare): StoredShare {
  return {
    operator: operator.toLowerCase() as Hex,
    messageHash,
    response: encodeResponse(response),
    signature: toHex(encodeG1(signature)),
  }
}

function fromStored({ operator, messageHash, response, signature }: StoredShare): CollectedShare {
  return {
    operator,
    messageHash,
    response: decodeResponse(response),
    signature: decodeG1(fromHex(signature)),
  }
}

function toStoredCommitment({ operator, hashes, signature }: OutputCommitment): StoredCommitment {
  const written = canonicalJson(lowered(hashes))
  return {
    operator: operator.toLowerCase() as Hex,
    name: keccakHex(utf8(written)),
    hashes: written,
    signature: toHex(encodeG1(signature)),
  }
}

function fromStoredCommitment(
  taskId: Hex,
  { operator, hashes, signature }: StoredCommitment,
): OutputCommitment {
  return {
    ...{ operator, taskId, hashes: JSON.parse(hashes) as OutputCommitment['hashes'] },
    signature: decodeG1(fromHex(signature)),
  }
}

function lowered(hashes: OutputCommitment['hashes']): JsonObject {
  const entries = Object.entries(hashes)
  return Object.fromEntries(entries.map(([id, hash]) => [id.toLowerCase(), hash.toLowerCase()]))
}
