import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, concatAll, fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { BuildInfoError } from '../errors.js'
import { compareBuild, computeWasmHashes } from './compareBuild.js'
import {
  appendMetadata,
  decodeMetadata,
  encodeMetadata,
  readMetadata,
  splitMetadata,
} from './metadata.js'
import { customSection, readSections } from './sections.js'

const component = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
const coreModule = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
const plugin = new Uint8Array(
  readFileSync(new URL('../../../examples/plugins/sanctions-score/plugin.wasm', import.meta.url)),
)
const entries = [
  { key: 'bldimg', value: `newton-toolchain@sha256:${'ab'.repeat(32)}` },
  { key: 'bldarg', value: 'plugin' },
]

describe('metadata', () => {
  test('behavior: an entry has the bytes of SEP-46', () => {
    expect(toHex(encodeMetadata([{ key: 'bldimg', value: 'nreg' }]))).toBe(
      '0x0000000000000006626c64696d67000000000004' + '6e726567',
    )
  })

  test('behavior: what is appended is read back, last in the component', () => {
    const wasm = appendMetadata(plugin, entries)
    expect(readMetadata(wasm).entries).toEqual(entries)
    expect(readSections(wasm).at(-1)?.name).toBe('newtonmetav0')
    expect(readMetadata(plugin).entries).toEqual([])
    expect(readMetadata(appendMetadata(coreModule, entries)).entries).toEqual(entries)
  })

  test('behavior: several sections are one stream, of either name', () => {
    const stream = encodeMetadata(entries)
    const wasm = concat(
      component,
      customSection('contractmetav0', stream.subarray(0, 30)),
      customSection('other', utf8('x')),
      customSection('newtonmetav0', stream.subarray(30)),
    )
    expect(readMetadata(wasm).entries).toEqual(entries)
    const { code, metadata } = splitMetadata(wasm)
    expect(readSections(code).map(({ name }) => name)).toEqual(['other'])
    expect(readMetadata(concat(code, metadata)).entries).toEqual(entries)
  })

  test('behavior: source and revision of wasm-metadata are read where they are plain', () => {
    const wasm = concat(
      component,
      customSection('source', utf8('https://github.com/a/b')),
      customSection('revision', utf8('abc')),
    )
    expect(readMetadata(wasm)).toEqual({
      entries: [],
      source: 'https://github.com/a/b',
      revision: 'abc',
    })
    const twice = concat(
      wasm,
      customSection('revision', utf8('def')),
      customSection('source', Uint8Array.of(0xff)),
    )
    expect(readMetadata(twice)).toMatchObject({ source: undefined, revision: undefined })
  })

  test('error: metadata twice, another kind of entry, what is no WASM', () => {
    const wasm = appendMetadata(component, entries)
    expect(() => appendMetadata(wasm, entries)).toThrow(
      expect.objectContaining({ fault: 'present' }),
    )
    expect(() => decodeMetadata(fromHex('0x00000001'))).toThrow(
      expect.objectContaining({ fault: 'malformed' }),
    )
    for (const bytes of [new Uint8Array(), utf8('plugin'), component.subarray(0, 7)]) {
      expect(() => readMetadata(bytes)).toThrow(expect.objectContaining({ fault: 'not_wasm' }))
    }
    for (const tail of [[0], [0, 5, 1], [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0, 1, 9]]) {
      expect(() => readMetadata(concat(component, Uint8Array.from(tail)))).toThrow(
        expect.objectContaining({ fault: 'not_wasm' }),
      )
    }
  })

  test('error: more sections, entries or bytes than a plugin has reason for', () => {
    const one = encodeMetadata([{ key: 'k', value: 'v' }])
    const tooLarge = expect.objectContaining({ fault: 'too_large' })
    const many = Array.from({ length: 17 }, () => customSection('newtonmetav0', one))
    expect(() => readMetadata(concatAll([component, ...many]))).toThrow(tooLarge)
    expect(readMetadata(concatAll([component, ...many.slice(1)])).entries).toHaveLength(16)
    expect(() => decodeMetadata(concatAll(Array(257).fill(one)))).toThrow(tooLarge)
    expect(() => decodeMetadata(new Uint8Array(65_537))).toThrow(tooLarge)
    const empty = customSection('x', new Uint8Array())
    expect(() => readMetadata(concatAll([component, ...Array(65_537).fill(empty)]))).toThrow(
      tooLarge,
    )
  })

  test('fuzz: garbage after the preamble is refused or read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          readMetadata(concat(component, bytes))
        } catch (error) {
          if (!(error instanceof BuildInfoError)) throw error
        }
      }),
    )
    const text = fc.string({ maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.record({ key: text, value: text }), { maxLength: 9 }), (list) => {
        expect(decodeMetadata(encodeMetadata(list))).toEqual(list)
      }),
    )
  })
})

describe('compareBuild', () => {
  const original = appendMetadata(plugin, entries)

  test('behavior: the same code is an exact match, whatever metadata the rebuild has', () => {
    expect(compareBuild(original, plugin).match).toBe('exact_match')
    expect(compareBuild(original, original).match).toBe('exact_match')
    expect(compareBuild(plugin, original).match).toBe('exact_match')
    const { original: hashes, rebuilt } = compareBuild(original, plugin)
    expect(rebuilt).toEqual(hashes)
    expect(hashes.codeSha256).toBe(computeWasmHashes(plugin).wasmSha256)
    expect(hashes.wasmSha256).not.toBe(hashes.codeSha256)
  })

  test('behavior: metadata in the midst of the code is a code match only', () => {
    const split = concat(
      component,
      customSection('newtonmetav0', encodeMetadata(entries)),
      plugin.subarray(8),
    )
    expect(compareBuild(split, plugin)).toMatchObject({
      match: 'code_match',
      original: { codeSha256: computeWasmHashes(plugin).wasmSha256 },
    })
  })

  test('behavior: any other byte is no match, and its section is named', () => {
    for (const at of [9, 200, 5_000, plugin.length - 1]) {
      const other = plugin.slice()
      other[at] = (other[at] as number) ^ 1
      let compared: ReturnType<typeof compareBuild> | undefined
      try {
        compared = compareBuild(original, other)
      } catch (error) {
        expect(error).toBeInstanceOf(BuildInfoError)
        continue
      }
      expect(compared.match).toBe('no_match')
      expect(compared.difference?.section).toMatch(/^section \d+/)
    }
    const longer = concat(plugin, customSection('extra', utf8('x')))
    expect(compareBuild(original, longer)).toMatchObject({
      match: 'no_match',
      difference: { section: 'section 0 (extra)', index: readSections(plugin).length, offset: 0 },
    })
    expect(compareBuild(original, coreModule).match).toBe('no_match')
    expect(compareBuild(component, coreModule).difference?.section).toBe('preamble')
  })
})
