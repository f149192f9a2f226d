/**
 * Running Rego tests with the operators' engine.
 *
 * A test is a rule whose name starts with `test_`. It passes when it is `true`, fails when it is
 * undefined or anything else, and errs when evaluating it errs: what operators would see.
 */
import type { Json } from '../../core/canonicalJson.js'
import { fixedFromHex } from '../../internal/bytes.js'
import { assertObject } from '../../internal/options.js'
import type { RegoLocation } from '../errors.js'
import { EngineError } from '../errors.js'
import type { RegoLimits, RegoModule } from '../rego/engine.js'
import type { EngineInstance } from '../rego/engineInstance.js'
import { loadEngineModule } from '../rego/engineModule.js'
import type { ModuleInspection, RegoInspection } from '../rego/inspection.js'
import { limitsOf, loadPolicy, modulesOf } from '../rego/operatorEngine.js'

/** How one test ended. */
export type PolicyTestResult = {
  /** Full path, such as `data.guard_test.test_allows_small`. */
  name: string
  file: string
  line: number
  status: 'passed' | 'failed' | 'error' | 'skipped'
  /** Why it did not pass. */
  message?: string | undefined
  location?: RegoLocation | undefined
  /** What the test printed with `print(…)`. */
  prints: readonly string[]
}

/** Lines of one file that the tests have and have not evaluated, from 1. */
export type PolicyCoverage = {
  file: string
  covered: readonly number[]
  notCovered: readonly number[]
}

/** Outcome of {@link runPolicyTests}. */
export type PolicyTestReport = {
  results: readonly PolicyTestResult[]
  passed: number
  failed: number
  coverage: readonly PolicyCoverage[]
  /** Covered lines of all files that are no tests, from 0 to 1; 0 where there are none. */
  coverageRatio: number
}

/**
 * Runs all `test_*` rules of the given modules.
 *
 * @param parameters.modules - The policy and its `*_test.rego` files.
 * @param parameters.data - Documents the tests find under `data`, besides what they set with
 * `with`. Default none.
 * @param parameters.only - Runs only tests whose path contains this text.
 * @throws {RegoSourceError} for a module that does not parse.
 * @throws {RegoRefusedError} for recursion and nondeterministic builtins.
 * @example
 * ```ts
 * import { runPolicyTests } from '@newton/policy-sdk/eval'
 *
 * const report = await runPolicyTests({
 *   modules: [
 *     { name: 'p.rego', source: 'package p\nallow if input.value < 5' },
 *     { name: 'p_test.rego', source: 'package p_test\ntest_small if data.p.allow with input as {"value": 1}' },
 *   ],
 * })
 * report.failed // 0
 * ```
 */
export async function runPolicyTests(parameters: {
  modules: readonly RegoModule[]
  data?: Json | undefined
  only?: string | undefined
  /** Unix seconds that `time.now_ns` starts from. Default 0. */
  blockTimestamp?: bigint | undefined
  limits?: RegoLimits | undefined
}): Promise<PolicyTestReport> {
  assertObject('parameters', parameters)
  const { data = {}, only = '', blockTimestamp = 0n } = parameters
  const modules = modulesOf(parameters.modules)
  const limits = limitsOf(parameters.limits ?? {})
  const module = await loadEngineModule()
  const sources = modules.map(({ name, source }) => ({ path: name, source }))
  const request = JSON.stringify({ modules: sources, coverage: true })
  const world = { blockTimestamp, seed: fixedFromHex(`0x${'00'.repeat(32)}`, 32, 'seed') }
  const start = (): { instance: EngineInstance; inspection: RegoInspection } => {
    const loaded = loadPolicy(module, { request, limits })
    loaded.instance.setClock(world.blockTimestamp)
    loaded.instance.setSeed(world.seed)
    return loaded
  }
  let { instance, inspection } = start()
  const lines = new Map<string, Coverage>()
  const results: PolicyTestResult[] = []
  for (const test of testsOf(inspection)) {
    if (!test.name.includes(only)) continue
    const { answer, stopped } = runOne(instance, { test, data, maxSteps: limits.maxSteps })
    results.push(answer)
    if (!stopped) continue
    // What the stopped instance had covered is lost; the tests before it ran all the same.
    instance = start().instance
  }
  collectCoverage(instance, lines, limits.maxSteps)
  const tests = new Set(inspection.modules.filter(isTestModule).map((one) => one.file))
  addUntouched(inspection, lines)
  const coverage = [...lines].map(([file, { covered, notCovered }]) => ({
    file,
    covered: [...covered].sort(ascending),
    notCovered: [...notCovered].sort(ascending),
  }))
  const passed = results.filter((result) => result.status === 'passed').length
  const failed = results.filter(({ status }) => status === 'failed' || status === 'error').length
  return { results, passed, failed, coverage, coverageRatio: ratio(coverage, tests) }
}

