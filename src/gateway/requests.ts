/** Parameters of the gateway's methods, and how they are written on the wire. */
import type { Address, Hex } from 'viem'
import type { Json, JsonObject } from '../core/canonicalJson.js'
import { type IntentInput, toIntent } from '../core/intent.js'
import { assertIntentSignature } from '../core/intentSignature.js'
import { InvalidInputError } from '../errors/common.js'
import { fixedFromHex, fromHex } from '../internal/bytes.js'

/** What a task is created from. */
export type CreateTaskParameters = {
  policyClient: Address
  /** Integers as bigints, numbers or hex. */
  intent: IntentInput
  /** EIP-712 over the exact intent. Left out where the policy does not read it. */
  intentSignature?: Hex | undefined
  quorumNumber?: Hex | undefined
  /** 1 to 100. */
  quorumThresholdPercentage?: number | undefined
  /** UTF-8 JSON as hex. */
  wasmArgs?: Hex | undefined
  /** Seconds the gateway waits for operators. */
  taskTimeout?: number | undefined
  identityDomain?: Hex | undefined
  encryptedDataRefs?: readonly string[] | undefined
  userSignature?: string | undefined
  appSignature?: string | undefined
  userPublicKey?: string | undefined
  appPublicKey?: string | undefined
  /** CID of a TLSNotary presentation. */
  proofCid?: string | undefined
  includeValidateCalldata?: boolean | undefined
}

/**
 * Parameters of `newt_sendTask`: the gateway takes no identity domain there, and gives no calldata to
 * validate.
 */
export type SendTaskParameters = Omit<
  CreateTaskParameters,
  'identityDomain' | 'includeValidateCalldata'
>

/** One data source of a simulation. */
export type SimulatedPolicyData = { policyDataAddress: Address; wasmArgs?: Hex | undefined }

/** Parameters of `newt_simulatePolicy`. */
export type SimulatePolicyParameters = {
  policyClient: Address
  /** Rego source. */
  policy: string
  intent: IntentInput
  entrypoint?: string | undefined
  policyData: readonly SimulatedPolicyData[]
  policyParams?: JsonObject | undefined
  intentSignature?: Hex | undefined
}

/** Parameters of `newt_simulateTask`. */
export type SimulateTaskParameters = {
  intent: IntentInput
  policyTaskData: {
    policyId: Hex
    policyAddress: Address
    policy: Hex
    policyData: readonly {
      wasmArgs: Hex
      data: Hex
      policyDataAddress: Address
      expireBlock: number
    }[]
  }
}

/**
 * Parameters of `newt_storeEncryptedSecrets`: for a `PolicyData` contract of the current protocol,
 * or for a policy-data instance, with its owner's signature.
 */
export type StoreSecretsParameters = {
  policyClient: Address
  chainId: bigint
  /** The envelope's JSON text. */
  envelope: string
} & (
  | { policyDataAddress: Address; policyDataInstanceId?: undefined }
  | {
      policyDataInstanceId: Hex
      policyDataAddress?: undefined
      /** `SecretsUpload`, EIP-712. */
      ownerSignature: Hex
      sequence: bigint
      /** Unix seconds, as signed. */
      deadline: bigint
    }
)

/** Parameters of `newt_registerWebhook`. */
export type WebhookParameters = {
  /** HTTPS only. */
  url: string
  secret?: string | undefined
  /** @default 10 */
  timeoutSeconds?: number | undefined
  /** @default 3 */
  maxRetries?: number | undefined
  failureTypes?: readonly string[] | undefined
}

/**
 * `newt_sendTask` on the wire.
 *
 * @throws {InvalidInputError} for what only `newt_createTask` takes: left out it would be lost.
 */
export function writeSentTask(parameters: SendTaskParameters): Json {
  for (const member of ['identityDomain', 'includeValidateCalldata'] as const) {
    if ((parameters as CreateTaskParameters)[member] === undefined) continue
    const hint = 'Leave it out, or use createTask.'
    throw new InvalidInputError({ field: member, reason: 'newt_sendTask takes none', hint })
  }
  return writeTask(parameters)
}

/** `newt_createTask` on the wire. */
export function writeTask(parameters: CreateTaskParameters): Json {
  const { quorumThresholdPercentage: threshold, taskTimeout } = parameters
  if (
    threshold !== undefined &&
    (!Number.isInteger(threshold) || threshold < 1 || threshold > 100)
  ) {
    throw new InvalidInputError({ field: 'quorumThresholdPercentage', reason: 'expected 1 to 100' })
  }
  if (taskTimeout !== undefined && !(taskTimeout > 0)) {
    throw new InvalidInputError({ field: 'taskTimeout', reason: 'expected seconds above zero' })
  }
  return present({
    policy_client: writeAddress(parameters.policyClient, 'policyClient'),
    intent: writeIntent(parameters.intent),
    // The gateway takes these three without a prefix.
    intent_signature: writeSignature(parameters.intentSignature)?.slice(2),
    quorum_number: writeBytes(parameters.quorumNumber, 'quorumNumber')?.slice(2),
    quorum_threshold_percentage: threshold,
    wasm_args: writeBytes(parameters.wasmArgs, 'wasmArgs')?.slice(2),
    timeout: taskTimeout,
    direct_broadcast: true,
    identity_domain: writeBytes(parameters.identityDomain, 'identityDomain'),
    encrypted_data_refs: parameters.encryptedDataRefs?.slice(),
    user_signature: parameters.userSignature,
    app_signature: parameters.appSignature,
    user_pubkey: parameters.userPublicKey,
    app_pubkey: parameters.appPublicKey,
    proof_cid: parameters.proofCid,
    include_validate_calldata: parameters.includeValidateCalldata,
  })
}

