/**
 * A gateway's calls: JSON-RPC 2.0 as operators speak it, with bearer keys. A call is authenticated by
 * its header, rated, and only then read and worked on; whatever happens, there is an answer with a code.
 */
import type { Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import {
  type RpcAnswer,
  type RpcCall,
  refuse,
  takeRequest,
  toRefusal,
  withoutStop,
  writeRefusal,
} from '../rpc/envelope.js'
import { readMembers, readWord } from '../rpc/fields.js'
import { createMeter, type RpcLimits, resolveLimits } from '../rpc/limits.js'
import type { RpcRequest } from '../rpc/server.js'
import type { GatewayEvent } from './events.js'
import type { WebhookHandlers, WebhookMethod } from './hooks/registering.js'
import type { Identify } from './live/identifying.js'
import type { SecretsHandlers, SecretsMethod } from './secrets.js'
import type { StoredTask } from './store/store.js'
import { readTaskRequest, readTaskStatus, type TaskRequest, writeTaskStatus } from './wire.js'

/** Answers a gateway's calls. */
export type GatewayRpc = {
  /** Never throws. */
  handle(request: RpcRequest): Promise<RpcAnswer>
  readonly limits: ReturnType<typeof resolveLimits>
}

/** Names of the methods. */
export type GatewayMethod =
  | 'newt_createTask'
  | 'newt_sendTask'
  | 'newt_getTask'
  | SecretsMethod
  | WebhookMethod

/** Most milliseconds that one call waits for a task. */
const MAX_WAIT = 120_000
/** Milliseconds that a call may take beyond the wait that it asks for. */
const MARGIN = 10_000

type Context = {
  caller: string
  authorization: string | null | undefined
  signal: AbortSignal
}
type Method = (params: Json, context: Context) => Promise<Json>
/** Webhooks are offered where they are sent. */
type Methods = Readonly<
  Record<Exclude<GatewayMethod, WebhookMethod>, Method> & Partial<Record<WebhookMethod, Method>>
>

/** Creates the server side of a gateway's calls. */
export function createGatewayRpc(parameters: {
  identify: Identify
  limits?: RpcLimits | undefined
  now: () => number
  onEvent: (event: GatewayEvent) => void
  secrets: SecretsHandlers
  webhooks?: WebhookHandlers | undefined
  send(request: TaskRequest, from: { caller: string }, options?: IoOptions): Promise<StoredTask>
  status(
    taskId: Hex,
    from: { caller: string; wait?: number | undefined },
    options?: IoOptions,
  ): Promise<JsonObject>
}): GatewayRpc {
  const { identify, now, onEvent } = parameters
  const limits = resolveLimits({
    ...{ concurrent: 256, concurrentInAll: 1_024, timeout: MAX_WAIT + MARGIN },
    ...parameters.limits,
  })
  const meter = createMeter(limits, now, 'gateway')
  const methods: Methods = {
    ...taskMethods(parameters),
    ...readBefore(parameters.secrets),
    ...(parameters.webhooks === undefined ? {} : readBefore(parameters.webhooks)),
  }
  const answer = async (
    request: RpcRequest,
    seen: { id: string | null; method: string; caller: string | undefined },
    leave: (() => void)[],
  ): Promise<Json> => {
    const caller = await identify(request.authorization, request.address)
    if (caller === undefined) {
      throw refuse('UNAUTHENTICATED', 'expected authorization: Bearer <key>', { by: 'gateway' })
    }
    seen.caller = caller
    leave.push(meter.admit(caller))
    const bounds = { most: limits.bodyBytes, hold: meter.hold, by: 'gateway' } as const
    const call = await takeRequest(request.body, bounds)
    seen.id = call.id
    if (!Object.hasOwn(methods, call.method)) {
      throw refuse('METHOD_NOT_FOUND', 'this gateway has no such method', { by: 'gateway' })
    }
    seen.method = call.method
    return withDeadline(
      call.method,
      { signal: request.signal, timeout: limits.timeout },
      (signal) => work(methods, call, { caller, signal, authorization: request.authorization }),
    )
  }
  return {
    limits,
    async handle(request) {
      const started = now()
      const seen = {
        id: null as string | null,
        method: '',
        caller: undefined as string | undefined,
      }
      const leave: (() => void)[] = []
      const tell = (told: Pick<GatewayEvent & { type: 'gateway.call' }, 'outcome' | 'error'>) =>
        onEvent({
          type: 'gateway.call',
          ...{ method: seen.method, caller: seen.caller, milliseconds: now() - started },
          ...told,
        })
      try {
        leave.push(meter.enter())
        const result = await answer(request, seen, leave)
        tell({ outcome: 'ok' })
        return { status: 200, body: JSON.stringify({ jsonrpc: '2.0', id: seen.id, result }) }
      } catch (error) {
        const refused = toRefusal(error, 'gateway')
        tell({ outcome: refused.fault, ...(refused.fault === 'INTERNAL' ? { error } : {}) })
        return writeRefusal(seen.id, refused)
      } finally {
        for (const give of leave) give()
      }
    },
  }
}

function work(methods: Methods, { method, params }: RpcCall, context: Context): Promise<Json> {
  return (methods[method as GatewayMethod] as Method)(params, context)
}

function taskMethods(
  parameters: Pick<Parameters<typeof createGatewayRpc>[0], 'send' | 'status' | 'now'>,
): Omit<Methods, SecretsMethod | WebhookMethod> {
  const { send, status, now } = parameters
  return {
    newt_createTask: async (params, { caller, signal }) => {
      const request = read(() => readTaskRequest(params))
      const { taskId, deadline } = await send(request, { caller }, { signal })
      // A little longer than the task: its end is told by the task, not by this call.
      const wait = Math.max(0, deadline - now()) + 5_000
      const outcome = await status(taskId, { caller, wait }, { signal })
      const { failure } = readTaskStatus({ ...outcome, answer: undefined })
      if (failure === undefined) return outcome
      throw refuse(failure.fault, failure.detail, { by: 'gateway' })
    },
    newt_sendTask: async (params, { caller, signal }) => {
      const request = read(() => readTaskRequest(params))
      const { taskId, state, failure, createdAt } = await send(request, { caller }, { signal })
      return { ...writeTaskStatus({ taskId, state, failure }), timestamp: createdAt }
    },
    newt_getTask: async (params, { caller, signal }) => {
      const { taskId, wait } = read(() => readGetTask(params))
      return status(taskId, { caller, wait }, { signal })
    },
  }
}

/** Parameters that are malformed are refused as such, whoever reads them. */
function readBefore<handlers extends SecretsHandlers | WebhookHandlers>(
  handlers: handlers,
): handlers {
  const wrapped = Object.entries<Method>(handlers as never).map(([name, handler]) => [
    name,
    async (params: Json, context: Context) => {
      try {
        return await handler(params, context)
      } catch (error) {
        if (!(error instanceof InvalidInputError)) throw error
        return read(() => {
          throw error
        })
      }
    },
  ])
  return Object.fromEntries(wrapped) as handlers
}

function readGetTask(params: Json): { taskId: Hex; wait: number } {
  const members = { required: ['task_id'], optional: ['wait'] }
  const { task_id: id, wait = 0 } = readMembers(params, 'params', members)
  if (typeof wait !== 'number' || !(wait >= 0 && wait <= MAX_WAIT / 1_000)) {
    throw new InvalidInputError({ field: 'params.wait', reason: 'expected 0 to 120 seconds' })
  }
  return { taskId: readWord(id, 'params.task_id'), wait: wait * 1_000 }
}

function read<value>(work: () => value): value {
  try {
    return work()
  } catch (cause) {
    const detail = isPolicySdkError(cause) ? cause.shortMessage : 'the parameters are malformed'
    throw refuse('INVALID_PARAMS', withoutStop(detail), { cause, by: 'gateway' })
  }
}
