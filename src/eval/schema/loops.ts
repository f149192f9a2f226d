/**
 * References that lead back to where they start without having gone into the value.
 *
 * Whatever `$ref` and `allOf` lead to applies to the same value, always: such a loop accepts nothing
 * and ends nowhere, for every value, so the schema is refused and not the value. A loop through
 * `anyOf`, `if` and the like depends on the value, and is met by who validates it.
 */
import type { Json, JsonObject } from '../../core/jsonText.js'

/** The reference that closes a loop, or none. Each schema is gone through once. */
export function closingReference(references: ReadonlyMap<string, Json>): string | undefined {
  const states = new Map<Json, 'open' | 'done'>()

  function from(schema: Json): string | undefined {
    if (typeof schema !== 'object' || schema === null || states.has(schema)) return undefined
    states.set(schema, 'open')
    const { $ref, allOf } = schema as JsonObject
    let found: string | undefined
    if (typeof $ref === 'string') {
      const target = references.get($ref) as Json
      found = states.get(target) === 'open' ? $ref : from(target)
    }
    if (Array.isArray(allOf)) {
      for (const branch of allOf as readonly Json[]) found ??= from(branch)
    }
    states.set(schema, 'done')
    return found
  }

  for (const target of references.values()) {
    const found = from(target)
    if (found !== undefined) return found
  }
  return undefined
}
