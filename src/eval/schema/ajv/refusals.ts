/**
 * Schemas that ajv decides otherwise than the standard says, and those of which it would generate too
 * much code. The interpreter takes them.
 */
import type { SchemaIssue } from '../../../core/interfaces/schemaValidator.js'
import type { Json, JsonObject } from '../../../core/jsonText.js'
import { placeBelow, pointer, type SchemaPlace } from '../caps.js'
import type { CheckedSchema } from '../keywords.js'

/** Values of a schema and of all that its references point at: each gets code, 0.1 s for that many. */
const MOST_NODES = 1_000

/** Where a schema need not hold, or is referred to from such a place. */
const branch = /\/(?:anyOf|oneOf|not|then|else|dependentSchemas|\$defs|definitions)(?:\/|$)/

/**
 * Whether ajv would count a property as evaluated although the branch that looked at it did not hold:
 * with `if`, and with patterns in a branch.
 */
function leaksEvaluated(at: At): boolean {
  if (!isSchema(at)) return false
  const has = (keyword: string): boolean => Object.hasOwn(at.value as JsonObject, keyword)
  return has('if') || (has('patternProperties') && branch.test(at.path))
}

/** Why ajv may not have a schema. At most ten issues. */
export function refusedByAjv({ schema, references }: CheckedSchema): readonly SchemaIssue[] {
  let nodes = 0
  const issues: SchemaIssue[] = []
  const refuse = (path: string, message: string): void => {
    if (issues.length < 10) issues.push({ profile: '2020-12', path, message })
  }
  let leaks = false
  walk(schema, {
    path: '',
    place: 'schema',
    see: (at) => {
      leaks ||= leaksEvaluated(at)
    },
  })
  walk(schema, { path: '', place: 'schema', see: (at) => checkAt(at, { leaks, refuse }) })
  for (const target of [schema, ...references.values()]) {
    walk(target, { path: '', place: 'schema', see: () => (nodes += 1) })
  }
  if (nodes > MOST_NODES) {
    refuse('', `${nodes} values with what references repeat, more than ${MOST_NODES} for ajv`)
  }
  return issues
}

type At = { value: Json; path: string; place: SchemaPlace }

function walk(
  value: Json,
  { path, place, see }: { path: string; place: SchemaPlace; see: (at: At) => void },
): void {
  see({ value, path, place })
  if (typeof value !== 'object' || value === null || place === 'data') return
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly Json[]).entries()) {
      walk(item, { path: pointer(path, index), place, see })
    }
    return
  }
  for (const [key, member] of Object.entries(value as JsonObject)) {
    walk(member, { path: pointer(path, key), place: placeBelow(place, key), see })
  }
}

function checkAt(
  at: At,
  { leaks, refuse }: { leaks: boolean; refuse: (path: string, message: string) => void },
): void {
  const { value, path, place } = at
  if (typeof value !== 'object' || value === null || place === 'data') return
  // Neither as a name nor in a list of names: it leaves the name out.
  if (place !== 'schema' && Object.hasOwn(value, '__proto__')) {
    refuse(path, 'ajv does not check a member __proto__')
  }
  if (!isSchema(at)) return
  const has = (keyword: string): boolean => Object.hasOwn(value, keyword)
  if (has('unevaluatedItems')) {
    refuse(pointer(path, 'unevaluatedItems'), 'ajv does not decide `unevaluatedItems` rightly')
  }
  if (has('unevaluatedProperties') && leaks) {
    const words =
      'ajv does not decide `unevaluatedProperties` rightly in a schema with `if`, or with `patternProperties` in a branch'
    refuse(pointer(path, 'unevaluatedProperties'), words)
  }
  if (has('contains') && has('prefixItems')) {
    refuse(pointer(path, 'contains'), 'ajv does not decide `contains` beside `prefixItems` rightly')
  }
}

function isSchema({ value, place }: At): boolean {
  return place === 'schema' && typeof value === 'object' && value !== null && !Array.isArray(value)
}
