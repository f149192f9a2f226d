/**
 * Build information: from which source, by which build. Keys of SEP-58 v0.6, and the one encoding
 * whose SHA-256 names it:
 *
 * ```
 * opaque wasmSha256[32]; opaque sourceSha256[32];
 * u32 n; n × (string key, string value)   ascending by key, then by value
 * u32 m; m × string bldarg                in their order
 * ```
 */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { compareBytes, concatAll, fixedFromHex, toHex, utf8 } from '../../internal/bytes.js'
import {
  assertBytes,
  assertKnown,
  assertList,
  assertObject,
  assertText,
} from '../../internal/options.js'
import { BuildInfoError } from '../errors.js'
import type { MetadataEntry } from './metadata.js'
import { xdrReader, xdrString, xdrU32 } from './xdr.js'

/** Most bytes of an encoding, as the registry takes them. */
export const MAX_BUILD_INFO_BYTES = 8_192

/** Of printable ASCII, and so short that evidence and ledgers hold all of it. */
const digestImage =
  /^(?=.{1,1000}$)(?:localhost(?::\d+)?|[!-.0-?A-~]*[.:][!-.0-?A-~]*)\/[!-?A-~]+@sha256:[0-9a-f]{64}$/
const toolchainImage = /^newton-toolchain@sha256:[0-9a-f]{64}$/
/** Without programs, and without controls, half characters and what turns a line around. */
const plainUri =
  /^(?!(?:javascript|vbscript|data|blob):)[a-z][a-z0-9+.-]*:[^\s\p{Cc}\p{Cf}\p{Cs}\p{Co}]+$/iu
