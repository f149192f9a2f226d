/**
 * The schema checks of params and secrets: bounds, the operators' dialect, JSON Schema 2020-12.
 *
 * Operators enforce a dialect of their own, which differs from the standard in both directions. A
 * schema that only one of the two accepts, or a value that only one passes, is an error that names
 * the one that refused it; so nothing passes here that operators will refuse, and nothing means
 * something else to a standard tool.
 */
import type {
  SchemaIssue,
  SchemaValidator,
  SchemaVerdict,
} from '../../core/interfaces/schemaValidator.js'
import type { Json } from '../../core/jsonText.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertChoice, assertJsonText, assertKnown, assertObject } from '../../internal/options.js'
import { createProcessMemory, type ProcessMemory } from '../../internal/processMemory.js'
import { EngineError } from '../errors.js'
import { createEngineInstance, type EngineInstance } from '../rego/engineInstance.js'
import { loadEngineModule } from '../rego/engineModule.js'
import { capInstance, capSchema } from './caps.js'
import { validate2020 } from './draft2020.js'
import { type CheckedSchema, checkKeywords } from './keywords.js'

/** Which rule sets are applied. */
export type SchemaProfiles = 'both' | '2020-12'

/** Steps of the operators' code for one schema or one value: well under 50 ms. */
const OPERATOR_STEPS = 2_500_000
/** Steps of building its meta-schema, once for an instance, whatever the schema. */
const WARM_UP_STEPS = 200_000_000
const OPERATOR_MEMORY = 128 * 1024 * 1024

/** Options of a validator. */
export type SchemaValidatorOptions = {
  /**
   * `both` for params and secrets; `2020-12` for files that operators never see.
   * @default 'both'
   */
  profiles?: SchemaProfiles | undefined
  /**
   * Where checked schemas are held, shared with other parts of the process.
   * @default one of its own of 8 MiB
   */
  memory?: ProcessMemory | undefined
}

/** @internal A schema as its profile `2020-12` has it. */
export type StandardCheck = { validate(value: Json): readonly SchemaIssue[] }

/** @internal An implementation of the profile `2020-12`, for schemas within the bounds. */
export type StandardProfile = {
  /** Tells what it made of a schema from what others made. */
  readonly name: string
  check(checked: CheckedSchema): StandardCheck | { issues: readonly SchemaIssue[] }
}

const interpreter: StandardProfile = {
  name: 'interpreter',
  check: (checked) => ({ validate: (value) => validate2020(checked, value) }),
}

/**
 * Creates a validator of schemas and values.
 *
 * @param options.profiles - `both` for params and secrets; `2020-12` for files that operators
 * never see. Default `both`.
 * @param options.memory - Where checked schemas are held, shared with other parts of the process. One
 * of its own of 8 MiB by default.
 * @throws {InvalidInputError} for another name.
 * @example
 * ```ts
 * import { createSchemaValidator } from '@newton/policy-sdk/eval'
 *
 * const validator = createSchemaValidator()
 * await validator.validate({
 *   schemaJson: '{"type":"object","properties":{"limit":{"type":"integer","minimum":1}}}',
 *   valueJson: '{"limit":0}',
 * }) // { status: 'invalid', issues: [{ profile: 'operator', path: '/limit', … }, …] }
 * ```
 */
export function createSchemaValidator(options: SchemaValidatorOptions = {}): SchemaValidator {
  return createValidatorOf(interpreter, options)
}

