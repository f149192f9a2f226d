/**
 * The `input` document of a policy: the intent, parsed as operators parse it.
 */
import { type AbiParameter, decodeAbiParameters, type Hex, slice, toFunctionSelector } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { assertIntent, type Intent } from '../../core/intent.js'
import { fromHex, fromUtf8 } from '../../internal/bytes.js'
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
  if (data.length < 4) return undefined
  try {
    const description = parseFunctionSignature(fromUtf8(fromHex(intent.functionSignature)))
    if (!description) return undefined
    const selector = toFunctionSelector(`function ${canonicalSignature(description)}`)
    if (slice(intent.data, 0, 4).toLowerCase() !== selector) return undefined
    const inputs = description.inputs as readonly AbiParameter[]
    const values = inputs.length === 0 ? [] : decodeAbiParameters(inputs, slice(intent.data, 4))
    return { description, args: inputs.map((input, index) => toJson(values[index], input)) }
  } catch {
    return undefined
  }
}

function toJson(value: unknown, { type, ...rest }: AbiParameter): Json {
  const array = /^(.*)\[\d*\]$/.exec(type)
  if (array) {
    const element = { ...rest, type: array[1] as string } as AbiParameter
    return (value as unknown[]).map((entry) => toJson(entry, element))
  }
  if (type === 'tuple') {
    // viem gives an array where all components are unnamed, which here they always are.
    const components = (rest as { components: readonly AbiParameter[] }).components
    return components.map((component, index) => toJson((value as unknown[])[index], component))
  }
  if (typeof value === 'bigint' || typeof value === 'number') return value.toString()
  if (typeof value === 'boolean') return value
  const text = value as string
  if (type === 'address') return text.toLowerCase()
  // Operators drop the padding of fixed bytes, and with it any zero bytes at the end.
  if (/^bytes\d+$/.test(type)) return text.replace(/(00)+$/, '')
  return text
}
