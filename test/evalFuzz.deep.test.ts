/**
 * The package decides 2,000 random cases as the published crate does: first and second time, after
 * other documents, errors with their words and places. `npm run fuzz:eval` runs others.
 */
import { describe, expect, test } from 'vitest'
import { caseFrom, outcomesOfPackage } from './evalFuzz/compare.js'
import { loopsFrom } from './evalFuzz/loops.js'
import { batchSize, digestOf, readRecorded } from './evalFuzz/outcomes.js'

const kinds = [
  { kind: 'outcomes', make: caseFrom, atLeast: 2_000 },
  { kind: 'loops', make: loopsFrom, atLeast: 1_000 },
] as const

describe.each(kinds)('random policies: $kind', ({ kind, make, atLeast }) => {
  const { cases, batches } = readRecorded(kind)

  test('enough cases are recorded', () => {
    expect(cases).toBeGreaterThanOrEqual(atLeast)
  })

  test.each(batches.map((digest, batch) => ({ batch, digest })))(
    'batch $batch is decided as by the crate',
    async ({ batch, digest }) => {
      const outcomes: string[] = []
      for (let index = 0; index < batchSize; index++) {
        outcomes.push(...(await outcomesOfPackage(make(batch * batchSize + index))))
      }
      // Which of them differs: npm run fuzz:eval -- --seed <batch * batchSize> --count 69, --loops for loops
      expect(digestOf(outcomes)).toBe(digest)
    },
  )
})
