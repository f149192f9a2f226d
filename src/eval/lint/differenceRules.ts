/** Lint rules about constructs where OPA and the operators' engine decide differently. */
import { type LintContext, startsWith } from './context.js'
import type { LintHit, LintRule } from './rule.js'

/** Builtins that fail on an argument of another type, and the check that avoids it. */
const typed: ReadonlyMap<string, string> = new Map([
  ['lower', 'is_string'],
  ['upper', 'is_string'],
  ['startswith', 'is_string'],
  ['endswith', 'is_string'],
  ['contains', 'is_string'],
  ['split', 'is_string'],
  ['trim', 'is_string'],
  ['trim_space', 'is_string'],
  ['replace', 'is_string'],
  ['substring', 'is_string'],
  ['indexof', 'is_string'],
  ['regex.match', 'is_string'],
  ['round', 'is_number'],
  ['ceil', 'is_number'],
  ['floor', 'is_number'],
  ['abs', 'is_number'],
  ['sum', 'is_array'],
  ['to_number', 'is_string'],
])

const builtinErrors: LintRule = {
  id: 'opa-builtin-error',
  severity: 'warning',
  explanation:
    'For operators a builtin on a value of the wrong type ends the evaluation with an error, and there is no decision; OPA makes it undefined and goes on. A plugin that answers null stops this policy.',
  fix: 'Check the type in the statement before: `is_string(data.wasm.address)`.',
  find: (context) => findBuiltinErrors(context),
}

function* findBuiltinErrors(context: LintContext): Iterable<LintHit> {
  for (const rule of context.module.rules) {
    const checked = new Set(rule.calls.map((call) => call.name))
    for (const call of rule.calls) {
      const guard = typed.get(call.name)
      if (guard === undefined || checked.has(guard)) continue
      // Params are checked against their schema, and the input has types of its own.
      const plugin = call.of.some((argument) => {
        const path = context.pathOf(argument, rule)
        return path !== undefined && startsWith(path, ['data', 'wasm'])
      })
      if (!plugin) continue
      const message = `${call.name} on a plugin's output that is not checked with ${guard}`
      yield { message, at: call }
    }
  }
}

const notCall: LintRule = {
  id: 'opa-not-undefined',
  severity: 'info',
  explanation:
    'For operators `not f(x)`, `not f(x) < y` and `not x + 1 < y` hold when x is undefined. OPA takes the call out first, so the whole statement is undefined and the rule does not fire.',
  fix: 'Give the argument a name first, so that both agree: `x := data.wasm.score; not f(x)`.',
  find: function* ({ module }) {
    for (const rule of module.rules) {
      for (const body of rule.bodies) {
        for (const condition of body.conditions) {
          const { operand, comparison } = condition
          if (condition.kind !== 'not') continue
          const sides = [operand, comparison?.left, comparison?.right]
          const call = sides.find((side) => side?.call !== undefined)?.call
          const computes = sides.some((side) => side !== undefined && 'arithmetic' in side)
          if (call !== undefined) yield { message: `\`not\` of a call to ${call}`, at: condition }
          else if (computes) yield { message: '`not` of a calculation', at: condition }
        }
      }
    }
  },
}

const fractions: LintRule = {
  id: 'opa-fractions',
  severity: 'warning',
  explanation:
    'Operators compute fractions as binary floating point (0.1 + 0.2 is 0.30000000000000004); OPA computes and prints decimals. Equality and thresholds at the edge come out differently.',
  fix: 'Use integers: basis points, smallest units.',
  find: (context) => findFractions(context),
}

function* findFractions(context: LintContext): Iterable<LintHit> {
  for (const comparison of context.comparisons) {
    const sides = [comparison.left, comparison.right]
    const arithmetic = sides.some((side) => 'arithmetic' in side && side.arithmetic === true)
    const exact = comparison.operator === '==' || comparison.operator === '!='
    const fraction = sides.some(
      (side) => typeof side.literal === 'number' && !Number.isInteger(side.literal),
    )
    if ((arithmetic && exact) || (exact && fraction) || (arithmetic && fraction)) {
      yield { message: 'a computed or fractional number is compared', at: comparison }
    }
  }
}

/** From here on the operators' engine has doubles where OPA has integers. */
const FIRST_INEXACT = 2 ** 64

