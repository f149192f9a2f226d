/**
 * Runs plugins: rounds on a fresh instance each, with the requests made between them.
 */
import type { Hex } from 'viem'
import {
  canonicalJson,
  type Json,
  type JsonObject,
  parseJson,
} from '../../../core/canonicalJson.js'
import type { HttpExchange, PluginTranscript } from '../../../core/interfaces/evaluator.js'
import { concat, fixedFromHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  PluginComponentError,
  PluginLimitError,
  PluginOutputError,
  PluginReplayError,
} from '../errors.js'
import type { PluginEvent, PluginMeters } from '../events.js'
import { type HttpTransport, performRequest, type resolveHttpPolicy, toExchange } from '../http.js'
import type { PluginLimits } from '../limits.js'
import type { CompiledPlugin, RunJob, RunReply } from '../protocol.js'
import { buildTranscript, type KeyedAnswer, seedReplay } from '../transcript.js'
import type { PooledWorker, WorkerPool } from '../workerPool.js'
import { asTimeLimit, attach, toError, withoutDetails } from './failures.js'
import { normalizeHash, type PluginLoader, type PluginReference } from './loader.js'

/** One run of one plugin. */
export type PluginRunRequest = PluginReference & {
  policyDataTemplateId: Hex
  policyDataInstanceId: Hex
  taskId: Hex
  /** Unix seconds of the reference block: the guest's wall clock. */
  blockTimestamp: bigint
  /** Canonical JSON text for `run`. See {@link buildPluginInput}. */
  input: string
  /** Plaintext for `secrets.get`. Not kept; the caller zeroes its own copy. */
  secrets?: Uint8Array | undefined
  /** Exchanges to replay. With them nothing is fetched, and all of them must be used in order. */
  replay?: readonly HttpExchange[] | undefined
}

/** How one run ended: with an output. Every other end is an error. */
export type PluginRun = {
  output: JsonObject
  transcript: PluginTranscript
  /** What the guest printed; empty where the run had secrets. */
  stderr: string
  /** Instances started: one, and one more for each request. */
  rounds: number
  /** Milliseconds the guest ran, its instantiation included, over all rounds. */
  guestMilliseconds: number
  /** Milliseconds spent waiting for the network. */
  httpMilliseconds: number
}

/** What {@link createPluginRunner} works with. */
export type PluginRunnerParameters = {
  load: PluginLoader['load']
  limits: PluginLimits
  policy: ReturnType<typeof resolveHttpPolicy>
  transport: HttpTransport
  runners: WorkerPool
  nextJob: () => number
  meters: PluginMeters
  onEvent: (event: PluginEvent) => void
}

/** What a run has done so far. */
type RunState = {
  readonly answers: KeyedAnswer[]
  readonly exchanges: HttpExchange[]
  stderr: string
  rounds: number
  guestMilliseconds: number
  httpMilliseconds: number
}

type RunContext = {
  request: PluginRunRequest
  wasmHash: Hex
  secret: boolean
  state: RunState
  options: IoOptions
}

/** Creates the function that runs a plugin to its end. */
export function createPluginRunner(
  parameters: PluginRunnerParameters,
): (request: PluginRunRequest, options?: IoOptions) => Promise<PluginRun> {
  const { meters, onEvent } = parameters
  return async (request, options = {}) => {
    const wasmHash = normalizeHash(request.wasmHash)
    const secret = request.secrets !== undefined
    const state: RunState = {
      answers: [],
      exchanges: [],
      stderr: '',
      rounds: 0,
      guestMilliseconds: 0,
      httpMilliseconds: 0,
    }
    const context: RunContext = { request, wasmHash, secret, state, options }
    let code = 'ok'
    try {
      return await runToEnd(parameters, context)
    } catch (error) {
      code = (error as { code?: string } | null)?.code ?? 'UNKNOWN'
      throw attach(secret ? withoutDetails(error) : error, {
        wasmHash,
        policyDataTemplateId: request.policyDataTemplateId,
        policyDataInstanceId: request.policyDataInstanceId,
        transcript: transcriptOf(context),
        ...(secret ? {} : { stderr: state.stderr }),
      })
    } finally {
      meters.runs.inc({ result: code })
      onEvent({
        type: 'plugin.ran',
        wasmHash,
        rounds: state.rounds,
        guestMs: state.guestMilliseconds,
        code,
      })
    }
  }
}

function transcriptOf({ request, wasmHash, state, secret }: RunContext): PluginTranscript {
  return buildTranscript({ ...request, wasmHash }, state.exchanges, secret)
}

