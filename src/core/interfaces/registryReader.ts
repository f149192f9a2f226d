import type { Address, Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'

/** A policy template as a registry holds it. */
export type PolicyTemplateRow = {
  regoHash: Hex
  paramsSchemaHash: Hex
  policyDataTemplateRefs: readonly Hex[]
  /** First sender of the registration. Record-keeping only. */
  author: Address
  /** Block of the registration. */
  registeredAt: bigint
}

/** A policy-data template as a registry holds it. */
export type PolicyDataTemplateRow = {
  wasmHash: Hex
  paramsSchemaHash: Hex
  secretsSchemaHash: Hex
  author: Address
  registeredAt: bigint
}

/** An instance, of either kind, as a registry holds it, with its params. */
export type InstanceRow = {
  templateId: Hex
  client: Address
  expireAfter: bigint
  /** Block of the deployment. */
  deployedAt: bigint
  paramsHash: Hex
  /** The params' bytes, `0x` for none. */
  params: Hex
}

/** What identifies a block, with its timestamp in seconds. */
export type BlockReference = { number: bigint; hash: Hex; timestamp: bigint }

/** One data template of a policy and the client's slot for it, all at one block. */
export type PolicyDataSnapshot = {
  /** The ref of the policy template: a policy-data template id. */
  templateId: Hex
  /** `null` where the template is not registered. */
  template: PolicyDataTemplateRow | null
  /** The slot's value at the end of the block, `null` where the slot is empty. */
  instanceId: Hex | null
  instance: InstanceRow | null
}

/**
 * Everything one evaluation needs from the chain, read at one block and consistent by
 * construction: nothing later re-reads.
 */
export type RegistrySnapshot = {
  chainId: bigint
  policyRegistry: Address
  policyDataRegistry: Address
  client: Address
  block: BlockReference
  /** The client's policy slot at the end of the block, `null` where it is empty. */
  policyInstanceId: Hex | null
  policyInstance: InstanceRow | null
  policyTemplate: PolicyTemplateRow | null
  /** In the order of the template's refs. */
  data: readonly PolicyDataSnapshot[]
  /** `PolicyRegistry.enclaveRequiredAt(block)`. */
  enclaveRequired: boolean
}

/**
 * Reads the registries of one chain. A missing row is `null`; an RPC that fails or answers
 * inconsistently is an error, never `null`.
 */
export interface RegistryReader {
  readonly chainId: bigint
  readonly policyRegistry: Address
  readonly policyDataRegistry: Address
  getPolicyTemplate(id: Hex, options?: IoOptions): Promise<PolicyTemplateRow | null>
  getPolicyDataTemplate(id: Hex, options?: IoOptions): Promise<PolicyDataTemplateRow | null>
  getPolicyInstance(id: Hex, options?: IoOptions): Promise<InstanceRow | null>
  getPolicyDataInstance(id: Hex, options?: IoOptions): Promise<InstanceRow | null>
  /** The client's policy slot at the end of `block`; `null` where empty. */
  currentPolicyInstanceAt(
    parameters: { client: Address; block: bigint },
    options?: IoOptions,
  ): Promise<Hex | null>
  /** The client's slot of one data template at the end of `block`; `null` where empty. */
  currentPolicyDataInstanceAt(
    parameters: { client: Address; templateId: Hex; block: bigint },
    options?: IoOptions,
  ): Promise<Hex | null>
  enclaveRequiredAt(block: bigint, options?: IoOptions): Promise<boolean>
  /** Whether a measurement, `keccak256(PCR0)`, was whitelisted at `block`. */
  isEnclaveWhitelistedAt(
    parameters: { pcr0Commitment: Hex; block: bigint },
    options?: IoOptions,
  ): Promise<boolean>
  /** The canonical block of that number, `null` where it is not mined yet. */
  getBlock(number: bigint, options?: IoOptions): Promise<BlockReference | null>
  /** The newest block. */
  getLatestBlock(options?: IoOptions): Promise<BlockReference>
  /** Whether `client` is registered and active, with its owner. */
  getClient(
    client: Address,
    options?: IoOptions,
  ): Promise<{ owner: Address; active: boolean } | null>
  /** Everything an evaluation for `client` at `block` needs, in one consistent read. */
  snapshot(
    parameters: { client: Address; block: bigint },
    options?: IoOptions,
  ): Promise<RegistrySnapshot>
}
