/**
 * Human-readable function signatures, parsed into JSON ABI as operators parse them.
 *
 * Operators use alloy's `Function::parse`. This accepts what that accepts in practice: an optional
 * `function`, parameter names, data locations, nested tuples without names, arrays, visibility,
 * mutability and outputs. Source: the Solidity ABI specification; checked against alloy 1.
 */
import { assertMembers, assertText } from '../../internal/options.js'

/** One parameter in JSON ABI form. */
export type FunctionParameter = {
  name: string
  type: string
  components?: readonly FunctionParameter[]
}

/** A function in the JSON ABI form that policies see as `input.function`. */
export type FunctionDescription = {
  type: 'function'
  name: string
  inputs: readonly FunctionParameter[]
  outputs: readonly FunctionParameter[]
  stateMutability: 'nonpayable' | 'payable' | 'view' | 'pure'
}

/** Deepest nesting of tuples and most parameters that are read. */
const MAX_DEPTH = 16
const MAX_PARAMETERS = 256

/**
 * Parses a signature such as `function transfer(address to, uint256 amount)`.
 *
 * @returns `undefined` for text that is no function signature.
 * @example
 * ```ts
 * import { parseFunctionSignature } from '@newton/policy-sdk/eval'
 *
 * parseFunctionSignature('transfer(address,uint256)')?.name // 'transfer'
 * ```
 */
export function parseFunctionSignature(text: string): FunctionDescription | undefined {
  assertText('text', text)
  if (text.length > 4_096) return undefined
  const scanner = createScanner(text.replace(/^function[ \t]+/, ''))
  const name = scanner.identifier()
  if (name === undefined) return undefined
  scanner.space()
  const inputs = parameters(scanner, 0)
  if (!inputs) return undefined
  let stateMutability: FunctionDescription['stateMutability'] = 'nonpayable'
  let visibility = false
  let mutability = false
  let outputs: FunctionParameter[] = []
  for (;;) {
    scanner.space()
    if (scanner.done()) break
    if (scanner.peek() === '(') {
      const listed = parameters(scanner, 0)
      if (!listed) return undefined
      outputs = listed
      scanner.space()
      if (!scanner.done()) return undefined
      break
    }
    const word = scanner.identifier()
    if (word === 'external' || word === 'public' || word === 'internal' || word === 'private') {
      if (visibility || mutability) return undefined
      visibility = true
    } else if (word === 'view' || word === 'pure' || word === 'payable') {
      if (mutability) return undefined
      mutability = true
      stateMutability = word
    } else if (word === 'returns') {
      scanner.space()
      if (scanner.peek() !== '(') return undefined
    } else {
      return undefined
    }
  }
  return { type: 'function', name, inputs, outputs, stateMutability }
}

/** The selector's preimage, such as `transfer(address,uint256)`. */
export function canonicalSignature(description: FunctionDescription): string {
  assertMembers('description', description, ['name', 'inputs'])
  const { name, inputs } = description
  return `${name}(${inputs.map(canonicalType).join(',')})`
}

/** The text policies see as `input.decoded_function_signature`. */
export function fullSignature(description: FunctionDescription): string {
  assertMembers('description', description, ['name', 'inputs', 'outputs', 'stateMutability'])
  const { name, inputs, outputs, stateMutability } = description
  const mutability = stateMutability === 'nonpayable' ? '' : ` ${stateMutability}`
  const returns = outputs.length === 0 ? '' : ` returns ${fullTuple(outputs)}`
  return `function ${name}${fullTuple(inputs)}${mutability}${returns}`
}

function canonicalType({ type, components }: FunctionParameter): string {
  return components ? `(${components.map(canonicalType).join(',')})${type.slice(5)}` : type
}

function fullTuple(list: readonly FunctionParameter[]): string {
  return `(${list.map((entry) => (entry.name === '' ? fullType(entry) : `${fullType(entry)} ${entry.name}`)).join(', ')})`
}

function fullType({ type, components }: FunctionParameter): string {
  return components ? `tuple${fullTuple(components)}${type.slice(5)}` : type
}

type Scanner = ReturnType<typeof createScanner>

function parameters(scanner: Scanner, depth: number): FunctionParameter[] | undefined {
  if (!scanner.take('(') || depth > MAX_DEPTH) return undefined
  const list: FunctionParameter[] = []
  scanner.space()
  if (scanner.take(')')) return list
  for (;;) {
    scanner.space()
    const entry = parameter(scanner, depth)
    if (!entry || list.length >= MAX_PARAMETERS) return undefined
    list.push(entry)
    if (scanner.take(')')) return list
    if (!scanner.take(',')) return undefined
    scanner.space()
    // One trailing comma is accepted, as alloy does.
    if (scanner.take(')')) return list
  }
}

function parameter(scanner: Scanner, depth: number): FunctionParameter | undefined {
  const type = typeOf(scanner, depth)
  if (!type) return undefined
  if (depth > 0) return { name: '', ...type }
  let name = ''
  if (scanner.space()) {
    let word = scanner.identifier()
    if (word !== undefined && locations.has(word)) {
      word = scanner.space() ? scanner.identifier() : undefined
    }
    name = word ?? ''
  }
  return { name, ...type }
}

const locations: ReadonlySet<string> = new Set(['memory', 'calldata', 'storage', 'indexed'])

function typeOf(scanner: Scanner, depth: number): Omit<FunctionParameter, 'name'> | undefined {
  let stem: string | undefined
  let components: FunctionParameter[] | undefined
  if (scanner.peek() === '(') {
    components = parameters(scanner, depth + 1)
    stem = 'tuple'
    if (!components) return undefined
  } else {
    stem = scanner.identifier()
    if (stem === undefined) return undefined
    if (stem === 'tuple' && scanner.peek() === '(') {
      components = parameters(scanner, depth + 1)
      if (!components) return undefined
    }
    if (stem === 'uint' || stem === 'int') stem = `${stem}256`
  }
  const sizes = scanner.match(/(?:\[(?:[1-9]\d{0,8})?\])*/y) ?? ''
  return components ? { type: `${stem}${sizes}`, components } : { type: `${stem}${sizes}` }
}

function createScanner(text: string) {
  let at = 0
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }
  return {
    match,
    identifier: (): string | undefined => match(/[A-Za-z_$][\w$]*/y),
    /** Skips white space; whether there was any. */
    space: (): boolean => (match(/[ \t]+/y) ?? '') !== '',
    peek: (): string | undefined => text[at],
    done: (): boolean => at >= text.length,
    take(character: string): boolean {
      if (text[at] !== character) return false
      at++
      return true
    },
  }
}
