/**
 * From a snapshot of the registries to what one evaluation works on. Every id is recomputed: a
 * reader that is wrong about a row is found here, before any byte is fetched.
 */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../core/artifact.js'
import type { JsonObject } from '../../core/canonicalJson.js'
import { computeExpirationBlock, type DigestPreimage } from '../../core/digest.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../core/ids.js'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
  RegistrySnapshot,
} from '../../core/interfaces/registryReader.js'
import { decodeParams } from '../../core/params.js'
import type { Task } from '../../core/task.js'
import { fromHex, fromUtf8 } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import {
  PolicyDataInstanceMissingError,
  PolicyDataKindMismatchError,
  PolicyNotDeployedOnChainError,
  RegistryRowInconsistentError,
  TaskMismatchError,
} from './errors.js'
import { createFacts, type Facts } from './facts.js'

/** Params of one instance, as text for the engine and as a value. */
export type PlannedParams = { text: string; value: JsonObject; empty: boolean }

/** One data template of the policy with the client's instance of it. */
export type PlannedData = {
  templateId: Hex
  instanceId: Hex
  template: PolicyDataTemplateRow
  params: PlannedParams
  needsSecrets: boolean
}

/** What one evaluation works on. */
export type EvaluationPlan = {
  policyInstanceId: Hex
  policyTemplateId: Hex
  regoHash: Hex
  paramsSchemaHash: Hex
  params: PlannedParams
  data: readonly PlannedData[]
  expirationBlock: bigint
  /** Seconds of the reference block. */
  blockTimestamp: bigint
  enclaveRequired: boolean
  preimage: DigestPreimage
}

/** Facts about rows that were planned with before. */
export type PlanFacts = { ids: Facts<Hex>; params: Facts<PlannedParams> }

/** Remembers the ids and params of the last rows: at most some 30 MiB, as params have 8 KiB. */
export function createPlanFacts(): PlanFacts {
  return { ids: createFacts(1_024), params: createFacts(512) }
}

/**
 * Checks a snapshot against a task and plans the evaluation.
 *
 * @param parameters.pcr0Commitment - Of the named enclave; zero where none is named.
 * @throws The typed error of the first thing that is missing or does not fit.
 */
export function planEvaluation(parameters: {
  task: Task
  snapshot: RegistrySnapshot
  pcr0Commitment: Hex
  /** Left out: every id is computed anew. */
  facts?: PlanFacts | undefined
}): EvaluationPlan {
  assertMembers('parameters', parameters, ['task', 'snapshot', 'pcr0Commitment'])
  const { task, snapshot, pcr0Commitment, facts = createPlanFacts() } = parameters
  checkTask(task, snapshot)
  const policy = policyRows(task, snapshot)
  checkPolicy(task, policy, facts)
  const refs = policy.template.policyDataTemplateRefs
  if (snapshot.data.length !== refs.length) {
    throw new RegistryRowInconsistentError(
      `${snapshot.data.length} data rows for ${refs.length} refs`,
    )
  }
  const data = snapshot.data.map((entry, index) => {
    same(entry.templateId, refs[index] as Hex, `data row ${index} is for another template`)
    return planData(task, entry, facts)
  })
  const rows = snapshot.data.map(({ instance }) => instance as InstanceRow)
  const expirationBlock = computeExpirationBlock({
    referenceBlock: task.referenceBlock,
    expireAfter: [policy.instance.expireAfter, ...rows.map(({ expireAfter }) => expireAfter)],
  })
  const preimage: DigestPreimage = {
    chainId: task.chainId,
    policyInstanceId: lower(policy.instanceId),
    policyTemplateId: lower(policy.instance.templateId),
    regoHash: lower(policy.template.regoHash),
    policyParamsSchemaHash: lower(policy.template.paramsSchemaHash),
    paramsHash: lower(policy.instance.paramsHash),
    referenceBlock: task.referenceBlock,
    expirationBlock,
    data: data.map(({ templateId, instanceId, template }, index) => ({
      policyDataInstanceId: instanceId,
      policyDataTemplateId: templateId,
      wasmHash: lower(template.wasmHash),
      policyDataParamsSchemaHash: lower(template.paramsSchemaHash),
      secretsSchemaHash: lower(template.secretsSchemaHash),
      dataParamsHash: lower(rows[index]?.paramsHash as Hex),
    })),
    pcr0Commitment,
  }
  return {
    policyInstanceId: preimage.policyInstanceId,
    policyTemplateId: preimage.policyTemplateId,
    regoHash: preimage.regoHash,
    paramsSchemaHash: preimage.policyParamsSchemaHash,
    params: planParams(facts, policy.instance, policy.template.paramsSchemaHash),
    data,
    expirationBlock,
    blockTimestamp: snapshot.block.timestamp,
    enclaveRequired: snapshot.enclaveRequired || data.some(({ needsSecrets }) => needsSecrets),
    preimage,
  }
}

/** The client's policy, all of whose rows are there. */
type PolicyRows = { instanceId: Hex; instance: InstanceRow; template: PolicyTemplateRow }

