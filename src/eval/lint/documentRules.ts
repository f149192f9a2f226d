/** Lint rules about the documents a policy reads: input, params, plugin outputs. */
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import {
  closest,
  type LintContext,
  membersRead,
  type ResolvedRef,
  readsAll,
  startsWith,
} from './context.js'
import type { LintHit, LintRule } from './rule.js'

const firstLine = { line: 1, column: 1 }

/** Members of the input document, a parsed intent. */
export const inputMembers: readonly string[] = [
  'from',
  'to',
  'value',
  'data',
  'chain_id',
  'function_signature',
  'function',
  'decoded_function_signature',
  'decoded_function_arguments',
]

/** Names under which plugins say that they failed. */
const failureMembers: ReadonlySet<string> = new Set([
  'error',
  'errors',
  'error_message',
  'failed',
  'failure',
  'ok',
  'success',
  'status',
  'health',
  'healthy',
])

const noInput: LintRule = {
  id: 'no-input',
  severity: 'warning',
  explanation:
    'Plugins screen what the submitter of a task names in wasmArgs. A policy that never looks at the transaction lets the caller have another, clean address screened.',
  fix: 'Compare what was screened with the transaction: `lower(data.wasm.address) == input.to`.',
  find: function* ({ refs }) {
    if (!refs.some((ref) => ref.path[0] === 'input')) {
      yield { message: 'the policy never reads input', at: firstLine }
    }
  },
}

const unknownInput: LintRule = {
  id: 'unknown-input',
  severity: 'error',
  explanation: `The input is the parsed transaction: ${inputMembers.join(', ')}. Anything else is undefined.`,
  fix: 'Correct the name. What a client configures is in data.params, what a plugin found in data.wasm.',
  find: function* (context) {
    for (const [name, ref] of membersRead(context, ['input'])) {
      if (inputMembers.includes(name)) continue
      const meant = closest(name, inputMembers)
      const hint = meant === undefined ? '' : `, did you mean input.${meant}?`
      yield { message: `input.${name} does not exist${hint}`, at: ref }
    }
  },
}

const unknownData: LintRule = {
  id: 'unknown-data',
  severity: 'error',
  explanation:
    'A policy sees data.params, data.wasm and its own package. Secrets never reach Rego, and the older data.data is gone.',
  fix: 'Read params from data.params and plugin outputs from data.wasm.',
  find: function* (context) {
    const known = new Set(['params', 'wasm', context.module.package[0] ?? ''])
    for (const [name, ref] of membersRead(context, ['data'])) {
      if (!known.has(name)) yield { message: `data.${name} is never there`, at: ref }
    }
  },
}

function properties(schema: JsonObject): JsonObject {
  const value = Object.hasOwn(schema, 'properties') ? schema['properties'] : undefined
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : {}
}

/**
 * The properties that `data.params` has. The params of composed packs come in an envelope, with a
 * `_manifest`, the list of `modules`, and the params of each pack below `params`; their policies read
 * what is inside.
 */
function paramsOf(schema: JsonObject): { inside: JsonObject; envelope: readonly string[] } {
  const outside = properties(schema)
  const inner = outside['params']
  const isEnvelope = ['_manifest', 'modules', 'params'].every((name) =>
    Object.hasOwn(outside, name),
  )
  if (!isEnvelope || typeof inner !== 'object' || inner === null || Array.isArray(inner)) {
    return { inside: outside, envelope: [] }
  }
  return { inside: properties(inner as JsonObject), envelope: Object.keys(outside) }
}

const paramsNotInSchema: LintRule = {
  id: 'params-not-in-schema',
  severity: 'error',
  explanation:
    'A param that the schema does not name cannot be relied on: it is undefined for clients who follow the schema, and a rule that compares with it never holds.',
  fix: 'Add the property to the params schema, or correct the name in the policy.',
  find: function* (context) {
    for (const { name, ref, meant } of missingParams(context)) {
      if (meant === undefined) {
        yield { message: `data.params.${name} is not in the params schema`, at: ref }
      }
    }
  },
}

