import fc from 'fast-check'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { type BuildInfo, computeBuildInfoHash } from './buildInfo.js'
import { type BuildCandidates, guessBuilds, MAX_BUILDS } from './candidates.js'

const byte = (value: number): Hex => `0x${value.toString(16).padStart(2, '0').repeat(32)}`
const toolchain = (value: number): string => `newton-toolchain@sha256:${byte(value).slice(2)}`
const plugin = { wasmHash: byte(0xaa), wasmSha256: byte(0xbb) }
const [x64, arm64] = ['linux-x64', 'linux-arm64']

const candidates: BuildCandidates = {
  sources: [
    { sourceSha256: byte(1), sourceUri: 'https://a.example/1.tar' },
    { sourceSha256: byte(2), wasmHash: plugin.wasmHash },
    { sourceSha256: byte(3), wasmHash: byte(0xcc) },
  ],
  images: [
    { archs: { [x64]: toolchain(11), [arm64]: toolchain(12) }, determinism: 'newton-det/2' },
    { archs: { [x64]: toolchain(13) }, determinism: 'newton-rust/1', options: [[]] },
  ],
  options: [['--world=0.2', '--features=clocks'], ['--world=0.1']],
}

const brief = ({ sourceSha256, image, options }: BuildInfo): string =>
  [sourceSha256.slice(2, 4), image.slice(24, 26), options.join(' ')].join(' ').trim()

describe('guessBuilds', () => {
  test('behavior: sources, then images, then options, then machines, as they are listed', () => {
    const guesses = guessBuilds(candidates, plugin)
    const ofOne = (source: string): string[] => [
      `${source} 0b --features=clocks --world=0.2`,
      `${source} 0c --features=clocks --world=0.2`,
      `${source} 0b --world=0.1`,
      `${source} 0c --world=0.1`,
      `${source} 0d`,
    ]
    // The one that is named for this plugin first, that of another not at all.
    expect(guesses.map(brief)).toEqual([...ofOne('02'), ...ofOne('01')])
    expect(guesses.at(-1)).toEqual({
      ...{ wasmSha256: plugin.wasmSha256, sourceSha256: byte(1), image: toolchain(13) },
      ...{ sourceUri: 'https://a.example/1.tar', args: ['plugin', 'build'], options: [] },
      determinism: 'newton-rust/1',
    })
  })

  test('behavior: what the plugin says is not overridden, and only what fits it is tried', () => {
    const own = { image: toolchain(12), sourceSha256: byte(7), sourceUri: 'https://own.example/7' }
    const guesses = guessBuilds(candidates, { ...plugin, own })
    expect(guesses.map(brief)).toEqual(['07 0c --features=clocks --world=0.2', '07 0c --world=0.1'])
    expect(new Set(guesses.map(({ sourceUri }) => sourceUri))).toEqual(new Set([own.sourceUri]))
    // With options of its own all lists are one build.
    const named = guessBuilds(candidates, { ...plugin, own: { options: ['--own'] } })
    expect(named.map(brief)).toEqual(
      ['02 0b', '02 0c', '02 0d', '01 0b', '01 0c', '01 0d'].map((each) => `${each} --own`),
    )
    expect(guessBuilds(candidates, { ...plugin, own: { image: toolchain(99) } })).toEqual([])
  })

  test('property: never more than 64, each once, the same ones first', () => {
    const size = fc.integer({ min: 0, max: 9 })
    fc.assert(
      fc.property(
        size,
        size,
        size,
        fc.integer({ min: 1, max: 3 }),
        (sources, images, lists, machines) => {
          const many = {
            sources: Array.from({ length: sources }, (_, at) => ({ sourceSha256: byte(at % 7) })),
            images: Array.from({ length: images }, (_, at) => ({
              archs: Object.fromEntries(
                Array.from({ length: machines }, (_, arch) => [
                  `m${arch}`,
                  toolchain(at * 3 + arch),
                ]),
              ),
            })),
            options: Array.from({ length: lists }, (_, at) => [`--variant=${at}`]),
          }
          const guesses = guessBuilds(many, plugin)
          const all = Math.min(sources, 7) * images * lists * machines
          expect(guesses).toHaveLength(Math.min(MAX_BUILDS, all))
          expect(new Set(guesses.map(computeBuildInfoHash)).size).toBe(guesses.length)
          const fewer = guessBuilds({ ...many, sources: many.sources.slice(0, 1) }, plugin)
          expect(guesses.slice(0, fewer.length)).toEqual(fewer)
        },
      ),
    )
  })

  const [source] = candidates.sources
  const [image] = candidates.images
  test.each<[string, object, string]>([
    ['nothing', { sources: undefined }, 'sources'],
    ['a misspelled part', { image: [] }, 'image'],
    ['a hash in capitals', { sources: [{ sourceSha256: `0x${'AB'.repeat(32)}` }] }, 'sources[0]'],
    ['a source without a hash', { sources: [source, {}] }, 'sources[1].sourceSha256'],
    [
      'credentials in an address',
      { sources: [{ ...source, sourceUri: 'https://me:secret@a.example/1.tar' }] },
      'sources[0].sourceUri',
    ],
    ['a plugin that is none', { sources: [{ ...source, wasmHash: '0x12' }] }, 'wasmHash'],
    [
      'a tag for an image',
      { images: [{ archs: { [x64]: 'a.example/b:latest' } }] },
      `archs.${x64}`,
    ],
    ['no machine', { images: [{ archs: {} }] }, 'images[0].archs'],
    ['a list of machines', { images: [{ archs: [toolchain(1)] }] }, 'images[0].archs'],
    ['a kit that is none', { images: [{ ...image, determinism: 'latest' }] }, 'determinism'],
    [
      'an option of an image',
      { images: [{ ...image, options: [['world']] }] },
      'images[0].options',
    ],
    ['options that are no lists', { options: ['--world=0.1'] }, 'options'],
    ['an option twice', { options: [['--a', '--a']] }, 'options[0]'],
    ['no arguments', { args: [] }, 'args'],
    ['an argument with a NUL', { args: ['a\0b'] }, 'args'],
  ])('error: %s', (_, change, field) => {
    const call = () => guessBuilds({ ...candidates, ...change } as BuildCandidates, plugin)
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    expect(call).toThrow(expect.objectContaining({ message: expect.stringContaining(field) }))
    expect(call).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    )
  })
})
