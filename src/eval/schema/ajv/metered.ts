/**
 * A schema compiled by ajv so that its work is counted.
 *
 * Every schema gets a keyword of ours that is evaluated first and takes from the budget. Keywords
 * whose cost depends on what they compare, or that ajv computes inexactly, are replaced.
 */
import type { ErrorObject, KeywordCxt, Ajv2020 as Validator } from 'ajv/dist/2020.js'
import type { SchemaIssue } from '../../../core/interfaces/schemaValidator.js'
import type { Json, JsonObject } from '../../../core/jsonText.js'
import { type Pattern, placeBelow, pointer, type SchemaPlace, schemaCaps } from '../caps.js'
import { stableText } from '../equality.js'
import type { CheckedSchema } from '../keywords.js'

type AjvModule = typeof import('ajv/dist/2020.js')

/** A compiled schema. At most ten issues; none means valid. Throws where code of ajv fails. */
export type Metered = { validate(value: Json): readonly SchemaIssue[] }

/** Ends a validation that costs too much. Never leaves this file. */
class OverBudget extends Error {}

/** The keyword that counts; no schema of another can have it, as unknown keywords are refused. */
const METER = 'newtonSteps'

type Budget = { steps: number; spend(steps: number): void }

/** Compiles a schema. Throws what ajv throws. */
export function compileMetered(ajv: AjvModule, checked: CheckedSchema): Metered {
  const budget = createBudget()
  // One instance for each schema: nothing of it is kept when the schema is forgotten.
  const validator = new ajv.Ajv2020({
    strict: false,
    ownProperties: true,
    validateFormats: false,
    validateSchema: false,
    meta: false,
    logger: false,
    // Inlined, a schema that many refer to would be generated many times.
    inlineRefs: false,
    // Optimizing doubles the time of compiling, which others' schemas would spend.
    code: {
      optimize: false,
      regExp: Object.assign(matcherOf(checked, budget), { code: 'pattern' }),
    },
  })
  addMeter(ajv, validator, budget)
  replaceKeywords(ajv, validator, budget)
  const validate = validator.compile(withMeter(checked.schema, 'schema') as JsonObject | boolean)
  return {
    validate(value) {
      budget.steps = 0
      try {
        if (validate(value) === true) return []
      } catch (cause) {
        if (!(cause instanceof OverBudget) && !(cause instanceof RangeError)) throw cause
        return [{ profile: 'caps', path: '', message: cause.message }]
      }
      return (validate.errors ?? []).slice(0, 10).map(issueOf)
    },
  }
}

function createBudget(): Budget {
  const budget: Budget = {
    steps: 0,
    spend(steps) {
      budget.steps += steps
      if (budget.steps > schemaCaps.steps) {
        throw new OverBudget(`more than ${schemaCaps.steps} schemas to apply`)
      }
    },
  }
  return budget
}

/** The schema with our keyword in every object that is a schema. */
function withMeter(value: Json, place: SchemaPlace): Json {
  if (typeof value !== 'object' || value === null || place === 'data') return value
  if (Array.isArray(value)) return (value as readonly Json[]).map((item) => withMeter(item, place))
  const members = Object.entries(value as JsonObject).map(([key, member]): [string, Json] => [
    key,
    withMeter(member, placeBelow(place, key)),
  ])
  if (place === 'schema') members.unshift([METER, true])
  return Object.fromEntries(members)
}

function addMeter({ _ }: AjvModule, validator: Validator, budget: Budget): void {
  validator.addKeyword({
    keyword: METER,
    before: '$ref',
    code(cxt: KeywordCxt) {
      const ref = meterOf(cxt.parentSchema as JsonObject, budget)
      const meter = cxt.gen.scopeValue('func', { ref })
      cxt.gen.code(_`${meter}(${cxt.data})`)
    },
  })
}

