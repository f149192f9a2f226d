import { type Abi, encodeErrorResult, type Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import * as abis from '../../core/abi/index.js'
import type { AbiError } from './contractErrors.js'
import { ContractRevertError } from './errors.js'
import { decodeRevert } from './revert.js'
import { revertAdvice } from './revertAdvice.js'

const errors = new Map(
  Object.values(abis)
    .flatMap((abi) => [...(abi as Abi)])
    .filter((item): item is AbiError => item.type === 'error')
    .map((item) => [`${item.name}(${item.inputs.map(({ type }) => type).join()})`, item]),
)
const example: Readonly<Record<string, unknown>> = {
  address: `0x${'11'.repeat(20)}`,
  bytes32: `0x${'22'.repeat(32)}`,
  string: 'text',
}
const exampleOf = (type: string): unknown => {
  if (type in example) return example[type]
  return Number(type.slice(4)) > 48 ? 3n : 3
}

const reason = [
  { type: 'error', name: 'Error', inputs: [{ name: 'reason', type: 'string' }] },
] as const
const panic = [
  { type: 'error', name: 'Panic', inputs: [{ name: 'code', type: 'uint256' }] },
] as const

describe('errors of the contracts', () => {
  test.each([...errors])(
    'behavior: %s is decoded without its ABI, and has advice',
    (_name, item) => {
      const args = item.inputs.map(({ type }) => exampleOf(type))
      const data = encodeErrorResult({ abi: [item], errorName: item.name, args })
      expect(decodeRevert(data)).toEqual({ errorName: item.name, args })
      const error = new ContractRevertError({ errorName: item.name, args, raw: data })
      expect(error.metaMessages).toHaveLength(1)
      expect(error.metaMessages?.[0]).toMatch(/^[A-Z].+[.]$/)
    },
  )

  test.each([
    ['nothing', '0x', undefined, []],
    ['a reason', encodeErrorResult({ abi: reason, args: ['nope'] }), 'Error', ['nope']],
    ['a panic', encodeErrorResult({ abi: panic, args: [0x11n] }), 'Panic', [0x11n]],
    ['a foreign selector', '0xdeadbeef', undefined, []],
    ['a reason that is cut', '0x08c379a0ff', undefined, []],
    ['half a byte', '0x1', undefined, []],
  ] as [string, Hex, string | undefined, unknown[]][])(
    'behavior: %s is decoded or nothing is said',
    (_name, data, errorName, args) => {
      expect(decodeRevert(data)).toEqual({ errorName, args })
    },
  )

  test('behavior: there are no others', () => {
    expect(errors.size).toBeGreaterThan(150)
    expect(revertAdvice('toString')).toEqual([])
    expect(revertAdvice(undefined)).toEqual([])
  })
})