const misspelledParam: LintRule = {
  id: 'misspelled-key',
  severity: 'error',
  explanation:
    'The schema has a property of almost this name. As written, the reference is undefined and its condition never holds.',
  fix: 'Use one spelling in the policy and in the schema.',
  find: function* (context) {
    for (const { name, ref, meant } of missingParams(context)) {
      if (meant === undefined) continue
      const message = `data.params.${name} is not in the params schema, did you mean ${meant}?`
      yield { message, at: ref }
    }
    yield* misspelledOutputs(context)
  },
}

/** Two plugin outputs of almost one name: one of them is a slip. */
function* misspelledOutputs(context: LintContext): Iterable<LintHit> {
  const read = membersRead(context, ['data', 'wasm'])
  const names = [...read.keys()]
  for (const [index, name] of names.entries()) {
    const meant = closest(name, names.slice(0, index))
    if (meant === undefined || Math.min(name.length, meant.length) < 6) continue
    const message = `data.wasm.${name} and data.wasm.${meant} differ by a letter or two`
    yield { message, at: read.get(name), severity: 'warning' }
  }
}

function missingParams(
  context: LintContext,
): readonly { name: string; ref: ResolvedRef; meant: string | undefined }[] {
  if (context.schema === undefined) return []
  const { inside, envelope } = paramsOf(context.schema)
  const known = [...Object.keys(inside), ...envelope]
  return [...membersRead(context, ['data', 'params'])]
    .filter(([name]) => !known.includes(name))
    .map(([name, ref]) => ({ name, ref, meant: closest(name, known) }))
}

const paramNeverRead: LintRule = {
  id: 'param-never-read',
  severity: 'warning',
  explanation: 'Clients set this param and it changes nothing.',
  fix: 'Use it in the policy, or remove it from the schema.',
  find: function* (context) {
    if (context.schema === undefined || readsAll(context, ['data', 'params'])) return
    const read = membersRead(context, ['data', 'params'])
    for (const name of Object.keys(paramsOf(context.schema).inside)) {
      if (!read.has(name)) yield { message: `the param ${name} is never read`, at: firstLine }
    }
  },
}

const pluginErrors: LintRule = {
  id: 'plugin-error-allows',
  severity: 'error',
  explanation:
    'A plugin whose upstream fails often answers all the same, with an error member or with flags at their harmless value. A policy that does not look allows during an outage.',
  fix: 'Deny on the plugin\'s error member, and require the type of every flag: `deny contains "screening failed" if data.wasm.error`.',
  find: (context) => findPluginErrors(context),
}

function* findPluginErrors(context: LintContext): Iterable<LintHit> {
  const wasm = context.refs.filter((ref) => startsWith(ref.path, ['data', 'wasm']))
  const first = wasm[0]
  if (first === undefined) return
  const looks = wasm.some((ref) => ref.path.slice(2).some((name) => failureMembers.has(name ?? '')))
  if (!looks && !readsAll(context, ['data', 'wasm']) && !requiresOutput(context)) {
    const message = 'plugin outputs are read and their errors are not'
    yield { message, at: first, severity: 'warning' }
  }
  const failed: Record<string, Json> = { error: 'upstream failed' }
  for (const name of membersRead(context, ['data', 'wasm']).keys()) {
    if (!failureMembers.has(name)) failed[name] = { error: 'upstream failed' }
  }
  const allows = context.probe({ input: {}, params: {}, wasm: failed })
  if (allows === true) yield { message: 'allow is true when every plugin fails', at: first }
}

