/** Random cases, decided by the package: the form in which two engines' outcomes are compared. */
import { parseJsonText } from '../../src/core/jsonText.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { operatorEngine, type RegoOutcome, RegoRefusedError } from '../../src/eval/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import { documentsFrom } from './documents.js'
import { policyFrom } from './policy.js'
import { randomFrom } from './random.js'

export type Case = {
  seed: number
  source: string
  documents: readonly { inputJson: string; dataJson: string }[]
}

const world = { blockTimestamp: 1_700_000_000n, seed: `0x${'11'.repeat(32)}` }
const documentsPerPolicy = 3

/** The policy of a number, with documents for it. The number alone repeats the case. */
export function caseFrom(seed: number): Case {
  const random = randomFrom(seed)
  const source = policyFrom(random)
  const documents = Array.from({ length: documentsPerPolicy }, () => documentsFrom(random))
  return { seed, source, documents }
}

/** Codes of what is refused before it is evaluated. */
const refusals: ReadonlySet<string> = new Set(['PARSE', 'COMPILE', 'NONDETERMINISTIC'])

/** A native answer as text: JSON without blanks, integers as they are. */
export function outcomeOfNative(answer: string | null): string {
  if (answer === null) return 'died'
  const fail = (path: string, reason: string): Error => new Error(`${path}: ${reason}`)
  const parsed = parseJsonText(answer, { maxDepth: 1_024, fail, largeInteger: BigInt }) as Answer
  if (parsed.error !== undefined) {
    if (refusals.has(parsed.error.code)) return 'refused'
    return textOfError(parsed.error)
  }
  if (!parsed.defined) return text(['undefined', parsed.reasons])
  return text(['defined', parsed.value, parsed.reasons, parsed.reasonsError ?? null])
}

/** Which error, and where. A stack is as deep as its host's, and a function that is not there says so. */
function textOfError({ code, message, location }: NonNullable<Answer['error']>): string {
  if (code === 'PANIC' || code === 'STACK_LIMIT') return 'died'
  if (code === 'RECURSION' || code === 'UNSUPPORTED') return code
  return text(['error', code, message, location?.line ?? null, location?.column ?? null])
}

type Answer = {
  error?: {
    code: string
    message: string
    location?: { line: number; column: number } | null | undefined
  }
  defined: boolean
  value: unknown
  reasons: readonly string[]
  reasonsError: string | null
}

/**
 * The package's outcomes of a case. Each pair of documents is decided after the others and then once
 * more, so that nothing of an evaluation may count in the next.
 */
export async function outcomesOfPackage({ source, documents }: Case): Promise<readonly string[]> {
  let policy: Awaited<ReturnType<ReturnType<typeof operatorEngine>['prepare']>>
  try {
    policy = await operatorEngine().prepare({ rego: utf8(source) })
  } catch (cause) {
    if (!isPolicySdkError(cause)) throw cause
    const isRecursion = cause instanceof RegoRefusedError && cause.refusal === 'recursion'
    return documents.map(() => (isRecursion ? 'RECURSION' : 'refused'))
  }
  const first = documents.map((one) => outcomeOf(policy.evaluate(one, world)))
  const again = [...documents].reverse().map((one) => outcomeOf(policy.evaluate(one, world)))
  policy.dispose()
  for (const [index, outcome] of again.reverse().entries()) {
    if (outcome !== first[index]) {
      return first.map(() => `the second evaluation differs: ${first[index]} then ${outcome}`)
    }
  }
  return first
}

function outcomeOf(outcome: RegoOutcome): string {
  switch (outcome.kind) {
    case 'undefined':
      return text(['undefined', outcome.reasons])
    case 'defined':
      return text(['defined', outcome.value, outcome.reasons, outcome.reasonsError ?? null])
    case 'unsupported':
      return 'UNSUPPORTED'
    default:
      return textOfError(outcome)
  }
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? `integer ${member}` : member,
  )
}
