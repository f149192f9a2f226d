import { readFileSync } from 'node:fs'
import { componentWit } from '@bytecodealliance/jco-transpile/wasm-tools'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assemble, component } from '../../../../test/fixtures/pluginComponents.js'
import { PluginError } from '../errors.js'
import { checkPluginWorld, readComponentShape } from './component.js'
import { providerWit } from './providerWit.js'

const sanctions = new Uint8Array(
  readFileSync(
    new URL('../../../../examples/plugins/sanctions-score/plugin.wasm', import.meta.url),
  ),
)

describe('providerWit', () => {
  test('behavior: the example is built from the same interface', () => {
    const example = readFileSync(
      new URL(
        '../../../../examples/plugins/sanctions-score/wit/newton-provider.wit',
        import.meta.url,
      ),
      'utf8',
    )
    const normalize = (text: string): string => text.replace(/\s+/g, ' ').trim()
    expect(normalize(providerWit['0.2'])).toBe(normalize(example))
    expect(providerWit['0.1']).not.toContain('secrets')
  })
})

describe('readComponentShape', () => {
  test('behavior: it agrees with the WIT that the reference tools print', async () => {
    const samples = [
      sanctions,
      await component({}),
      await component({ http: '0.1.0' }),
      await component({
        http: '0.2.0',
        secrets: true,
        wasi: ['random', 'wall-clock', 'monotonic-clock'],
      }),
    ]
    for (const bytes of samples) {
      const wit = await componentWit(bytes)
      const world = wit.slice(0, wit.indexOf('\n}'))
      const imports = [...world.matchAll(/import ([^;]+);/g)].map((match) => match[1])
      expect(readComponentShape(bytes).imports.map(({ name }) => name)).toEqual(imports)
      expect(readComponentShape(bytes).exports).toEqual([{ name: 'run', sort: 'function' }])
    }
  })

  test('behavior: every sort of import and export', async () => {
    const bytes = await assemble(`(component
      (import "i" (instance))
      (import "f" (func (param "a" u8)))
      (import "c" (component))
      (import "t" (type (sub resource)))
      (import "m" (core module))
      (type $list (list u8))
      (export "l" (type $list))
      (core module $own)
      (export "own" (core module $own)))`)
    expect(readComponentShape(bytes)).toEqual({
      imports: [
        { name: 'i', sort: 'instance' },
        { name: 'f', sort: 'function' },
        { name: 'c', sort: 'component' },
        { name: 't', sort: 'type' },
        { name: 'm', sort: 'module' },
      ],
      exports: [
        { name: 'l', sort: 'type' },
        { name: 'own', sort: 'module' },
      ],
      custom: expect.any(Array),
    })
    expect(() => checkPluginWorld(bytes)).toThrow(/a function cannot be imported|not on the list/)
  })

  test('behavior: no bytes make it throw anything but its own error, or hide an import', async () => {
    const whole = await component({ http: '0.2.0', secrets: true, wasi: ['random'] })
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 })), {
          maxLength: 4,
        }),
        fc.nat(whole.length),
        (flips, length) => {
          const bytes = whole.slice(0, length)
          for (const [at, value] of flips) if (at < length) bytes[at] = value
          try {
            readComponentShape(bytes)
          } catch (error) {
            expect(error).toBeInstanceOf(PluginError)
          }
        },
      ),
      { numRuns: 2_000 },
    )
  })

  test('behavior: a truncated component is refused, or still says all it imports', async () => {
    const whole = await component({ http: '0.2.0' })
    const { imports, exports } = readComponentShape(whole)
    let accepted = 0
    for (let length = 0; length < whole.length; length++) {
      try {
        checkPluginWorld(whole.subarray(0, length))
      } catch (error) {
        expect(error).toBeInstanceOf(PluginError)
        continue
      }
      // What follows the exports is names for tools.
      accepted++
      expect(readComponentShape(whole.subarray(0, length))).toMatchObject({
        imports,
        exports,
      })
    }
    expect(accepted).toBeLessThan(3)
  })

  test('error: a component over 64 MiB', () => {
    expect(() => checkPluginWorld(new Uint8Array(64 * 1024 * 1024 + 1))).toThrow(/more than/)
  })
})
