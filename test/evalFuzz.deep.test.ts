/**
 * The package decides 2,000 random cases as the published crate does: first and second time, after
 * other documents, errors with their words and places. `npm run fuzz:eval` runs others.
 */
import { describe, expect, test } from 'vitest'
import { caseFrom, outcomesOfPackage } from './evalFuzz/compare.js'
import { batchSize, digestOf, readRecorded } from './evalFuzz/outcomes.js'

const { cases, batches } = readRecorded()

describe('random policies', () => {
  test('at least 2,000 cases are recorded', () => {
    expect(cases).toBeGreaterThanOrEqual(2_000)
  })

  test.each(batches.map((digest, batch) => ({ batch, digest })))(
    'batch $batch is decided as by the crate',
    async ({ batch, digest }) => {
      const outcomes: string[] = []
      for (let index = 0; index < batchSize; index++) {
        outcomes.push(...(await outcomesOfPackage(caseFrom(batch * batchSize + index))))
      }
      // Which of them differs: npm run fuzz:eval -- --seed <batch * batchSize> --count 69
      expect(digestOf(outcomes)).toBe(digest)
    },
  )
})