/** @internal A validator with another implementation of the profile `2020-12`. */
export function createValidatorOf(
  profile: StandardProfile,
  options: SchemaValidatorOptions,
): SchemaValidator {
  assertObject('options', options)
  assertKnown('options', options, ['profiles', 'memory'])
  const { profiles = 'both', memory = createProcessMemory({ maxBytes: 8_388_608 }) } = options
  // A name that is compared and not checked would quietly leave the operators' rules out.
  assertChoice('profiles', profiles, ['both', '2020-12'])
  const withOperator = profiles === 'both'
  const operator = operatorProfile()

  /** A schema is checked once: the answer is a function of its text. Refusals are not kept. */
  function check(schemaJson: string): Promise<Checked> {
    const key = `${profile.name} ${profiles} ${keccakHex(utf8(schemaJson))}`
    return memory.get({ form: 'schema', key }, async () => {
      const value = await checkAnew(schemaJson)
      // Parsed, a text takes several times its length.
      return { value, weight: 8 * schemaJson.length, keep: 'validate' in value }
    })
  }

  async function checkAnew(schemaJson: string): Promise<Checked> {
    const bounded = capSchema(schemaJson)
    if (bounded.issues !== undefined) return { issues: bounded.issues }
    const known = checkKeywords(bounded.capped)
    const standard = known.issues === undefined ? profile.check(known.checked) : known
    const issues: SchemaIssue[] = 'validate' in standard ? [] : [...standard.issues]
    if (withOperator) issues.push(...(await operator.checkSchema(schemaJson)))
    return issues.length === 0 && 'validate' in standard ? standard : { issues }
  }

  return {
    async checkSchema(schemaJson) {
      assertJsonText('schemaJson', schemaJson)
      const result = await check(schemaJson)
      return 'issues' in result ? unusable(result.issues) : { status: 'valid' }
    },
    async validate({ schemaJson, valueJson }) {
      assertJsonText('schemaJson', schemaJson)
      assertJsonText('valueJson', valueJson)
      const result = await check(schemaJson)
      if ('issues' in result) return unusable(result.issues)
      const instance = capInstance(valueJson)
      if ('issue' in instance) return { status: 'invalid', issues: [instance.issue] }
      const issues = [...result.validate(instance.value)]
      if (withOperator) issues.push(...(await operator.validate(schemaJson, valueJson)))
      return issues.length > 0 ? { status: 'invalid', issues } : { status: 'valid' }
    },
  }
}

function unusable(issues: readonly SchemaIssue[]): SchemaVerdict {
  return { status: 'unusable-schema', issues }
}

type Checked = StandardCheck | { issues: readonly SchemaIssue[] }

type OperatorAnswer =
  | { error: { message: string } }
  | { error?: undefined; valid?: boolean; path?: string; message?: string }

/** An instance whose meta-schema is built, so that what follows is the cost of the schema alone. */
function warmInstance(module: WebAssembly.Module): EngineInstance {
  const instance = createEngineInstance(module, { maxMemoryBytes: OPERATOR_MEMORY })
  const { fault } = instance.call('engine_schema_load', ['{"type":"any"}'], WARM_UP_STEPS)
  if (fault !== undefined)
    throw new EngineError(`its schema check does not start: ${fault.message}`)
  return instance
}

/** The dialect the operators enforce, by their own code. */
function operatorProfile(): {
  checkSchema(schemaJson: string): Promise<readonly SchemaIssue[]>
  validate(schemaJson: string, valueJson: string): Promise<readonly SchemaIssue[]>
} {
  let instance: EngineInstance | undefined
  let loaded: string | undefined

  // Nothing here awaits: a schema and its value are never mixed with those of another caller.
  function call(
    module: WebAssembly.Module,
    name: 'engine_schema_load' | 'engine_schema_validate',
    text: string,
  ): SchemaIssue | undefined {
    const running = instance ?? warmInstance(module)
    instance = undefined
    const result = running.call(name, [text], OPERATOR_STEPS)
    if (result.fault !== undefined) {
      loaded = undefined
      const message = `the check was stopped: ${result.fault.message}`
      return { profile: 'caps', path: '', message }
    }
    instance = running
    const answer = JSON.parse(result.answer) as OperatorAnswer
    if (answer.error !== undefined) {
      return { profile: 'operator', path: '', message: answer.error.message }
    }
    if (answer.valid !== false) return undefined
    const { path = '', message = 'the value is refused' } = answer
    return { profile: 'operator', path, message }
  }

  function load(module: WebAssembly.Module, schemaJson: string): SchemaIssue | undefined {
    if (loaded === schemaJson && instance !== undefined) return undefined
    loaded = undefined
    const issue = call(module, 'engine_schema_load', schemaJson)
    if (issue === undefined) loaded = schemaJson
    return issue
  }

  return {
    async checkSchema(schemaJson) {
      const issue = load(await loadEngineModule(), schemaJson)
      return issue === undefined ? [] : [issue]
    },
    async validate(schemaJson, valueJson) {
      const module = await loadEngineModule()
      const issue = load(module, schemaJson) ?? call(module, 'engine_schema_validate', valueJson)
      return issue === undefined ? [] : [issue]
    },
  }
}
