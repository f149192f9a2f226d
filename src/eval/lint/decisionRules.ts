/** Lint rules about the decision: whether a policy can allow, deny, and say why. */

import type { Condition, RuleInspection } from '../rego/inspection.js'
import type { LintContext } from './context.js'
import type { LintHit, LintRule } from './rule.js'

const firstLine = { line: 1, column: 1 }

const defaultAllow: LintRule = {
  id: 'default-allow',
  severity: 'error',
  explanation:
    'With a default of true the policy allows whenever its conditions are undefined: a missing plugin output, a misspelled name, an empty document.',
  fix: 'Write `default allow := false` and state what must hold to allow.',
  find: (context) => findDefaultAllow(context),
}

function* findDefaultAllow({ rules }: LintContext): Iterable<LintHit> {
  for (const rule of rules('allow')) {
    if (!rule.default || rule.defaultValue !== true) continue
    yield { message: 'the default of allow is true', at: rule }
  }
}

const failOpen: LintRule = {
  id: 'allows-nothing-known',
  severity: 'error',
  explanation:
    'The policy was evaluated with an empty input, no params and no plugin output, and allowed.',
  fix: 'Require what the decision rests on: `is_boolean(data.wasm.flag)`, `input.to`, …',
  find: function* (context) {
    const allows = context.probe({ input: {}, params: {}, wasm: {} })
    if (allows === true) {
      const at = context.rules('allow').find((rule) => !rule.default) ?? firstLine
      yield { message: 'allow is true when nothing is known', at }
    }
  },
}

const unreachable: LintRule = {
  id: 'allow-unreachable',
  severity: 'error',
  explanation: 'No input can make allow true, so every evaluation denies.',
  fix: 'Add a rule `allow if …` whose conditions can hold.',
  find: (context) => findUnreachable(context),
}

function* findUnreachable({ rules }: LintContext): Iterable<LintHit> {
  const all = rules('allow')
  if (all.length === 0) {
    yield { message: 'there is no rule named allow', at: firstLine }
    return
  }
  if (all.some((rule) => canAllow(rule))) return
  yield { message: 'no rule can make allow true', at: all.find((rule) => !rule.default) ?? all[0] }
}

function canAllow(rule: RuleInspection): boolean {
  if (rule.default) return rule.defaultValue === true
  if (rule.kind !== 'complete') return false
  // `allow := value`: a constant other than true never allows, anything else may.
  if (rule.bodies.length === 0) return rule.key === null || rule.key === true
  return rule.bodies.some((body, index) => {
    const value = index === 0 ? rule.key : body.value
    if (value !== null && value !== true) return false
    return !body.conditions.some(neverHolds)
  })
}

/** A condition that is false whatever the documents are. */
function neverHolds({ kind, comparison, operand }: Condition): boolean {
  if (kind === 'expression' && operand?.literal === false) return true
  if (kind === 'not' && operand?.literal === true) return true
  if (kind !== 'expression' || comparison === undefined) return false
  const { left, right, operator } = comparison
  if (left.literal === undefined || right.literal === undefined) return false
  const equal = JSON.stringify(left.literal) === JSON.stringify(right.literal)
  if (operator === '==' || operator === '=') return !equal
  return operator === '!=' ? equal : false
}

const noReasons: LintRule = {
  id: 'no-reasons',
  severity: 'warning',
  explanation:
    'Only the strings of the set `deny` reach the user. Without them a denied user never learns why.',
  fix: 'Write `deny contains "what is wrong" if …` for each condition, and `allow if count(deny) == 0`.',
  find: (context) => findNoReasons(context),
}

function* findNoReasons({ rules }: LintContext): Iterable<LintHit> {
  const all = rules('deny')
  if (all.length === 0) {
    yield { message: 'there is no set named deny', at: firstLine }
    return
  }
  for (const rule of all) {
    if (rule.kind !== 'set')
      yield { message: 'deny is not a set, so it gives no reasons', at: rule }
    else if (rule.key !== null && typeof rule.key !== 'string') {
      yield { message: 'a member of deny that is not a string is no reason', at: rule }
    }
  }
}

const unusedReasons: LintRule = {
  id: 'reasons-do-not-deny',
  severity: 'error',
  explanation: 'The decision is `allow` alone. Reasons that allow does not look at deny nothing.',
  fix: 'Make allow depend on them: `allow if count(deny) == 0`, with the other conditions.',
  find: (context) => findUnusedReasons(context),
}

function* findUnusedReasons(context: LintContext): Iterable<LintHit> {
  const deny = context.rules('deny')[0]
  if (deny === undefined || context.rules('allow').length === 0) return
  const reached = reachedFrom(context, 'allow')
  // A policy may state the same conditions twice, so only one that shares nothing is reported.
  if (reached.has('deny')) return
  const shared = [...reachedFrom(context, 'deny')].some(
    (name) => name !== 'deny' && reached.has(name),
  )
  if (!shared) yield { message: 'allow does not depend on deny', at: deny }
}

/** Names of rules that a rule refers to, directly or through others. */
function reachedFrom({ module, rules }: LintContext, start: string): ReadonlySet<string> {
  const names = new Set(module.rules.map((rule) => rule.name))
  const reached = new Set<string>()
  const open = [start]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (reached.has(name)) continue
    reached.add(name)
    for (const rule of rules(name)) {
      const targets = [
        ...rule.refs.map((ref) => localName(ref.path, module.package)),
        ...rule.calls.map((call) => call.name),
      ]
      for (const target of targets) {
        if (typeof target === 'string' && names.has(target)) open.push(target)
      }
    }
  }
  reached.delete(start)
  return reached
}

function localName(
  path: readonly (string | null)[],
  packagePath: readonly string[],
): string | null | undefined {
  const full = path[0] === 'data' && packagePath.every((name, index) => path[index + 1] === name)
  return full ? path[packagePath.length + 1] : path[0]
}

const ruleRecursion: LintRule = {
  id: 'recursion',
  severity: 'error',
  explanation:
    'A rule that depends on itself ends every evaluation that reaches it with an error: no decision.',
  fix: 'Break the cycle: name the part that both need as a rule of its own.',
  find: (context) => findRuleRecursion(context),
}

function* findRuleRecursion(context: LintContext): Iterable<LintHit> {
  const reported = new Set<string>()
  for (const rule of context.module.rules) {
    if (reported.has(rule.name) || !dependsOnItself(context, rule.name)) continue
    reported.add(rule.name)
    yield { message: `${rule.name} depends on itself`, at: rule }
  }
}

function dependsOnItself(context: LintContext, name: string): boolean {
  const direct = context
    .rules(name)
    .flatMap((rule) =>
      rule.refs
        .filter((ref) => !rule.locals.includes(ref.path[0] ?? ''))
        .map((ref) => localName(ref.path, context.module.package)),
    )
  return direct.some(
    (target) =>
      typeof target === 'string' && (target === name || reachedFrom(context, target).has(name)),
  )
}

/** Rules about the decision. */
export const decisionRules: readonly LintRule[] = [
  defaultAllow,
  failOpen,
  unreachable,
  noReasons,
  unusedReasons,
  ruleRecursion,
]
