/**
 * Schemas of events, in zod: `@newton/policy-sdk/ledger/schemas`. Needs the optional peer `zod`.
 *
 * A version is never changed and never removed: an event is read by its own version for ever. Only
 * what JSON Schema can show is used here; everything else is a semantic rule.
 */
import { MissingPeerError } from '../../errors/common.js'
import type { EventPayload } from '../events/event.js'
import type { EventSchemas } from '../events/schemaTypes.js'
import { ledgerSchemas } from './ledgerEvents.js'
import { newtonSchemas } from './newtonEvents.js'
import { header, type Schema, type Zod } from './parts.js'

/** Schemas with what is made from them. */
export type LoadedEventSchemas = EventSchemas & {
  /** JSON Schema (2020-12) of the whole payload of a version. `undefined` for an unknown one. */
  jsonSchema(version: string): unknown
}

/**
 * Loads the schemas of all events.
 *
 * @throws {MissingPeerError} where `zod` is not installed.
 * @example
 * ```ts
 * import { loadEventSchemas } from '@newton/policy-sdk/ledger/schemas'
 *
 * const schemas = await loadEventSchemas()
 * schemas.versions // ['ets.anchor.chain/1', …]
 * ```
 */
export async function loadEventSchemas(): Promise<LoadedEventSchemas> {
  let z: Zod
  try {
    z = (await import('zod')).z
  } catch (cause) {
    throw new MissingPeerError({ peer: 'zod', needed: 'loadEventSchemas' }, { cause })
  }
  const schemas = new Map<string, Schema>()
  for (const [version, fields] of Object.entries({ ...ledgerSchemas(z), ...newtonSchemas(z) })) {
    const type = version.slice(0, version.indexOf('/'))
    const ets = header(z, version)
    schemas.set(version, z.strictObject({ ...fields, ets, type: z.literal(type) }))
  }
  return {
    versions: [...schemas.keys()].sort(),
    check: (payload) => check(schemas, payload),
    jsonSchema: (version) => {
      const schema = schemas.get(version)
      return schema === undefined ? undefined : z.toJSONSchema(schema)
    },
  }
}

function check(
  schemas: ReadonlyMap<string, Schema>,
  payload: EventPayload,
): { known: boolean; problem: string | undefined } {
  const version = payload?.ets?.schema_version
  const schema = schemas.get(version)
  if (schema === undefined) {
    return { known: false, problem: `no schema ${JSON.stringify(String(version).slice(0, 80))}` }
  }
  const result = schema.safeParse(payload)
  if (result.success) return { known: true, problem: undefined }
  const issue = result.error.issues[0]
  const at = issue?.path.join('.') ?? ''
  return { known: true, problem: `${at === '' ? 'payload' : at}: ${issue?.message ?? 'refused'}` }
}
