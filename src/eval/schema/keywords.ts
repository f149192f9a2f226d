/**
 * The keywords of JSON Schema 2020-12 that this profile knows, and what each must hold.
 *
 * Unknown keywords are refused: one that is misspelled would otherwise validate nothing. What the
 * interpreter does not implement is refused by name, never skipped.
 */
import type { SchemaIssue } from '../../core/interfaces/schemaValidator.js'
import type { Json, JsonObject } from '../../core/jsonText.js'
import { type CappedSchema, pointer } from './caps.js'
import { closingReference } from './loops.js'

/** The dialect's name, the only value `$schema` may have. */
export const DIALECT = 'https://json-schema.org/draft/2020-12/schema'

type Shape =
  | 'schema'
  | 'schemas'
  | 'schema map'
  | 'string'
  | 'strings'
  | 'number'
  | 'positive'
  | 'count'
  | 'boolean'
  | 'array'
  | 'any'
  | 'type'
  | 'pattern'
  | 'strings map'
  | 'ref'
  | 'dialect'

const shapes: ReadonlyMap<string, Shape> = new Map<string, Shape>([
  ...each('schema', 'not if then else additionalProperties propertyNames items contains'),
  ...each('schema', 'unevaluatedItems unevaluatedProperties contentSchema'),
  ...each('schemas', 'allOf anyOf oneOf prefixItems'),
  ...each('schema map', '$defs definitions properties patternProperties dependentSchemas'),
  ...each(
    'string',
    '$comment title description format contentEncoding contentMediaType $anchor $id',
  ),
  ...each('number', 'minimum maximum exclusiveMinimum exclusiveMaximum'),
  ...each('positive', 'multipleOf'),
  ...each('count', 'minLength maxLength minItems maxItems minContains maxContains'),
  ...each('count', 'minProperties maxProperties'),
  ...each('boolean', 'uniqueItems deprecated readOnly writeOnly'),
  ...each('array', 'enum examples'),
  ...each('any', 'const default'),
  ...each('strings', 'required'),
  ...each('strings map', 'dependentRequired'),
  ...each('type', 'type'),
  ...each('pattern', 'pattern'),
  ...each('ref', '$ref'),
  ...each('dialect', '$schema'),
])

const unimplemented: ReadonlySet<string> = new Set([
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  '$vocabulary',
])

const types: ReadonlySet<string> = new Set([
  'null',
  'boolean',
  'object',
  'array',
  'number',
  'string',
  'integer',
])

function each(shape: Shape, names: string): [string, Shape][] {
  return names.split(' ').map((name) => [name, shape])
}

/** A schema that was checked, with what its references point at. */
export type CheckedSchema = CappedSchema & {
  references: ReadonlyMap<string, Json>
  /** Whether some keyword asks what others have looked at. */
  asksUnevaluated: boolean
}

/** What one walk over a schema collects. */
type Walk = {
  root: Json
  issues: SchemaIssue[]
  /** Schemas that were checked as schemas. */
  visited: Set<Json>
  anchors: Map<string, Json>
  references: { ref: string; path: string }[]
  asksUnevaluated: boolean
}

/** One keyword of a schema. */
type Keyword = { keyword: string; shape: Shape; value: Json; at: string; atRoot: boolean }

/** Checks every keyword of a schema. At most ten issues. */
export function checkKeywords(
  capped: CappedSchema,
): { checked: CheckedSchema; issues?: undefined } | { issues: readonly SchemaIssue[] } {
  const walk: Walk = {
    root: capped.schema,
    issues: [],
    visited: new Set(),
    anchors: new Map(),
    references: [],
    asksUnevaluated: false,
  }
  visit(walk, capped.schema, '')
  const references = new Map<string, Json>()
  for (const { ref, path } of walk.references) {
    const target = resolve(walk, ref)
    if (target === undefined) add(walk, path, `$ref ${JSON.stringify(ref)} points at nothing`)
    else references.set(ref, target)
  }
  const closing = walk.issues.length > 0 ? undefined : closingReference(references)
  if (closing !== undefined) add(walk, '', `$ref ${closing} leads back to itself`)
  if (walk.issues.length > 0) return { issues: walk.issues }
  return { checked: { ...capped, references, asksUnevaluated: walk.asksUnevaluated } }
}

function add({ issues }: Walk, path: string, message: string): void {
  if (issues.length < 10) issues.push({ profile: '2020-12', path, message })
}

