/** Typed client of the gateway: JSON-RPC with ids, timeouts, retries, and reconnecting updates. */
export { createGatewayClient } from './client.js'

export type {
  GatewayClient,
  GatewayOptions,
  GatewayPublicKey,
  SentTask,
  SimulatedData,
  SimulatedPolicy,
  Simulation,
} from './clientTypes.js'
export {
  GatewayAuthError,
  GatewayContractError,
  GatewayDataProviderError,
  GatewayOperatorNotRegisteredError,
  GatewayPolicyDataVersionError,
  GatewayPolicyEvaluationError,
  GatewayPolicyVersionError,
  GatewayRateLimitError,
  GatewayRequestError,
  GatewayResponseError,
  GatewayRpcError,
  GatewaySubscriptionError,
  GatewayTaskError,
  GatewayUnavailableError,
  type OperatorFailure,
} from './errors.js'
export type {
  CreateTaskParameters,
  SendTaskParameters,
  SimulatedPolicyData,
  SimulatePolicyParameters,
  SimulateTaskParameters,
  StoreSecretsParameters,
  WebhookParameters,
} from './requests.js'
export type { GatewayEvent, RetryClass } from './rpc.js'
export type {
  SubscribeParameters,
  SubscriptionEvent,
  TaskUpdate,
  WebSocketFactory,
  WebSocketLike,
} from './subscription.js'
export type { CreatedTask } from './taskResult.js'
export { verifyWebhook } from './webhook.js'