type Test = { name: string; file: string; line: number; skipped: boolean }

function testsOf(inspection: RegoInspection): readonly Test[] {
  const found = new Map<string, Test>()
  for (const module of inspection.modules) {
    for (const rule of module.rules) {
      const skipped = rule.name.startsWith('todo_test_')
      if (!skipped && !rule.name.startsWith('test_')) continue
      const name = `${packageRef(module.package)}.${rule.name}`
      if (!found.has(name)) found.set(name, { name, file: module.file, line: rule.line, skipped })
    }
  }
  return [...found.values()]
}

function packageRef(path: readonly string[]): string {
  const steps = path.map((name) =>
    /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`,
  )
  return `data${steps.join('')}`
}

function isTestModule(module: ModuleInspection): boolean {
  return module.rules.some((rule) => rule.name.startsWith('test_'))
}

type QueryAnswer =
  | { error: { message: string; location: RegoLocation | null } }
  | { error?: undefined; defined: boolean; value: Json; prints: string[] }

function runOne(
  instance: EngineInstance,
  { test, data, maxSteps }: { test: Test; data: Json; maxSteps: number },
): { answer: PolicyTestResult; stopped: boolean } {
  const { name, file, line } = test
  const base = { name, file, line, prints: [] }
  if (test.skipped) return { answer: { ...base, status: 'skipped' }, stopped: false }
  const query = JSON.stringify({ query: name, data: JSON.stringify(data) })
  const result = instance.call('engine_query', [query], maxSteps)
  if (result.fault !== undefined) {
    return { answer: { ...base, status: 'error', message: result.fault.message }, stopped: true }
  }
  const answer = JSON.parse(result.answer) as QueryAnswer
  if (answer.error !== undefined) {
    const { message, location } = answer.error
    const failure = { message, location: location ?? undefined }
    return { answer: { ...base, status: 'error', ...failure }, stopped: false }
  }
  const { prints } = answer
  if (answer.defined && answer.value === true) {
    return { answer: { ...base, status: 'passed', prints }, stopped: false }
  }
  const message = answer.defined ? `is ${JSON.stringify(answer.value)}` : 'is undefined'
  return { answer: { ...base, status: 'failed', message, prints }, stopped: false }
}

type Coverage = { covered: Set<number>; notCovered: Set<number> }

function collectCoverage(
  instance: EngineInstance,
  into: Map<string, Coverage>,
  maxSteps: number,
): void {
  const result = instance.call('engine_coverage', [], maxSteps)
  if (result.fault !== undefined) throw new EngineError(result.fault.message)
  const report = JSON.parse(result.answer) as {
    files: { path: string; covered: number[]; not_covered: number[] }[]
  }
  for (const { path, covered, not_covered: notCovered } of report.files) {
    into.set(path, { covered: new Set(covered), notCovered: new Set(notCovered) })
  }
}

/** The engine says nothing of a file that nothing has reached: none of its rules was. */
function addUntouched(inspection: RegoInspection, lines: Map<string, Coverage>): void {
  for (const { file, rules } of inspection.modules) {
    const known = lines.get(file)
    if (known !== undefined && known.covered.size + known.notCovered.size > 0) continue
    lines.set(file, { covered: new Set(), notCovered: new Set(rules.map(({ line }) => line)) })
  }
}

function ratio(coverage: readonly PolicyCoverage[], tests: ReadonlySet<string>): number {
  let covered = 0
  let all = 0
  for (const file of coverage) {
    if (tests.has(file.file)) continue
    covered += file.covered.length
    all += file.covered.length + file.notCovered.length
  }
  return all === 0 ? 0 : covered / all
}

function ascending(a: number, b: number): number {
  return a - b
}
