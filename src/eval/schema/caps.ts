/**
 * Bounds a schema must keep before any validator looks at it.
 *
 * A schema is somebody else's file: without bounds its size, nesting, branches and patterns decide
 * how long a check takes. Everything here is counted, never timed, so the answer is the same
 * everywhere.
 */
import { RE2JS } from 're2js'
import type { SchemaIssue } from '../../core/interfaces/schemaValidator.js'
import { type Json, type JsonObject, parseJsonText } from '../../core/jsonText.js'
import { utf8 } from '../../internal/bytes.js'

/** The bounds. */
export const schemaCaps: {
  readonly schemaBytes: number
  readonly schemaDepth: number
  readonly schemaNodes: number
  readonly branches: number
  readonly patternLength: number
  readonly patternProgram: number
  readonly patternSteps: number
  readonly instanceBytes: number
  readonly instanceDepth: number
  readonly steps: number
  readonly valueSteps: number
  readonly characterSteps: number
} = {
  schemaBytes: 65_536,
  schemaDepth: 32,
  schemaNodes: 2_000,
  /** Of one `anyOf`, `oneOf` or `allOf`. */
  branches: 32,
  /** UTF-16 units of one pattern. */
  patternLength: 256,
  /** Instructions of all patterns of one schema together. */
  patternProgram: 1_024,
  /** Steps of one instruction of a pattern on one character. */
  patternSteps: 1 / 10,
  instanceBytes: 1_048_576,
  instanceDepth: 64,
  /** The work of one validation. A step is a schema applied to a value; the rest is counted in it. */
  steps: 50_000,
  /** Steps of one value that `const`, `enum` and `uniqueItems` compare, and of its characters. */
  valueSteps: 1 / 2,
  characterSteps: 1 / 40,
}

/** A pattern compiled for matching in linear time. */
export type Pattern = { matches(text: string): boolean; size: number }

/** A schema within the bounds. */
export type CappedSchema = { schema: Json; patterns: ReadonlyMap<string, Pattern> }

const branching: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf'])

/** What a value in a schema is: its members are keywords, names, patterns, or mean nothing. */
export type SchemaPlace = 'schema' | 'map' | 'pattern map' | 'data'

const places: ReadonlyMap<string, SchemaPlace> = new Map<string, SchemaPlace>([
  ['patternProperties', 'pattern map'],
  ['properties', 'map'],
  ['$defs', 'map'],
  ['definitions', 'map'],
  ['dependentSchemas', 'map'],
  ['dependencies', 'map'],
  ['dependentRequired', 'data'],
  ['const', 'data'],
  ['enum', 'data'],
  ['default', 'data'],
  ['examples', 'data'],
])

/** What a member of an object at `place` is. */
export function placeBelow(place: SchemaPlace, key: string): SchemaPlace {
  if (place === 'schema') return places.get(key) ?? 'schema'
  return place === 'data' ? 'data' : 'schema'
}

/** Parses a schema and checks the bounds. */
export function capSchema(
  schemaJson: string,
): { capped: CappedSchema; issues?: undefined } | { issues: readonly SchemaIssue[] } {
  const size = utf8(schemaJson).length
  if (size > schemaCaps.schemaBytes) {
    return refuse('', `${size} bytes, more than ${schemaCaps.schemaBytes}`)
  }
  const parsed = parseCapped(schemaJson, schemaCaps.schemaDepth)
  if ('issue' in parsed) return { issues: [parsed.issue] }
  const counter = { nodes: 0, program: 0, patterns: new Map<string, Pattern>() }
  const issue = walk(parsed.value, { path: '', counter, place: 'schema' })
  if (issue !== undefined) return { issues: [issue] }
  return { capped: { schema: parsed.value, patterns: counter.patterns } }
}

/** Parses a value that is to be validated. */
export function capInstance(valueJson: string): { value: Json } | { issue: SchemaIssue } {
  const size = utf8(valueJson).length
  if (size > schemaCaps.instanceBytes) {
    return { issue: issueAt('', `${size} bytes, more than ${schemaCaps.instanceBytes}`) }
  }
  return parseCapped(valueJson, schemaCaps.instanceDepth)
}

