/**
 * Builds that nobody names. Where a plugin does not say how it was built, and no registry does, whoever has
 * sources tries what may have built it: for each source each image, with each list of options, on each machine.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { assertKnown, assertList, assertObject, assertText } from '../../internal/options.js'
import {
  type BuildInfo,
  completeBuildInfo,
  computeBuildInfoHash,
  isImage,
  type PartialBuildInfo,
} from './buildInfo.js'

/** Builds of one plugin that are tried at most, whoever names them. */
export const MAX_BUILDS = 64

/** A source that plugins may come from. */
export type CandidateSource = {
  sourceSha256: Hex
  sourceUri?: string | undefined
  /** The only plugin that it is tried for; any where it is left out. */
  wasmHash?: Hex | undefined
}

/** An environment that plugins may have been built in. */
export type CandidateImage = {
  /** Its digest name on each machine, such as `linux-x64`: an image is of one. */
  archs: Readonly<Record<string, string>>
  /** The kit that its builds repeat themselves by. */
  determinism?: string | undefined
  /** What it is called with, where that is other than for all images. */
  options?: readonly (readonly string[])[] | undefined
}

/** What builds are guessed from. */
export type BuildCandidates = {
  sources: readonly CandidateSource[]
  images: readonly CandidateImage[]
  /** Lists of options, each a build of its own. @default one without options */
  options?: readonly (readonly string[])[] | undefined
  /** @default ['plugin', 'build'] */
  args?: readonly string[] | undefined
}

/** A plugin of which builds are guessed. */
export type GuessedPlugin = {
  wasmHash: Hex
  wasmSha256: Hex
  /** What it says of itself, which is not enough; nothing of it is overridden. */
  own?: PartialBuildInfo | undefined
}

/**
 * The builds to try, 64 at most, in this order: sources that are named for this plugin, then the others; of each
 * source the images, of each image its lists of options, of each list the machines; all as they are listed.
 *
 * @throws {InvalidInputError} for candidates that are malformed.
 * @example
 * ```ts
 * import { guessBuilds } from '@newton/policy-sdk/provenance'
 *
 * const zero = `0x${'00'.repeat(32)}` as const
 * const guesses = guessBuilds(
 *   {
 *     sources: [{ sourceSha256: zero, sourceUri: 'https://author.example/source.tar' }],
 *     images: [{ archs: { 'linux-x64': `newton-toolchain@sha256:${'00'.repeat(32)}` } }],
 *     options: [['--world=0.2'], ['--world=0.1']],
 *   },
 *   { wasmHash: zero, wasmSha256: zero },
 * )
 * guesses.length // 2
 * ```
 */
export function guessBuilds(
  candidates: BuildCandidates,
  plugin: GuessedPlugin,
): readonly BuildInfo[] {
  assertCandidates(candidates)
  const { images, options: common = [[]], args = ['plugin', 'build'] } = candidates
  const { wasmSha256, own = {} } = plugin
  const found = new Map<Hex, BuildInfo>()
  for (const source of sourcesOf(candidates, plugin)) {
    for (const { archs, determinism, options: listed = common } of images) {
      for (const options of listed) {
        for (const image of Object.values(archs)) {
          // The kit is the image's: with another image it would say nothing.
          if (own.image !== undefined && own.image !== image) continue
          const info = completeBuildInfo(own, wasmSha256, {
            ...{ ...source, image, args, options: [...options].sort() },
            ...(determinism === undefined ? {} : { determinism }),
          })
          if (info === undefined) continue
          found.set(computeBuildInfoHash(info), info)
          if (found.size === MAX_BUILDS) return [...found.values()]
        }
      }
    }
  }
  return [...found.values()]
}

/** The sources of a plugin: the one that it names itself, or those that are listed. */
function sourcesOf(
  { sources }: BuildCandidates,
  { wasmHash, own }: GuessedPlugin,
): readonly Pick<CandidateSource, 'sourceSha256' | 'sourceUri'>[] {
  const isOwn = (source: CandidateSource): boolean => source.wasmHash?.toLowerCase() === wasmHash
  const inOrder = [
    ...sources.filter(isOwn),
    ...sources.filter((source) => source.wasmHash === undefined),
  ].map(({ sourceSha256, sourceUri }) => ({
    sourceSha256,
    ...(sourceUri === undefined ? {} : { sourceUri }),
  }))
  const named = own?.sourceSha256
  if (named === undefined) return inOrder
  const known = inOrder.filter(({ sourceSha256 }) => sourceSha256 === named)
  return known.length > 0 ? known : [{ sourceSha256: named }]
}

