/**
 * The operators' own engine: the crate `newton-regorus`, compiled to WebAssembly.
 *
 * What it decides is what operators decide, because it is their code; see engine/ and
 * docs/decisions/engine-crate.md.
 */
import { isWellFormed } from '../../core/canonicalJson.js'
import { parseJsonText } from '../../core/jsonText.js'
import { InvalidInputError } from '../../errors/common.js'
import { asBytes, fixedFromHex, fromUtf8 } from '../../internal/bytes.js'
import { assertCount, assertKnown, assertOptions } from '../../internal/options.js'
import type { RegoLocation } from '../errors.js'
import { EngineError, type RegoRefusal, RegoRefusedError, RegoSourceError } from '../errors.js'
import type {
  PreparedPolicy,
  RegoEngine,
  RegoEvaluateOptions,
  RegoLimits,
  RegoModule,
  RegoOutcome,
  RegoValue,
  UnsupportedFunction,
} from './engine.js'
import { createEngineInstance, type EngineFault, type EngineInstance } from './engineInstance.js'
import { loadEngineModule } from './engineModule.js'
import { identityJson } from './identity.js'
import type { RegoInspection } from './inspection.js'
import { standsInFor } from './packageMember.js'
import { checkPackage } from './packageName.js'

/** Id of the engine, as results name it. */
export const OPERATOR_ENGINE_ID: string = 'newton-regorus@0.2.0'

/** @internal Limits where a caller gives none. */
export const defaultLimits: { maxSteps: number; maxMemoryBytes: number } = {
  maxSteps: 20_000_000,
  maxMemoryBytes: 64 * 1024 * 1024,
}

/** Linear memory above which an idle instance is given up: it never shrinks by itself. */
const RETAINED_BYTES = 32 * 1024 * 1024

/** What the engine answers when something is wrong. */
type Failure = { code: string; message: string; location: RegoLocation | null }

/**
 * Creates the operators' engine. The module (about 4 MB, 1.3 MB compressed) is loaded when the
 * first policy is prepared. Works in Node and in browsers.
 *
 * @example
 * ```ts
 * import { operatorEngine } from '@newton/policy-sdk/eval'
 *
 * const rego = new TextEncoder().encode('package p\nallow if input.value < data.params.limit')
 * const policy = await operatorEngine().prepare({ rego })
 * policy.evaluate(
 *   { inputJson: '{"value":5}', dataJson: '{"params":{"limit":10}}' },
 *   { blockTimestamp: 1_700_000_000n, seed: `0x${'00'.repeat(32)}` },
 * ) // { kind: 'defined', allow: true, reasons: [], value: true }
 * ```
 */
export function operatorEngine(): RegoEngine {
  return {
    id: OPERATOR_ENGINE_ID,
    semantics: 'operator',
    async prepare(source, limits = {}) {
      const modules = modulesOf(source.rego)
      const only = modules[0]
      if (modules.length !== 1 || only === undefined) {
        throw new RegoRefusedError({
          refusal: 'modules',
          reason: `a policy is one module, got ${modules.length}`,
        })
      }
      const module = await loadEngineModule()
      return preparePolicy(module, { only, limits: limitsOf(limits) })
    },
  }
}

/** @internal The text of a file that is given as text or as bytes. */
export function sourceText(source: unknown, field: string): string {
  if (typeof source === 'string') return source
  const bytes = asBytes(source)
  if (bytes !== undefined) return fromUtf8(bytes, field)
  throw new InvalidInputError({ field, reason: 'expected the text of a file, or its bytes' })
}

/** @internal Sources as modules; bytes are one module that must be UTF-8. */
export function modulesOf(rego: Uint8Array | readonly RegoModule[]): readonly RegoModule[] {
  const bytes = asBytes(rego)
  if (bytes !== undefined) return [{ name: 'policy.rego', source: fromUtf8(bytes, 'rego') }]
  if (Array.isArray(rego) && rego.every(isModule)) return rego
  throw new InvalidInputError({
    field: 'rego',
    reason: 'expected bytes, or a list of { name, source } with texts',
    hint: 'Of a text: new TextEncoder().encode(text).',
  })
}

function isModule(one: unknown): one is RegoModule {
  const { name, source } = (one ?? {}) as Partial<RegoModule>
  return typeof name === 'string' && typeof source === 'string'
}

