import { expect, test } from 'vitest'
import { soak } from '../bench/eval/soak.js'

// The long form, a million evaluations: npx tsx bench/eval/soak.ts
test('behavior: thousands of evaluations leave memory flat', async () => {
  const report = await soak(Number(process.env['NEWTON_SOAK'] ?? 4_000))
  expect(report).toMatchObject({ flat: true })
}, 600_000)