/** As browsers and fetch read it: of their schemes, with any number of slashes, and of others with two. */
const withCredentials = /^(?:(?:https?|wss?|ftp|file):[/\\]*|[a-z][a-z0-9+.-]*:\/\/)[^/?#\\]*@/i

/** What values of a key look like. */
type Shape = { test(value: string): boolean }

/** Keys that may be there once, and what their values look like. */
const single: Readonly<Record<string, Shape>> = {
  bldimg: new RegExp(`${digestImage.source}|${toolchainImage.source}`),
  source_sha256: /^[0-9a-f]{64}$/,
  // Without credentials: it is shown to everybody, and opened by some.
  source_uri: { test: (uri) => plainUri.test(uri) && !withCredentials.test(uri) },
  source_repo: /^(?:https?:\/\/\S+|github:[^/\s]+\/[^/\s]+)$/,
  source_rev: /^[0-9a-f]{40}$/,
  determinism: /^[a-z0-9-]+\/\d+$/,
}

/** Keys that may be repeated. */
const repeated: Readonly<Record<string, Shape>> = {
  // No program can be called with a NUL.
  bldarg: /^[^\0]+$/,
  bldopt: /^--[A-Za-z][A-Za-z0-9_-]*(?:=[^\0]+)?$/,
}

/** Names that earlier versions of SEP-58 had. */
const aliases: Readonly<Record<string, string>> = {
  tarball_url: 'source_uri',
  tarball_sha256: 'source_sha256',
}

/** From which source a plugin was built, and how. */
export type BuildInfo = {
  /** SHA-256 of the plugin. */
  wasmSha256: Hex
  /** SHA-256 of the source archive. */
  sourceSha256: Hex
  /** The build environment: an image or a toolchain manifest, by digest. */
  image: string
  /** What the build is called with, in this order. */
  args: readonly string[]
  /** Its options, in ascending order: their order means nothing. */
  options: readonly string[]
  /** Where the archive may be found. */
  sourceUri?: string | undefined
  sourceRepo?: string | undefined
  sourceRev?: string | undefined
  /** The kit that makes the build repeat itself. */
  determinism?: string | undefined
}

/** The parts of the encoding, whatever their keys mean. */
export type BuildInfoFields = {
  wasmSha256: Hex
  sourceSha256: Hex
  fields: readonly (readonly [string, string])[]
  args: readonly string[]
}

/** Build information of which parts may be missing. */
export type PartialBuildInfo = Partial<BuildInfo>

/** Whether a text names a build environment by its digest. */
export function isImage(text: string): boolean {
  return (single['bldimg'] as Shape).test(text)
}

/** Whether an image is a toolchain manifest, and not one of a container registry. */
export function isToolchainManifest(image: string): boolean {
  return toolchainImage.test(image)
}

/**
 * Reads what metadata says of the build. Keys that are not of the build are left alone.
 *
 * @throws {BuildInfoError} for a key that is twice there, or whose value is malformed.
 */
export function parseBuildEntries(entries: readonly MetadataEntry[]): PartialBuildInfo {
  const ones: Record<string, string> = {}
  const lists: Record<string, string[]> = { bldarg: [], bldopt: [] }
  for (const { key: given, value } of entries) {
    const key = Object.hasOwn(aliases, given) ? (aliases[given] as string) : given
    const list = Object.hasOwn(lists, key) ? lists[key] : undefined
    const shape = list ? repeated[key] : Object.hasOwn(single, key) ? single[key] : undefined
    if (shape === undefined) continue
    if (!shape.test(value)) throw malformed(`\`${given}\` has a value of the wrong form`)
    if (list) list.push(value)
    else if (Object.hasOwn(ones, key)) throw duplicate(given)
    else ones[key] = value
  }
  const { bldarg = [], bldopt = [] } = lists
  const options = sortTexts(bldopt)
  if (new Set(options).size < options.length) throw duplicate('bldopt')
  const { bldimg, source_sha256: source } = ones
  return {
    ...(bldimg === undefined ? {} : { image: bldimg }),
    ...(source === undefined ? {} : { sourceSha256: `0x${source}` as Hex }),
    ...(bldarg.length === 0 ? {} : { args: bldarg }),
    ...(options.length === 0 ? {} : { options }),
    ...(ones['source_uri'] === undefined ? {} : { sourceUri: ones['source_uri'] }),
    ...(ones['source_repo'] === undefined ? {} : { sourceRepo: ones['source_repo'] }),
    ...(ones['source_rev'] === undefined ? {} : { sourceRev: ones['source_rev'] }),
    ...(ones['determinism'] === undefined ? {} : { determinism: ones['determinism'] }),
  }
}

/** The metadata entries of build information; the plugin's own hash is not among them. */
export function toMetadataEntries(info: Omit<BuildInfo, 'wasmSha256'>): readonly MetadataEntry[] {
  assertBuildInfo(info)
  const source = toHex(fixedFromHex(info.sourceSha256, 32, 'sourceSha256')).slice(2)
  const entries = [
    ...fieldsOf(info),
    ...[['source_sha256', source] as const],
    ...info.args.map((arg) => ['bldarg', arg] as const),
  ].map(([key, value]) => ({ key, value }))
  // What a reader would refuse is not written.
  parseBuildEntries(entries)
  return entries
}

const members = [
  ...['wasmSha256', 'sourceSha256', 'image', 'args', 'options', 'sourceUri', 'sourceRepo'],
  ...['sourceRev', 'determinism'],
]

/** Refuses what would be named, or written, as something else than it says. */
function assertBuildInfo(info: Omit<BuildInfo, 'wasmSha256'>): void {
  assertObject('info', info)
  assertKnown('info', info, members)
  assertList('info.args', info.args)
  assertList('info.options', info.options)
  const { args, options, ...ones } = info
  const texts = Object.entries({ ...ones }).filter(([, value]) => value !== undefined)
  for (const [name, value] of [...texts, ...args.entries(), ...options.entries()]) {
    assertText(`info ${name}`, value)
    // Half a character is written as another one.
    if (/\p{Surrogate}/u.test(value)) throw malformed(`${JSON.stringify(value)} is no Unicode`)
  }
}

/**
 * Joins what a plugin says of itself with an entry of a registry. The entry adds what is missing and
 * overrides nothing.
 *
 * @returns `undefined` where image, source or arguments are still missing.
 */
export function completeBuildInfo(
  own: PartialBuildInfo,
  wasmSha256: Hex,
  entry: PartialBuildInfo = {},
): BuildInfo | undefined {
  if (entry.wasmSha256 !== undefined && entry.wasmSha256 !== wasmSha256) return undefined
  const { image, sourceSha256, args, options = [], ...rest } = { ...entry, ...own, wasmSha256 }
  if (image === undefined || sourceSha256 === undefined || args === undefined) return undefined
  return { ...rest, image, sourceSha256, args, options }
}

/** Encodes build information. */
export function encodeBuildInfo(info: BuildInfo): Uint8Array {
  assertBuildInfo(info)
  const { wasmSha256, sourceSha256, args } = info
  const bytes = encodeBuildInfoFields({ wasmSha256, sourceSha256, fields: fieldsOf(info), args })
  decodeBuildInfo(bytes)
  return bytes
}

/** Encodes the parts of build information; `fields` are in ascending order. */
export function encodeBuildInfoFields({
  wasmSha256,
  sourceSha256,
  fields,
  args,
}: BuildInfoFields): Uint8Array {
  return concatAll([
    fixedFromHex(wasmSha256, 32, 'wasmSha256'),
    fixedFromHex(sourceSha256, 32, 'sourceSha256'),
    xdrU32(fields.length),
    ...fields.flatMap(([key, value]) => [xdrString(key), xdrString(value)]),
    xdrU32(args.length),
    ...args.map(xdrString),
  ])
}

/**
 * Decodes an encoding, such as one that a registry announced. What is not canonical is refused.
 *
 * @throws {BuildInfoError} for anything that {@link encodeBuildInfo} would not write.
 */
export function decodeBuildInfo(bytes: Uint8Array): BuildInfo {
  const { wasmSha256, sourceSha256, fields, args } = decodeBuildInfoFields(bytes)
  const info = completeBuildInfo(
    parseBuildEntries([
      ...fields.map(([key, value]) => ({ key, value })),
      ...args.map((value) => ({ key: 'bldarg', value })),
      { key: 'source_sha256', value: sourceSha256.slice(2) },
    ]),
    wasmSha256,
  )
  if (info === undefined) {
    throw new BuildInfoError({ fault: 'incomplete', reason: 'it names no image or no arguments' })
  }
  if (fieldsOf(info).length !== fields.length) {
    throw malformed('it has a field that is not of a build')
  }
  return info
}

/** The parts of an encoding, in the one form that the registry takes too. */
export function decodeBuildInfoFields(bytes: Uint8Array): BuildInfoFields {
  assertBytes('bytes', bytes)
  if (bytes.length > MAX_BUILD_INFO_BYTES) {
    throw new BuildInfoError({ fault: 'too_large', reason: `it has ${bytes.length} bytes` })
  }
  const reader = xdrReader(bytes)
  const wasmSha256 = toHex(reader.fixed(32))
  const sourceSha256 = toHex(reader.fixed(32))
  const fields: (readonly [string, string])[] = []
  // Counts are not believed: each round takes bytes, and they end.
  for (let left = reader.u32(); left > 0; left--) {
    const field = [reader.string(), reader.string()] as const
    const before = fields.at(-1)
    if (field[0] === '') throw malformed('a key is empty')
    if (field[0] === 'bldarg' || field[0] === 'source_sha256') {
      throw malformed(`\`${field[0]}\` has a place of its own`)
    }
    if (before !== undefined && compareFields(before, field) >= 0) {
      throw malformed(`the field ${fields.length} is not after the one before it`)
    }
    fields.push(field)
  }
  const args: string[] = []
  for (let left = reader.u32(); left > 0; left--) args.push(reader.string())
  if (!reader.ended) throw malformed(`it goes on after byte ${reader.offset}`)
  return { wasmSha256, sourceSha256, fields, args }
}

/**
 * Names build information: SHA-256 of its encoding, as the registry computes it.
 *
 * @example
 * ```ts
 * import { computeBuildInfoHash } from '@newton/policy-sdk/provenance'
 *
 * const zero = `0x${'00'.repeat(32)}` as const
 * computeBuildInfoHash({
 *   wasmSha256: zero,
 *   sourceSha256: zero,
 *   image: `registry.example/build@sha256:${'00'.repeat(32)}`,
 *   args: ['plugin', 'build'],
 *   options: ['--world=0.2'],
 * })
 * ```
 */
export function computeBuildInfoHash(info: BuildInfo): Hex {
  return toHex(sha256(encodeBuildInfo(info)))
}

function fieldsOf(info: Omit<BuildInfo, 'wasmSha256'>): (readonly [string, string])[] {
  const ones: readonly (readonly [string, string | undefined])[] = [
    ['bldimg', info.image],
    ['determinism', info.determinism],
    ['source_repo', info.sourceRepo],
    ['source_rev', info.sourceRev],
    ['source_uri', info.sourceUri],
  ]
  return [
    ...ones.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])),
    ...info.options.map((option) => ['bldopt', option] as const),
  ].sort(compareFields)
}

function compareFields(a: readonly [string, string], b: readonly [string, string]): number {
  return compareBytes(utf8(a[0]), utf8(b[0])) || compareBytes(utf8(a[1]), utf8(b[1]))
}

function sortTexts(texts: readonly string[]): string[] {
  return [...texts].sort((a, b) => compareBytes(utf8(a), utf8(b)))
}

function malformed(reason: string): BuildInfoError {
  return new BuildInfoError({ fault: 'malformed', reason })
}

function duplicate(key: string): BuildInfoError {
  return new BuildInfoError({ fault: 'duplicate', reason: `\`${key}\` is there twice` })
}