function preparePolicy(
  module: WebAssembly.Module,
  { only, limits }: { only: RegoModule; limits: typeof defaultLimits },
): PreparedPolicy {
  const request = JSON.stringify({ modules: [{ path: only.name, source: only.source }] })
  const first = loadPolicy(module, { request, limits })
  const inspection = first.inspection
  const packageName = checkPackage(inspection)
  const unsupported = unsupportedBy(inspection, only)
  // A `with` can put a random builtin in the place of another function.
  const drawsSeed = inspection.needsSeed || /rand|uuid/.test(only.source)
  let instance: EngineInstance | undefined = first.instance
  let disposed = false

  return {
    package: packageName,
    unsupported,
    needsIdentity: inspection.needsIdentity,
    evaluate(documents, options) {
      const { inputJson, dataJson } = documents ?? {}
      if (disposed) return error('DISPOSED', 'the policy was disposed of')
      if (typeof inputJson !== 'string' || typeof dataJson !== 'string') {
        return error('INVALID_INPUT', 'input and data are JSON as text: JSON.stringify them')
      }
      if (standsInFor(packageName, dataJson)) {
        return error('INVALID_INPUT', `data has a member named like the package, ${packageName}`)
      }
      // The encoder would put U+FFFD in place of half a character: another text, another decision.
      if (!isWellFormed(inputJson) || !isWellFormed(dataJson)) {
        return error('INVALID_INPUT', 'input or data holds half of a surrogate pair')
      }
      let world: World
      try {
        world = worldOf(options)
      } catch (cause) {
        return error('INVALID_INPUT', (cause as Error).message)
      }
      const running = instance ?? loadPolicy(module, { request, limits }).instance
      // Taken out of use until the evaluation has come to an end of its own.
      instance = undefined
      running.setClock(world.blockTimestamp)
      if (drawsSeed) running.setSeed(world.seed)
      if (world.identity !== undefined && inspection.needsIdentity) {
        const taken = running.call('engine_set_identity', [world.identity], limits.maxSteps)
        if (taken.fault !== undefined) return error(taken.fault.code, taken.fault.message)
        // Without the data it would decide, and say that it had none.
        if (taken.answer !== '{}') {
          return error('INVALID_INPUT', 'the engine does not take the identity data')
        }
      }
      const { answer, fault } = answerOf(
        running.call('engine_decide', [inputJson, dataJson], limits.maxSteps),
      )
      if (fault !== undefined) return error(fault.code, fault.message)
      // Random builtins draw from the seed in order: the next evaluation starts over.
      if (!drawsSeed && running.memoryBytes() <= RETAINED_BYTES) instance = running
      return outcomeOf(answer)
    },
    dispose() {
      disposed = true
      instance = undefined
    },
  }
}

function answerOf(result: ReturnType<EngineInstance['call']>): {
  answer: string
  fault: EngineFault | undefined
} {
  return result.fault === undefined
    ? { answer: result.answer, fault: undefined }
    : { answer: '', fault: result.fault }
}

/** @internal Loads modules into a fresh instance, or throws why they are refused. */
export function loadPolicy(
  module: WebAssembly.Module,
  { request, limits }: { request: string; limits: typeof defaultLimits },
): { instance: EngineInstance; inspection: RegoInspection } {
  const instance = createEngineInstance(module, limits)
  const result = instance.call('engine_load', [request], limits.maxSteps)
  if (result.fault !== undefined) throw refusedBy(result.fault)
  const answer = JSON.parse(result.answer) as RegoInspection | { error: Failure }
  if ('error' in answer) throw refusalOf(answer.error)
  return { instance, inspection: answer }
}

function refusedBy(fault: EngineFault): RegoRefusedError {
  const refusals: Readonly<Record<EngineFault['code'], RegoRefusal>> = {
    STEP_LIMIT: 'step-limit',
    MEMORY_LIMIT: 'memory-limit',
    STACK_LIMIT: 'too-deep',
    PANIC: 'too-deep',
  }
  return new RegoRefusedError({ refusal: refusals[fault.code], reason: fault.message })
}

function refusalOf({ code, message, location }: Failure): RegoRefusedError | RegoSourceError {
  const at = location ?? undefined
  if (code === 'RECURSION') {
    return new RegoRefusedError({
      refusal: 'recursion',
      reason: message,
      location: at,
      hint: 'Rego has no recursion. Write the steps out, or compute them in a data plugin.',
    })
  }
  if (code === 'NONDETERMINISTIC') {
    return new RegoRefusedError({
      refusal: 'nondeterministic',
      reason: message,
      location: at,
      hint: 'Operators must agree on one result. Fetch outside data in a data plugin.',
    })
  }
  return new RegoSourceError({ reason: message, location: at })
}

