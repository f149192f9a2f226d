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
    // Parsed anew: the caller may change what it gets.
    function: decoded ? (JSON.parse(decoded.descriptionJson) as JsonObject) : null,
    decoded_function_signature: decoded ? decoded.signature : null,
    decoded_function_arguments: decoded ? decoded.args : null,
  }
}

/**
 * The `input` document as JSON text. Integers keep all their digits: the text is what crosses to
 * the engine, and 64-bit integers do not survive a JavaScript number.
 */
export function intentToInputJson(intent: Intent): string {
  assertIntent(intent)
  return inputJsonOf(intent)
}

/** The same of an intent that was checked before. */
export function inputJsonOf(intent: Intent): string {
  const decoded = decodeCalldata(intent)
  const { value, chainId } = intent
  // In the order of their names, as canonical JSON has it.
  return `{"chain_id":${chainId <= MAX_U64 ? chainId : null},"data":"${intent.data.toLowerCase()}","decoded_function_arguments":${
    decoded ? JSON.stringify(decoded.args) : null
  },"decoded_function_signature":${decoded ? JSON.stringify(decoded.signature) : null},"from":"${intent.from.toLowerCase()}","function":${
    decoded ? decoded.descriptionJson : null
  },"function_signature":"${intent.functionSignature.toLowerCase()}","to":"${intent.to.toLowerCase()}","value":${
    value <= MAX_U64 ? value : `"${value}"`
  }}`
}

type Signature = {
  inputs: FunctionDescription['inputs']
  descriptionJson: string
  signature: string
  selector: Uint8Array
}

function decodeCalldata(intent: Intent): (Signature & { args: Json[] }) | undefined {
  const known = signatureOf(intent.functionSignature)
  if (!known) return undefined
  const data = fromHex(intent.data)
  if (!bytesEqual(data.subarray(0, 4), known.selector)) return undefined
  const args = decodeArguments(known.inputs, data.subarray(4))
  return args ? { ...known, args } : undefined
}

/** Few signatures make most of the traffic. `null`: known to be none. */
const signatures = new Map<Hex, Signature | null>()
const MAX_SIGNATURES = 128
const MAX_REMEMBERED = 2_048

function signatureOf(hex: Hex): Signature | null {
  const known = signatures.get(hex)
  if (known !== undefined) return known
  const signature = readSignature(hex)
  if (hex.length > MAX_REMEMBERED) return signature
  if (signatures.size >= MAX_SIGNATURES) {
    signatures.delete(signatures.keys().next().value as Hex)
  }
  signatures.set(hex, signature)
  return signature
}

function readSignature(hex: Hex): Signature | null {
  const text = signatureText(hex)
  const description = text === undefined ? undefined : parseFunctionSignature(text)
  if (!description) return null
  return {
    inputs: description.inputs,
    descriptionJson: JSON.stringify(description),
    signature: fullSignature(description),
    selector: keccak(utf8(canonicalSignature(description))).slice(0, 4),
  }
}

function signatureText(signature: Hex): string | undefined {
  try {
    return fromUtf8(fromHex(signature))
  } catch {
    return undefined
  }
}
