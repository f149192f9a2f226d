/**
 * `wasmArgs`: what the submitter of a task gives the plugins.
 */
import type { Hex } from 'viem'
import {
  canonicalBytes,
  canonicalJson,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import { PluginInputError } from '../plugins/errors.js'

/**
 * Encodes `wasmArgs` for a task. `undefined` and `{}` give zero bytes.
 *
 * @throws {InvalidInputError} for anything but a JSON object, or one that sets `_newton.params`.
 * @throws {CanonicalJsonError} for a value canonical JSON refuses.
 * @example
 * ```ts
 * import { encodeWasmArgs } from '@newton/policy-sdk/eval'
 *
 * encodeWasmArgs({ address: '0x1111111111111111111111111111111111111111' })
 * ```
 */
export function encodeWasmArgs(args: JsonObject | undefined): Hex {
  if (args === undefined) return '0x'
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    throw new InvalidInputError({ field: 'wasmArgs', reason: 'expected a JSON object' })
  }
  const bytes = canonicalBytes(args)
  const problem = problemWith(args)
  if (problem) throw new InvalidInputError({ field: 'wasmArgs', reason: problem })
  return bytes.length === 2 ? '0x' : toHex(bytes)
}

/**
 * Decodes `wasmArgs` of a task. Zero bytes are `{}`.
 *
 * @throws {PluginInputError} for anything but a JSON object: no decision.
 */
export function decodeWasmArgs(wasmArgs: Hex): JsonObject {
  const bytes = fromHex(wasmArgs, 'wasmArgs')
  if (bytes.length === 0) return {}
  let value: Json
  try {
    value = parseJsonBytes(bytes)
  } catch (cause) {
    throw new PluginInputError('expected zero bytes or strict JSON', { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new PluginInputError('expected a JSON object')
  }
  const problem = problemWith(value as JsonObject)
  if (problem) throw new PluginInputError(problem)
  return value as JsonObject
}

/**
 * Builds the text given to `run`: the canonical JSON of `wasmArgs`, with `_newton.params` set to
 * the data instance's params where it has any.
 *
 * @param parameters.params - Params of the policy-data instance, `{}` for none.
 * @throws {PluginInputError} for `wasmArgs` that are no object or set `_newton.params` themselves.
 */
export function buildPluginInput(parameters: { wasmArgs: Hex; params: JsonObject }): string {
  assertMembers('parameters', parameters, ['wasmArgs', 'params'])
  const args = decodeWasmArgs(parameters.wasmArgs)
  if (Object.keys(parameters.params).length === 0) return canonicalJson(args)
  const own = (args['_newton'] ?? {}) as JsonObject
  return canonicalJson({ ...args, _newton: { ...own, params: parameters.params } })
}

function problemWith(args: JsonObject): string | undefined {
  const reserved = Object.hasOwn(args, '_newton') ? args['_newton'] : undefined
  if (reserved === undefined) return undefined
  if (typeof reserved !== 'object' || reserved === null || Array.isArray(reserved)) {
    return '`_newton` is reserved and must be an object'
  }
  return Object.hasOwn(reserved, 'params') ? '`_newton.params` is set by the host only' : undefined
}
