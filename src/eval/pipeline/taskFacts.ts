/**
 * What follows from a task alone: its id, the hash of its intent, and what a policy sees of it.
 *
 * An operator evaluates a task more than once, to prepare it, to commit it, after a failure; and what a
 * wallet asks for again and again is the same. So the last ones are remembered, by all they consist of.
 */
import type { Hex } from 'viem'
import { computeTaskHashes, type Task } from '../../core/task.js'
import { inputJsonOf } from '../intent/parseIntent.js'
import { createFacts } from './facts.js'

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

const MOST_TEXT = 4_096

/** All of a task, or nothing where it is large or not of its types, which nothing is remembered of. */
function partsOf(task: Task): readonly string[] | undefined {
  const intent = task?.intent
  if (typeof intent !== 'object' || intent === null) return undefined
  const texts = [
    ...[task.policyRegistry, task.policyClient, task.wasmArgs, task.referenceBlockHash],
    ...[intent.from, intent.to, intent.data, intent.functionSignature],
  ]
  const integers = [task.chainId, task.referenceBlock, task.nonce, intent.value, intent.chainId]
  let length = 0
  for (const text of texts) {
    if (typeof text !== 'string') return undefined
    length += text.length
  }
  if (length > MOST_TEXT) return undefined
  // The number 1 and the text "1" would read like the bigint.
  for (const integer of integers) {
    if (typeof integer !== 'bigint') return undefined
    texts.push(integer.toString(16) as Hex)
  }
  return texts
}