/** What one application of a schema costs, as the interpreter counts it. */
function meterOf(schema: JsonObject, budget: Budget): (value: Json) => void {
  const has = (names: string): boolean =>
    names.split(' ').some((name) => Object.hasOwn(schema, name))
  const measures = has('minLength maxLength')
  const goesThrough = has('items contains unevaluatedItems')
  const fixed = 1 + (namesIn(schema) >> 3)
  return (value) => {
    let steps = fixed
    if (typeof value === 'string') steps += measures ? value.length >> 5 : 0
    else if (Array.isArray(value)) steps += goesThrough ? value.length >> 3 : 0
    else if (typeof value === 'object' && value !== null) {
      const names = Object.keys(value)
      let characters = 0
      for (const name of names) characters += name.length
      steps += (names.length >> 2) + (characters >> 5)
    }
    budget.spend(steps)
  }
}

/** Names that an application looks up one by one. */
function namesIn(schema: JsonObject): number {
  let count = 0
  for (const keyword of ['required', 'properties', 'patternProperties', 'dependentSchemas']) {
    const names = schema[keyword]
    if (typeof names === 'object' && names !== null) count += Object.keys(names).length
  }
  for (const names of Object.values((schema['dependentRequired'] ?? {}) as JsonObject)) {
    count += 1 + (names as readonly Json[]).length
  }
  return count
}

/** ajv asks for a pattern by its source: those of a schema are compiled and bounded already. */
function matcherOf(
  { patterns }: CheckedSchema,
  budget: Budget,
): (source: string) => { test(text: string): boolean; toString(): string } {
  return (source) => {
    const { size, matches } = patterns.get(source) as Pattern
    return {
      test(text) {
        budget.spend(size * (text.length + 1) * schemaCaps.patternSteps)
        return matches(text)
      },
      // ajv keeps one for each text.
      toString: () => source,
    }
  }
}

/** A keyword of our own in place of ajv's: what it wants, and its test for one schema. */
type Replacement = {
  keyword: string
  type?: 'array' | 'number'
  words: string
  prepare(given: Json): (value: Json) => boolean
}

function replacements(budget: Budget): readonly Replacement[] {
  const text = (value: Json): string =>
    stableText(value, (characters) =>
      budget.spend(schemaCaps.valueSteps + characters * schemaCaps.characterSteps),
    )
  const oneOf = (values: readonly Json[]): ((value: Json) => boolean) => {
    const accepted = new Set(values.map((one) => stableText(one, () => {})))
    return (value) => accepted.has(text(value))
  }
  return [
    { keyword: 'const', words: 'expected the constant', prepare: (given) => oneOf([given]) },
    {
      keyword: 'enum',
      words: 'expected one of the values of enum',
      prepare: (given) => oneOf(given as readonly Json[]),
    },
    {
      keyword: 'uniqueItems',
      type: 'array',
      words: 'an item is there twice',
      prepare: (given) => (value) => {
        const items = value as readonly Json[]
        return given !== true || new Set(items.map(text)).size === items.length
      },
    },
    {
      keyword: 'multipleOf',
      type: 'number',
      words: 'expected a multiple',
      prepare: (given) => (value) => Number.isInteger((value as number) / (given as number)),
    },
  ]
}

function replaceKeywords({ _, str }: AjvModule, validator: Validator, budget: Budget): void {
  for (const { keyword, type, words, prepare } of replacements(budget)) {
    validator.removeKeyword(keyword)
    validator.addKeyword({
      keyword,
      ...(type === undefined ? {} : { type }),
      error: { message: str`${words}` },
      code(cxt: KeywordCxt) {
        const test = cxt.gen.scopeValue('func', { ref: prepare(cxt.schema as Json) })
        cxt.pass(_`${test}(${cxt.data})`)
      },
    })
  }
}

/** Where ajv names the object, the issue names the member that is not allowed. */
function issueOf({ instancePath, message, params }: ErrorObject): SchemaIssue {
  const { additionalProperty, unevaluatedProperty } = params as Record<string, unknown>
  const name = additionalProperty ?? unevaluatedProperty
  const path = typeof name === 'string' ? pointer(instancePath, name) : instancePath
  return { profile: '2020-12', path, message: message ?? 'the value is refused' }
}