const largeIntegers: LintRule = {
  id: 'large-integers',
  severity: 'warning',
  explanation:
    'An integer above 2^64 - 1, which is 18.4 ether in wei, becomes a double of 53 bits when it is read from a document or by to_number, for operators too: 1000000000000000000001 and 1000000000000000000000 are equal, where OPA tells them apart.',
  fix: 'Compare amounts in a larger unit that a plugin computed, or compare decimal strings of one length: `count(a) > count(b)`, then `a > b`.',
  find: (context) => findLargeIntegers(context),
}

function* findLargeIntegers(context: LintContext): Iterable<LintHit> {
  for (const { left, right, operator, line, column, rule } of context.comparisons) {
    const at = { line, column }
    const sides = [left, right]
    const literal = sides.find(
      (side) => typeof side.literal === 'number' && Math.abs(side.literal) >= FIRST_INEXACT,
    )
    if (literal !== undefined) {
      yield { message: 'an integer of more than 64 bits is compared as a double', at }
      continue
    }
    const amount = sides.some((side) => {
      if (side.call !== 'to_number' || side.of[0] === undefined) return false
      const path = context.pathOf(side.of[0], rule)
      if (path?.[0] !== 'input') return false
      return path[1] === 'value' || path[1] === 'decoded_function_arguments'
    })
    if (!amount) continue
    const exact = operator === '==' || operator === '!='
    const message = 'an amount of more than 64 bits is compared as a double'
    yield { message, at, severity: exact ? 'warning' : 'info' }
  }
}

const silentUndefined: LintRule = {
  id: 'builtin-undefined',
  severity: 'warning',
  explanation:
    'Where these builtins fail, the operators’ engine makes them undefined without an error: time.add_date by years from a 29 February, bits.* of what was read as more than 64 bits. A denial that depends on them does not fire, and OPA computes a value.',
  fix: 'Require the value by name, so that there is no allow without it: `expires := time.add_date(issued, 0, 12, 0)` in a rule that `allow` needs. Add months in place of years.',
  find: function* ({ module }) {
    for (const rule of module.rules) {
      for (const call of rule.calls) {
        if (call.of.every(({ literal }) => literal !== undefined)) continue
        if (call.name === 'time.add_date' && call.of[1]?.literal !== 0) {
          yield { message: 'time.add_date by years is undefined from a 29 February', at: call }
        } else if (call.name.startsWith('bits.')) {
          yield {
            message: `${call.name} is undefined for what was read as more than 64 bits`,
            at: call,
          }
        }
      }
    }
  },
}

const jsonPaths: LintRule = {
  id: 'opa-json-paths',
  severity: 'info',
  explanation:
    'For operators json.remove and json.filter drop a for the path "a/b" where a is no object, and json.filter keeps an empty object where b is missing; OPA leaves what the path does not reach.',
  fix: 'Use object.remove and object.filter, or build the object that is wanted.',
  find: function* ({ module }) {
    for (const rule of module.rules) {
      for (const call of rule.calls) {
        if (call.name !== 'json.remove' && call.name !== 'json.filter') continue
        yield { message: `${call.name} takes paths in another way than OPA`, at: call }
      }
    }
  },
}

const unknownFunctions: LintRule = {
  id: 'unknown-function',
  severity: 'error',
  explanation:
    'The engine has no function of this name: an evaluation that reaches the call ends without a decision. newton.confidential and newton.crypto.tlsn_verify are evaluated by operators only.',
  fix: 'Correct the name, or define the function in this module.',
  find: function* ({ inspection }) {
    for (const call of inspection.unknownFunctions) {
      yield { message: `there is no function ${call.name}`, at: call }
    }
  },
}

const operatorFunctions: LintRule = {
  id: 'opa-unknown-function',
  severity: 'info',
  explanation: "The function belongs to the operators' engine; OPA does not know it.",
  fix: 'Run tests of this policy with `newton-policy policy test`, not with `opa test`.',
  find: function* ({ module }) {
    for (const rule of module.rules) {
      for (const call of rule.calls) {
        if (call.name.startsWith('newton.')) yield { message: `OPA has no ${call.name}`, at: call }
      }
    }
  },
}

/** Rules about differences. */
export const differenceRules: readonly LintRule[] = [
  builtinErrors,
  notCall,
  fractions,
  largeIntegers,
  silentUndefined,
  jsonPaths,
  unknownFunctions,
  operatorFunctions,
]