type World = { blockTimestamp: bigint; seed: Uint8Array; identity: string | undefined }

function worldOf(options: RegoEvaluateOptions): World {
  assertOptions(
    options,
    { blockTimestamp: 'any', seed: 'text', identity: 'any' },
    { required: ['blockTimestamp', 'seed'] },
  )
  const { blockTimestamp, seed, identity } = options
  if (typeof blockTimestamp !== 'bigint' || blockTimestamp < 0n || blockTimestamp > LAST_SECOND) {
    const reason = `expected seconds as a bigint from 0 to ${LAST_SECOND}`
    throw new InvalidInputError({ field: 'options.blockTimestamp', reason })
  }
  return {
    blockTimestamp,
    seed: fixedFromHex(seed, 32, 'seed'),
    identity: identity === undefined ? undefined : identityJson(identity, blockTimestamp),
  }
}

/** The last second whose nanoseconds the engine's clock has in 64 bits. */
const LAST_SECOND = 9_223_372_036n

/**
 * The functions that the engine does not have. Those in the operators' own namespace are a refusal:
 * operators evaluate them, so what is decided here without them could be another decision.
 */
function unsupportedBy(
  inspection: RegoInspection,
  { name: file, source }: RegoModule,
): readonly UnsupportedFunction[] {
  const lines = source.split('\n')
  return inspection.unknownFunctions.map(({ name, line, column }) => {
    const caret = `${' '.repeat(Math.max(0, column - 1))}^`
    const location = { file, line, column, text: lines[line - 1], caret }
    if (!name.startsWith('newton.')) return { name, location }
    throw new RegoRefusedError({
      refusal: 'unsupported',
      reason: `${name} cannot be evaluated here`,
      location,
      hint: 'Evaluate this policy at an operator. Here are newton.crypto.ecdsa_recover_signer, its _personal form, newton.identity.get and newton.identity.kyc.',
    })
  })
}

type Decision = {
  defined: boolean
  value: RegoValue
  reasons: string[]
  reasonsError: string | null
}

function outcomeOf(answer: string): RegoOutcome {
  const decision = parseAnswer(answer) as Decision | { error: Failure }
  if ('error' in decision) {
    const { code, message, location } = decision.error
    const at = location ?? undefined
    if (code === 'UNSUPPORTED') {
      const what = message.replace('could not find function', 'the function')
      return { kind: 'unsupported', what, location: at }
    }
    return { kind: 'error', code, message, location: at }
  }
  const { defined: isDefined, value, reasons, reasonsError } = decision
  if (!isDefined) return { kind: 'undefined', reasons }
  const outcome: RegoOutcome = { kind: 'defined', allow: value === true, reasons, value }
  return reasonsError === null ? outcome : { ...outcome, reasonsError }
}

/** Deepest value the engine writes: its own limit is lower. */
const ANSWER_DEPTH = 1_024

/** The answer with its integers as they are. `JSON.parse` rounds those of 17 digits and more. */
function parseAnswer(answer: string): unknown {
  if (!/\d{16}/.test(answer)) return JSON.parse(answer)
  const fail = (path: string, reason: string): Error =>
    new EngineError(`its answer is not JSON at ${path}: ${reason}`)
  return parseJsonText(answer, { maxDepth: ANSWER_DEPTH, fail, largeInteger: BigInt })
}

function error(code: string, message: string): RegoOutcome {
  return { kind: 'error', code, message }
}

/** What the module's memory can grow to; see engine/build.ts. */
const MODULE_BYTES = 512 * 1024 * 1024

/**
 * @internal Limits with the defaults filled in.
 *
 * @throws {InvalidInputError} for a limit of another name, and for what is no positive integer.
 */
export function limitsOf(limits: RegoLimits): typeof defaultLimits {
  assertKnown('limits', limits, Object.keys(defaultLimits))
  const { maxSteps = defaultLimits.maxSteps, maxMemoryBytes = defaultLimits.maxMemoryBytes } =
    limits
  assertCount('limits.maxSteps', maxSteps)
  assertCount('limits.maxMemoryBytes', maxMemoryBytes, { most: MODULE_BYTES })
  return { maxSteps, maxMemoryBytes }
}
