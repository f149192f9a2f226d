/**
 * The `2020-12` profile: JSON Schema 2020-12 by interpretation.
 *
 * No code is generated, so it runs where `eval` is forbidden; every application of a schema takes
 * one unit of a budget, so a schema that branches or refers to itself ends with an error of its
 * own. `format` is an annotation, as the dialect has it.
 */
import type { SchemaIssue } from '../../core/interfaces/schemaValidator.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { type Pattern, pointer, schemaCaps } from './caps.js'
import { stableText } from './equality.js'
import type { CheckedSchema } from './keywords.js'

/**
 * What a schema has looked at in one value: for `unevaluatedProperties` and `unevaluatedItems`. Most
 * values need neither, so the sets are made when something goes in.
 */
type Seen = { members?: Set<string>; items?: Set<number> }

/** A bound: its keyword, whether a value keeps it, and what it asks for in words. */
type Limit = readonly [string, (value: number, limit: number) => boolean, string]

const numberLimits: readonly Limit[] = [
  ['minimum', (value, limit) => value >= limit, 'at least'],
  ['maximum', (value, limit) => value <= limit, 'at most'],
  ['exclusiveMinimum', (value, limit) => value > limit, 'more than'],
  ['exclusiveMaximum', (value, limit) => value < limit, 'less than'],
  ['multipleOf', (value, limit) => Number.isInteger(value / limit), 'a multiple of'],
]
const lengthLimits: readonly Limit[] = [
  ['minLength', (length, limit) => length >= limit, 'a length of at least'],
  ['maxLength', (length, limit) => length <= limit, 'a length of at most'],
]
const itemLimits: readonly Limit[] = [
  ['minItems', (count, limit) => count >= limit, 'at least, in items,'],
  ['maxItems', (count, limit) => count <= limit, 'at most, in items,'],
]
const memberLimits: readonly Limit[] = [
  ['minProperties', (count, limit) => count >= limit, 'at least, in members,'],
  ['maxProperties', (count, limit) => count <= limit, 'at most, in members,'],
]

/** Issues that are collected: more are not read. */
const MOST_ISSUES = 100

/** Ends a validation that costs too much. Never leaves this file. */
class OutOfBudget extends Error {
  readonly path: string
  constructor(path: string, message: string) {
    super(message)
    this.path = path
  }
}

/** Validates a value. At most ten issues; none means valid. */
export function validate2020(checked: CheckedSchema, value: Json): readonly SchemaIssue[] {
  return countedValidate2020(checked, value).issues
}

/** The same, with the steps it took: at most {@link schemaCaps.steps}, and what the last one took. */
export function countedValidate2020(
  checked: CheckedSchema,
  value: Json,
): { issues: readonly SchemaIssue[]; steps: number } {
  const run = new Run(checked)
  try {
    run.apply(checked.schema, value, '', {})
  } catch (cause) {
    if (!(cause instanceof OutOfBudget) && !(cause instanceof RangeError)) throw cause
    const path = cause instanceof OutOfBudget ? cause.path : ''
    return { issues: [{ profile: 'caps', path, message: cause.message }], steps: run.steps }
  }
  return { issues: run.issues.slice(0, 10), steps: run.steps }
}

/** One validation. A class because its parts share a budget and a list; not exported. */
class Run {
  issues: SchemaIssue[] = []
  steps = 0
  readonly #choices = new Map<Json, { texts: Set<string>; words: string }>()
  /** References followed at this place of the value: meeting one again means no progress is made. */
  #following = new Set<string>()
  readonly #schema: CheckedSchema

  constructor(schema: CheckedSchema) {
    this.#schema = schema
  }

  /** Applies a schema; returns whether the value is valid under it. */
  apply(schema: Json, value: Json, path: string, seen: Seen): boolean {
    this.#spend(1, path)
    if (schema === true) return true
    if (schema === false) return this.#fail(path, 'no value is allowed here')
    const keywords = schema as JsonObject
    let valid = this.#reference(keywords, value, path, seen)
    valid = this.#any(keywords, value, path) && valid
    if (typeof value === 'number') {
      valid = this.#limits(keywords, path, { limits: numberLimits, value }) && valid
    }
    if (typeof value === 'string') valid = this.#string(keywords, value, path) && valid
    valid = this.#logic(keywords, value, path, seen) && valid
    if (Array.isArray(value)) valid = this.#array(keywords, value, path, seen) && valid
    else if (isObject(value)) valid = this.#object(keywords, value, path, seen) && valid
    return valid
  }

