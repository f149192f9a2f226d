/**
 * The long form of budget.test.ts.
 */
import { expect, test } from 'vitest'
import { hostileSchema } from '../../../test/support/hostileSchemas.js'
import { capInstance, capSchema, schemaCaps } from './caps.js'
import { countedValidate2020 } from './draft2020.js'
import { checkKeywords } from './keywords.js'

test('behavior: 500 hostile schemas take no more steps than one validation may', () => {
  let stopped = 0
  for (let seed = 0; seed < 500; seed++) {
    const { schemaJson, valueJson } = hostileSchema(seed)
    const bounded = capSchema(schemaJson)
    if (bounded.issues !== undefined) continue
    const keywords = checkKeywords(bounded.capped)
    const instance = capInstance(valueJson)
    if (keywords.issues !== undefined || 'issue' in instance) continue
    const { issues, steps } = countedValidate2020(keywords.checked, instance.value)
    const isStopped = issues[0]?.profile === 'caps'
    if (isStopped) stopped += 1
    // The step that goes beyond the budget is the last.
    else expect(steps, `seed ${seed}`).toBeLessThanOrEqual(schemaCaps.steps)
    expect(steps, `seed ${seed}`).toBeLessThan(schemaCaps.steps * 1.5)
  }
  // Or they would not be hostile.
  expect(stopped).toBeGreaterThan(30)
})