async function runToEnd(
  parameters: PluginRunnerParameters,
  context: RunContext,
): Promise<PluginRun> {
  const { request, wasmHash, secret, state, options } = context
  const seed = concat(
    fixedFromHex(request.taskId, 32, 'taskId'),
    fixedFromHex(request.policyDataInstanceId, 32, 'policyDataInstanceId'),
  )
  const { compiled, world } = await parameters.load({ ...request, wasmHash }, options)
  if (secret && !world.secrets) {
    throw new PluginComponentError(
      'its template has a secrets schema, but it does not import newton:provider/secrets',
    )
  }
  const replaying = request.replay !== undefined
  if (request.replay !== undefined) seedReplay(request.replay, state.answers, state.exchanges)
  for (;;) {
    state.rounds++
    const reply = await runRound(parameters, context, { compiled, seed })
    state.guestMilliseconds += reply.milliseconds
    state.stderr = secret ? '' : reply.stderr
    if (reply.status === 'ok') return finish(context, reply)
    if (reply.status !== 'request') throw toError(reply, { secret, replaying })
    if (replaying) {
      throw new PluginReplayError('the plugin asks for a request that the transcript does not hold')
    }
    await answerRequest(parameters, context, reply)
  }
}

async function runRound(
  { limits, policy, runners, nextJob }: PluginRunnerParameters,
  { request, wasmHash, state, options }: RunContext,
  { compiled, seed }: { compiled: CompiledPlugin; seed: Uint8Array },
): Promise<RunReply> {
  const left = limits.time - state.guestMilliseconds
  if (left <= 0) throw new PluginLimitError('time', `it ran longer than ${limits.time} ms`)
  try {
    return await runners.run<RunReply>(
      (worker): RunJob => ({
        id: nextJob(),
        key: wasmHash,
        ...assignPlugin(worker, wasmHash, compiled),
        input: request.input,
        secrets: request.secrets,
        answers: state.answers,
        wallClockSeconds: request.blockTimestamp,
        seed,
        limits: {
          outputBytes: limits.outputBytes,
          requests: policy.maxRequests,
          stderrBytes: limits.stderrBytes,
          randomBytes: limits.randomBytes,
          memoryBytes: limits.memoryBytes,
        },
      }),
      { operation: 'Running a plugin', timeout: left, signal: options.signal },
    )
  } catch (error) {
    throw asTimeLimit(error, `it ran longer than ${limits.time} ms`)
  }
}

/** Performs the request a round ended with and keeps the answer for the next one. */
async function answerRequest(
  { policy, transport }: PluginRunnerParameters,
  { state, options }: RunContext,
  { request, identity }: Extract<RunReply, { status: 'request' }>,
): Promise<void> {
  const waited = performance.now()
  const answer = await performRequest(request, policy, { transport, signal: options.signal })
  state.httpMilliseconds += performance.now() - waited
  state.answers.push({ request: identity, answer })
  state.exchanges.push(toExchange(request, answer))
}

function finish(context: RunContext, reply: Extract<RunReply, { status: 'ok' }>): PluginRun {
  const { request, state } = context
  if (request.replay !== undefined && reply.used !== request.replay.length) {
    throw new PluginReplayError(
      `${reply.used} of ${request.replay.length} exchanges were asked for`,
    )
  }
  const output = parseOutput(reply.output)
  return {
    output,
    transcript: transcriptOf(context),
    stderr: state.stderr,
    rounds: state.rounds,
    guestMilliseconds: state.guestMilliseconds,
    httpMilliseconds: state.httpMilliseconds,
  }
}

function parseOutput(text: string): JsonObject {
  let value: Json
  try {
    value = parseJson(text)
    canonicalJson(value)
  } catch (cause) {
    throw new PluginOutputError('it is not JSON that has one canonical form', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PluginOutputError('it is not a JSON object')
  }
  return value as JsonObject
}

/** Plugins that one worker keeps. */
const PLUGINS_PER_WORKER = 16

function assignPlugin(worker: PooledWorker, key: string, plugin: CompiledPlugin): Partial<RunJob> {
  if (worker.loaded.delete(key)) {
    worker.loaded.add(key)
    return {}
  }
  const drop: string[] = []
  for (const oldest of worker.loaded) {
    if (worker.loaded.size < PLUGINS_PER_WORKER) break
    worker.loaded.delete(oldest)
    drop.push(oldest)
  }
  worker.loaded.add(key)
  worker.loads++
  return { plugin, drop }
}
