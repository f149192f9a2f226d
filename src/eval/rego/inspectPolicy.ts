/** What is in a policy, without evaluating it. */

import { assertObject } from '../../internal/options.js'
import type { RegoLimits, RegoModule } from './engine.js'
import { loadEngineModule } from './engineModule.js'
import type { RegoInspection } from './inspection.js'
import { limitsOf, loadPolicy, modulesOf } from './operatorEngine.js'

/**
 * Parses Rego with the operators' engine and lists its rules, references, calls and comparisons.
 *
 * @param source.rego - UTF-8 bytes of one module, or several modules (a policy with its tests).
 * @throws {RegoSourceError} for what does not parse, with line, column and a caret.
 * @throws {RegoRefusedError} for recursion and for nondeterministic builtins.
 * @example
 * ```ts
 * import { inspectPolicy } from '@newton/policy-sdk/eval'
 *
 * const { modules } = await inspectPolicy({
 *   rego: new TextEncoder().encode('package p\nallow if input.value < 5'),
 * })
 * modules[0]?.package // ['p']
 * ```
 */
export async function inspectPolicy(
  source: { rego: Uint8Array | readonly RegoModule[] },
  limits: RegoLimits = {},
): Promise<RegoInspection> {
  assertObject('source', source)
  const modules = modulesOf(source.rego).map(({ name, source: text }) => ({
    path: name,
    source: text,
  }))
  const module = await loadEngineModule()
  const request = JSON.stringify({ modules })
  return loadPolicy(module, { request, limits: limitsOf(limits) }).inspection
}
