/**
 * The `2020-12` profile by `ajv`, an optional peer, for those who want a second implementation or
 * validate many large values by one schema: it generates code for each schema.
 *
 * The bounds are those of the interpreter, and so are the keywords that are known. What ajv decides
 * otherwise than the standard says is refused by name; what a value costs is counted in the same steps.
 */
import type { SchemaIssue, SchemaValidator } from '../../../core/interfaces/schemaValidator.js'
import type { Json } from '../../../core/jsonText.js'
import { MissingPeerError } from '../../../errors/common.js'
import { EngineError } from '../../errors.js'
import type { CheckedSchema } from '../keywords.js'
import { createValidatorOf, type SchemaValidatorOptions, type StandardCheck } from '../validator.js'
import { compileMetered, type Metered } from './metered.js'
import { refusedByAjv } from './refusals.js'

type AjvModule = typeof import('ajv/dist/2020.js')

/**
 * Loads `ajv` and makes a schema validator of it: as `createSchemaValidator()`, with the profile
 * `2020-12` by ajv instead of the interpreter.
 *
 * ajv stops at the first issue of a value. It takes some milliseconds to compile a schema, once, and a
 * tenth of a second for the largest it may have, of 1,000 values; the interpreter compiles nothing.
 *
 * @throws {MissingPeerError} where `ajv` is not installed.
 * @throws {EngineError} where code may not be generated, as on a page whose policy forbids `eval`.
 * @throws {InvalidInputError} for another name of profiles.
 * @example
 * ```ts
 * import { createEvaluator } from '@newton/policy-sdk/eval'
 * import { ajvSchemaValidator } from '@newton/policy-sdk/eval/ajv'
 *
 * const schemas = await ajvSchemaValidator()
 * await schemas.checkSchema('{"type":"object","properties":{"limit":{"type":"integer"}}}')
 * ```
 */
export async function ajvSchemaValidator(
  options: SchemaValidatorOptions = {},
): Promise<SchemaValidator> {
  const ajv = await load()
  assertCompiles(ajv)
  return createValidatorOf(
    { name: 'ajv', check: (checked) => standardCheck(ajv, checked) },
    options,
  )
}

async function load(): Promise<AjvModule> {
  try {
    return (await import('ajv/dist/2020.js')) as unknown as AjvModule
  } catch (cause) {
    throw new MissingPeerError({ peer: 'ajv', needed: 'ajvSchemaValidator' }, { cause })
  }
}

/** Code is generated for the least of schemas: where that is forbidden, no schema could be used. */
function assertCompiles(ajv: AjvModule): void {
  try {
    new ajv.Ajv2020({ meta: false, validateSchema: false }).compile({ type: 'null' })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new EngineError(`ajv cannot generate code here (${reason}); use createSchemaValidator()`)
  }
}

function standardCheck(
  ajv: AjvModule,
  checked: CheckedSchema,
): StandardCheck | { issues: readonly SchemaIssue[] } {
  const refused = refusedByAjv(checked)
  if (refused.length > 0) return { issues: refused }
  let metered: Metered
  try {
    metered = compileMetered(ajv, checked)
  } catch (cause) {
    return { issues: [issue(`ajv does not compile it: ${messageOf(cause)}`)] }
  }
  return { validate: (value) => validate(metered, value) }
}

function validate(metered: Metered, value: Json): readonly SchemaIssue[] {
  try {
    return metered.validate(value)
  } catch (cause) {
    // Code that ajv generates for nested branches throws on some values: that is no answer.
    return [issue(`ajv gave no answer: ${messageOf(cause)}`)]
  }
}

function issue(message: string): SchemaIssue {
  return { profile: '2020-12', path: '', message }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
