/**
 * Answers calls: a fetch handler's inside, without a socket. A call is authenticated by its header,
 * rated, and only then read and worked on; whatever happens, there is an answer with a code, and never a
 * stack.
 */
import type { Address } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import { createSignerRecovery } from '../../core/ethereum/knownKeys.js'
import { isPolicySdkError } from '../../errors/base.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertFunctions, assertMembers } from '../../internal/options.js'
import {
  type CallHeader,
  computeParamsDigest,
  MAX_CALL_SECONDS,
  type RpcDomain,
  readCallHeader,
  recoverCaller,
} from './auth.js'
import {
  type BodySource,
  type RpcAnswer,
  refuse,
  takeRequest,
  toRefusal,
  withoutStop,
  writeRefusal,
} from './envelope.js'
import type { OperatorRpcError } from './errors.js'
import type { RpcFault } from './faults.js'
import { createMeter, type RpcLimits, resolveLimits } from './limits.js'
import {
  isOperatorMethod,
  type OperatorMethod,
  type OperatorMethods,
  operatorMethods,
} from './methods.js'

/** Most bytes of a body that anybody may send who signs it. */
const GUEST_BYTES = 4_096

/** Parameters of a method. */
export type MethodParams<name extends OperatorMethod> = ReturnType<
  OperatorMethods[name]['readParams']
>
/** Result of a method. */
export type MethodResult<name extends OperatorMethod> = ReturnType<
  OperatorMethods[name]['readResult']
>

/** Who calls, and until when the answer is waited for. */
export type RpcContext = { caller: Address; signal: AbortSignal }

/** What answers each method; one that is left out is not offered. */
export type OperatorHandlers = {
  [name in OperatorMethod]?: (
    params: MethodParams<name>,
    context: RpcContext,
  ) => Promise<MethodResult<name>>
}

/** One call as it came in. */
export type RpcRequest = {
  /** Its bytes, or what reads them: nothing of a stranger's is read. */
  body: Uint8Array | BodySource
  authorization: string | null | undefined
  /** Of the connection that it came over, where it is known. */
  address?: string | undefined
  signal?: AbortSignal | undefined
}

/** What a server tells its owner. */
export type RpcEvent = {
  type: 'rpc.call'
  method: string
  outcome: 'ok' | RpcFault
  milliseconds: number
  caller: Address | undefined
  /** What was thrown, where the outcome is `INTERNAL`. */
  error?: unknown
}

/** Parameters of {@link createOperatorRpc}. */
export type OperatorRpcParameters = RpcDomain & {
  /** The operator that is called: calls to another one are refused. */
  operator: Address
  handlers: OperatorHandlers
  /**
   * Whether a caller may call a method. Asked after the caller was recovered from the signature; its
   * address is in lower case, which that of a viem account is not.
   *
   * A `guest` may be anybody, so nothing is kept for one: all guests share the budget of one caller,
   * and a repeated call is answered again. For methods that change nothing.
   */
  allow: (call: {
    caller: Address
    method: OperatorMethod
  }) => boolean | 'guest' | Promise<boolean | 'guest'>
  limits?: RpcLimits | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
  onEvent?: ((event: RpcEvent) => void) | undefined
}

/** Answers calls. */
export type OperatorRpc = {
  /** Never throws. */
  handle(request: RpcRequest): Promise<RpcAnswer>
  readonly limits: ReturnType<typeof resolveLimits>
}

/**
 * Creates the server side of the operator RPC.
 *
 * @throws {InvalidInputError} for limits that are none, and what is missing.
 * @example
 * ```ts
 * import { createOperatorRpc } from '@newton/policy-sdk/operator'
 *
 * const rpc = createOperatorRpc({
 *   operator,
 *   chainId: 1n,
 *   policyRegistry,
 *   handlers: { newt_getOutputs: async ({ taskId, hash }) => outputs.get(taskId, hash) },
 *   allow: ({ caller }) => caller === gateway.toLowerCase(),
 * })
 * const { status, body } = await rpc.handle({ body: bytes, authorization: header })
 * ```
 */
