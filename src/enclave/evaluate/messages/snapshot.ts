/**
 * What the host read from the chain, on its way into the enclave.
 *
 * The host is not trusted: a false row gives a digest that no verifier rebuilds from chain state.
 */
import type { Address, Hex } from 'viem'
import { type ArtifactNamespace, namespaces } from '../../../core/artifact.js'
import {
  canonicalJson,
  type Json,
  type JsonObject,
  parseJson,
} from '../../../core/canonicalJson.js'
import type {
  BlockReference,
  InstanceRow,
  PolicyDataSnapshot,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistryReader,
  RegistrySnapshot,
} from '../../../core/interfaces/registryReader.js'
import { fixedFromHex, fromHex, toHex } from '../../../internal/bytes.js'
import { EnclaveResultError, NotInSnapshotError } from '../errors.js'

/** Encodes a snapshot as canonical JSON; integers as decimal text. */
export function encodeSnapshot(snapshot: RegistrySnapshot): string {
  return canonicalJson(plain(snapshot))
}

/** Decodes a snapshot. Throws `EnclaveResultError` naming the member. */
export function decodeSnapshot(text: string): RegistrySnapshot {
  let value: Json
  try {
    value = parseJson(text)
  } catch (cause) {
    throw new EnclaveResultError({ field: 'snapshot', reason: 'not JSON' }, { cause })
  }
  const top = object(value, 'snapshot')
  const data = top['data']
  if (!Array.isArray(data) || data.length > 32) throw bad('snapshot.data')
  return {
    chainId: integer(top, 'chainId'),
    policyRegistry: hex(top, 'policyRegistry', 20) as Address,
    policyDataRegistry: hex(top, 'policyDataRegistry', 20) as Address,
    client: hex(top, 'client', 20) as Address,
    block: block(object(top['block'], 'snapshot.block')),
    policyInstanceId: optionalHex(top, 'policyInstanceId'),
    policyInstance: orNull(top['policyInstance'], instance),
    policyTemplate: orNull(top['policyTemplate'], policyTemplate),
    data: data.map((item: Json) => dataSnapshot(object(item, 'snapshot.data'))),
    enclaveRequired: flag(top, 'enclaveRequired'),
  }
}

/** All artifacts of a snapshot, in the order of the digest. */
export function snapshotArtifacts(
  snapshot: RegistrySnapshot,
): readonly { hash: Hex; namespace: ArtifactNamespace }[] {
  const { policyTemplate, data } = snapshot
  const own =
    policyTemplate === null
      ? []
      : [
          { hash: policyTemplate.regoHash, namespace: namespaces.rego },
          { hash: policyTemplate.paramsSchemaHash, namespace: namespaces.policyParamsSchema },
        ]
  return [
    ...own,
    ...data.flatMap(({ template }) =>
      template === null
        ? []
        : [
            { hash: template.wasmHash, namespace: namespaces.wasm },
            { hash: template.paramsSchemaHash, namespace: namespaces.policyDataParamsSchema },
            { hash: template.secretsSchemaHash, namespace: namespaces.secretsSchema },
          ],
    ),
  ]
}

/** The params hashes of a snapshot's instances, policy first. */
export function snapshotParams(snapshot: RegistrySnapshot): Hex[] {
  const instances = [snapshot.policyInstance, ...snapshot.data.map((entry) => entry.instance)]
  return instances.flatMap((row) => (row === null ? [] : [row.paramsHash]))
}

