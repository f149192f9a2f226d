/** What a rule of the linter is, and what it reports. */
import type { RegoLocation } from '../errors.js'
import type { LintContext } from './context.js'

/** How bad a finding is. An `error` lets something through or makes the policy useless. */
export type LintSeverity = 'error' | 'warning' | 'info'

/** One finding. */
export type LintFinding = {
  /** Id of the rule, stable. */
  rule: string
  severity: LintSeverity
  /** What is wrong here. */
  message: string
  /** Why it matters. */
  explanation: string
  /** What to do. */
  fix: string
  location?: RegoLocation | undefined
}

/** @internal What a rule reports: the rest is the rule's own text. */
export type LintHit = {
  message: string
  severity?: LintSeverity | undefined
  at?: { line: number; column: number } | undefined
}

/** A rule of the linter. */
export type LintRule = {
  readonly id: string
  readonly severity: LintSeverity
  readonly explanation: string
  readonly fix: string
  /** @internal */
  readonly find: (context: LintContext) => Iterable<LintHit>
}
