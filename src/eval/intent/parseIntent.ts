/**
 * The `input` document of a policy: the intent, parsed as operators parse it.
 */
import type { Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { assertIntent, type Intent } from '../../core/intent.js'
import { bytesEqual, fromHex, fromUtf8, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { decodeArguments } from './decodeArguments.js'
import {
  canonicalSignature,
  type FunctionDescription,
  fullSignature,
  parseFunctionSignature,
} from './functionSignature.js'

/** What a policy sees as `input`. */
export type ParsedIntent = {
  from: string
  to: string
  /** A JSON integer up to 2^64 - 1, else a decimal string. */
  value: bigint | string
  data: Hex
  /** A JSON integer, `null` above 2^64 - 1. */
  chain_id: bigint | null
  function_signature: Hex
  function: JsonObject | null
  decoded_function_signature: string | null
  decoded_function_arguments: readonly Json[] | null
}

const MAX_U64 = 2n ** 64n - 1n

/**
 * Parses an intent into the `input` document of a policy.
 *
 * Calldata that does not fit the function signature is not an error: its decoded members are
 * `null`, as operators have it.
 *
 * @throws {InvalidInputError} for a malformed intent.
 * @example
 * ```ts
 * import { parseIntent } from '@newton/policy-sdk/eval'
 * import { encodeFunctionData, parseAbi, stringToHex } from 'viem'
 *
 * const signature = 'function transfer(address to, uint256 amount)'
 * const to = '0x2222222222222222222222222222222222222222'
 * parseIntent({
 *   from: '0x1111111111111111111111111111111111111111',
 *   to,
 *   value: 0n,
 *   data: encodeFunctionData({ abi: parseAbi([signature]), args: [to, 5n] }),
 *   chainId: 1n,
 *   functionSignature: stringToHex(signature),
 * }).decoded_function_arguments // [to, '5']
 * ```
 */
export function parseIntent(intent: Intent): ParsedIntent {
  assertIntent(intent)
  const decoded = decodeCalldata(intent)
  return {
    from: intent.from.toLowerCase(),
    to: intent.to.toLowerCase(),
    value: intent.value <= MAX_U64 ? intent.value : intent.value.toString(),
    data: intent.data.toLowerCase() as Hex,
    chain_id: intent.chainId <= MAX_U64 ? intent.chainId : null,
    function_signature: intent.functionSignature.toLowerCase() as Hex,
    function: decoded ? (decoded.description as unknown as JsonObject) : null,
    decoded_function_signature: decoded ? fullSignature(decoded.description) : null,
    decoded_function_arguments: decoded ? decoded.args : null,
  }
}

/**
 * The `input` document as JSON text. Integers keep all their digits: the text is what crosses to
 * the engine, and 64-bit integers do not survive a JavaScript number.
 */
export function intentToInputJson(intent: Intent): string {
  const { value, chain_id, ...rest } = parseIntent(intent)
  const members = Object.entries({ ...rest }).map(
    ([name, member]) => [name, JSON.stringify(member)] as const,
  )
  const integers = [
    ['value', typeof value === 'bigint' ? value.toString() : JSON.stringify(value)],
    ['chain_id', chain_id === null ? 'null' : chain_id.toString()],
  ] as const
  const body = [...members, ...integers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) => `${JSON.stringify(name)}:${text}`)
  return `{${body.join(',')}}`
}

function decodeCalldata(
  intent: Intent,
): { description: FunctionDescription; args: Json[] } | undefined {
  const data = fromHex(intent.data)
  const text = signatureText(intent.functionSignature)
  const description = text === undefined ? undefined : parseFunctionSignature(text)
  if (!description) return undefined
  const selector = keccak(utf8(canonicalSignature(description))).subarray(0, 4)
  if (!bytesEqual(data.subarray(0, 4), selector)) return undefined
  const args = decodeArguments(description.inputs, data.subarray(4))
  return args ? { description, args } : undefined
}

function signatureText(signature: Hex): string | undefined {
  try {
    return fromUtf8(fromHex(signature))
  } catch {
    return undefined
  }
}