/** JSON Pointer of a member below `path`. */
export function pointer(path: string, key: string | number): string {
  if (typeof key === 'number' || !/[~/]/.test(key)) return `${path}/${key}`
  return `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

type Counter = { nodes: number; program: number; patterns: Map<string, Pattern> }

function walk(
  value: Json,
  { path, counter, place }: { path: string; counter: Counter; place: SchemaPlace },
): SchemaIssue | undefined {
  counter.nodes += 1
  if (counter.nodes > schemaCaps.schemaNodes) {
    return issueAt(path, `more than ${schemaCaps.schemaNodes} values`)
  }
  if (typeof value !== 'object' || value === null) return undefined
  const isSchema = place === 'schema' && !Array.isArray(value)
  const entries: readonly (readonly [string, Json])[] = Array.isArray(value)
    ? value.map((item, index) => [String(index), item] as const)
    : Object.entries(value as JsonObject)
  for (const [key, member] of entries) {
    const at = pointer(path, key)
    if (
      isSchema &&
      branching.has(key) &&
      Array.isArray(member) &&
      member.length > schemaCaps.branches
    ) {
      return issueAt(at, `${member.length} branches, more than ${schemaCaps.branches}`)
    }
    const pattern =
      place === 'pattern map' ? key : isSchema && key === 'pattern' ? member : undefined
    if (typeof pattern === 'string') {
      const issue = addPattern(pattern, at, counter)
      if (issue !== undefined) return issue
    }
    // Of a list, each item is what the list is.
    const inner = Array.isArray(value) ? place : placeBelow(place, key)
    const issue = walk(member, { path: at, counter, place: inner })
    if (issue !== undefined) return issue
  }
  return undefined
}

function addPattern(source: string, path: string, counter: Counter): SchemaIssue | undefined {
  if (counter.patterns.has(source)) return undefined
  if (source.length > schemaCaps.patternLength) {
    return issueAt(
      path,
      `a pattern of ${source.length} characters, more than ${schemaCaps.patternLength}`,
    )
  }
  // A repetition multiplies what it holds. Bounding the product first keeps compiling cheap.
  if (repetitions(source) > schemaCaps.patternProgram) {
    return issueAt(path, `the pattern ${JSON.stringify(source)} repeats too much`)
  }
  let compiled: RE2JS
  try {
    compiled = RE2JS.compile(source)
  } catch (cause) {
    return issueAt(
      path,
      `the pattern ${JSON.stringify(source)} is not within RE2: ${messageOf(cause)}`,
    )
  }
  const size = compiled.programSize()
  counter.program += size
  if (counter.program > schemaCaps.patternProgram) {
    return issueAt(path, `patterns of more than ${schemaCaps.patternProgram} instructions`)
  }
  counter.patterns.set(source, { size, matches: (text) => compiled.matcher(text).find() })
  return undefined
}

/** Product of the counts of all `{n,m}` of a pattern. */
function repetitions(source: string): number {
  let product = 1
  for (const [, low, high] of source.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) {
    product *= Math.max(1, Number(low), Number(high || 0))
  }
  return product
}

function parseCapped(text: string, maxDepth: number): { value: Json } | { issue: SchemaIssue } {
  let failure: SchemaIssue | undefined
  try {
    const fail = (path: string, reason: string): Error => {
      failure = issueAt(path === '$' ? '' : path, reason)
      return new SyntaxError(reason)
    }
    return { value: parseJsonText(text, { maxDepth, fail }) }
  } catch (cause) {
    return { issue: failure ?? issueAt('', messageOf(cause)) }
  }
}

function issueAt(path: string, message: string): SchemaIssue {
  return { profile: 'caps', path, message }
}

function refuse(path: string, message: string): { issues: readonly SchemaIssue[] } {
  return { issues: [issueAt(path, message)] }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
