/** Errors of the gateway client: one class for each kind the gateway documents, and a few it does not. */
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

type RpcDetails = {
  method: string
  /** JSON-RPC code, where the gateway gave one. */
  rpcCode?: number | undefined
  /** What the gateway said, with the API key taken out. */
  reason: string
}

/** Options of errors that a gateway's answer leads to. */
type GatewayErrorOptions = BaseErrorOptions

/** The API key is missing, unknown, or lacks the permission or the ownership for this call. */
export class GatewayAuthError extends BaseError {
  override readonly name = 'GatewayAuthError'
  override readonly code = 'GATEWAY_AUTH'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The gateway refused ${method}: ${reason}.`, {
      metaMessages: [
        'Check the API key, its permission, and that it belongs to the client’s owner.',
      ],
      ...options,
    })
  }
}

/** Too many requests. `retryAfter` is what the gateway asked for, in milliseconds. */
export class GatewayRateLimitError extends BaseError {
  override readonly name = 'GatewayRateLimitError'
  override readonly code = 'GATEWAY_RATE_LIMIT'
  readonly retryAfter: number | undefined

  constructor(
    { method, retryAfter }: { method: string; retryAfter: number | undefined },
    options: GatewayErrorOptions = {},
  ) {
    super(`The gateway limits the rate of ${method}.`, { retryable: true, ...options })
    this.retryAfter = retryAfter
  }
}

/** The gateway or its operators cannot be reached, or failed on their side. */
export class GatewayUnavailableError extends BaseError {
  override readonly name = 'GatewayUnavailableError'
  override readonly code = 'GATEWAY_UNAVAILABLE'
  readonly status: number | undefined

  constructor(
    { method, reason, status }: RpcDetails & { status?: number | undefined },
    options: GatewayErrorOptions = {},
  ) {
    super(`The gateway could not serve ${method}: ${reason}.`, {
      retryable: true,
      metaMessages: [
        'Whether a task was created is not known: look for it before sending it again.',
      ],
      ...options,
    })
    this.status = status
  }
}

/** The request is not one the gateway takes: JSON-RPC codes -32700, -32600 to -32602, HTTP 404, 422. */
export class GatewayRequestError extends BaseError {
  override readonly name = 'GatewayRequestError'
  override readonly code = 'GATEWAY_REQUEST'
  readonly rpcCode: number | undefined

  constructor({ method, reason, rpcCode }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The gateway does not take this ${method}: ${reason}.`, options)
    this.rpcCode = rpcCode
  }
}

/** The answer is not what the protocol says: not JSON-RPC, another id, or fields that are missing. */
export class GatewayResponseError extends BaseError {
  override readonly name = 'GatewayResponseError'
  override readonly code = 'GATEWAY_RESPONSE'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The gateway's answer to ${method} cannot be used: ${reason}.`, {
      metaMessages: ['Check that the URL is that of the JSON-RPC endpoint, ending in /rpc.'],
      ...options,
    })
  }
}

/** An error code that this client does not know. `rpcCode` and `data` are the gateway's. */
export class GatewayRpcError extends BaseError {
  override readonly name = 'GatewayRpcError'
  override readonly code = 'GATEWAY_RPC'
  readonly rpcCode: number | undefined

  constructor({ method, reason, rpcCode }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(
      `The gateway failed ${method} with code ${rpcCode ?? 'none'}: ${reason.replace(/\.$/, '')}.`,
      options,
    )
    this.rpcCode = rpcCode
  }
}

/** The policy could not be evaluated (-32615). No decision: not a deny, and never an allow. */
export class GatewayPolicyEvaluationError extends BaseError {
  override readonly name = 'GatewayPolicyEvaluationError'
  override readonly code = 'GATEWAY_POLICY_EVALUATION'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The policy could not be evaluated (${method}): ${reason}.`, {
      metaMessages: ['Check that data.wasm and data.params hold what the policy reads.'],
      ...options,
    })
  }
}

/** A contract call of the gateway failed (-32616). */
export class GatewayContractError extends BaseError {
  override readonly name = 'GatewayContractError'
  override readonly code = 'GATEWAY_CONTRACT'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`A contract call of the gateway failed (${method}): ${reason}.`, {
      metaMessages: ['Check that the addresses are of this chain.'],
      ...options,
    })
  }
}

/** The operator that was asked is not registered (-32617). */
export class GatewayOperatorNotRegisteredError extends BaseError {
  override readonly name = 'GatewayOperatorNotRegisteredError'
  override readonly code = 'GATEWAY_OPERATOR_NOT_REGISTERED'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The operator is not registered (${method}): ${reason}.`, options)
  }
}

