import { readFileSync } from 'node:fs'
import { sha256 } from '@noble/hashes/sha2.js'
import fc from 'fast-check'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex, utf8 } from '../../internal/bytes.js'
import { BuildInfoError } from '../errors.js'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  decodeBuildInfo,
  decodeBuildInfoFields,
  encodeBuildInfo,
  encodeBuildInfoFields,
  isToolchainManifest,
  MAX_BUILD_INFO_BYTES,
  parseBuildEntries,
  toMetadataEntries,
} from './buildInfo.js'

type Case = {
  name: string
  wasmSha256: Hex
  sourceSha256: Hex
  fields: [string, string][]
  args: string[]
  xdr: Hex
  buildInfoHash: Hex
}
const vectors = JSON.parse(
  readFileSync(new URL('../../../test/vectors/provenance/buildInfo.json', import.meta.url), 'utf8'),
) as { cases: Case[]; invalid: { name: string; xdr: Hex }[] }

const info: BuildInfo = {
  wasmSha256: `0x${'11'.repeat(32)}`,
  sourceSha256: `0x${'22'.repeat(32)}`,
  image: `registry.example/newton/build@sha256:${'33'.repeat(32)}`,
  args: ['plugin', 'build'],
  options: ['--features=clocks,random', '--world=0.2'],
  sourceUri: 'https://example.com/source.tar',
  determinism: 'newton-det/2',
}

describe('encoding', () => {
  test.each(vectors.cases)('behavior: the vector "$name"', (vector) => {
    const xdr = fromHex(vector.xdr)
    expect(toHex(encodeBuildInfoFields(vector))).toBe(vector.xdr)
    expect(decodeBuildInfoFields(xdr)).toEqual({
      wasmSha256: vector.wasmSha256,
      sourceSha256: vector.sourceSha256,
      fields: vector.fields,
      args: vector.args,
    })
    expect(toHex(sha256(xdr))).toBe(vector.buildInfoHash)
  })

  test.each(vectors.invalid)('error: the vector "$name"', ({ xdr }) => {
    expect(() => decodeBuildInfoFields(fromHex(xdr))).toThrow(BuildInfoError)
    expect(() => decodeBuildInfo(fromHex(xdr))).toThrow(BuildInfoError)
  })

  test('behavior: what is encoded comes back, and its hash is that of a vector', () => {
    expect(decodeBuildInfo(encodeBuildInfo(info))).toEqual(info)
    const vector = vectors.cases[1] as Case
    const image = vector.fields[0]?.[1] as string
    const { wasmSha256, sourceSha256, args } = vector
    const options = ['--world=0.2', '--features=clocks,random']
    expect(computeBuildInfoHash({ wasmSha256, sourceSha256, args, image, options })).toBe(
      vector.buildInfoHash,
    )
  })

  test('behavior: the order of arguments is kept, that of options means nothing', () => {
    const hash = computeBuildInfoHash(info)
    expect(computeBuildInfoHash({ ...info, options: [...info.options].reverse() })).toBe(hash)
    expect(computeBuildInfoHash({ ...info, args: [...info.args].reverse() })).not.toBe(hash)
  })

  test('behavior: every member counts', () => {
    const hash = computeBuildInfoHash(info)
    const others: Partial<BuildInfo>[] = [
      { wasmSha256: info.sourceSha256 },
      { sourceSha256: info.wasmSha256 },
      { image: `registry.example/newton/build@sha256:${'34'.repeat(32)}` },
      { args: ['plugin'] },
      { options: [] },
      { sourceUri: undefined },
      { determinism: 'newton-det/3' },
      { sourceRepo: 'github:a/b' },
      { sourceRev: '44'.repeat(20) },
    ]
    for (const other of others) expect(computeBuildInfoHash({ ...info, ...other })).not.toBe(hash)
  })

  test('error: too large, a field that is not of a build, no image', () => {
    expect(() => decodeBuildInfo(new Uint8Array(MAX_BUILD_INFO_BYTES + 1))).toThrow(
      expect.objectContaining({ fault: 'too_large' }),
    )
    const { wasmSha256, sourceSha256, args, image } = info
    const encode = (fields: [string, string][]): Uint8Array =>
      encodeBuildInfoFields({ wasmSha256, sourceSha256, fields, args })
    const build: [string, string] = ['bldimg', image]
    expect(() => decodeBuildInfo(encode([build, ['zz', 'other']]))).toThrow(
      expect.objectContaining({ fault: 'malformed' }),
    )
    expect(() => decodeBuildInfo(encode([]))).toThrow(
      expect.objectContaining({ fault: 'incomplete' }),
    )
    expect(() => encodeBuildInfo({ ...info, options: ['--a', '--a'] })).toThrow(BuildInfoError)
    expect(() => encodeBuildInfo({ ...info, image: 'debian:latest' })).toThrow(BuildInfoError)
  })

  test('behavior: a flipped byte is another hash or refused', () => {
    const bytes = encodeBuildInfo(info)
    const hash = computeBuildInfoHash(info)
    for (let at = 0; at < bytes.length; at++) {
      const other = bytes.slice()
      other[at] = (other[at] as number) ^ 1
      try {
        expect(computeBuildInfoHash(decodeBuildInfo(other))).not.toBe(hash)
      } catch (error) {
        if (!(error instanceof BuildInfoError)) throw error
      }
    }
  })

  test('fuzz: garbage is refused, or is what its decoding encodes to', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          expect(encodeBuildInfoFields(decodeBuildInfoFields(bytes))).toEqual(bytes)
        } catch (error) {
          if (!(error instanceof BuildInfoError)) throw error
        }
      }),
    )
    const text = fc.string({ minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(fc.array(text), (args) => {
        const { wasmSha256, sourceSha256 } = info
        const parts = { wasmSha256, sourceSha256, fields: [], args }
        expect(decodeBuildInfoFields(encodeBuildInfoFields(parts))).toEqual(parts)
      }),
    )
  })
})

