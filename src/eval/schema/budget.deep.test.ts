/**
 * The long form of budget.test.ts.
 */
import { expect, test } from 'vitest'
import { validateHostile } from '../../../test/support/hostileBudget.js'

test('behavior: 500 hostile schemas take no more steps than one validation may', () => {
  // Or they would not be hostile.
  expect(validateHostile(500)).toBeGreaterThan(30)
}, 120_000)