function visit(walk: Walk, schema: Json, path: string): void {
  if (typeof schema === 'boolean') return
  if (!isObject(schema)) {
    add(walk, path, 'expected a schema: an object or a boolean')
    return
  }
  walk.visited.add(schema)
  const asks = ['unevaluatedItems', 'unevaluatedProperties']
  walk.asksUnevaluated ||= asks.some((keyword) => Object.hasOwn(schema, keyword))
  for (const [keyword, value] of Object.entries(schema)) {
    const at = pointer(path, keyword)
    const shape = shapes.get(keyword)
    if (shape === undefined) {
      const why = unimplemented.has(keyword) ? 'is not supported' : 'is not a keyword'
      add(walk, at, `${JSON.stringify(keyword)} ${why}`)
      continue
    }
    check(walk, { keyword, shape, value, at, atRoot: path === '' })
  }
}

function check(walk: Walk, given: Keyword): void {
  const { shape, value, at } = given
  switch (shape) {
    case 'schema':
      visit(walk, value, at)
      return
    case 'schemas':
      if (!Array.isArray(value) || value.length === 0) {
        add(walk, at, 'expected schemas')
        return
      }
      for (const [index, item] of value.entries()) visit(walk, item as Json, pointer(at, index))
      return
    case 'schema map':
      if (!isObject(value)) {
        add(walk, at, 'expected an object of schemas')
        return
      }
      for (const [key, item] of Object.entries(value)) visit(walk, item, pointer(at, key))
      return
    case 'strings map':
      if (!isObject(value)) {
        add(walk, at, 'expected an object of lists of names')
        return
      }
      for (const [key, item] of Object.entries(value)) {
        if (!isNames(item)) add(walk, pointer(at, key), 'expected a list of unique names')
      }
      return
    case 'ref':
      if (typeof value !== 'string' || !value.startsWith('#')) {
        add(walk, at, 'only references inside the schema, which start with #')
        return
      }
      walk.references.push({ ref: value, path: at })
      return
    case 'string':
      checkString(walk, given)
      return
    default:
      if (!fits(shape, value)) add(walk, at, `expected ${describe(shape)}`)
  }
}

function checkString(walk: Walk, given: Keyword): void {
  const { keyword, value, at, atRoot } = given
  if (typeof value !== 'string') {
    add(walk, at, 'expected a string')
    return
  }
  if (keyword === '$id' && !atRoot) {
    add(walk, at, '$id is only supported at the root')
    return
  }
  if (keyword === '$anchor') {
    const parent = at.slice(0, at.lastIndexOf('/'))
    walk.anchors.set(value, parent === '' ? walk.root : (resolvePointer(walk.root, parent) as Json))
  }
}

function resolve({ root, anchors, visited }: Walk, ref: string): Json | undefined {
  if (ref === '#') return root
  if (!ref.startsWith('#/')) return anchors.get(ref.slice(1))
  let at: Json = root
  for (const part of ref.slice(2).split('/')) {
    const key = decode(part)
    if (key === undefined || typeof at !== 'object' || at === null) return undefined
    if (!Object.hasOwn(at, key)) return undefined
    at = (at as JsonObject)[key] as Json
  }
  // Data that looks like a schema, say below `const`, was not checked as one.
  return isSchema(at) && (typeof at === 'boolean' || visited.has(at)) ? at : undefined
}

function resolvePointer(root: Json, path: string): Json | undefined {
  let at: Json | undefined = root
  for (const part of path.slice(1).split('/')) {
    at = (at as JsonObject)[part.replaceAll('~1', '/').replaceAll('~0', '~')]
    if (at === undefined) return undefined
  }
  return at
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    return undefined
  }
}

function fits(shape: Shape, value: Json): boolean {
  switch (shape) {
    case 'number':
      return typeof value === 'number'
    case 'positive':
      return typeof value === 'number' && value > 0
    case 'count':
      return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    case 'boolean':
      return typeof value === 'boolean'
    case 'array':
      return Array.isArray(value)
    case 'strings':
      return isNames(value)
    case 'pattern':
      return typeof value === 'string'
    case 'dialect':
      return value === DIALECT || value === `${DIALECT}#`
    case 'type':
      return isType(value)
    default:
      return true
  }
}

function describe(shape: Shape): string {
  const words: Partial<Record<Shape, string>> = {
    positive: 'a number above 0',
    count: 'an integer of 0 or more',
    strings: 'a list of unique names',
    pattern: 'a string',
    type: `one or several of ${[...types].join(', ')}`,
    dialect: DIALECT,
  }
  return words[shape] ?? `a ${shape}`
}

function isType(value: Json): boolean {
  if (typeof value === 'string') return types.has(value)
  if (!Array.isArray(value) || value.length === 0) return false
  return isNames(value) && value.every((name: Json) => types.has(name as string))
}

function isNames(value: Json): boolean {
  if (!Array.isArray(value)) return false
  return (
    value.every((name: Json) => typeof name === 'string') && new Set(value).size === value.length
  )
}

function isSchema(value: Json): boolean {
  return typeof value === 'boolean' || isObject(value)
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
