import { parse } from '@bytecodealliance/jco-transpile/wasm-tools'
import { describe, expect, test } from 'vitest'
import { capAllocations } from './coreModule.js'

const limits = { memoryBytes: 10 * 65_536, tableEntries: 100 }

async function capped(...texts: string[]): Promise<WebAssembly.Instance[]> {
  const modules = await Promise.all(texts.map(async (text) => Uint8Array.from(await parse(text))))
  return capAllocations(modules, limits).map((bytes) => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
    return new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), {
      m: { m: memory },
    })
  })
}

const grower = (memory: string): string =>
  `(module (memory (export "m") ${memory}) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`

function grow(instance: WebAssembly.Instance | undefined, pages: number): number {
  if (!instance) throw new TypeError('no instance')
  return (instance.exports['grow'] as (pages: number) => number)(pages)
}

describe('capAllocations', () => {
  test('behavior: a memory without a maximum gets one', async () => {
    const [instance] = await capped(grower('2'))
    expect(grow(instance, 8)).toBe(2)
    expect(grow(instance, 1)).toBe(-1)
  })

  test('behavior: a maximum of its own is kept where it is lower', async () => {
    const [lower] = await capped(grower('1 3'))
    expect(grow(lower, 2)).toBe(1)
    expect(grow(lower, 1)).toBe(-1)
    const [higher] = await capped(grower('1 1000'))
    expect(grow(higher, 9)).toBe(1)
    expect(grow(higher, 1)).toBe(-1)
  })

  test('behavior: several memories share the budget', async () => {
    const [a, b] = await capped(grower('2'), grower('2'))
    expect(grow(a, 4)).toBe(-1)
    expect(grow(a, 3)).toBe(2)
    expect(grow(b, 3)).toBe(2)
  })

  test('behavior: tables get a maximum, and code, data and exports stay', async () => {
    const [instance] = await capped(`(module
      (table $t (export "t") 1 funcref) (memory (export "m") 1) (data (i32.const 3) "abc")
      (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))`)
    expect(grow(instance, 99)).toBe(1)
    expect(grow(instance, 1)).toBe(-1)
    const memory = instance?.exports['m'] as WebAssembly.Memory
    expect(new Uint8Array(memory.buffer, 3, 3)).toEqual(Uint8Array.of(97, 98, 99))
  })

  test('behavior: a module that only imports its memory is left alone', async () => {
    const text = '(module (import "m" "m" (memory 1)))'
    const bytes = Uint8Array.from(await parse(text))
    expect(capAllocations([bytes], limits)[0]).toBe(bytes)
  })

  test('error: initial sizes over the budget', async () => {
    await expect(capped(grower('11'))).rejects.toMatchObject({
      code: 'PLUGIN_LIMIT',
      limit: 'memory',
    })
    await expect(capped(grower('6'), grower('6'))).rejects.toMatchObject({ code: 'PLUGIN_LIMIT' })
    await expect(capped('(module (table 101 funcref))')).rejects.toMatchObject({
      code: 'PLUGIN_LIMIT',
    })
  })

  test('error: shared and 64-bit memories', async () => {
    await expect(capped('(module (memory 1 2 shared))')).rejects.toMatchObject({
      code: 'PLUGIN_COMPONENT_INVALID',
    })
    await expect(capped('(module (memory i64 1))')).rejects.toMatchObject({
      code: 'PLUGIN_COMPONENT_INVALID',
    })
  })

  test('error: truncated modules', async () => {
    const bytes = Uint8Array.from(await parse(grower('1')))
    for (let length = 9; length < bytes.length; length++) {
      try {
        capAllocations([bytes.subarray(0, length)], limits)
      } catch (error) {
        expect(error).toMatchObject({ code: 'PLUGIN_COMPONENT_INVALID' })
      }
    }
  })
})