describe('parseBuildEntries', () => {
  test('behavior: metadata entries come back', () => {
    const { wasmSha256: _, ...rest } = info
    expect(parseBuildEntries(toMetadataEntries(info))).toEqual(rest)
  })

  test('behavior: older keys are read under their new names', () => {
    expect(
      parseBuildEntries([
        { key: 'tarball_url', value: 'https://example.com/s.tar' },
        { key: 'tarball_sha256', value: 'ab'.repeat(32) },
        { key: 'rsver', value: '1.95.0' },
      ]),
    ).toEqual({ sourceUri: 'https://example.com/s.tar', sourceSha256: `0x${'ab'.repeat(32)}` })
  })

  test('error: a key twice, under whichever name, and an option twice', () => {
    const twice =
      (...entries: [string, string][]): (() => unknown) =>
      () =>
        parseBuildEntries(entries.map(([key, value]) => ({ key, value })))
    const hash = 'ab'.repeat(32)
    const cases = [
      twice(['source_sha256', hash], ['source_sha256', hash]),
      twice(['source_sha256', hash], ['tarball_sha256', hash]),
      twice(['bldimg', info.image], ['bldimg', info.image]),
      twice(['bldopt', '--a'], ['bldopt', '--b'], ['bldopt', '--a']),
    ]
    for (const one of cases) expect(one).toThrow(expect.objectContaining({ fault: 'duplicate' }))
  })

  test.each([
    ['bldimg', 'debian:12'],
    ['bldimg', `debian@sha256:${'ab'.repeat(32)}`],
    ['bldimg', `docker.io/debian@sha256:${'AB'.repeat(32)}`],
    ['bldimg', `newton-toolchain@sha256:${'ab'.repeat(31)}`],
    ['bldopt', 'world'],
    ['bldopt', '--'],
    ['bldopt', '--world='],
    ['bldarg', ''],
    ['source_sha256', `0x${'ab'.repeat(32)}`],
    ['source_uri', 'no scheme'],
    ['source_uri', 'https://u:p@a.example/s.tar'],
    ['source_uri', 'https://token@a.example/s.tar'],
    ['source_uri', 'https://a.example/\0'],
    ['source_uri', 'https:user:pw@h/x'],
    ['source_uri', 'https:/user:pw@h/x'],
    ['source_uri', 'https:\\\\user:pw@h/x'],
    ['source_uri', 'HTTPS:u@h/x'],
    ['source_uri', 'javascript:alert(1)'],
    ['source_uri', 'Data:text/plain,x'],
    ['source_uri', 'https://a.example/\u001b[2J'],
    ['source_uri', 'https://a.example/\u202egnp.js'],
    ['bldimg', `a.example/${'\u0001'.repeat(9)}@sha256:${'33'.repeat(32)}`],
    ['bldimg', `a.example/\u202ex@sha256:${'33'.repeat(32)}`],
    ['bldimg', `a.example/é@sha256:${'33'.repeat(32)}`],
    ['bldimg', `a.example/${'x'.repeat(1_000)}@sha256:${'33'.repeat(32)}`],
    ['bldarg', 'a\0b'],
    ['bldopt', '--a=\0'],
    ['source_rev', 'main'],
    ['determinism', 'yes'],
  ])('error: %s %s', (key, value) => {
    expect(() => parseBuildEntries([{ key, value }])).toThrow(
      expect.objectContaining({ fault: 'malformed', code: 'BUILD_INFO_INVALID' }),
    )
  })

  test('behavior: names of an object are no keys', () => {
    const entries = ['__proto__', 'constructor', 'toString'].map((key) => ({ key, value: 'x' }))
    expect(parseBuildEntries(entries)).toEqual({})
  })

  test('behavior: toolchain manifests are told from images', () => {
    expect(isToolchainManifest(`newton-toolchain@sha256:${'ab'.repeat(32)}`)).toBe(true)
    expect(isToolchainManifest(info.image)).toBe(false)
  })
})