/** `newt_simulatePolicy` on the wire. */
export function writeSimulatePolicy(parameters: SimulatePolicyParameters): Json {
  return present({
    policy_client: writeAddress(parameters.policyClient, 'policyClient'),
    policy: parameters.policy,
    intent: writeIntent(parameters.intent),
    entrypoint: parameters.entrypoint,
    policy_data: parameters.policyData.map((entry, index) =>
      present({
        policy_data_address: writeAddress(
          entry.policyDataAddress,
          `policyData[${index}].policyDataAddress`,
        ),
        wasm_args: writeBytes(entry.wasmArgs, `policyData[${index}].wasmArgs`),
      }),
    ),
    policy_params: parameters.policyParams ?? {},
    intent_signature: writeSignature(parameters.intentSignature)?.slice(2),
  })
}

/** `newt_simulateTask` on the wire. */
export function writeSimulateTask({ intent, policyTaskData }: SimulateTaskParameters): Json {
  const { policyId, policyAddress, policy, policyData } = policyTaskData
  fixedFromHex(policyId, 32, 'policyTaskData.policyId')
  return {
    intent: writeIntent(intent),
    policy_task_data: {
      policyId,
      policyAddress: writeAddress(policyAddress, 'policyTaskData.policyAddress'),
      policy,
      policyData: policyData.map((entry) => ({ ...entry })),
    },
  }
}

/** `newt_storeEncryptedSecrets` on the wire. */
export function writeStoreSecrets(parameters: StoreSecretsParameters): Json {
  const { policyClient, chainId, envelope } = parameters
  const common = {
    policy_client: writeAddress(policyClient, 'policyClient'),
    envelope,
    chain_id: writeChainId(chainId),
  }
  if (parameters.policyDataAddress !== undefined) {
    const address = writeAddress(parameters.policyDataAddress, 'policyDataAddress')
    return { ...common, policy_data_address: address }
  }
  fixedFromHex(parameters.policyDataInstanceId, 32, 'policyDataInstanceId')
  return {
    ...common,
    policy_data_instance_id: parameters.policyDataInstanceId.toLowerCase(),
    owner_signature: writeBytes(parameters.ownerSignature, 'ownerSignature') ?? '0x',
    sequence: parameters.sequence.toString(),
    deadline: parameters.deadline.toString(),
  }
}

/** `newt_registerWebhook` on the wire. */
export function writeWebhook(parameters: WebhookParameters): Json {
  const { url, secret, timeoutSeconds = 10, maxRetries = 3, failureTypes } = parameters
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new InvalidInputError({ field: 'url', reason: 'expected an HTTPS URL' })
  }
  return present({
    url,
    secret,
    timeout_seconds: timeoutSeconds,
    max_retries: maxRetries,
    failure_types: failureTypes?.slice(),
  })
}

/** An intent on the wire: snake_case, quantities in minimal hex. */
export function writeIntent(input: IntentInput): Json {
  const intent = toIntent(input)
  return {
    from: intent.from,
    to: intent.to,
    value: `0x${intent.value.toString(16)}`,
    data: intent.data,
    chain_id: `0x${intent.chainId.toString(16)}`,
    function_signature: intent.functionSignature,
  }
}

/** A chain id as the JSON number that the gateway takes. */
export function writeChainId(chainId: bigint): number {
  if (typeof chainId !== 'bigint' || chainId < 1n || chainId > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new InvalidInputError({ field: 'chainId', reason: 'expected 1 to 2^53 - 1' })
  }
  return Number(chainId)
}

/** An address on the wire. */
export function writeAddress(address: Address, field: string): Address {
  fixedFromHex(address, 20, field)
  return address
}

/** Bytes on the wire, `undefined` where they are left out. */
export function writeBytes(bytes: Hex | undefined, field: string): Hex | undefined {
  if (bytes !== undefined) fromHex(bytes, field)
  return bytes
}

function writeSignature(signature: Hex | undefined): Hex | undefined {
  if (signature !== undefined) assertIntentSignature(signature)
  return signature
}

function present(value: Record<string, Json | undefined>): JsonObject {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined)
  return Object.fromEntries(entries) as JsonObject
}
