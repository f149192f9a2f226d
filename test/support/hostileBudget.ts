/** Hostile schemas within the caps: what their validation costs is counted, and ends. */
import { expect } from 'vitest'
import { capInstance, capSchema, schemaCaps } from '../../src/eval/schema/caps.js'
import { countedValidate2020 } from '../../src/eval/schema/draft2020.js'
import { checkKeywords } from '../../src/eval/schema/keywords.js'
import { hostileSchema } from './hostileSchemas.js'

/** Validates by the schemas of `count` seeds. Returns how many the budget stopped. */
export function validateHostile(count: number): number {
  let stopped = 0
  for (let seed = 0; seed < count; seed++) {
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
  return stopped
}