/** The policy's version does not fit the protocol's (-32618). */
export class GatewayPolicyVersionError extends BaseError {
  override readonly name = 'GatewayPolicyVersionError'
  override readonly code = 'GATEWAY_POLICY_VERSION'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The policy's version is not compatible (${method}): ${reason}.`, options)
  }
}

/** The policy data's version does not fit the protocol's (-32619). */
export class GatewayPolicyDataVersionError extends BaseError {
  override readonly name = 'GatewayPolicyDataVersionError'
  override readonly code = 'GATEWAY_POLICY_DATA_VERSION'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`The policy data's version is not compatible (${method}): ${reason}.`, options)
  }
}

/** A data provider failed (-32620): the plugin, its secrets or what it fetched. */
export class GatewayDataProviderError extends BaseError {
  override readonly name = 'GatewayDataProviderError'
  override readonly code = 'GATEWAY_DATA_PROVIDER'

  constructor({ method, reason }: RpcDetails, options: GatewayErrorOptions = {}) {
    super(`A data provider failed (${method}): ${reason}.`, {
      metaMessages: ['Check the plugin, its secrets and wasm_args.'],
      ...options,
    })
  }
}

/** What one operator said about a task that reached no quorum. */
export type OperatorFailure = { message: string; retryable: boolean | undefined }

/** A task ended without a decision: it failed or ran out of time. */
export class GatewayTaskError extends BaseError {
  override readonly name = 'GatewayTaskError'
  override readonly code = 'GATEWAY_TASK'
  readonly taskId: string | undefined
  readonly operatorErrors: readonly OperatorFailure[]

  constructor(
    parameters: {
      status: string
      reason: string
      taskId: string | undefined
      operatorErrors?: readonly OperatorFailure[] | undefined
    },
    options: GatewayErrorOptions = {},
  ) {
    const { status, reason, taskId, operatorErrors = [] } = parameters
    super(`Task ${taskId ?? ''} ended as ${status}: ${reason}.`, {
      metaMessages: ['There is no decision: treat it as not allowed.'],
      retryable: operatorErrors.length > 0 && operatorErrors.every((one) => one.retryable === true),
      ...options,
    })
    this.taskId = taskId
    this.operatorErrors = operatorErrors
  }
}

/** A subscription ended for good: refused, or not to be reached after its last try. */
export class GatewaySubscriptionError extends BaseError {
  override readonly name = 'GatewaySubscriptionError'
  override readonly code = 'GATEWAY_SUBSCRIPTION'

  constructor(
    { topic, reason }: { topic: string; reason: string },
    options: GatewayErrorOptions = {},
  ) {
    super(`The subscription to ${topic} ended: ${reason}.`, {
      retryable: true,
      metaMessages: ['Updates may have been missed: read the task from the chain.'],
      ...options,
    })
  }
}

/** Makes the error of a JSON-RPC code the gateway documents. Internal to this folder. */
export function errorOfRpcCode(details: RpcDetails, options: GatewayErrorOptions = {}): BaseError {
  const { rpcCode, reason } = details
  // The gateway's pages disagree on -32615 and -32617; its words on keys and permissions decide.
  if (/api key|permission|unauthori[sz]ed|authorization failed|owned by/i.test(reason)) {
    return new GatewayAuthError(details, options)
  }
  if (/no operators available/i.test(reason)) return new GatewayUnavailableError(details, options)
  switch (rpcCode) {
    case -32002:
      return new GatewayAuthError(details, options)
    case -32700:
    case -32600:
    case -32601:
    case -32602:
      return new GatewayRequestError(details, options)
    case -32603:
      return new GatewayUnavailableError(details, options)
    case -32615:
      return new GatewayPolicyEvaluationError(details, options)
    case -32616:
      return new GatewayContractError(details, options)
    case -32617:
      return new GatewayOperatorNotRegisteredError(details, options)
    case -32618:
      return new GatewayPolicyVersionError(details, options)
    case -32619:
      return new GatewayPolicyDataVersionError(details, options)
    case -32620:
      return new GatewayDataProviderError(details, options)
    default:
      return new GatewayRpcError(details, options)
  }
}
