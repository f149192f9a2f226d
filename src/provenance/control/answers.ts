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
  /** Whether nobody else was there who could have been asked. */
  alone?: boolean | undefined
}

type Failure = { status: 'worker_failed' }

/** What is known before anybody was asked. */
export const noAnswers: Answers = { answers: [], refused: [], failed: [] }

/** What this worker has not, whenever it is asked. */
const lacking: ReadonlySet<string> = new Set(['toolchain_unavailable', 'unknown_image'])

/** What another worker, or the same one later, may be able to do. */
const transient: ReadonlySet<string> = new Set([...lacking, 'source_unavailable'])

/** Adds an answer. A worker that failed has said nothing, and takes back nothing of the others. */
export function withAnswer(before: Answers, worker: string, outcome: BuildOutcome): Answers {
  if (outcome.status === 'worker_failed') {
    const failed = [...new Set([...before.failed, worker])]
    return { ...before, failed, failure: outcome.reason }
  }
  const { failure: _, alone: __, ...rest } = before
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
  const without = answers.filter(({ outcome }) => isTransient(outcome))
  return [...new Set([...without.map(({ worker }) => worker), ...failed])]
}

/** Of workers that are there, those that may still say something else: who has not answered, and is able to. */
export function unheard(answers: Answers, there: readonly string[]): string[] {
  const without = answers.answers.filter(
    ({ outcome }) => outcome.status === 'did_not_run' && lacking.has(outcome.reason),
  )
  const out = new Set([...heard(answers), ...without.map(({ worker }) => worker)])
  return there.filter((worker) => !out.has(worker))
}

/**
 * What enough workers say, each for itself. Two have to where they differ, and where one says what is
 * doubted, unless nobody else is there. Of equal builds one that was not isolated speaks for all, where
 * those that were are too few.
 *
 * @param options.last - Whether nobody is asked any more: that something is not here is an answer then,
 * unless somebody had it.
 * @param options.isDoubted - Whether one worker's word is too little for an outcome.
 */
export function agreedOutcome(
  { answers, alone = false }: Answers,
  options: {
    confirmations: number
    last: boolean
    isDoubted: (outcome: WorkerAnswer['outcome']) => boolean
  },
): WorkerAnswer['outcome'] | undefined {
  const { confirmations, last, isDoubted } = options
  const isSplit = isDisputed({ answers })
  const isBuilt = answers.some(({ outcome }) => outcome.status === 'built')
  const counted = answers
    .map(({ outcome }) => outcome)
    .filter((outcome) => !isTransient(outcome) || (last && !isBuilt))
  for (const outcome of [...counted].reverse()) {
    const same = counted.filter((other) => kindOf(other) === kindOf(outcome))
    const isEnough = !isSplit && (alone || !isDoubted(outcome))
    const needed = isEnough ? confirmations : Math.max(2, confirmations)
    if (same.length < needed) continue
    const isolated = same.filter(({ isolation }) => isolation !== 'none')
    if (isolated.length >= needed) return isolated[0]
    return same.find(({ isolation }) => isolation === 'none') ?? outcome
  }
  return undefined
}

/** Whether workers differ in what they found. */
export function isDisputed({ answers }: Pick<Answers, 'answers'>): boolean {
  const said = answers.filter(({ outcome }) => !isTransient(outcome))
  return new Set(said.map(({ outcome }) => kindOf(outcome))).size > 1
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