/**
 * Refuses candidates that no build could be made of.
 *
 * @throws {InvalidInputError} with the part that is malformed.
 */
export function assertCandidates(candidates: BuildCandidates): void {
  assertObject('candidates', candidates)
  assertKnown('candidates', candidates, ['sources', 'images', 'options', 'args'])
  const { sources, images, options, args } = candidates
  assertList('candidates.sources', sources)
  for (const [at, source] of sources.entries()) assertSource(`candidates.sources[${at}]`, source)
  assertList('candidates.images', images)
  for (const [at, image] of images.entries())
    assertCandidateImage(`candidates.images[${at}]`, image)
  if (options !== undefined) assertOptionLists('candidates.options', options)
  if (args !== undefined) assertWords('candidates.args', args, /^[^\0]+$/)
  if (args?.length === 0) refuse('candidates.args', 'it is empty')
}

function assertSource(field: string, source: CandidateSource): void {
  assertObject(field, source)
  assertKnown(field, source, ['sourceSha256', 'sourceUri', 'wasmHash'])
  const { sourceSha256, sourceUri, wasmHash } = source
  assertText(`${field}.sourceSha256`, sourceSha256)
  if (!/^0x[0-9a-f]{64}$/.test(sourceSha256)) {
    refuse(`${field}.sourceSha256`, 'it is 0x and 64 lower-case hex digits')
  }
  if (sourceUri !== undefined) {
    assertText(`${field}.sourceUri`, sourceUri)
    if (!URL.canParse(sourceUri) || /^[^/]*\/\/[^/?#\\]*@/.test(sourceUri)) {
      refuse(`${field}.sourceUri`, 'it is a URL without credentials')
    }
  }
  if (wasmHash === undefined) return
  assertText(`${field}.wasmHash`, wasmHash)
  if (!/^0x[0-9a-fA-F]{64}$/.test(wasmHash)) {
    refuse(`${field}.wasmHash`, 'it is 0x and 64 hex digits')
  }
}

function assertCandidateImage(field: string, image: CandidateImage): void {
  assertObject(field, image)
  assertKnown(field, image, ['archs', 'determinism', 'options'])
  const { archs, determinism, options } = image
  assertObject(`${field}.archs`, archs)
  const names = Object.entries(archs)
  if (Array.isArray(archs) || names.length === 0) {
    refuse(`${field}.archs`, 'it has an image for a machine, such as "linux-x64"')
  }
  for (const [arch, name] of names) {
    if (typeof name !== 'string' || !isImage(name)) {
      refuse(`${field}.archs.${arch}`, 'it names no environment by its digest')
    }
  }
  if (determinism !== undefined) {
    assertText(`${field}.determinism`, determinism)
    if (!/^[a-z0-9-]+\/\d+$/.test(determinism)) {
      refuse(`${field}.determinism`, 'it is the name of a kit, such as newton-rust/1')
    }
  }
  if (options !== undefined) assertOptionLists(`${field}.options`, options)
}

function assertOptionLists(field: string, lists: readonly (readonly string[])[]): void {
  assertList(field, lists)
  for (const [at, list] of lists.entries()) {
    assertWords(`${field}[${at}]`, list, /^--[A-Za-z][A-Za-z0-9_-]*(?:=[^\0]+)?$/)
    if (new Set(list).size < list.length) refuse(`${field}[${at}]`, 'an option is there twice')
  }
}

function assertWords(field: string, words: readonly string[], shape: RegExp): void {
  assertList(field, words)
  for (const word of words) {
    if (typeof word !== 'string' || !shape.test(word) || /\p{Surrogate}/u.test(word)) {
      refuse(field, 'it has a word that no build is called with')
    }
  }
}

function refuse(field: string, reason: string): never {
  throw new InvalidInputError({ field, reason })
}
