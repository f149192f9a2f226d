/**
 * Random schemas that are written to cost much: what they cost is counted, and ends.
 */
import { expect, test } from 'vitest'
import { validateHostile } from '../../../test/support/hostileBudget.js'

test('behavior: 60 hostile schemas take no more steps than one validation may', () => {
  // Or they would not be hostile.
  expect(validateHostile(60)).toBeGreaterThan(3)
})
