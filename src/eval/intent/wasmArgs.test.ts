import { stringToHex } from 'viem'
import { describe, expect, test } from 'vitest'
import { InvalidInputError } from '../../errors/common.js'
import { PluginInputError } from '../plugins/errors.js'
import { buildPluginInput, decodeWasmArgs, encodeWasmArgs } from './wasmArgs.js'

describe('encodeWasmArgs', () => {
  test('default', () => {
    expect(encodeWasmArgs({ b: 1, a: 'é' })).toBe(stringToHex('{"a":"é","b":1}'))
    expect(encodeWasmArgs({})).toBe('0x')
    expect(encodeWasmArgs(undefined)).toBe('0x')
    expect(decodeWasmArgs(encodeWasmArgs({ b: [1, null] }))).toEqual({ b: [1, null] })
  })

  test('error: what only the host may set', () => {
    expect(() => encodeWasmArgs({ _newton: { params: {} } })).toThrow(InvalidInputError)
    expect(() => encodeWasmArgs({ _newton: 1 })).toThrow(InvalidInputError)
    expect(encodeWasmArgs({ _newton: { privacy: [] } })).toBe(
      stringToHex('{"_newton":{"privacy":[]}}'),
    )
    expect(() => encodeWasmArgs([] as never)).toThrow(InvalidInputError)
  })
})

describe('buildPluginInput', () => {
  test('behavior: canonical text, with the params of the data instance', () => {
    const wasmArgs = stringToHex('{ "b": 1.0, "a": {"y":2,"x":1}, "_newton": {"privacy": [3]} }')
    expect(buildPluginInput({ wasmArgs, params: {} })).toBe(
      '{"_newton":{"privacy":[3]},"a":{"x":1,"y":2},"b":1}',
    )
    expect(buildPluginInput({ wasmArgs, params: { z: 1, k: 'v' } })).toBe(
      '{"_newton":{"params":{"k":"v","z":1},"privacy":[3]},"a":{"x":1,"y":2},"b":1}',
    )
    expect(buildPluginInput({ wasmArgs: '0x', params: {} })).toBe('{}')
    expect(buildPluginInput({ wasmArgs: '0x', params: { a: 1 } })).toBe(
      '{"_newton":{"params":{"a":1}}}',
    )
  })

  test.each([
    ['an array', '[1]'],
    ['text', '"a"'],
    ['null', 'null'],
    ['no JSON', '{a:1}'],
    ['a member twice', '{"a":1,"a":1}'],
    ['params of its own', '{"_newton":{"params":{"endpoint":"https://evil.example"}}}'],
    ['params of its own, empty', '{"_newton":{"params":null}}'],
    ['a reserved member of another type', '{"_newton":[]}'],
    ['an integer that would change', '{"a":9007199254740993}'],
    ['a byte-order mark', '\ufeff{}'],
  ])('error: %s', (_, text) => {
    expect(() => buildPluginInput({ wasmArgs: stringToHex(text), params: {} })).toThrow(
      PluginInputError,
    )
  })

  test('error: bytes that are not UTF-8', () => {
    expect(() => decodeWasmArgs('0x7b22ff223a317d')).toThrow(PluginInputError)
  })
})
