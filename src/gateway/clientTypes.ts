/** What the gateway client takes and gives. */
import type { Address, Hex } from 'viem'
import type { Json } from '../core/canonicalJson.js'
import type { IoOptions } from '../internal/deadline.js'
import type {
  CreateTaskParameters,
  SendTaskParameters,
  SimulatePolicyParameters,
  SimulateTaskParameters,
  StoreSecretsParameters,
  WebhookParameters,
} from './requests.js'
import type { GatewayEvent, RetryClass } from './rpc.js'
import type { SubscribeParameters, TaskUpdate, WebSocketFactory } from './subscription.js'
import type { CreatedTask } from './taskResult.js'

/** Options of `createGatewayClient`. */
export type GatewayOptions = {
  /** The JSON-RPC endpoint, ending in `/rpc`. HTTPS, except on this machine. */
  url: string
  /** Keep it on a server: whoever has it can store secrets. */
  apiKey?: string | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** Makes a socket. The platform's `WebSocket` by default; Node 20 has none. */
  webSocket?: WebSocketFactory | undefined
  /** WebSocket endpoint. @default `url` with `/ws` in place of its path */
  webSocketUrl?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
  /** Milliseconds for one call, retries included. @default 60_000 */
  timeout?: number | undefined
  /** @default 3 */
  retries?: number | undefined
  /** Milliseconds before the n-th retry. @default 200 doubling to 5,000 */
  retryDelay?: ((attempt: number) => number) | undefined
  /** Makes request ids. @default crypto.randomUUID */
  newId?: (() => string) | undefined
  /** @default 16 MiB */
  maxResponseBytes?: number | undefined
  onEvent?: ((event: GatewayEvent) => void) | undefined
}

/** A task that was sent and is followed by its topic. */
export type SentTask = {
  taskId: Hex
  topic: string
  message: string | undefined
  timestamp: bigint
}

/** A key that the gateway names. Nothing proves whose it is but the enclave's document. */
export type GatewayPublicKey = {
  publicKey: Hex
  keyType: string
  encryptionSuite: string
  /** Number of the key; networks of the current protocol give none. */
  epoch?: bigint | undefined
  /** The document that names the key: see `documentedRecipient`. */
  document?: Hex | undefined
}

/** A simulation's outcome. A failure is no decision. */
export type Simulation<value> =
  | { success: true; value: value }
  | { success: false; error: string; details: Json }

/** What `newt_simulatePolicy` evaluated. `result` is the entrypoint's value, of any type. */
export type SimulatedPolicy = {
  result: Json
  parsedIntent: Json
  policyParamsAndData: Json
  entrypoint: string | undefined
}

/** What a plugin gave. */
export type SimulatedData = { specifier: string | undefined; data: Json; timestamp: bigint }

/** The methods of the gateway. Each takes `signal` and `timeout`. */
export type GatewayClient = {
  /** Calls any method; `read` may be tried again, the others only where nothing was started. */
  request(
    call: { method: string; params: Json; retry?: RetryClass | undefined },
    options?: IoOptions,
  ): Promise<unknown>
  /** Creates a task and waits for its quorum. @throws {GatewayTaskError} where there is no decision. */
  createTask(parameters: CreateTaskParameters, options?: IoOptions): Promise<CreatedTask>
  /**
   * Creates a task without waiting. Follow it with `waitForTask` or on chain.
   *
   * @throws {InvalidInputError} for what only `createTask` takes.
   */
  sendTask(parameters: SendTaskParameters, options?: IoOptions): Promise<SentTask>
  /** Follows a task, over as many connections as it takes. Returns what stops it. */
  subscribe(parameters: SubscribeParameters): () => void
  /** Waits for the update that ends a task. */
  waitForTask(topic: string, options?: IoOptions): Promise<TaskUpdate>
  simulateTask(parameters: SimulateTaskParameters, options?: IoOptions): Promise<Simulation<Json>>
  simulatePolicy(
    parameters: SimulatePolicyParameters,
    options?: IoOptions,
  ): Promise<Simulation<SimulatedPolicy>>
  simulatePolicyData(
    parameters: {
      policyDataAddress: Address
      chainId: bigint
      secrets?: string | undefined
      wasmArgs?: Hex | undefined
    },
    options?: IoOptions,
  ): Promise<Simulation<SimulatedData>>
  simulatePolicyDataWithClient(
    parameters: { policyDataAddress: Address; policyClient: Address; wasmArgs?: Hex | undefined },
    options?: IoOptions,
  ): Promise<Simulation<SimulatedData>>
  /** The threshold key. Secrets must not be sealed to it. */
  getPrivacyPublicKey(options?: IoOptions): Promise<GatewayPublicKey>
  getSecretsPublicKey(options?: IoOptions): Promise<GatewayPublicKey>
  storeEncryptedSecrets(
    parameters: StoreSecretsParameters,
    options?: IoOptions,
  ): Promise<Simulation<{ schema: Json }>>
  uploadIdentityEncrypted(
    parameters: {
      identityOwner: Address
      identityOwnerSignature: Hex
      envelope: string
      identityDomain: Hex
      chainId: bigint
    },
    options?: IoOptions,
  ): Promise<{ dataRefId: string; gatewaySignature: string; deadline: bigint }>
  getIdentityEncrypted(
    parameters: { dataRefId: string },
    options?: IoOptions,
  ): Promise<{ envelope: string; identityDomain: string; identityOwner: string }>
  uploadConfidentialData(
    parameters: { provider: Address; domain: Hex; envelope: string; chainId: bigint },
    options?: IoOptions,
  ): Promise<{ dataRefId: string }>
  getConfidentialData(
    parameters: { dataRefId: string },
    options?: IoOptions,
  ): Promise<{ envelope: string; domain: string; provider: string }>
  registerWebhook(
    parameters: WebhookParameters,
    options?: IoOptions,
  ): Promise<{ success: boolean; message: string | undefined }>
  unregisterWebhook(options?: IoOptions): Promise<{ success: boolean; message: string | undefined }>
}