function policyRows(task: Task, snapshot: RegistrySnapshot): PolicyRows {
  const { policyInstanceId, policyInstance, policyTemplate } = snapshot
  const client = task.policyClient.toLowerCase()
  const absent = (missing: string): PolicyNotDeployedOnChainError =>
    new PolicyNotDeployedOnChainError({ client, block: task.referenceBlock, missing })
  if (policyInstanceId === null) throw absent('current policy')
  if (policyInstance === null) throw absent(`policy instance ${policyInstanceId}`)
  if (policyTemplate === null) throw absent(`policy template ${policyInstance.templateId}`)
  return { instanceId: policyInstanceId, instance: policyInstance, template: policyTemplate }
}

function checkPolicy(task: Task, policy: PolicyRows, facts: PlanFacts): void {
  const { instanceId, instance, template } = policy
  checkInstance(instance, {
    id: instanceId,
    task,
    compute: computePolicyInstanceId,
    what: 'policy instance',
    facts,
  })
  const { regoHash, paramsSchemaHash, policyDataTemplateRefs } = template
  same(
    facts.ids.of(['policy template', regoHash, paramsSchemaHash, ...policyDataTemplateRefs], () =>
      computePolicyTemplateId(template),
    ),
    instance.templateId,
    'the policy template row has another id',
  )
  notAfter(template.registeredAt, task.referenceBlock, 'the policy template')
}

/** Checks one data row of the snapshot, which is for the template that it names. */
function planData(
  task: Task,
  entry: RegistrySnapshot['data'][number],
  facts: PlanFacts,
): PlannedData {
  const { templateId, template, instanceId, instance } = entry
  const client = task.policyClient.toLowerCase()
  const block = task.referenceBlock
  const missing = (what: string): PolicyDataInstanceMissingError =>
    new PolicyDataInstanceMissingError({ client, block, templateId, missing: what })
  if (template === null) throw missing('registered row')
  if (instanceId === null) throw missing('current data instance')
  if (instance === null) throw missing(`data instance ${instanceId}`)
  if (instance.templateId.toLowerCase() !== templateId.toLowerCase()) {
    throw new PolicyDataKindMismatchError({ expected: templateId, actual: instance.templateId })
  }
  same(
    facts.ids.of(
      ['data template', template.wasmHash, template.paramsSchemaHash, template.secretsSchemaHash],
      () => computePolicyDataTemplateId(template),
    ),
    templateId,
    'the data template row has another id',
  )
  notAfter(template.registeredAt, block, 'the data template')
  checkInstance(instance, {
    id: instanceId,
    task,
    compute: computePolicyDataInstanceId,
    what: 'data instance',
    facts,
  })
  return {
    templateId: lower(templateId),
    instanceId: lower(instanceId),
    template,
    params: planParams(facts, instance, template.paramsSchemaHash),
    needsSecrets: lower(template.secretsSchemaHash) !== ARTIFACT_ABSENT,
  }
}

function checkTask(task: Task, snapshot: RegistrySnapshot): void {
  const pairs: readonly (readonly [string, string, string])[] = [
    ['chainId', String(task.chainId), String(snapshot.chainId)],
    ['policyRegistry', lower(task.policyRegistry), lower(snapshot.policyRegistry)],
    ['policyClient', lower(task.policyClient), lower(snapshot.client)],
    ['referenceBlock', String(task.referenceBlock), String(snapshot.block.number)],
    ['referenceBlockHash', lower(task.referenceBlockHash), lower(snapshot.block.hash)],
  ]
  for (const [field, wanted, found] of pairs) {
    if (wanted !== found) throw new TaskMismatchError({ field, task: wanted, chain: found })
  }
}

function checkInstance(
  row: InstanceRow,
  expected: {
    id: Hex
    task: Task
    compute: typeof computePolicyInstanceId
    what: string
    facts: PlanFacts
  },
): void {
  const { id, task, compute, what, facts } = expected
  same(row.client, task.policyClient, `the ${what} belongs to another client`)
  notAfter(row.deployedAt, task.referenceBlock, `the ${what}`)
  const { templateId, paramsHash, expireAfter } = row
  same(
    facts.ids.of(['params', expireAfter, row.params], () =>
      computeParamsHash({ expireAfter, params: fromHex(row.params, 'params') }),
    ),
    paramsHash,
    `the ${what} has another params hash`,
  )
  const { chainId, policyClient: client } = task
  same(
    facts.ids.of([what, chainId, client, templateId, paramsHash], () =>
      compute({ chainId, client, templateId, paramsHash }),
    ),
    id,
    `the ${what} has another id`,
  )
}

function planParams(facts: PlanFacts, row: InstanceRow, schemaHash: Hex): PlannedParams {
  const empty = row.params === '0x'
  const planned = facts.params.of([row.params], () => {
    const bytes = fromHex(row.params, 'params')
    return { text: empty ? '{}' : fromUtf8(bytes), value: decodeParams(bytes), empty }
  })
  if (lower(schemaHash) === ARTIFACT_ABSENT && !empty) {
    throw new RegistryRowInconsistentError(
      'an instance has params and its template has no schema for them',
    )
  }
  return planned
}

function same(found: string, wanted: string, reason: string): void {
  if (found !== wanted && lower(found) !== lower(wanted))
    throw new RegistryRowInconsistentError(`${reason}: ${lower(found)}, not ${lower(wanted)}`)
}

function notAfter(at: bigint, block: bigint, what: string): void {
  if (at > block)
    throw new RegistryRowInconsistentError(
      `${what} is of block ${at}, after the reference block ${block}`,
    )
}

function lower<text extends string>(text: text): Lowercase<text> & text {
  return text.toLowerCase() as Lowercase<text> & text
}
