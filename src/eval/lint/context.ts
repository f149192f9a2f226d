/** What the rules of the linter look at: a policy with its aliases resolved. */
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import type { RegoLocation } from '../errors.js'
import type {
  Comparison,
  ModuleInspection,
  Operand,
  Place,
  RefPath,
  RegoInspection,
  RuleInspection,
} from '../rego/inspection.js'

/** A reference whose aliases are replaced: it starts with `data`, `input`, or a local name. */
export type ResolvedRef = Place & { path: RefPath; rule: RuleInspection }

/** A policy, prepared for the rules. */
export type LintContext = {
  inspection: RegoInspection
  module: ModuleInspection
  /** Rules of a name, defaults included. */
  rules(name: string): readonly RuleInspection[]
  /** Every reference of every rule. */
  refs: readonly ResolvedRef[]
  comparisons: readonly (Comparison & { rule: RuleInspection })[]
  /** Path of an operand that is a plain reference. */
  pathOf(operand: Operand, rule: RuleInspection): RefPath | undefined
  /** The params schema, where there is one. */
  schema: JsonObject | undefined
  /** What the policy decides on documents the linter makes up; `undefined` where it errs. */
  probe(documents: { input: Json; params: Json; wasm: Json }): boolean | undefined
  locate(place: Place): RegoLocation
}

/** Builds the context of one policy module. */
export function createLintContext(parameters: {
  inspection: RegoInspection
  source: string
  schema: JsonObject | undefined
  probe: LintContext['probe']
}): LintContext | undefined {
  const { inspection, source, schema, probe } = parameters
  const module = inspection.modules[0]
  if (module === undefined) return undefined
  const lines = source.split('\n')
  const aliases = moduleAliases(module)
  const resolve = (path: RefPath, rule: RuleInspection): RefPath =>
    resolvePath(path, { aliases, locals: localAliases(rule), rule })
  const refs = module.rules.flatMap((rule) =>
    rule.refs.map((ref) => ({ ...ref, path: resolve(ref.path, rule), rule })),
  )
  return {
    inspection,
    module,
    schema,
    probe,
    refs,
    rules: (name) => module.rules.filter((rule) => rule.name === name),
    comparisons: module.rules.flatMap((rule) =>
      rule.comparisons.map((comparison) => ({ ...comparison, rule })),
    ),
    pathOf: (operand, rule) => (operand.ref === undefined ? undefined : resolve(operand.ref, rule)),
    locate: ({ line, column }) => ({
      file: module.file,
      line,
      column,
      text: lines[line - 1],
      caret: `${' '.repeat(Math.max(0, column - 1))}^`,
    }),
  }
}

type Aliases = ReadonlyMap<string, RefPath>

/** Names that stand for a document in the whole module: imports, and rules such as `t := data.params`. */
function moduleAliases(module: ModuleInspection): Aliases {
  const aliases = new Map<string, RefPath>()
  for (const { path, alias } of module.imports) {
    const name = alias ?? path.at(-1)
    const first = path[0]
    if (name && (first === 'data' || first === 'input')) aliases.set(name, path)
  }
  for (const rule of module.rules) {
    const only = rule.refs[0]
    const plain = rule.kind === 'complete' && !rule.default && rule.bodies.length === 0
    if (!plain || rule.refs.length !== 1 || rule.calls.length > 0 || only === undefined) continue
    if (rule.constructs.length === 0) aliases.set(rule.name, only.path)
  }
  return aliases
}

/** Names a rule gives to documents in its bodies: `t := data.params`. */
function localAliases(rule: RuleInspection): Aliases {
  const aliases = new Map<string, RefPath>()
  for (const body of rule.bodies) {
    for (const { assigns, operand } of body.conditions) {
      const name = assigns?.ref?.length === 1 ? assigns.ref[0] : undefined
      if (name && operand?.ref !== undefined) aliases.set(name, operand.ref)
    }
  }
  return aliases
}

function resolvePath(
  path: RefPath,
  { aliases, locals, rule }: { aliases: Aliases; locals: Aliases; rule: RuleInspection },
): RefPath {
  let current = path
  // Aliases of aliases; the bound is for two that name each other.
  for (let round = 0; round < 8; round++) {
    const first = current[0]
    if (first === undefined || first === null || first === 'data' || first === 'input') break
    const target =
      locals.get(first) ?? (rule.locals.includes(first) ? undefined : aliases.get(first))
    if (target === undefined) break
    current = [...target, ...current.slice(1)]
  }
  return current
}

/** The names read right below a document, such as all `x` of `data.params.x`, with where. */
export function membersRead(
  context: LintContext,
  document: readonly string[],
): ReadonlyMap<string, ResolvedRef> {
  const found = new Map<string, ResolvedRef>()
  for (const ref of context.refs) {
    if (!startsWith(ref.path, document)) continue
    const name = ref.path[document.length]
    if (typeof name === 'string' && !found.has(name)) found.set(name, ref)
  }
  return found
}

/** Whether a document is read as a whole or by a computed name, so that nobody knows which members. */
export function readsAll(context: LintContext, document: readonly string[]): boolean {
  const aliasRules = new Set(
    context.module.rules.filter(
      (rule) => rule.bodies.length === 0 && rule.refs.length === 1 && rule.calls.length === 0,
    ),
  )
  return context.refs.some((ref) => {
    if (!startsWith(ref.path, document)) return false
    const next = ref.path[document.length]
    if (next === null) return true
    return next === undefined && !aliasRules.has(ref.rule) && !isAssigned(ref)
  })
}

/** A reference on the right of `name := …` only makes an alias. */
function isAssigned(ref: ResolvedRef): boolean {
  return ref.rule.bodies.some((body) =>
    body.conditions.some(
      ({ assigns, operand, line }) =>
        assigns !== undefined && operand?.ref !== undefined && line === ref.line,
    ),
  )
}

/** Whether `path` starts with `prefix`. */
export function startsWith(path: RefPath, prefix: readonly string[]): boolean {
  return prefix.every((segment, index) => path[index] === segment)
}

/** Fewest single edits from one word to another. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}

/** The candidate that `name` most likely means, if one is close enough. */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    if (candidate === name) continue
    const distance = editDistance(name, candidate)
    const allowed = Math.min(name.length, candidate.length) > 4 ? 2 : 1
    if (distance <= allowed && (best === undefined || distance < best.distance)) {
      best = { candidate, distance }
    }
  }
  return best?.candidate
}
