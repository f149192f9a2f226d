/** What the schemas are built from. Each is a construct that JSON Schema can show. */
import type { ZodObject, ZodType, z as zod } from 'zod'
import { eventDomains } from '../events/event.js'

/** The package, as it was loaded. */
export type Zod = typeof zod
/** A schema of an object. */
export type Schema = ZodObject
/** Members of a payload beside header and type. */
export type Fields = Readonly<Record<string, ZodType>>

/** 32 bytes. */
export const hash32 = (z: Zod): ZodType => z.string().regex(/^0x[0-9a-f]{64}$/)
/** 20 bytes. */
export const address = (z: Zod): ZodType => z.string().regex(/^0x[0-9a-f]{40}$/)
/** Bytes, at most so many. */
export const bytes = (z: Zod, most: number): ZodType =>
  z
    .string()
    .regex(/^0x(?:[0-9a-f]{2})*$/)
    .max(2 + 2 * most)
/** An unsigned integer of at most 256 bits, roughly: digits that are read as a bigint. */
export const uint = (z: Zod): ZodType => z.string().regex(/^(?:0|[1-9][0-9]{0,77})$/)
/** A hash of the chain of events, or of a log. */
export const chainHash = (z: Zod): ZodType => z.string().regex(/^[0-9a-f]{64}$/)
/** The fingerprint of a key. */
export const keyId = (z: Zod): ZodType => z.string().regex(/^sha256:[0-9a-f]{64}$/)
/** Standard base64 of 32 bytes. */
export const key32 = (z: Zod): ZodType => z.string().regex(/^[A-Za-z0-9+/]{43}=$/)
/** Standard base64 of 64 bytes. */
export const signature64 = (z: Zod): ZodType => z.string().regex(/^[A-Za-z0-9+/]{86}==$/)
/** Words for people. */
export const note = (z: Zod, most = 1_000): ZodType => z.string().max(most)

/** The header that every payload has. */
export function header(z: Zod, version: string): ZodType {
  return z.strictObject({
    domain: z.enum(eventDomains),
    event_id: z
      .string()
      .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
    key_id: keyId(z),
    ledger: z.string().min(1).max(255),
    occurred_at: z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/),
    schema_version: z.literal(version),
  })
}