export function createOperatorRpc(parameters: OperatorRpcParameters): OperatorRpc {
  assertMembers('parameters', parameters, ['operator', 'chainId', 'policyRegistry', 'handlers'])
  assertFunctions('parameters', parameters, ['allow'])
  const { handlers, onEvent } = parameters
  const now = parameters.now ?? Date.now
  const limits = resolveLimits(parameters.limits)
  const meter = createMeter(limits, now)
  const recovery = createSignerRecovery()

  const authenticate = async (
    method: OperatorMethod,
    header: CallHeader,
  ): Promise<{ caller: Address; account: string; most: number; remember: () => void }> => {
    const { operator, chainId, policyRegistry } = parameters
    const caller = recoverCaller({ operator, ...header }, { chainId, policyRegistry }, recovery)
    const allowed = caller !== undefined && (await parameters.allow({ caller, method }))
    if (caller !== undefined && allowed === 'guest') {
      const most = Math.min(GUEST_BYTES, limits.bodyBytes)
      return { caller, account: 'guests', most, remember: () => undefined }
    }
    if (allowed !== true || caller === undefined) {
      throw refuse('UNAUTHENTICATED', 'the caller is not one that this operator lists')
    }
    // Nobody else costs a table.
    recovery.keep(caller)
    const { nonce, expiresAt, paramsHash } = header
    const content = `${method} ${paramsHash}`
    const remember = (): void => {
      if (meter.remember({ caller, nonce, content, expiresAt }) === 'other content') {
        throw refuse('CALL_REPLAYED', 'its nonce was used for another call')
      }
    }
    return { caller, account: caller, most: limits.bodyBytes, remember }
  }

  return {
    limits,
    async handle({ body, authorization, signal }) {
      const started = now()
      const seen: { id: string | null; method: string; caller: Address | undefined } = {
        id: null,
        method: '',
        caller: undefined,
      }
      const leave: (() => void)[] = []
      try {
        leave.push(meter.enter())
        const header = checkHeader(authorization, now())
        const { method } = header
        if (!isOperatorMethod(method)) throw notFound()
        seen.method = method
        const { caller, account, most, remember } = await authenticate(method, header)
        seen.caller = caller
        leave.push(meter.admit(account))
        // Only what is let through: one who calls too often would fill what all have places in.
        remember()
        const { id, params, ...named } = await takeRequest(body, { most, hold: meter.hold })
        seen.id = id
        if (named.method !== method || computeParamsDigest(params) !== header.paramsHash) {
          throw refuse('UNAUTHENTICATED', 'the body is not the call that was signed')
        }
        if (handlers[method] === undefined) throw notFound()
        const result = await run({ method, params, handlers, caller, signal, limits })
        onEvent?.({ type: 'rpc.call', ...told(seen), outcome: 'ok', milliseconds: now() - started })
        return { status: 200, body: JSON.stringify({ jsonrpc: '2.0', id: seen.id, result }) }
      } catch (error) {
        const refused = toRefusal(error)
        onEvent?.({
          type: 'rpc.call',
          ...told(seen),
          outcome: refused.fault,
          milliseconds: now() - started,
          ...(refused.fault === 'INTERNAL' ? { error } : {}),
        })
        return writeRefusal(seen.id, refused)
      } finally {
        for (const give of leave) give()
      }
    },
  }
}

const notFound = (): OperatorRpcError =>
  refuse('METHOD_NOT_FOUND', 'this operator has no such method')

function told(seen: { method: string; caller: Address | undefined }): {
  method: string
  caller: Address | undefined
} {
  return { method: seen.method, caller: seen.caller }
}

async function run(parameters: {
  method: OperatorMethod
  params: Json
  handlers: OperatorHandlers
  caller: Address
  signal: AbortSignal | undefined
  limits: ReturnType<typeof resolveLimits>
}): Promise<Json> {
  const { method, params, handlers, caller, signal, limits } = parameters
  const codec = operatorMethods[method]
  let read: unknown
  try {
    read = codec.readParams(params)
  } catch (error) {
    const detail = isPolicySdkError(error) ? error.shortMessage : 'the parameters are malformed'
    throw refuse('INVALID_PARAMS', withoutStop(detail), { cause: error })
  }
  const handler = handlers[method] as (params: unknown, context: RpcContext) => Promise<never>
  const result = await withDeadline(method, { signal, timeout: limits.timeout }, (inner) =>
    handler(read, { caller, signal: inner }),
  )
  return codec.writeResult(result)
}

function checkHeader(authorization: string | null | undefined, now: number): CallHeader {
  const header = readCallHeader(authorization)
  if (header === undefined) {
    throw refuse(
      'UNAUTHENTICATED',
      'expected authorization: OperatorRpcCall <signature>.<nonce>.<expiresAt>.<method>.<paramsHash>',
    )
  }
  const seconds = Number(header.expiresAt) - now / 1_000
  if (seconds <= 0) throw refuse('CALL_EXPIRED', 'its time is over')
  if (seconds > MAX_CALL_SECONDS) {
    throw refuse('CALL_EXPIRED', `it may be valid for at most ${MAX_CALL_SECONDS} s`)
  }
  return header
}
