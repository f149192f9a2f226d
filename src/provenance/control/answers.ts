/** What several workers answer about one build, and what that comes to. */
import type { BuildOutcome } from '../worker/protocol.js'

/** What a worker said of a build. */
export type WorkerAnswer = { worker: string; outcome: Exclude<BuildOutcome, Failure> }

/** What is kept of a job's tries. */
export type Answers = {
  /** The newest of each worker. */
  answers: readonly WorkerAnswer[]
  /** Workers whose answer could not be so. */
  refused: readonly string[]
  /** Workers that failed. */
  failed: readonly string[]
  /** Why the newest try came to nothing. */
  failure?: string | undefined
}

type Failure = { status: 'worker_failed' }

/** What is known before anybody was asked. */
export const noAnswers: Answers = { answers: [], refused: [], failed: [] }

/** What another worker, or the same one later, may be able to do. */
const transient: ReadonlySet<string> = new Set([
  'toolchain_unavailable',
  'unknown_image',
  'source_unavailable',
])

/** Adds an answer. A worker that failed has said nothing, and takes back nothing of the others. */
export function withAnswer(before: Answers, worker: string, outcome: BuildOutcome): Answers {
  if (outcome.status === 'worker_failed') {
    const failed = [...new Set([...before.failed, worker])]
    return { ...before, failed, failure: outcome.reason }
  }
  const { failure: _, ...rest } = before
  const others = before.answers.filter((each) => each.worker !== worker)
  return { ...rest, answers: [...others, { worker, outcome }] }
}

/** Notes that an answer was none. */
export function withRefusal(before: Answers, worker: string, reason: string): Answers {
  return { ...before, refused: [...new Set([...before.refused, worker])], failure: reason }
}

/** Workers whose word there is already: asked again, one of them would use up the tries of all. */
export function heard({ answers, refused }: Answers): string[] {
  const said = answers.filter(({ outcome }) => !isTransient(outcome))
  return [...new Set([...said.map(({ worker }) => worker), ...refused])]
}

/** Workers that could not, and may be able to later: others are asked before them. */
export function unable({ answers, failed }: Answers): string[] {
  const lacking = answers.filter(({ outcome }) => isTransient(outcome))
  return [...new Set([...lacking.map(({ worker }) => worker), ...failed])]
}

/**
 * What enough workers say, each for itself; of equal builds the one that was least isolated speaks for all.
 *
 * @param options.last - Whether nobody is asked any more: that something is not here is an answer then,
 * unless somebody had it.
 */
export function agreedOutcome(
  { answers }: Answers,
  { confirmations, last }: { confirmations: number; last: boolean },
): WorkerAnswer['outcome'] | undefined {
  const isBuilt = answers.some(({ outcome }) => outcome.status === 'built')
  const counted = answers
    .map(({ outcome }) => outcome)
    .filter((outcome) => !isTransient(outcome) || (last && !isBuilt))
  for (const outcome of [...counted].reverse()) {
    const same = counted.filter((other) => kindOf(other) === kindOf(outcome))
    if (same.length < confirmations) continue
    return same.find(({ isolation }) => isolation === 'none') ?? outcome
  }
  return undefined
}

/** Why there is no agreement. */
export function whyNone({ answers, failure }: Answers): string {
  if (new Set(answers.map(({ outcome }) => kindOf(outcome))).size > 1) return 'workers disagree'
  if (answers.length > 0) return 'too few workers answered'
  return failure ?? 'its workers were lost'
}

function isTransient(outcome: WorkerAnswer['outcome']): boolean {
  return outcome.status === 'did_not_run' && transient.has(outcome.reason)
}

function kindOf(outcome: WorkerAnswer['outcome']): string {
  return outcome.status === 'built'
    ? `built ${outcome.rebuiltSha256} ${outcome.codeSha256}`
    : `not run ${outcome.reason}`
}
