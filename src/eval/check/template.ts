/** The pre-flight of a template: everything that can be known before it is published. */

import { parseJson } from '../../core/canonicalJson.js'
import type { SchemaIssue, SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import type { JsonObject } from '../../core/jsonText.js'
import { isPolicySdkError } from '../../errors/base.js'
import { assertObject, assertOptions } from '../../internal/options.js'
import type { RegoLocation } from '../errors.js'
import { RegoRefusedError, RegoSourceError } from '../errors.js'
import { createLintContext, membersRead } from '../lint/context.js'
import { inspectPolicy } from '../rego/inspectPolicy.js'
import { operatorEngine, sourceText } from '../rego/operatorEngine.js'
import { createSchemaValidator } from '../schema/validator.js'

/** The files of a template. Every schema is optional, as it is on chain. */
export type TemplateSources = {
  rego: string | Uint8Array
  /** The name of the Rego file, for places. Default `policy.rego`. */
  regoFile?: string | undefined
  policyParamsSchema?: string | Uint8Array | undefined
  /** Schemas of the data templates it needs. */
  dataSchemas?:
    | readonly {
        name: string
        paramsSchema?: string | Uint8Array | undefined
        secretsSchema?: string | Uint8Array | undefined
      }[]
    | undefined
}

/** One thing that keeps a template from being published. */
export type TemplateProblem = {
  /** Which file: `rego`, `policyParamsSchema`, or `dataSchemas[0].secretsSchema`. */
  file: string
  message: string
  location?: RegoLocation | undefined
  /** JSON Pointer inside a schema. */
  path?: string | undefined
}

/** Outcome of {@link checkTemplate}. */
export type TemplateCheck = {
  status: 'valid' | 'invalid'
  /** Path of the policy's package, where the Rego parses. */
  package?: string | undefined
  /** Members of data.params the policy reads. */
  params: readonly string[]
  problems: readonly TemplateProblem[]
}

/**
 * Checks the files of a template before they are published.
 *
 * The Rego must parse and be a policy by the decision rule (one module, a package that is not a
 * document's name, a rule `allow`); each member of `data.params` it reads must be in the params
 * schema; each schema must be accepted by the operators' dialect and by JSON Schema 2020-12.
 *
 * @returns All problems at once. Never throws on what the files hold.
 * @example
 * ```ts
 * import { checkTemplate } from '@newton/policy-sdk/eval'
 *
 * const check = await checkTemplate({
 *   rego: 'package p\nallow if input.value < data.params.limit',
 *   policyParamsSchema: '{"type":"object","properties":{"limit":{"type":"integer"}}}',
 * })
 * check.status // 'valid'
 * ```
 */
export async function checkTemplate(
  sources: TemplateSources,
  options: { validator?: SchemaValidator | undefined } = {},
): Promise<TemplateCheck> {
  assertObject('sources', sources)
  assertOptions(options, { validator: 'object' })
  const validator = options.validator ?? createSchemaValidator()
  const problems: TemplateProblem[] = []
  const schema = await checkSchema('policyParamsSchema', sources.policyParamsSchema)
  for (const [index, data] of (sources.dataSchemas ?? []).entries()) {
    await checkSchema(`dataSchemas[${index}].paramsSchema`, data.paramsSchema)
    await checkSchema(`dataSchemas[${index}].secretsSchema`, data.secretsSchema)
  }
  const policy = await checkRego(sources, { schema, problems })
  return { status: problems.length === 0 ? 'valid' : 'invalid', ...policy, problems }

  async function checkSchema(
    file: string,
    source: string | Uint8Array | undefined,
  ): Promise<JsonObject | undefined> {
    if (source === undefined) return undefined
    try {
      const text = sourceText(source, file)
      const verdict = await validator.checkSchema(text)
      if (verdict.status === 'valid') return rootObject(parseJson(text))
      problems.push(...verdict.issues.map((issue) => problemOf(file, issue)))
    } catch (error) {
      if (!isPolicySdkError(error)) throw error
      problems.push({ file, message: error.shortMessage })
    }
    return undefined
  }
}

async function checkRego(
  { rego, regoFile = 'policy.rego', policyParamsSchema }: TemplateSources,
  { schema, problems }: { schema: JsonObject | undefined; problems: TemplateProblem[] },
): Promise<{ package?: string | undefined; params: readonly string[] }> {
  const file = 'rego'
  try {
    const source = sourceText(rego, file)
    const modules = [{ name: regoFile, source }]
    const policy = await operatorEngine().prepare({ rego: modules })
    const packagePath = policy.package
    policy.dispose()
    const inspection = await inspectPolicy({ rego: modules })
    const context = createLintContext({ inspection, source, schema, probe: () => undefined })
    if (context === undefined) return { package: packagePath, params: [] }
    const allow = context.rules('allow')
    if (!allow.some((rule) => rule.kind === 'complete')) {
      const message = `there is no rule data.${packagePath}.allow, which is the decision`
      problems.push({ file, message })
    }
    const params = membersRead(context, ['data', 'params'])
    const known = Object.keys((schema?.['properties'] as JsonObject | undefined) ?? {})
    // With a schema that is itself refused there is nothing to compare with.
    const comparable = schema !== undefined || policyParamsSchema === undefined
    for (const [name, ref] of params) {
      if (!comparable || known.includes(name)) continue
      const location = context.locate(ref)
      const where = schema === undefined ? ', there is none' : ''
      const message = `data.params.${name} is not in the params schema${where}`
      problems.push({ file, message, location })
    }
    return { package: packagePath, params: [...params.keys()].sort() }
  } catch (error) {
    if (!isPolicySdkError(error)) throw error
    const located = error instanceof RegoSourceError || error instanceof RegoRefusedError
    const location = located ? error.location : undefined
    problems.push({ file, message: error.shortMessage, location })
    return { params: [] }
  }
}

function problemOf(file: string, { profile, path, message }: SchemaIssue): TemplateProblem {
  return { file, message: `${profile}: ${message}`, path }
}

function rootObject(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as JsonObject)
    : undefined
}
