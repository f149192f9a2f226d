/** Parameters of template and instance actions, checked before anything else. */
import { type Address, getAddress, type Hex, isAddress } from 'viem'
import { artifactHashBytes } from '../../core/artifact.js'
import type { JsonObject } from '../../core/canonicalJson.js'
import {
  assertExpireAfter,
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../core/ids.js'
import { type DaLocator, encodeLocator } from '../../core/locator.js'
import { decodeParams, encodeParams } from '../../core/params.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import type { RegistryKind } from './rows.js'

/** A policy template to register. */
export type PolicyTemplateInput = {
  regoHash: Hex
  /** `ARTIFACT_ABSENT` where the policy takes no params. */
  paramsSchemaHash: Hex
  /** Strictly ascending; `sortRefs` sorts. */
  policyDataTemplateRefs: readonly Hex[]
  /** Where the artifacts can be found. */
  locators?: { rego?: DaLocator | undefined; paramsSchema?: DaLocator | undefined } | undefined
}

/** A policy-data template to register. */
export type PolicyDataTemplateInput = {
  wasmHash: Hex
  paramsSchemaHash: Hex
  secretsSchemaHash: Hex
  locators?:
    | {
        wasm?: DaLocator | undefined
        paramsSchema?: DaLocator | undefined
        secretsSchema?: DaLocator | undefined
      }
    | undefined
}

/** An instance to deploy, of either kind. */
export type InstanceInput = {
  templateId: Hex
  /** The policy client. Not necessarily the sender's. */
  client: Address
  /** A JSON object, or its canonical bytes; nothing for none. */
  params?: JsonObject | Uint8Array | undefined
  /** Blocks a result stays valid. */
  expireAfter: bigint | number
}

/** An instance's parameters in the contract's form, with its ids. */
export type PreparedInstance = {
  templateId: Hex
  client: Address
  params: Uint8Array
  expireAfter: bigint
  paramsHash: Hex
  id: Hex
}

/** Checks an address and gives it its checksum. */
export function addressOf(value: Address, field: string): Address {
  if (typeof value !== 'string' || !isAddress(value, { strict: false })) {
    throw new InvalidInputError({ field, reason: 'expected an address' })
  }
  return getAddress(value)
}

/** Checks a 32-byte hex string and lower-cases it. */
export function wordOf(value: Hex, field: string): Hex {
  return toHex(fixedFromHex(value, 32, field))
}

/** Checks a block number. */
export function blockOf(value: bigint, field: string): bigint {
  if (typeof value === 'bigint' && value >= 0n) return value
  throw new InvalidInputError({ field, reason: 'expected a block number as a bigint, 0 or more' })
}

/** Arguments of `registerTemplate` and `ensureTemplate`, with the id. */
export function preparePolicyTemplate(input: PolicyTemplateInput): {
  id: Hex
  args: readonly unknown[]
} {
  const id = computePolicyTemplateId(input)
  const { locators } = input
  checkAbsent(input.paramsSchemaHash, locators?.paramsSchema, 'locators.paramsSchema')
  return {
    id,
    args: [
      input.regoHash,
      input.paramsSchemaHash,
      input.policyDataTemplateRefs,
      [locatorBytes(locators?.rego), locatorBytes(locators?.paramsSchema)],
    ],
  }
}

/** Arguments of the data registry's `registerTemplate` and `ensureTemplate`, with the id. */
export function preparePolicyDataTemplate(input: PolicyDataTemplateInput): {
  id: Hex
  args: readonly unknown[]
} {
  const id = computePolicyDataTemplateId(input)
  const { locators } = input
  checkAbsent(input.paramsSchemaHash, locators?.paramsSchema, 'locators.paramsSchema')
  checkAbsent(input.secretsSchemaHash, locators?.secretsSchema, 'locators.secretsSchema')
  return {
    id,
    args: [
      input.wasmHash,
      input.paramsSchemaHash,
      input.secretsSchemaHash,
      [
        locatorBytes(locators?.wasm),
        locatorBytes(locators?.paramsSchema),
        locatorBytes(locators?.secretsSchema),
      ],
    ],
  }
}

/** Checks an instance's parameters and computes its ids for a chain. */
export function prepareInstance(
  kind: RegistryKind,
  { input, chainId }: { input: InstanceInput; chainId: number },
): PreparedInstance {
  const templateId = wordOf(input.templateId, 'templateId')
  const client = addressOf(input.client, 'client')
  assertExpireAfter(input.expireAfter)
  const expireAfter = BigInt(input.expireAfter)
  const params = paramsBytes(input.params)
  const paramsHash = computeParamsHash({ expireAfter, params })
  const compute = kind === 'policy' ? computePolicyInstanceId : computePolicyDataInstanceId
  const id = compute({ chainId, client, templateId, paramsHash })
  return { templateId, client, params, expireAfter, paramsHash, id }
}

/** Arguments of `deployInstance` and `ensureInstance`. */
export function instanceArgs(prepared: PreparedInstance): readonly unknown[] {
  const { templateId, client, params, expireAfter } = prepared
  return [templateId, client, toHex(params), expireAfter]
}

/** Params as bytes on chain: objects are made canonical, bytes have to be. */
export function paramsBytes(params: JsonObject | Uint8Array | undefined): Uint8Array {
  if (!(params instanceof Uint8Array)) return encodeParams(params)
  decodeParams(params)
  return Uint8Array.from(params)
}

function locatorBytes(locator: DaLocator | undefined): Hex {
  return locator === undefined ? '0x' : encodeLocator(locator)
}

function checkAbsent(hash: Hex, locator: DaLocator | undefined, field: string): void {
  if (locator === undefined) return
  try {
    artifactHashBytes(hash, { field, optional: false })
  } catch {
    throw new InvalidInputError({ field, reason: 'there is no such artifact to locate' })
  }
}

/** Result of a simulated `ensure…`: whether it would create anything. */
export type EnsureResult = { id: Hex; created: boolean }

/** What `ensure…` functions return. */
export function ensureResult(value: unknown): EnsureResult {
  const [id, created] = value as [Hex, boolean]
  return { id, created }
}
