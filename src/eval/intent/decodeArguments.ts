/**
 * Decodes calldata into the JSON values policies see, as operators decode it.
 *
 * Operators' decoder is lenient where Solidity is not, and what it shows decides: any non-zero word
 * is `true`; integers are the whole word, whatever their declared width; fixed bytes are the whole
 * word without the zero bytes at its end; the upper bytes of an address are ignored; bytes after
 * the arguments are ignored; text that is not UTF-8 has U+FFFD in it. Source: the Solidity ABI
 * specification for the layout; behaviour checked against alloy 1.
 */
import type { Json } from '../../core/canonicalJson.js'
import { bytesToUint, toHex } from '../../internal/bytes.js'
import type { FunctionParameter } from './functionSignature.js'

/**
 * Most values of one call, and most bytes of its texts where the calldata has fewer: calldata can name
 * one tail many times over, and a few kilobytes would stand for gigabytes. A call that names each byte
 * once is never refused by the second.
 */
const [MAX_VALUES, MAX_BYTES] = [65_536, 1_048_576]

/**
 * Decodes the arguments of a call.
 *
 * @param data - Calldata without the selector.
 * @returns `undefined` where the types are unknown, the data too short, or what it stands for too much.
 */
export function decodeArguments(
  inputs: readonly FunctionParameter[],
  data: Uint8Array,
): Json[] | undefined {
  if (!inputs.every(isKnown)) return undefined
  const budget = { left: MAX_VALUES, bytes: Math.max(MAX_BYTES, data.length) }
  try {
    return readSequence(inputs, { data, start: 0, budget })
  } catch (error) {
    if (error instanceof Overrun) return undefined
    throw error
  }
}

/** What is read: all data, and where the offsets of the enclosing sequence count from. */
type Frame = { data: Uint8Array; start: number; budget: { left: number; bytes: number } }

class Overrun extends RangeError {}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Heads one after the other; a dynamic value's head is the offset of its tail. */
function readSequence(types: readonly FunctionParameter[], frame: Frame): Json[] {
  let head = 0
  return types.map((type) => {
    const at = frame.start + head
    head += headSize(type)
    if (!isDynamic(type)) return readValue(type, frame, at)
    return readValue(type, frame, frame.start + readLength(frame, at))
  })
}

function readValue(type: FunctionParameter, frame: Frame, at: number): Json {
  if (--frame.budget.left < 0) throw new Overrun()
  const array = /^(.*)\[(\d*)\]$/.exec(type.type)
  if (array) {
    const element: FunctionParameter = { ...type, type: array[1] as string }
    if (array[2] !== '') return readElements(element, Number(array[2]), { ...frame, start: at })
    return readElements(element, readLength(frame, at), { ...frame, start: at + 32 })
  }
  if (type.components) return readSequence(type.components, { ...frame, start: at })
  if (type.type === 'bytes' || type.type === 'string') {
    const bytes = slice(frame, at + 32, readLength(frame, at))
    frame.budget.bytes -= bytes.length
    if (frame.budget.bytes < 0) throw new Overrun()
    return type.type === 'bytes' ? toHex(bytes) : decoder.decode(bytes)
  }
  const word = slice(frame, at, 32)
  if (type.type === 'bool') return bytesToUint(word) !== 0n
  if (type.type === 'address') return toHex(word.subarray(12))
  if (type.type === 'function') return toHex(word.subarray(0, 24))
  if (type.type.startsWith('bytes')) return toHex(word.subarray(0, significantBytes(word)))
  const value = bytesToUint(word)
  return (type.type.startsWith('int') ? BigInt.asIntN(256, value) : value).toString()
}

function readElements(element: FunctionParameter, length: number, frame: Frame): Json[] {
  // Each element has a head; without this a length alone could ask for any amount of memory.
  if (length * headSize(element) > frame.data.length - frame.start || length > frame.budget.left)
    throw new Overrun()
  return readSequence(new Array<FunctionParameter>(length).fill(element), frame)
}

function slice({ data }: Frame, at: number, length: number): Uint8Array {
  if (at + length > data.length) throw new Overrun()
  return data.subarray(at, at + length)
}

/** A length or an offset: four bytes, the rest zero. */
function readLength(frame: Frame, at: number): number {
  const value = bytesToUint(slice(frame, at, 32))
  if (value > 0xffffffffn) throw new Overrun()
  return Number(value)
}

function isDynamic({ type, components }: FunctionParameter): boolean {
  if (type === 'bytes' || type === 'string' || type.includes('[]')) return true
  const base = type.replace(/\[.*$/, '')
  if (base === 'bytes' || base === 'string') return true
  return components?.some(isDynamic) ?? false
}

function headSize(parameter: FunctionParameter): number {
  if (isDynamic(parameter)) return 32
  const { type, components } = parameter
  const array = /^(.*)\[(\d+)\]$/.exec(type)
  if (array) return Number(array[2]) * headSize({ ...parameter, type: array[1] as string })
  return components ? components.reduce((sum, component) => sum + headSize(component), 0) : 32
}

function isKnown({ type, components }: FunctionParameter): boolean {
  const base = type.replace(/\[.*$/, '')
  if (components) return base === 'tuple' && components.every(isKnown)
  if (['address', 'bool', 'bytes', 'string', 'function'].includes(base)) return true
  const bits = Number(/^u?int(\d{1,9})$/.exec(base)?.[1] ?? 0)
  const bytes = Number(/^bytes(\d{1,9})$/.exec(base)?.[1] ?? 0)
  return (bits % 8 === 0 && within(bits, 256)) || within(bytes, 32)
}

function within(value: number, most: number): boolean {
  return value >= 1 && value <= most
}

/** Bytes up to the last one that is not zero. */
function significantBytes(word: Uint8Array): number {
  let length = word.length
  while (length > 0 && word[length - 1] === 0) length--
  return length
}
