import { expect, test } from 'vitest'
import { soak } from '../bench/eval/soak.js'

// The long form is evalSoak.deep.test.ts.
test('behavior: hundreds of evaluations leave memory flat', async () => {
  const report = await soak(Number(process.env['NEWTON_SOAK'] ?? 400))
  expect(report).toMatchObject({ flat: true })
}, 120_000)
