/** One reason why a value or a schema was refused. */
export type SchemaIssue = {
  /** Which rule set refused it. */
  profile: 'operator' | '2020-12' | 'caps'
  /** JSON Pointer into the value, or into the schema when the schema itself was refused. */
  path: string
  message: string
}

/** Outcome of a check. `valid` only when every profile accepted. */
export type SchemaVerdict =
  | { status: 'valid' }
  | { status: 'invalid'; issues: readonly SchemaIssue[] }
  /** The schema itself is refused, so no value can pass. */
  | { status: 'unusable-schema'; issues: readonly SchemaIssue[] }

/**
 * Checks schemas and values against both the dialect the operators enforce and JSON Schema
 * 2020-12. JSON crosses as text so that integers survive.
 */
export interface SchemaValidator {
  checkSchema(schemaJson: string): Promise<SchemaVerdict>
  validate(parameters: { schemaJson: string; valueJson: string }): Promise<SchemaVerdict>
}