  /**
   * Applies a schema to the same value. It does not see what its siblings have looked at; what it
   * has looked at counts for the schema that holds it.
   */
  #inPlace(schema: Json, value: Json, path: string, seen: Seen): boolean {
    const own = nothing()
    const valid = this.apply(schema, value, path, own)
    this.#merge(seen, own, path)
    return valid
  }

  /** Applies a schema to a part of the value, or to a name in it: another place. */
  #below(schema: Json, value: Json, path: string): boolean {
    if (this.#following.size === 0) return this.apply(schema, value, path, nothing())
    const following = this.#following
    this.#following = new Set()
    const valid = this.apply(schema, value, path, nothing())
    this.#following = following
    return valid
  }

  /** Takes from the one budget of a validation; a unit is a schema applied to a value. */
  #spend(steps: number, path: string): void {
    this.steps += steps
    if (this.steps > schemaCaps.steps) {
      throw new OutOfBudget(path, `more than ${schemaCaps.steps} schemas to apply`)
    }
  }

  /** Text for comparing a part of the value. Its values and its characters cost steps. */
  #text(value: Json, path: string): string {
    return stableText(value, (characters) => {
      this.steps += schemaCaps.valueSteps + characters * schemaCaps.characterSteps
      if (this.steps > schemaCaps.steps) {
        throw new OutOfBudget(path, 'comparing values of this size costs too much')
      }
    })
  }

  /** What `const` or `enum` accepts, prepared once in a validation. */
  #accepted(keyword: Json, values: readonly Json[]): { texts: Set<string>; words: string } {
    const known = this.#choices.get(keyword)
    if (known !== undefined) return known
    const made = {
      texts: new Set(values.map((one) => stableText(one, () => {}))),
      words: short(keyword),
    }
    this.#choices.set(keyword, made)
    return made
  }

  /** Notes what was looked at, where some keyword asks. */
  #see(seen: Seen, what: string | number): void {
    if (!this.#schema.asksUnevaluated) return
    if (typeof what === 'string') {
      seen.members ??= new Set()
      seen.members.add(what)
    } else {
      seen.items ??= new Set()
      seen.items.add(what)
    }
  }

  /** What a subschema has looked at counts for its parent. Copying it costs steps. */
  #merge(into: Seen, from: Seen, path: string): void {
    const { members, items } = from
    if (members === undefined && items === undefined) return
    this.#spend(((members?.size ?? 0) + (items?.size ?? 0)) / 4, path)
    for (const name of members ?? []) this.#see(into, name)
    for (const index of items ?? []) this.#see(into, index)
  }

  /** Applies a schema without keeping its issues. */
  #test(schema: Json, value: Json, path: string, seen: Seen): boolean {
    const kept = this.issues.length
    const valid = this.apply(schema, value, path, seen)
    this.issues.length = kept
    return valid
  }

  #fail(path: string, message: string): false {
    if (this.issues.length < MOST_ISSUES) this.issues.push({ profile: '2020-12', path, message })
    return false
  }

  #check(holds: boolean, path: string, message: string): boolean {
    return holds || this.#fail(path, message)
  }

  #reference(keywords: JsonObject, value: Json, path: string, seen: Seen): boolean {
    const ref = member(keywords, '$ref')
    if (typeof ref !== 'string') return true
    const target = this.#schema.references.get(ref)
    if (target === undefined) return this.#fail(path, `$ref ${ref} points at nothing`)
    if (this.#following.has(ref)) {
      throw new OutOfBudget(path, `$ref ${ref} leads back to itself`)
    }
    this.#following.add(ref)
    const valid = this.#inPlace(target, value, path, seen)
    this.#following.delete(ref)
    return valid
  }

  #any(keywords: JsonObject, value: Json, path: string): boolean {
    let valid = true
    const type = member(keywords, 'type')
    if (type !== undefined) {
      const names = (Array.isArray(type) ? type : [type]) as readonly string[]
      valid = this.#check(
        names.some((name) => isOfType(value, name)),
        path,
        `expected ${names.join(' or ')}, got ${typeName(value)}`,
      )
    }
    const constant = member(keywords, 'const')
    if (constant !== undefined) {
      const { texts, words } = this.#accepted(constant, [constant])
      const holds = texts.has(this.#text(value, path))
      valid = this.#check(holds, path, `expected ${words}`) && valid
    }
    const allowed = member(keywords, 'enum')
    if (Array.isArray(allowed)) {
      const { texts, words } = this.#accepted(allowed as Json, allowed)
      const holds = texts.has(this.#text(value, path))
      valid = this.#check(holds, path, `expected one of ${words}`) && valid
    }
    return valid
  }

  #limits(
    keywords: JsonObject,
    path: string,
    { limits, value }: { limits: readonly Limit[]; value: number },
  ): boolean {
    let valid = true
    for (const [keyword, holds, words] of limits) {
      const limit = member(keywords, keyword)
      if (typeof limit !== 'number' || holds(value, limit)) continue
      valid = this.#fail(path, `expected ${words} ${limit}, got ${value}`)
    }
    return valid
  }

  #string(keywords: JsonObject, value: string, path: string): boolean {
    let valid = true
    if (Object.hasOwn(keywords, 'minLength') || Object.hasOwn(keywords, 'maxLength')) {
      let length = 0
      for (const _ of value) length += 1
      // Long strings are counted anew by each schema that asks.
      this.#spend(length >> 5, path)
      valid = this.#limits(keywords, path, { limits: lengthLimits, value: length })
    }
    const source = member(keywords, 'pattern')
    if (typeof source !== 'string') return valid
    const holds = this.#matches(source, value, path)
    return this.#check(holds, path, `expected a match of ${JSON.stringify(source)}`) && valid
  }

  #matches(source: string, text: string, path: string): boolean {
    const pattern = this.#schema.patterns.get(source) as Pattern
    const matched = this.steps + pattern.size * (text.length + 1) * schemaCaps.patternSteps
    if (matched > schemaCaps.steps) {
      throw new OutOfBudget(path, 'the patterns cost too much on strings of this length')
    }
    this.steps = matched
    return pattern.matches(text)
  }

  #logic(keywords: JsonObject, value: Json, path: string, seen: Seen): boolean {
    let valid = true
    for (const schema of list(keywords, 'allOf')) {
      valid = this.#inPlace(schema, value, path, seen) && valid
    }
    if (Object.hasOwn(keywords, 'anyOf')) {
      const holds = this.#count(list(keywords, 'anyOf'), value, path, seen) > 0
      valid = this.#check(holds, path, 'no branch of anyOf accepts the value') && valid
    }
    if (Object.hasOwn(keywords, 'oneOf')) {
      const count = this.#count(list(keywords, 'oneOf'), value, path, seen)
      valid = this.#check(count === 1, path, `${count} branches of oneOf accept, not 1`) && valid
    }
    const not = member(keywords, 'not')
    if (not !== undefined) {
      const refused = !this.#test(not, value, path, nothing())
      valid = this.#check(refused, path, 'the value is of the kind that `not` excludes') && valid
    }
    const condition = member(keywords, 'if')
    if (condition !== undefined) {
      const own = nothing()
      const holds = this.#test(condition, value, path, own)
      if (holds) this.#merge(seen, own, path)
      const branch = member(keywords, holds ? 'then' : 'else')
      if (branch !== undefined) valid = this.#inPlace(branch, value, path, seen) && valid
    }
    return valid
  }

  /** How many branches accept the value. What accepting ones have seen counts as seen. */
  #count(branches: readonly Json[], value: Json, path: string, seen: Seen): number {
    let count = 0
    for (const branch of branches) {
      const own = nothing()
      if (!this.#test(branch, value, path, own)) continue
      count += 1
      this.#merge(seen, own, path)
    }
    return count
  }

  #array(keywords: JsonObject, value: readonly Json[], path: string, seen: Seen): boolean {
    let valid = this.#limits(keywords, path, { limits: itemLimits, value: value.length })
    if (member(keywords, 'uniqueItems') === true) {
      const unique = new Set(value.map((item) => this.#text(item, path))).size === value.length
      valid = this.#check(unique, path, 'an item is there twice') && valid
    }
    const prefix = list(keywords, 'prefixItems')
    const items = member(keywords, 'items')
    // Without a keyword that applies to items they are not gone through, whoever asks how often.
    const applied = items === undefined ? value.slice(0, prefix.length) : value
    applied.forEach((item, index) => {
      const schema = index < prefix.length ? prefix[index] : items
      if (schema === undefined) return
      this.#see(seen, index)
      valid = this.#below(schema, item, pointer(path, index)) && valid
    })
    valid = this.#contains(keywords, value, path, seen) && valid
    const rest = member(keywords, 'unevaluatedItems')
    if (rest === undefined) return valid
    this.#spend(value.length / 8, path)
    value.forEach((item, index) => {
      if (seen.items?.has(index) === true) return
      this.#see(seen, index)
      valid = this.#below(rest, item, pointer(path, index)) && valid
    })
    return valid
  }

  #contains(keywords: JsonObject, value: readonly Json[], path: string, seen: Seen): boolean {
    const contains = member(keywords, 'contains')
    if (contains === undefined) return true
    let count = 0
    value.forEach((item, index) => {
      const kept = this.issues.length
      const holds = this.#below(contains, item, pointer(path, index))
      this.issues.length = kept
      if (!holds) return
      count += 1
      this.#see(seen, index)
    })
    const least = member(keywords, 'minContains') ?? 1
    const most = member(keywords, 'maxContains') ?? Number.POSITIVE_INFINITY
    const holds = count >= (least as number) && count <= (most as number)
    return this.#check(holds, path, `${count} items are of the kind that \`contains\` asks for`)
  }

  #object(keywords: JsonObject, value: JsonObject, path: string, seen: Seen): boolean {
    const names = Object.keys(value)
    // Every schema goes through all members, whether it has something to say of them or not.
    this.#spend((names.length >> 2) + (charactersOf(names) >> 5), path)
    let valid = this.#limits(keywords, path, { limits: memberLimits, value: names.length })
    valid = this.#required(keywords, value, path) && valid
    const properties = object(keywords, 'properties')
    const patterns = Object.entries(object(keywords, 'patternProperties'))
    this.#spend(patterns.length >> 3, path)
    const others = member(keywords, 'additionalProperties')
    const nameSchema = member(keywords, 'propertyNames')
    for (const name of names) {
      const at = pointer(path, name)
      const item = value[name] as Json
      if (nameSchema !== undefined) valid = this.#below(nameSchema, name, at) && valid
      const schemas: Json[] = []
      const own = member(properties, name)
      if (own !== undefined) schemas.push(own)
      for (const [source, schema] of patterns) {
        if (this.#matches(source, name, at)) schemas.push(schema)
      }
      if (schemas.length === 0 && others !== undefined) schemas.push(others)
      for (const schema of schemas) {
        this.#see(seen, name)
        valid = this.#member(schema, item, at) && valid
      }
    }
    const dependent = Object.entries(object(keywords, 'dependentSchemas'))
    this.#spend(dependent.length >> 3, path)
    for (const [name, schema] of dependent) {
      if (Object.hasOwn(value, name)) valid = this.#inPlace(schema, value, path, seen) && valid
    }
    const rest = member(keywords, 'unevaluatedProperties')
    if (rest === undefined) return valid
    for (const name of names) {
      if (seen.members?.has(name) === true) continue
      this.#see(seen, name)
      valid = this.#member(rest, value[name] as Json, pointer(path, name)) && valid
    }
    return valid
  }

  #member(schema: Json, value: Json, path: string): boolean {
    if (schema === false) return this.#fail(path, 'this member is not allowed')
    return this.#below(schema, value, path)
  }

  #required(keywords: JsonObject, value: JsonObject, path: string): boolean {
    let valid = true
    const need = (names: readonly Json[]): void => {
      this.#spend(names.length >> 3, path)
      for (const name of names as readonly string[]) {
        if (Object.hasOwn(value, name)) continue
        valid = false
        if (this.issues.length < MOST_ISSUES) {
          this.#fail(path, `the member ${JSON.stringify(name)} is missing`)
        }
      }
    }
    need(list(keywords, 'required'))
    const dependent = Object.entries(object(keywords, 'dependentRequired'))
    this.#spend(dependent.length >> 3, path)
    for (const [name, names] of dependent) {
      if (Object.hasOwn(value, name)) need(names as readonly Json[])
    }
    return valid
  }
}

/** Members are named in pointers, and compared with those of a schema: long names cost. */
function charactersOf(names: readonly string[]): number {
  let sum = 0
  for (const name of names) sum += name.length
  return sum
}

function nothing(): Seen {
  return {}
}

/** An own member: `toString` and `__proto__` are names like any other. */
function member(object: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

function list(object: JsonObject, name: string): readonly Json[] {
  const value = member(object, name)
  return Array.isArray(value) ? (value as readonly Json[]) : []
}

function object(parent: JsonObject, name: string): JsonObject {
  const value = member(parent, name)
  return value !== undefined && isObject(value) ? value : {}
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function typeName(value: Json): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function isOfType(value: Json, name: string): boolean {
  if (name === 'integer') return typeof value === 'number' && Number.isInteger(value)
  return typeName(value) === name
}

function short(value: Json): string {
  const text = JSON.stringify(value)
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}
