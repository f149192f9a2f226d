/**
 * Equality of JSON values by text, as `const`, `enum` and `uniqueItems` compare them.
 */
import type { Json, JsonObject } from '../../core/jsonText.js'

/**
 * Text that is equal exactly for equal values: members sorted, `-0` as `0`. `charge` is told the
 * characters of every value and name, before they are written.
 */
export function stableText(value: Json, charge: (characters: number) => void): string {
  if (Array.isArray(value)) {
    charge(0)
    return `[${(value as readonly Json[]).map((item) => stableText(item, charge)).join(',')}]`
  }
  if (typeof value !== 'object' || value === null) {
    charge(typeof value === 'string' ? value.length : 8)
    return JSON.stringify(value)
  }
  const object = value as JsonObject
  const names = Object.keys(object).sort()
  const members = names.map((name) => {
    charge(name.length)
    return `${JSON.stringify(name)}:${stableText(object[name] as Json, charge)}`
  })
  return `{${members.join(',')}}`
}
