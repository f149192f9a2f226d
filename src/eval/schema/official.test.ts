/**
 * The official tests of draft 2020-12. Each is answered as the suite says, or its schema is refused
 * by the name of what is not supported; nothing is accepted or refused by mistake.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ajvSchemaValidator } from './ajv/index.js'
import { createSchemaValidator } from './validator.js'

type Group = {
  description: string
  schema: unknown
  tests: readonly { description: string; data: unknown; valid: boolean }[]
}

const file = new URL('../../../test/vectors/json-schema/draft2020-12.json', import.meta.url)
const suite = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, readonly Group[]>>

/** Why a schema of the suite may be refused: what this validator does not do, by name. */
const refusals: readonly RegExp[] = [
  /^"(\$dynamicRef|\$dynamicAnchor|\$vocabulary)" is not supported$/,
  /^".*" is not a keyword$/,
  /^only references inside the schema, which start with #$/,
  /^\$id is only supported at the root$/,
  /^\$ref ".*" points at nothing$/,
  /^expected https:\/\/json-schema\.org\/draft\/2020-12\/schema$/,
  /is not within RE2/,
  /^ajv does not /,
  /^the integer -?\d+ is outside ±\(2\^53 - 1\) and would change/,
]

/** Tests whose schemas were refused when this was written. Fewer is better; more is a regression. */
const MOST_REFUSED = 126
// Twenty-one more than at first: of branches with `patternProperties` ajv accepted what is invalid.
const MOST_REFUSED_BY_AJV = 232

describe.each([
  ['the interpreter', async () => createSchemaValidator({ profiles: '2020-12' }), MOST_REFUSED],
  ['ajv', () => ajvSchemaValidator({ profiles: '2020-12' }), MOST_REFUSED_BY_AJV],
])('the official tests of draft 2020-12, by %s', (_, create, mostRefused) => {
  const validator = create()
  let refused = 0

  test.each(Object.keys(suite))('%s', async (name) => {
    for (const { description, schema, tests } of suite[name] ?? []) {
      const schemaJson = JSON.stringify(schema)
      for (const one of tests) {
        const label = `${description}: ${one.description}`
        const valueJson = JSON.stringify(one.data)
        const verdict = await (await validator).validate({ schemaJson, valueJson })
        if (verdict.status !== 'unusable-schema') {
          expect(verdict.status, label).toBe(one.valid ? 'valid' : 'invalid')
          continue
        }
        refused += 1
        for (const { message } of verdict.issues) {
          expect(
            refusals.some((words) => words.test(message)),
            `${label}: ${message}`,
          ).toBe(true)
        }
      }
    }
  })

  test('most of them are passed', () => {
    const total = Object.values(suite).flatMap((groups) => groups.flatMap(({ tests }) => tests))
    expect(total.length).toBe(1_257)
    expect(refused).toBeLessThanOrEqual(mostRefused)
  })
})
