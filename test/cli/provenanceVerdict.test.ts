/** What `provenance verify` says to whoever verifies for the first time. */
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { guessedBuilds, type TriedBuild } from '../../src/cli/commands/provenance/builds.js'
import { answerOf, nobodySays, type Tried } from '../../src/cli/commands/provenance/verdict.js'
import { RUST_KIT } from '../../src/cli/toolchains/rust.js'
import { utf8 } from '../../src/internal/bytes.js'
import {
  type BuildInfo,
  createSourceArchive,
  didNotRunReasons,
  type SourceFile,
} from '../../src/provenance/index.js'
import type { Toolchain } from '../../src/provenance/node/index.js'
import { toyImage, toyPlugin, toySource, toyToolchain } from '../provenance/toy.js'

const wasmHash: Hex = `0x${'01'.repeat(32)}`
const { archive, sourceSha256 } = toySource('exit 0')
const info: BuildInfo = {
  ...{
    wasmSha256: wasmHash,
    sourceSha256,
    image: toyImage,
    args: ['plugin', 'build'],
    options: [],
  },
}
const build: TriedBuild = { info, buildInfoHash: wasmHash, origin: 'plugin' }
const hashes = { wasmHash, wasmSha256: wasmHash, codeSha256: wasmHash }

function said(
  tried: readonly Tried[],
  more: { archive?: Uint8Array; isolation?: 'none'; missing?: string[] } = {},
) {
  let stderr = ''
  const toolchains: Toolchain[] = [toyToolchain({ image: `${toyImage.slice(0, -2)}99` })]
  const opened = { toolchains, missing: more.missing ?? [], close: async () => undefined }
  const terminal = { stderr: (text: string) => (stderr += text) } as never
  const { archive, isolation = 'bubblewrap' } = more
  const result = answerOf(terminal, { wasmHash, tried, opened, archive, isolation })
  return { ...result, stderr, hint: result.problem?.hint ?? '' }
}

describe('provenance verify', () => {
  test('behavior: why a build did not run comes with what to do, for each reason', () => {
    for (const reason of didNotRunReasons) {
      const { text, hint, exitCode } = said([{ ...build, status: 'did_not_run', reason }])
      expect([exitCode, text.split('\n')[0]]).toEqual([4, `did not run: ${reason}`])
      expect(hint, reason).toMatch(/^[A-Z-].{20,}[.]$/)
    }
  })

  test('behavior: which source is wanted is said, and which was given', () => {
    const tried = (change: Partial<BuildInfo> = {}): Tried[] => [
      {
        ...build,
        info: { ...info, ...change },
        status: 'did_not_run',
        reason: 'source_unavailable',
      },
    ]
    const none = said(tried()).hint
    expect(none).toContain(sourceSha256)
    expect(none).toContain('does not say where')
    expect(none).toContain('--source')
    const sourceUri = 'https://author.example/source.tar'
    expect(said(tried({ sourceUri })).hint).toContain(sourceUri)
    const other = toySource('exit 1')
    const wrong = said(tried(), { archive: other.archive }).hint
    expect(wrong).toContain(`--source is ${other.sourceSha256}`)
    expect(wrong).toContain(sourceSha256)
    expect(said(tried(), { archive }).hint).not.toContain('--source is')
  })

  test('behavior: of which toolchain, and what is here', () => {
    const reason = 'toolchain_unavailable'
    const missing = ['Rust is not installed']
    const { text, hint } = said([{ ...build, status: 'did_not_run', reason }], { missing })
    expect(text.split('\n')).toEqual([
      'did not run: toolchain_unavailable',
      expect.stringContaining('99'),
      ...missing,
    ])
    expect(hint).toContain(toyImage)
  })

  test('behavior: a match says from what, and how far the build was kept in', () => {
    const match = { ...build, status: 'exact_match', rebuilt: hashes } as const
    const failed = { ...build, status: 'did_not_run', reason: 'timeout' } as const
    const first = said([failed, match])
    expect(first).toMatchObject({ text: 'match', exitCode: 0, data: { tried: [{}, {}] } })
    expect(first.stderr).toBe(`built isolated from source ${sourceSha256} in ${toyImage}\n`)
    const guessed = said([{ ...match, origin: 'guess' }], { isolation: 'none' })
    expect(guessed.stderr).toContain('built not isolated')
    expect(guessed.stderr).toContain('which nobody named')
    const difference = { section: 'code', offset: 7 } as never
    expect(said([{ ...match, status: 'no_match', difference }])).toMatchObject({
      ...{ text: 'no_match: code, byte 7', exitCode: 3 },
    })
  })

  test('behavior: where nobody says it, a source is asked for; where nothing builds it, that is said', () => {
    expect(nobodySays({ wasmHash, asked: false })).toMatchObject({
      ...{ exitCode: 4, text: expect.stringContaining('name a chain') as string },
      problem: { hint: expect.stringContaining('--source') as string },
    })
    expect(said([])).toMatchObject({ exitCode: 4, data: { status: 'unknown' } })
  })
})

describe('guessedBuilds', () => {
  const toolchains = [
    toyToolchain({
      image: `newton-toolchain@sha256:${'01'.repeat(32)}`,
      determinism: 'newton-det/2',
    }),
    toyToolchain({ image: `newton-toolchain@sha256:${'02'.repeat(32)}`, determinism: RUST_KIT }),
  ]
  const guess = (...paths: string[]) => {
    const files: SourceFile[] = paths.map((path) => ({ path, bytes: utf8(path) }))
    const made = createSourceArchive(files)
    return guessedBuilds(toyPlugin('a'), { archive: made.archive, toolchains })
  }

  test('behavior: a module by the toolchain of modules, as `plugin build` is called', async () => {
    const guesses = await guess('score.js')
    expect(guesses.map(({ info }) => [info.determinism, ...info.options])).toEqual(
      ['0.2', '0.1'].map((world) => [
        ...['newton-det/2', '--features=clocks,random', '--source=score.js', `--world=${world}`],
      ]),
    )
    expect(new Set(guesses.map(({ origin }) => origin))).toEqual(new Set(['guess']))
  })

  test('behavior: a crate by the toolchain of crates, and nothing by none', async () => {
    const guesses = await guess('Cargo.toml', 'src/lib.rs', 'build.js')
    expect(guesses.map(({ info }) => [info.determinism, info.options])).toEqual([[RUST_KIT, []]])
    expect(await guess('README.md')).toEqual([])
  })
})