/** A registry reader that answers from one snapshot and refuses everything else. */
export function createSnapshotReader(
  snapshot: RegistrySnapshot,
  whitelist: { pcr0Commitment?: Hex | undefined; whitelisted?: boolean | undefined } = {},
): RegistryReader {
  const absent = (what: string): NotInSnapshotError => new NotInSnapshotError({ what })
  const same = (a: Hex | null, b: Hex): boolean => a?.toLowerCase() === b.toLowerCase()
  const here = (block: bigint, client: Address): void => {
    if (block !== snapshot.block.number) throw absent(`block ${block}`)
    if (!same(snapshot.client, client)) throw absent(`client ${client}`)
  }
  return {
    chainId: snapshot.chainId,
    policyRegistry: snapshot.policyRegistry,
    policyDataRegistry: snapshot.policyDataRegistry,
    getPolicyTemplate: async (id) => {
      if (snapshot.policyInstance !== null && same(snapshot.policyInstance.templateId, id)) {
        return snapshot.policyTemplate
      }
      throw absent(`policy template ${id}`)
    },
    getPolicyDataTemplate: async (id) => {
      const entry = snapshot.data.find(({ templateId }) => same(templateId, id))
      if (entry === undefined) throw absent(`policy-data template ${id}`)
      return entry.template
    },
    getPolicyInstance: async (id) => {
      if (same(snapshot.policyInstanceId, id)) return snapshot.policyInstance
      throw absent(`policy instance ${id}`)
    },
    getPolicyDataInstance: async (id) => {
      const entry = snapshot.data.find(({ instanceId }) => same(instanceId, id))
      if (entry === undefined) throw absent(`policy-data instance ${id}`)
      return entry.instance
    },
    currentPolicyInstanceAt: async ({ client, block }) => {
      here(block, client)
      return snapshot.policyInstanceId
    },
    currentPolicyDataInstanceAt: async ({ client, templateId, block }) => {
      here(block, client)
      const entry = snapshot.data.find((candidate) => same(candidate.templateId, templateId))
      if (entry === undefined) throw absent(`policy-data template ${templateId}`)
      return entry.instanceId
    },
    enclaveRequiredAt: async (block) => {
      here(block, snapshot.client)
      return snapshot.enclaveRequired
    },
    isEnclaveWhitelistedAt: async ({ pcr0Commitment, block }) => {
      here(block, snapshot.client)
      const named = whitelist.pcr0Commitment
      if (
        whitelist.whitelisted === undefined ||
        named === undefined ||
        !same(named, pcr0Commitment)
      ) {
        throw absent(`the measurement ${pcr0Commitment}`)
      }
      return whitelist.whitelisted
    },
    getBlock: async (number) => {
      if (number !== snapshot.block.number) throw absent(`block ${number}`)
      return snapshot.block
    },
    getLatestBlock: async () => snapshot.block,
    getClient: async () => {
      throw absent('the clients')
    },
    snapshot: async ({ client, block }) => {
      here(block, client)
      return snapshot
    },
  }
}

function plain(value: unknown): Json {
  if (typeof value === 'bigint') return value.toString()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]))
  }
  return value as Json
}

function dataSnapshot(value: JsonObject): PolicyDataSnapshot {
  return {
    templateId: hex(value, 'templateId', 32),
    template: orNull(value['template'], dataTemplate),
    instanceId: optionalHex(value, 'instanceId'),
    instance: orNull(value['instance'], instance),
  }
}

function policyTemplate(value: JsonObject): PolicyTemplateRow {
  const refs = value['policyDataTemplateRefs']
  if (!Array.isArray(refs)) throw bad('policyDataTemplateRefs')
  return {
    regoHash: hex(value, 'regoHash', 32),
    paramsSchemaHash: hex(value, 'paramsSchemaHash', 32),
    policyDataTemplateRefs: refs.map((ref: Json) => hex({ ref }, 'ref', 32)),
    author: hex(value, 'author', 20) as Address,
    registeredAt: integer(value, 'registeredAt'),
  }
}

function dataTemplate(value: JsonObject): PolicyDataTemplateRow {
  return {
    wasmHash: hex(value, 'wasmHash', 32),
    paramsSchemaHash: hex(value, 'paramsSchemaHash', 32),
    secretsSchemaHash: hex(value, 'secretsSchemaHash', 32),
    author: hex(value, 'author', 20) as Address,
    registeredAt: integer(value, 'registeredAt'),
  }
}

function instance(value: JsonObject): InstanceRow {
  const params = value['params']
  if (typeof params !== 'string') throw bad('params')
  return {
    templateId: hex(value, 'templateId', 32),
    client: hex(value, 'client', 20) as Address,
    expireAfter: integer(value, 'expireAfter'),
    deployedAt: integer(value, 'deployedAt'),
    paramsHash: hex(value, 'paramsHash', 32),
    params: toHex(fromHex(params, 'params')),
  }
}

function block(value: JsonObject): BlockReference {
  return {
    number: integer(value, 'number'),
    hash: hex(value, 'hash', 32),
    timestamp: integer(value, 'timestamp'),
  }
}

function orNull<row>(value: Json | undefined, read: (value: JsonObject) => row): row | null {
  return value === null ? null : read(object(value, 'row'))
}

function object(value: Json | undefined, field: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as JsonObject
  throw bad(field)
}

function hex(value: JsonObject, field: string, size: number): Hex {
  const text = value[field]
  if (typeof text !== 'string') throw bad(field)
  return toHex(fixedFromHex(text, size, field))
}

function optionalHex(value: JsonObject, field: string): Hex | null {
  return value[field] === null ? null : hex(value, field, 32)
}

function integer(value: JsonObject, field: string): bigint {
  const text = value[field]
  if (typeof text === 'string' && /^(?:0|[1-9][0-9]{0,77})$/.test(text)) return BigInt(text)
  throw bad(field)
}

function flag(value: JsonObject, field: string): boolean {
  const found = value[field]
  if (typeof found === 'boolean') return found
  throw bad(field)
}

function bad(field: string): EnclaveResultError {
  return new EnclaveResultError({ field, reason: 'missing or of another type' })
}
