/** A client's policy as one deployment: its parameters, checked, and what its owner signs. */
import {
  type AbiParameter,
  type Address,
  encodeAbiParameters,
  type Hex,
  keccak256,
  type TypedDataDomain,
} from 'viem'
import * as PolicyDeployer from '../../core/abi/policyDeployerAbi.js'
import { ZERO_HASH } from '../../core/artifact.js'
import type { JsonObject } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { toHex } from '../../internal/bytes.js'
import {
  addressOf,
  type PolicyDataTemplateInput,
  type PolicyTemplateInput,
  type PreparedInstance,
  prepareInstance,
  preparePolicyDataTemplate,
  preparePolicyTemplate,
  wordOf,
} from './inputs.js'

/** An instance, and the slot of the client that it goes into. */
export type SlotInstanceInput = {
  templateId: Hex
  /** A JSON object, or its canonical bytes; nothing for none. */
  params?: JsonObject | Uint8Array | undefined
  /** Blocks a result stays valid. */
  expireAfter: bigint | number
  /**
   * What the slot holds before: an instance, or 32 zero bytes for an empty slot. Where it holds
   * anything else when the transaction is mined, nothing happens. @default what it holds now
   */
  replaces?: Hex | undefined
}

/** A client's policy, whole. */
export type PolicyDeploymentInput = {
  /** The policy client. */
  client: Address
  /** The policy template, registered where it is missing. */
  policyTemplate?: PolicyTemplateInput | undefined
  /** Data templates, registered where they are missing. */
  policyDataTemplates?: readonly PolicyDataTemplateInput[] | undefined
  /** Instances for the client's data slots. Slots that are not named stay as they are. */
  policyDataInstances?: readonly SlotInstanceInput[] | undefined
  /** The instance for the client's policy slot. */
  policyInstance: SlotInstanceInput
}

/** A slot's instance with what the slot holds before. */
export type ReadySlotInstance = SlotInstanceInput & { replaces: Hex }

/** A deployment that says of every slot what it holds before. */
export type ReadyPolicyDeployment = Omit<
  PolicyDeploymentInput,
  'policyDataInstances' | 'policyInstance'
> & {
  policyDataInstances: readonly ReadySlotInstance[]
  policyInstance: ReadySlotInstance
}

/** What a client's owner signed, so that somebody else may send a deployment. */
export type DeploymentAuthorization = {
  /** Who may send it; the zero address is anyone. */
  sponsor: Address
  nonce: bigint
  /** Last second of validity, Unix time. */
  deadline: bigint
  signature: Hex
}

/** What {@link signDeployment} signs, besides the deployment. */
export type DeploymentTerms = Omit<DeploymentAuthorization, 'signature'>

/** An instance in the contract's form, with what its slot holds before. */
export type PreparedSlotInstance = PreparedInstance & { replaces: Hex }

/** A deployment in the contract's form, with its ids. */
export type PreparedDeployment = {
  client: Address
  policyTemplate: { id: Hex; args: readonly unknown[]; input: PolicyTemplateInput } | undefined
  dataTemplates: readonly { id: Hex; args: readonly unknown[]; input: PolicyDataTemplateInput }[]
  dataInstances: readonly PreparedSlotInstance[]
  policyInstance: PreparedSlotInstance
  /** The contract's argument. */
  argument: object
  /** `keccak256(abi.encode(deployment))`. */
  contentHash: Hex
}

const UINT256 = 1n << 256n

const deploymentParameter: readonly AbiParameter[] = PolicyDeployer.contentHash.inputs

