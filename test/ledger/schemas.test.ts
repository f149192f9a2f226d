/** No change of a schema breaks what is in ledgers already. */
import { describe, expect, test } from 'vitest'
import type { LoadedEventSchemas } from '../../src/ledger/schemas/index.js'
import { schemas } from './ledgerWorld.js'
import { schemaHistory, schemaProblems } from './schemaHistory.js'

type Shape = { properties: Record<string, object>; required: string[] }

/** The schemas with one version changed. */
function changed(
  version: string,
  change: { shape?: (shape: Shape) => void; refuse?: string; gone?: boolean; added?: string },
): LoadedEventSchemas {
  return {
    versions: [...schemas.versions, ...(change.added === undefined ? [] : [change.added])],
    check: (payload) =>
      payload.ets.schema_version === version && change.refuse !== undefined
        ? { known: true, problem: change.refuse }
        : schemas.check(payload),
    jsonSchema: (asked) => {
      if (asked !== version) return schemas.jsonSchema(asked)
      if (change.gone === true) return undefined
      const shape = structuredClone(schemas.jsonSchema(asked)) as Shape
      change.shape?.(shape)
      return shape
    },
  }
}

describe('schemas check', () => {
  test('behavior: every version that ever was is there, unchanged, and takes its sample', () => {
    const history = schemaHistory()
    expect(history.length).toBeGreaterThan(15)
    expect(schemaProblems(history, schemas)).toEqual([])
  })

  test.each([
    [
      'a member that is new',
      (shape: Shape) => void Object.assign(shape.properties, { more: {} }),
      /has changed/,
    ],
    [
      'a member of another type',
      (shape: Shape) => void Object.assign(shape.properties, { kind: { type: 'integer' } }),
      /has changed/,
    ],
    [
      'a member that is not demanded any more',
      (shape: Shape) => void shape.required.splice(0, 1),
      /has changed/,
    ],
  ])('error: %s', (_, shape, problem) => {
    const found = schemaProblems(schemaHistory(), changed('newton.anomaly/1', { shape }))
    expect(found).toEqual([expect.stringMatching(problem)])
  })

  test('error: a version that is gone, that refuses its history, that nobody keeps', () => {
    const problemsOf = (change: Parameters<typeof changed>[1]) =>
      schemaProblems(schemaHistory(), changed('newton.anomaly/1', change))
    expect(problemsOf({ gone: true })).toEqual([expect.stringMatching(/anomaly\/1 is gone/)])
    expect(problemsOf({ refuse: 'no' })).toEqual([expect.stringMatching(/refuses its own history/)])
    expect(problemsOf({ added: 'newton.new/1' })).toEqual([expect.stringMatching(/not kept yet/)])
  })
})
