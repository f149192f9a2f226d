/**
 * The linter: what has gone wrong in real policies, found before they are deployed.
 *
 * Rules look at what the operators' engine says is in the policy, and at what it decides on
 * documents that are empty or say that a plugin failed.
 */
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { parseJson } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { assertOptions } from '../../internal/options.js'
import { RegoRefusedError } from '../errors.js'
import type { PreparedPolicy } from '../rego/engine.js'
import { inspectPolicy } from '../rego/inspectPolicy.js'
import { operatorEngine, sourceText } from '../rego/operatorEngine.js'
import { createLintContext, type LintContext } from './context.js'
import { decisionRules } from './decisionRules.js'
import { differenceRules } from './differenceRules.js'
import { documentRules } from './documentRules.js'
import type { LintFinding, LintRule } from './rule.js'

/** Found where the engine refuses the policy, so no other rule can look at it. */
const recursionRule: Omit<LintRule, 'find'> = {
  id: 'recursion',
  severity: 'error',
  explanation:
    'A function that calls itself exhausts the stack of the engine: operators crash instead of deciding.',
  fix: 'Write the steps out, use a comprehension over a list, or compute it in a data plugin.',
}

const nondeterministicRule: Omit<LintRule, 'find'> = {
  id: 'nondeterministic',
  severity: 'error',
  explanation: 'Operators must compute the same result; this builtin gives each of them another.',
  fix: 'Fetch outside data in a data plugin and read it from data.wasm.',
}

/** All rules, for documentation and for tests. */
export const lintRules: readonly LintRule[] = [
  ...decisionRules,
  ...documentRules,
  ...differenceRules,
  { ...nondeterministicRule, find: () => [] },
]

/**
 * Lints one policy.
 *
 * @param parameters.rego - The Rego source, as text or UTF-8 bytes.
 * @param parameters.file - Its name, for places. Default `policy.rego`.
 * @param parameters.paramsSchema - JSON text of the params schema. Without it, rules about params
 * stay silent.
 * @returns Findings in the order of the source. Empty where nothing is wrong.
 * @throws {RegoSourceError} where the policy does not parse: that is no finding.
 * @example
 * ```ts
 * import { lintPolicy } from '@newton/policy-sdk/eval'
 *
 * const findings = await lintPolicy({ rego: 'package p\ndefault allow := true' })
 * findings.map((finding) => finding.rule) // ['default-allow', 'no-input', …]
 * ```
 */
export async function lintPolicy(parameters: {
  rego: string | Uint8Array
  file?: string | undefined
  paramsSchema?: string | undefined
}): Promise<readonly LintFinding[]> {
  assertOptions(
    parameters,
    { rego: 'any', file: 'text', paramsSchema: 'text' },
    { field: 'parameters', required: ['rego'] },
  )
  const { rego, file = 'policy.rego', paramsSchema } = parameters
  const source = sourceText(rego, 'rego')
  const modules = [{ name: file, source }]
  let context: LintContext | undefined
  let policy: PreparedPolicy | undefined
  try {
    const inspection = await inspectPolicy({ rego: modules })
    policy = await operatorEngine().prepare({ rego: modules })
    context = createLintContext({
      inspection,
      source,
      schema: paramsSchema === undefined ? undefined : readSchema(paramsSchema),
      probe: probeWith(policy),
    })
    return context === undefined ? [] : findAll(context)
  } catch (error) {
    if (error instanceof RegoRefusedError) return [refusedFinding(error)]
    throw error
  } finally {
    policy?.dispose()
  }
}

function findAll(context: LintContext): readonly LintFinding[] {
  const findings = lintRules.flatMap((rule) =>
    [...rule.find(context)].map(
      ({ message, at, severity }): LintFinding => ({
        rule: rule.id,
        severity: severity ?? rule.severity,
        message,
        explanation: rule.explanation,
        fix: rule.fix,
        location: at === undefined ? undefined : context.locate(at),
      }),
    ),
  )
  return findings.sort(
    (a, b) =>
      (a.location?.line ?? 0) - (b.location?.line ?? 0) ||
      (a.location?.column ?? 0) - (b.location?.column ?? 0),
  )
}

function refusedFinding(error: RegoRefusedError): LintFinding {
  const known = {
    recursion: recursionRule,
    nondeterministic: nondeterministicRule,
    unsupported: lintRules.find(({ id }) => id === 'unknown-function'),
  }
  const rule = known[error.refusal as keyof typeof known]
  return {
    rule: rule?.id ?? error.refusal,
    severity: 'error',
    message: error.shortMessage,
    explanation: rule?.explanation ?? 'Operators refuse such a policy.',
    fix: rule?.fix ?? error.metaMessages.at(-1) ?? '',
    location: error.location,
  }
}

function probeWith(policy: PreparedPolicy): LintContext['probe'] {
  return ({ input, params, wasm }) => {
    const outcome = policy.evaluate(
      { inputJson: JSON.stringify(input), dataJson: JSON.stringify({ params, wasm }) },
      { blockTimestamp: 1_700_000_000n, seed: `0x${'00'.repeat(32)}` },
    )
    if (outcome.kind === 'defined') return outcome.allow
    return outcome.kind === 'undefined' ? false : undefined
  }
}

function readSchema(text: string): JsonObject | undefined {
  try {
    return objectOf(parseJson(text))
  } catch (cause) {
    const reason = 'it is not the JSON text of a schema'
    throw new InvalidInputError({ field: 'paramsSchema', reason }, { cause })
  }
}

function objectOf(value: Json): JsonObject | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return value as JsonObject
}