/** Checks a deployment and computes its ids for a chain. */
export function prepareDeployment(
  input: ReadyPolicyDeployment,
  { chainId }: { chainId: number },
): PreparedDeployment {
  const client = addressOf(input.client, 'client')
  const policyTemplate =
    input.policyTemplate === undefined
      ? undefined
      : { ...preparePolicyTemplate(input.policyTemplate), input: input.policyTemplate }
  const dataTemplates = (input.policyDataTemplates ?? []).map((template) => ({
    ...preparePolicyDataTemplate(template),
    input: template,
  }))
  const slot = (kind: 'policy' | 'policyData', given: ReadySlotInstance): PreparedSlotInstance => ({
    ...prepareInstance(kind, { input: { ...given, client }, chainId }),
    replaces: wordOf(given.replaces, 'replaces'),
  })
  const dataInstances = input.policyDataInstances.map((given) => slot('policyData', given))
  const policyInstance = slot('policy', input.policyInstance)
  checkSlots(dataInstances)
  if (policyTemplate !== undefined && policyTemplate.id !== policyInstance.templateId) {
    throw new InvalidInputError({
      field: 'policyInstance.templateId',
      reason: `expected the id of \`policyTemplate\`, ${policyTemplate.id}`,
    })
  }
  const argument = {
    client,
    dataTemplates: dataTemplates.map(({ args }) => {
      const [wasmHash, paramsSchemaHash, secretsSchemaHash, locators] = args
      return { wasmHash, paramsSchemaHash, secretsSchemaHash, locators }
    }),
    dataInstances: dataInstances.map(specOf),
    policyTemplates: (policyTemplate === undefined ? [] : [policyTemplate]).map(({ args }) => {
      const [regoHash, paramsSchemaHash, refs, locators] = args
      return { regoHash, paramsSchemaHash, refs, locators }
    }),
    policyInstance: specOf(policyInstance),
  }
  const contentHash = keccak256(encodeAbiParameters(deploymentParameter, [argument]))
  return {
    ...{ client, policyTemplate, dataTemplates, dataInstances, policyInstance },
    ...{ argument, contentHash },
  }
}

function specOf({ templateId, params, expireAfter, replaces }: PreparedSlotInstance): object {
  return { templateId, params: toHex(params), expireAfter, replaces }
}

/** Two instances for one slot contradict each other. */
function checkSlots(instances: readonly PreparedSlotInstance[]): void {
  const seen = new Set<Hex>()
  for (const [index, { templateId }] of instances.entries()) {
    if (seen.has(templateId)) {
      throw new InvalidInputError({
        field: `policyDataInstances[${index}]`,
        reason: `a second instance for the slot of ${templateId}`,
      })
    }
    seen.add(templateId)
  }
}

/** Whether a deployment changes data slots and leaves the policy slot as it is. */
export function movesDataOnly({ dataInstances, policyInstance }: PreparedDeployment): boolean {
  const moved = dataInstances.some(({ id, replaces }) => replaces !== ZERO_HASH && replaces !== id)
  return moved && policyInstance.replaces === policyInstance.id
}

/** Checks the terms of a signature. */
export function prepareTerms(terms: DeploymentTerms): DeploymentTerms {
  const { nonce, deadline } = terms
  return {
    sponsor: addressOf(terms.sponsor, 'sponsor'),
    nonce: uint256(nonce, 'nonce'),
    deadline: uint256(deadline, 'deadline'),
  }
}

/** Checks an authorization. */
export function prepareAuthorization(given: DeploymentAuthorization): DeploymentAuthorization {
  const { signature } = given
  if (typeof signature !== 'string' || !/^0x([0-9a-fA-F]{2}){1,4096}$/.test(signature)) {
    throw new InvalidInputError({ field: 'authorization.signature', reason: 'expected hex bytes' })
  }
  return { ...prepareTerms(given), signature }
}

function uint256(value: bigint, field: string): bigint {
  if (typeof value !== 'bigint' || value < 0n || value >= UINT256) {
    throw new InvalidInputError({ field, reason: 'expected a bigint of at most 256 bits' })
  }
  return value
}

/** The EIP-712 message of a deployment. */
export type DeploymentTypedData = {
  domain: TypedDataDomain
  types: { DeployPolicy: readonly { name: string; type: string }[] }
  primaryType: 'DeployPolicy'
  message: {
    client: Address
    contentHash: Hex
    sponsor: Address
    nonce: bigint
    deadline: bigint
  }
}

/** What the owner signs. */
export function deploymentTypedData(parameters: {
  prepared: PreparedDeployment
  terms: DeploymentTerms
  deployer: Address
  chainId: number
}): DeploymentTypedData {
  const { prepared, terms, deployer, chainId } = parameters
  const { client, contentHash } = prepared
  const { sponsor, nonce, deadline } = terms
  return {
    domain: { name: 'NewtonPolicyDeployer', version: '1', chainId, verifyingContract: deployer },
    types: {
      DeployPolicy: [
        { name: 'client', type: 'address' },
        { name: 'contentHash', type: 'bytes32' },
        { name: 'sponsor', type: 'address' },
        { name: 'nonce', type: 'uint256' },
        { name: 'deadline', type: 'uint256' },
      ],
    },
    primaryType: 'DeployPolicy',
    message: { client, contentHash, sponsor, nonce, deadline },
  }
}