/** Whether every way to allow states a fact a plugin found, so that no answer is a denial. */
function requiresOutput(context: LintContext): boolean {
  const rules = context.rules('allow').filter((rule) => !rule.default)
  return (
    rules.length > 0 &&
    rules.every((rule) =>
      rule.bodies.every((body) =>
        body.conditions.some(({ kind, comparison, operand }) => {
          if (kind !== 'expression') return false
          const sides = [comparison?.left, comparison?.right, operand]
          return sides.some((side) => {
            if (side === undefined) return false
            return [side, ...(side.call === undefined ? [] : side.of)].some((one) => {
              const path = context.pathOf(one, rule)
              return path !== undefined && startsWith(path, ['data', 'wasm'])
            })
          })
        }),
      ),
    )
  )
}

const numberForms: LintRule = {
  id: 'number-form',
  severity: 'error',
  explanation:
    'input.chain_id is a number. input.value is a number up to 2^64 - 1 and a decimal string above, and a string is greater than every number. Decoded arguments that are integers are decimal strings.',
  fix: 'Compare numbers: `input.chain_id == 1`, `to_number(input.value) <= data.params.max_value`.',
  find: (context) => findNumberForms(context),
}

/** What builtins give, where that decides a comparison. */
const results: ReadonlyMap<string, 'string' | 'number'> = new Map([
  ...['format_int', 'sprintf', 'lower', 'upper', 'concat', 'trim', 'substring', 'replace'].map(
    (name) => [name, 'string'] as const,
  ),
  ...['to_number', 'count', 'abs', 'round', 'ceil', 'floor', 'sum', 'time.now_ns'].map(
    (name) => [name, 'number'] as const,
  ),
])

function* findNumberForms(context: LintContext): Iterable<LintHit> {
  for (const { left, right, operator, line, column, rule } of context.comparisons) {
    if (left.call !== undefined || right.call !== undefined) {
      const kinds = [kindOf(context, left, rule), kindOf(context, right, rule)]
      if (kinds.includes('string') && kinds.includes('number')) {
        const call = left.call ?? right.call
        const message = `${call} gives a ${results.get(call ?? '')}, compared with the other kind`
        yield { message, at: { line, column } }
      }
    }
    for (const [mine, other] of [
      [left, right],
      [right, left],
    ] as const) {
      const path = context.pathOf(mine, rule)
      if (path === undefined || path[0] !== 'input') continue
      const name = path[1] ?? ''
      const kind = kindOf(context, other, rule)
      const at = { line, column }
      if (name === 'chain_id' && kind === 'string') {
        yield { message: 'input.chain_id is a number and is compared with a string', at }
      } else if (name === 'value' && kind === 'string') {
        yield { message: 'input.value is compared with a string', at }
      } else if (name === 'value' && operator !== '==' && operator !== '!=') {
        const message = 'input.value is compared without to_number, which fails above 2^64 - 1'
        yield { message, at, severity: 'warning' }
      } else if (name === 'decoded_function_arguments' && kind === 'number') {
        yield { message: 'a decoded integer argument is a decimal string', at }
      }
    }
  }
}

/** The type the other side of a comparison has, where it can be told. */
function kindOf(
  context: LintContext,
  operand: Parameters<LintContext['pathOf']>[0],
  rule: ResolvedRef['rule'],
): string | undefined {
  if (operand.literal !== undefined) return typeof operand.literal
  if (operand.call !== undefined) return results.get(operand.call)
  const path = context.pathOf(operand, rule)
  if (path === undefined || context.schema === undefined) return undefined
  const name = startsWith(path, ['data', 'params']) ? path[2] : undefined
  if (typeof name !== 'string') return undefined
  const property = paramsOf(context.schema).inside[name] as JsonObject | undefined
  const type = property?.['type']
  return type === 'integer' ? 'number' : typeof type === 'string' ? type : undefined
}

/** Rules about documents. */
export const documentRules: readonly LintRule[] = [
  noInput,
  unknownInput,
  unknownData,
  paramsNotInSchema,
  misspelledParam,
  paramNeverRead,
  pluginErrors,
  numberForms,
]
