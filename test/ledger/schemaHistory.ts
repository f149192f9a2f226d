/**
 * The schemas of events as they have ever been, with a sample of each: `npm run schemas:check`. A version is
 * never changed and never removed, so this file only grows.
 *
 * npx tsx test/ledger/schemaHistory.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { EventPayload } from '../../src/ledger/index.js'
import { type LoadedEventSchemas, loadEventSchemas } from '../../src/ledger/schemas/index.js'

/** A version as it was when it came, and a payload that it took. */
export type SchemaRecord = { version: string; schema: unknown; sample: unknown }

const path = fileURLToPath(new URL('../vectors/ledger/schemas.json', import.meta.url))

/** What is kept. */
export function schemaHistory(): SchemaRecord[] {
  return JSON.parse(readFileSync(path, 'utf8')) as SchemaRecord[]
}

/** How schemas break what is kept: each sentence is a change that must not be made. */
export function schemaProblems(
  history: readonly SchemaRecord[],
  schemas: LoadedEventSchemas,
): string[] {
  const problems: string[] = []
  for (const { version, schema, sample } of history) {
    const now = schemas.jsonSchema(version)
    if (now === undefined) {
      problems.push(`${version} is gone: its events could not be read any more`)
      continue
    }
    if (JSON.stringify(now) !== JSON.stringify(schema)) {
      problems.push(`${version} has changed: make a new version instead`)
    }
    const { problem } = schemas.check(sample as EventPayload)
    if (problem !== undefined) problems.push(`${version} refuses its own history: ${problem}`)
  }
  const known = new Set(history.map(({ version }) => version))
  for (const version of schemas.versions.filter((one) => !known.has(one))) {
    problems.push(`${version} is not kept yet: npx tsx test/ledger/schemaHistory.ts`)
  }
  return problems
}

type Shape = {
  type?: string
  const?: unknown
  enum?: unknown[]
  pattern?: string
  minLength?: number
  minimum?: number
  items?: Shape
  minItems?: number
  properties?: Record<string, Shape>
}

/** Texts of the forms that the schemas ask for. */
const forms: [string, string][] = [
  ['^0x[0-9a-f]{64}$', `0x${'1a'.repeat(32)}`],
  ['^0x[0-9a-f]{40}$', `0x${'2b'.repeat(20)}`],
  ['^0x(?:[0-9a-f]{2})*$', '0x3c3c'],
  ['^(?:0|[1-9][0-9]{0,77})$', '4'],
  ['^[0-9a-f]{64}$', '5d'.repeat(32)],
  ['^sha256:[0-9a-f]{64}$', `sha256:${'6e'.repeat(32)}`],
  ['^[A-Za-z0-9+/]{43}=$', `${'A'.repeat(43)}=`],
  ['^[A-Za-z0-9+/]{86}==$', `${'A'.repeat(86)}==`],
  ['^[a-z0-9][a-z0-9._-]{0,63}$', 'audit'],
  ['^[a-z][a-z0-9_.-]{0,63}$', 'keys'],
  [
    '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
    '01970000-0000-7000-8000-000000000001',
  ],
  ['^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\.\\d{3}Z$', '2026-01-01T00:00:00.000Z'],
]

/** A value that a schema takes. */
export function sampleOf(shape: Shape): unknown {
  if (shape.const !== undefined) return shape.const
  if (shape.enum !== undefined) return shape.enum[0]
  if (shape.type === 'integer' || shape.type === 'number') return shape.minimum ?? 0
  if (shape.type === 'array') {
    return Array.from({ length: Math.max(1, shape.minItems ?? 0) }, () =>
      sampleOf(shape.items ?? {}),
    )
  }
  if (shape.type === 'object') {
    const entries = Object.entries(shape.properties ?? {})
    return Object.fromEntries(entries.map(([name, inner]) => [name, sampleOf(inner)]))
  }
  const form = forms.find(([pattern]) => pattern === shape.pattern)
  if (shape.pattern !== undefined && form === undefined) {
    throw new Error(`no sample of ${shape.pattern}: add one`)
  }
  return form?.[1] ?? 'x'.repeat(Math.max(1, shape.minLength ?? 0))
}

/** What is kept, and a record of each version that is new. */
export function grownHistory(schemas: LoadedEventSchemas): SchemaRecord[] {
  const history = schemaHistory()
  const known = new Set(history.map(({ version }) => version))
  const added = schemas.versions.filter((version) => !known.has(version))
  return [
    ...history,
    ...added.map((version) => {
      const schema = schemas.jsonSchema(version)
      return { version, schema, sample: sampleOf(schema as Shape) }
    }),
  ]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const schemas = await loadEventSchemas()
  if (!process.argv.includes('--check')) {
    writeFileSync(path, `${JSON.stringify(grownHistory(schemas), undefined, 1)}\n`)
  }
  const problems = schemaProblems(schemaHistory(), schemas)
  for (const problem of problems) console.error(problem)
  if (problems.length > 0) process.exitCode = 1
  else console.log(`${schemas.versions.length} versions, none broken`)
}
