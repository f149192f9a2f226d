/**
 * A small chain in memory: registries, artifacts, operator tables and envelopes, with honest
 * signers, so that a test changes exactly one thing.
 */
import type { Address, Hex } from 'viem'
import type { AttestationReader, AttestedInputs } from '../../src/attestation/verify/reader.js'
import { ARTIFACT_ABSENT, computeArtifactHash, ZERO_HASH } from '../../src/core/artifact.js'
import {
  blsKeyFromSeed,
  type Certificate,
  computeSignableDigest,
  createOperatorTable,
  type OperatorTable,
} from '../../src/core/bn254/index.js'
import type { Json } from '../../src/core/canonicalJson.js'
import { computeArtifactDigest, type DigestPreimage } from '../../src/core/digest.js'
import { encodeEvaluationResult } from '../../src/core/evaluationResult.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
  sortRefs,
} from '../../src/core/ids.js'
import { computeInputsHash } from '../../src/core/inputsHash.js'
import { computeIntentHash } from '../../src/core/intent.js'
import type {
  BlockReference,
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistryReader,
} from '../../src/core/interfaces/registryReader.js'
import { encodeParams } from '../../src/core/params.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../src/core/response.js'
import { computeTaskId, type Task } from '../../src/core/task.js'
import { toHex, uintToBytes, utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { joinShares } from './certificates.js'

export const address = (n: number): Address => toHex(uintToBytes(n, 20))
export const word = (n: number): Hex => toHex(uintToBytes(n, 32))

export const chainId = 31337n
export const policyRegistry = address(0xa1)
export const policyDataRegistry = address(0xa2)
export const client = address(0xc1)
export const referenceBlock = 100n
export const referenceTimestamp = 1_750_000_000
export const pcr0: Hex = keccakHex(utf8('build 1'))

type Slots = Map<string, { block: bigint; id: Hex | null }[]>

/** Everything that a test may change before it verifies. */
export type World = ReturnType<typeof createWorld>

// Keys and their table never change, and making them is most of a world's time.
const keys = Array.from({ length: 4 }, (_, i) => blsKeyFromSeed(utf8(`world ${i}`)))
const table = createOperatorTable(
  keys.map((key, i) => ({ operator: address(0x100 + i), ...key.publicKey, weights: [100n] })),
)

export function createWorld() {
  const artifacts = new Map<Hex, Uint8Array>()
  const addArtifact = (text: string): Hex => {
    const bytes = utf8(text)
    const hash = computeArtifactHash(bytes)
    artifacts.set(hash, bytes)
    return hash
  }
  const policyTemplates = new Map<Hex, PolicyTemplateRow>()
  const dataTemplates = new Map<Hex, PolicyDataTemplateRow>()
  const policyInstances = new Map<Hex, InstanceRow>()
  const dataInstances = new Map<Hex, InstanceRow>()
  const policySlots: Slots = new Map()
  const dataSlots: Slots = new Map()
  const envelopes = new Map<Hex, Uint8Array>()
  const whitelist = new Map<Hex, { from: bigint; to?: bigint }>([[pcr0, { from: 1n }]])
  const state = {
    head: 110n,
    enclaveRequired: false,
    blockHashes: new Map<bigint, Hex>(),
    tables: [{ from: 1n, referenceTimestamp, quorumBps: 6_667, table }],
  }

  const addDataTemplate = (
    name: string,
    { secrets = false, at = 10n }: { secrets?: boolean; at?: bigint } = {},
  ): Hex => {
    const row = {
      wasmHash: addArtifact(`wasm of ${name}`),
      paramsSchemaHash: addArtifact(`{"title":"params of ${name}"}`),
      secretsSchemaHash: secrets ? addArtifact(`{"title":"secrets of ${name}"}`) : ARTIFACT_ABSENT,
      author: address(1),
      registeredAt: at,
    }
    const id = computePolicyDataTemplateId(row)
    dataTemplates.set(id, row)
    return id
  }
  const addPolicyTemplate = (name: string, refs: readonly Hex[], at = 20n): Hex => {
    const row = {
      regoHash: addArtifact(`package ${name}`),
      paramsSchemaHash: addArtifact(`{"title":"${name}"}`),
      policyDataTemplateRefs: sortRefs(refs),
      author: address(1),
      registeredAt: at,
    }
    const id = computePolicyTemplateId(row)
    policyTemplates.set(id, row)
    return id
  }
  const instanceRow = (templateId: Hex, options: InstanceOptions): InstanceRow => {
    const { params = { max: 10 }, expireAfter = 50n, at = 30n, of = client } = options
    const bytes = encodeParams(params as never)
    const paramsHash = computeParamsHash({ expireAfter, params: bytes })
    return { templateId, client: of, expireAfter, deployedAt: at, paramsHash, params: toHex(bytes) }
  }
  const addPolicyInstance = (templateId: Hex, options: InstanceOptions = {}): Hex => {
    const row = instanceRow(templateId, options)
    const id = computePolicyInstanceId({
      chainId,
      client: row.client,
      templateId,
      paramsHash: row.paramsHash,
    })
    policyInstances.set(id, row)
    return id
  }
  const addDataInstance = (templateId: Hex, options: InstanceOptions = {}): Hex => {
    const row = instanceRow(templateId, options)
    const id = computePolicyDataInstanceId({
      chainId,
      client: row.client,
      templateId,
      paramsHash: row.paramsHash,
    })
    dataInstances.set(id, row)
    return id
  }
  const move = (slots: Slots, key: string, to: { block: bigint; id: Hex | null }): void => {
    slots.set(key, [...(slots.get(key) ?? []), to])
  }
  const read = (slots: Slots, key: string, block: bigint): Hex | null =>
    (slots.get(key) ?? []).filter((entry) => entry.block <= block).at(-1)?.id ?? null

  const plugins = [addDataTemplate('sanctions'), addDataTemplate('price')]
  const templateId = addPolicyTemplate('transfers', plugins)
  const policyInstanceId = addPolicyInstance(templateId)
  move(policySlots, client, { block: 40n, id: policyInstanceId })
  const refs = (policyTemplates.get(templateId) as PolicyTemplateRow).policyDataTemplateRefs
  const dataInstanceIds = refs.map((ref, i) => {
    const id = addDataInstance(ref, { params: { n: i }, expireAfter: BigInt(40 + i) })
    move(dataSlots, ref, { block: 40n, id })
    return id
  })

  const blockAt = (number: bigint): BlockReference => ({
    number,
    hash: state.blockHashes.get(number) ?? keccakHex(uintToBytes(number, 32)),
    timestamp: 1_750_000_000n + number,
  })
  const registry: RegistryReader = {
    chainId,
    policyRegistry,
    policyDataRegistry,
    getPolicyTemplate: async (id) => policyTemplates.get(id) ?? null,
    getPolicyDataTemplate: async (id) => dataTemplates.get(id) ?? null,
    getPolicyInstance: async (id) => policyInstances.get(id) ?? null,
    getPolicyDataInstance: async (id) => dataInstances.get(id) ?? null,
    currentPolicyInstanceAt: async ({ client: of, block }) => read(policySlots, of, block),
    currentPolicyDataInstanceAt: async ({ templateId: of, block }) => read(dataSlots, of, block),
    enclaveRequiredAt: async () => state.enclaveRequired,
    isEnclaveWhitelistedAt: async ({ pcr0Commitment, block }) => {
      const entry = whitelist.get(pcr0Commitment)
      return (
        entry !== undefined && entry.from <= block && (entry.to === undefined || block < entry.to)
      )
    },
    getBlock: async (number) => (number > state.head ? null : blockAt(number)),
    getLatestBlock: async () => blockAt(state.head),
    getClient: async () => ({ owner: address(9), active: true }),
    snapshot: async ({ client: of, block }) => {
      const id = read(policySlots, of, block)
      const policyInstance = id === null ? null : (policyInstances.get(id) ?? null)
      const policyTemplate =
        policyInstance === null ? null : (policyTemplates.get(policyInstance.templateId) ?? null)
      return {
        chainId,
        policyRegistry,
        policyDataRegistry,
        client: of,
        block: blockAt(block),
        policyInstanceId: id,
        policyInstance,
        policyTemplate,
        data: (policyTemplate?.policyDataTemplateRefs ?? []).map((ref) => {
          const instanceId = read(dataSlots, ref, block)
          return {
            templateId: ref,
            template: dataTemplates.get(ref) ?? null,
            instanceId,
            instance: instanceId === null ? null : (dataInstances.get(instanceId) ?? null),
          }
        }),
        enclaveRequired: state.enclaveRequired,
      }
    },
  }
  const reader: AttestationReader = {
    registry,
    artifacts: {
      getArtifact: async ({ hash }) => {
        const bytes = artifacts.get(hash)
        if (bytes === undefined) throw new Error('not there')
        return bytes
      },
    },
    certificates: {
      tableAt: async (block) => {
        const found = state.tables.filter((entry) => entry.from <= block).at(-1)
        if (found === undefined) return null
        const { quorumBps, referenceTimestamp: timestamp } = found
        return { quorumBps, referenceTimestamp: timestamp, table: found.table.info }
      },
      verifyCertificateAt: async () => true,
    },
    envelopes: {
      getEnvelope: async ({ policyDataInstanceId }) => envelopes.get(policyDataInstanceId) ?? null,
    },
    // Allows while every plugin's score is at most the policy's `max`.
    replayer: {
      replayResult: async ({ params, outputs }) => {
        const { max } = params as { max: number }
        const high = outputs.filter(({ output }) => (output as { score: number }).score > max)
        return { allow: high.length === 0, reasons: high.map(() => 'score too high') }
      },
    },
  }

  const makeTask = (changes: Partial<Task> = {}): Task => ({
    chainId,
    policyRegistry,
    policyClient: client,
    intent: {
      from: address(5),
      to: address(6),
      value: 7n,
      data: '0x',
      chainId,
      functionSignature: '0x',
    },
    wasmArgs: '0x',
    referenceBlock,
    referenceBlockHash: blockAt(referenceBlock).hash,
    nonce: 1n,
    ...changes,
  })

  /** What honest operators sign for a task, with what travels beside it. */
  const evaluate = (task: Task, { scores = [1, 2], pcr0Commitment = ZERO_HASH } = {}): Honest => {
    const policyId = read(policySlots, task.policyClient, task.referenceBlock) as Hex
    const policy = policyInstances.get(policyId) as InstanceRow
    const template = policyTemplates.get(policy.templateId) as PolicyTemplateRow
    const rows = template.policyDataTemplateRefs.map((ref) => {
      const id = read(dataSlots, ref, task.referenceBlock) as Hex
      return { ref, id, row: dataInstances.get(id) as InstanceRow }
    })
    const expireAfter = [policy, ...rows.map((entry) => entry.row)].map((row) => row.expireAfter)
    let least = 2n ** 32n
    for (const blocks of expireAfter) if (blocks < least) least = blocks
    const expirationBlock = task.referenceBlock + least
    const preimage: DigestPreimage = {
      chainId,
      policyInstanceId: policyId,
      policyTemplateId: policy.templateId,
      regoHash: template.regoHash,
      policyParamsSchemaHash: template.paramsSchemaHash,
      paramsHash: policy.paramsHash,
      referenceBlock: task.referenceBlock,
      expirationBlock,
      data: rows.map(({ ref, id, row }) => {
        const data = dataTemplates.get(ref) as PolicyDataTemplateRow
        return {
          policyDataInstanceId: id,
          policyDataTemplateId: ref,
          wasmHash: data.wasmHash,
          policyDataParamsSchemaHash: data.paramsSchemaHash,
          secretsSchemaHash: data.secretsSchemaHash,
          dataParamsHash: row.paramsHash,
        }
      }),
      pcr0Commitment: pcr0Commitment === ZERO_HASH ? undefined : pcr0Commitment,
    }
    const inputs: AttestedInputs = {
      outputs: Object.fromEntries(
        rows.map(({ ref }, i) => [ref, { score: scores[i] ?? 0 } as Json]),
      ),
      secrets: Object.fromEntries(
        rows
          .filter(({ id }) => envelopes.has(id))
          .map(({ id }) => [id, keccakHex(envelopes.get(id) as Uint8Array)]),
      ),
    }
    const { max } = JSON.parse(new TextDecoder().decode(fromHexBytes(policy.params))) as {
      max: number
    }
    const allow = scores.every((score) => score <= max)
    const response: PolicyTaskResponse = {
      chainId,
      policyRegistry,
      taskId: computeTaskId(task),
      policyClient: task.policyClient,
      intentHash: computeIntentHash(task.intent),
      policyInstanceId: policyId,
      artifactDigest: computeArtifactDigest(preimage),
      inputsHash: computeInputsHash(inputs),
      pcr0Commitment,
      evaluationResult: encodeEvaluationResult(allow),
      referenceBlock: task.referenceBlock,
      referenceBlockHash: task.referenceBlockHash,
      referenceTimestamp: state.tables.filter((t) => t.from <= task.referenceBlock).at(-1)
        ?.referenceTimestamp as number,
      expirationBlock,
    }
    return { task, response, preimage, inputs }
  }

  /** A quorum's certificate over whatever `response` says. */
  const sign = (
    response: PolicyTaskResponse,
    {
      signers = keys.map((_, i) => i),
      by = table,
      with: signing = keys,
      under = response.referenceTimestamp,
    }: SignOptions = {},
  ): Certificate => {
    const messageHash = computeMessageHash(response)
    const digest = computeSignableDigest({ referenceTimestamp: under, messageHash })
    const shares = signers.map((i) => ({
      operator: (by.operators[i] as { operator: Address }).operator,
      signature: (signing[i] as (typeof keys)[number]).sign(digest),
    }))
    return joinShares({ table: by, referenceTimestamp: under, messageHash, shares })
  }

  return {
    keys,
    table,
    artifacts,
    addArtifact,
    addDataTemplate,
    addPolicyTemplate,
    addPolicyInstance,
    addDataInstance,
    policyTemplates,
    dataTemplates,
    policyInstances,
    dataInstances,
    policySlots,
    dataSlots,
    envelopes,
    whitelist,
    state,
    move,
    registry,
    reader,
    makeTask,
    evaluate,
    sign,
    blockAt,
    templateId,
    policyInstanceId,
    refs,
    dataInstanceIds,
  }
}

export type InstanceOptions = {
  params?: Record<string, Json>
  expireAfter?: bigint
  at?: bigint
  of?: Address
}
export type SignOptions = {
  signers?: readonly number[]
  by?: OperatorTable
  with?: readonly ReturnType<typeof blsKeyFromSeed>[]
  under?: number
}
export type Honest = {
  task: Task
  response: PolicyTaskResponse
  preimage: DigestPreimage
  inputs: AttestedInputs
}

function fromHexBytes(hex: Hex): Uint8Array {
  return Uint8Array.from((hex.slice(2).match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)))
}
