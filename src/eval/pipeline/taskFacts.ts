/**
 * What follows from a task alone: its id, the hash of its intent, and what a policy sees of it; and, for
 * a policy without plugins, the plan and the digest that follow from the task and its rows.
 *
 * An operator evaluates a task more than once, to prepare it, to commit it, after a failure; and what a
 * wallet asks for again and again is the same. So the last ones are remembered, by all they consist of.
 */
import type { Hex } from 'viem'
import { computeArtifactDigest } from '../../core/digest.js'
import type { RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import { computeTaskHashes, type Task } from '../../core/task.js'
import { inputJsonOf } from '../intent/parseIntent.js'
import { createFacts, type FactInput } from './facts.js'
import { createPlanFacts, type EvaluationPlan, planEvaluation } from './plan.js'

/** See {@link createTaskFacts}. */
export type TaskFacts = { taskId: Hex; intentHash: Hex; inputJson: string }

/** Remembers the facts of the last 256 tasks of up to some 4 kB: at most some 3 MiB. */
export function createTaskFacts(): (task: Task) => TaskFacts {
  const known = createFacts<TaskFacts>(256)
  return (task) => {
    const parts = partsOf(task)
    return parts === undefined ? factsOf(task) : known.of(parts, () => factsOf(task))
  }
}

function factsOf(task: Task): TaskFacts {
  // Refuses a malformed task, so that its intent needs no check.
  const hashes = computeTaskHashes(task)
  return { ...hashes, inputJson: inputJsonOf(task.intent) }
}

/** A plan, and the digest of all it names. */
export type DigestedPlan = { plan: EvaluationPlan; artifactDigest: Hex }

type Planned = { task: Task; snapshot: RegistrySnapshot; pcr0Commitment: Hex }

/**
 * Plans as {@link planEvaluation} does, and remembers the last 256 plans without plugins and all ids
 * and params that went into the others. What it gives belongs to all who ask: it is frozen.
 */
export function createPlanner(): (planned: Planned) => DigestedPlan {
  const facts = createPlanFacts()
  const known = createFacts<DigestedPlan>(256)
  const plan = (planned: Planned): DigestedPlan => {
    const plan = planEvaluation({ ...planned, facts })
    return { plan, artifactDigest: computeArtifactDigest(plan.preimage) }
  }
  return (planned) => {
    const parts = rowsOf(planned)
    if (parts === undefined) return plan(planned)
    return known.of(parts, () => {
      const fresh = plan(planned)
      Object.freeze(fresh.plan.preimage.data)
      Object.freeze(fresh.plan.preimage)
      Object.freeze(fresh.plan)
      return fresh
    })
  }
}

/** All that a plan without plugins is made from, or nothing where it has some or is not of its types. */
function rowsOf({ task, snapshot, pcr0Commitment }: Planned): readonly FactInput[] | undefined {
  const { policyInstance: instance, policyTemplate: template, block, enclaveRequired } = snapshot
  if (!instance || !template || !block || typeof enclaveRequired !== 'boolean') return undefined
  if (snapshot.data?.length !== 0 || template.policyDataTemplateRefs?.length !== 0) return undefined
  return inputsOf(
    [
      task.policyRegistry,
      task.policyClient,
      task.referenceBlockHash,
      pcr0Commitment,
      snapshot.policyRegistry,
      snapshot.client,
      block.hash,
      snapshot.policyInstanceId,
      instance.templateId,
      instance.client,
      instance.paramsHash,
      instance.params,
      template.regoHash,
      template.paramsSchemaHash,
      String(enclaveRequired),
    ],
    [
      task.chainId,
      task.referenceBlock,
      snapshot.chainId,
      block.number,
      block.timestamp,
      instance.expireAfter,
      instance.deployedAt,
      template.registeredAt,
    ],
  )
}

const MOST_TEXT = 4_096

/** All of a task, or nothing where it is large or not of its types, which nothing is remembered of. */
function partsOf(task: Task): readonly FactInput[] | undefined {
  const intent = task?.intent
  if (typeof intent !== 'object' || intent === null) return undefined
  return inputsOf(
    [
      task.policyRegistry,
      task.policyClient,
      task.wasmArgs,
      task.referenceBlockHash,
      intent.from,
      intent.to,
      intent.data,
      intent.functionSignature,
    ],
    [task.chainId, task.referenceBlock, task.nonce, intent.value, intent.chainId],
  )
}

/** Texts and integers as inputs of a fact, where they are of these types and few. */
function inputsOf(
  texts: readonly (string | null)[],
  integers: readonly bigint[],
): readonly FactInput[] | undefined {
  let length = 0
  for (const text of texts) {
    if (typeof text !== 'string') return undefined
    length += text.length
  }
  if (length > MOST_TEXT) return undefined
  for (const integer of integers) if (typeof integer !== 'bigint') return undefined
  return (texts as string[]).concat(integers as never)
}