describe('completeBuildInfo', () => {
  const { wasmSha256, ...own } = info

  test('behavior: an entry fills gaps and overrides nothing', () => {
    const other = { ...own, image: own.image.replace('33', '99'), sourceUri: 'ipfs://other' }
    expect(completeBuildInfo(own, wasmSha256, other)).toEqual(info)
    const { sourceUri: _, ...without } = own
    expect(completeBuildInfo(without, wasmSha256, other)?.sourceUri).toBe('ipfs://other')
    expect(completeBuildInfo({}, wasmSha256, own)).toEqual(info)
  })

  test('behavior: an entry of another plugin, and parts that stay missing, give nothing', () => {
    expect(
      completeBuildInfo({}, wasmSha256, { ...info, wasmSha256: info.sourceSha256 }),
    ).toBeUndefined()
    for (const key of ['image', 'sourceSha256', 'args'] as const) {
      const { [key]: _, ...rest } = own
      expect(completeBuildInfo(rest, wasmSha256)).toBeUndefined()
    }
  })
})

test('utf8 of a lone surrogate is not silently another key', () => {
  expect(utf8('\ud800')).toEqual(utf8('\ufffd'))
})

test('property: no source that is taken has credentials, however it is written', () => {
  const part = fc.constantFrom(
    ...[
      'https',
      'HTTP',
      'ftp',
      'ipfs',
      'git+ssh',
      ':',
      '/',
      '//',
      '\\',
      '@',
      '?',
      '#',
      '.',
      'u',
      'p:w',
    ],
    ...['a.example', '[', ']', '%40', '\t', '\u00ad', 'é', '0'],
  )
  fc.assert(
    fc.property(fc.array(part, { minLength: 2, maxLength: 9 }), (parts) => {
      const value = parts.join('')
      try {
        parseBuildEntries([{ key: 'source_uri', value }])
      } catch {
        return true
      }
      if (!URL.canParse(value)) return true
      const { username, password } = new URL(value)
      return username === '' && password === ''
    }),
    { numRuns: 20_000 },
  )
})
