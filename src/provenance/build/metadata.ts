/**
 * Metadata that a plugin carries: custom sections `newtonmetav0`, or `contractmetav0` as on Stellar,
 * each a stream of XDR entries `u32 0, string key, string value` (SEP-46). Several sections are one
 * stream, in their order.
 */
import { concatAll } from '../../internal/bytes.js'
import { assertList, assertText } from '../../internal/options.js'
import { BuildInfoError } from '../errors.js'
import { customSection, readSections, type WasmSection } from './sections.js'
import { xdrReader, xdrString, xdrU32 } from './xdr.js'

/** Name of the section that `plugin build` writes. */
export const METADATA_SECTION = 'newtonmetav0'

const readNames: readonly string[] = [METADATA_SECTION, 'contractmetav0']

const maxBytes = 65_536
const maxEntries = 256
const maxMetadataSections = 16
/** Bytes of a section before its contents: its kind, two lengths of at most 5 bytes, and its name. */
const maxSectionHead = 1 + 5 + 5 + METADATA_SECTION.length + 'contractmetav0'.length

/** Most bytes of the sections of a plugin whose metadata can be read, heads and all. */
export const MAX_METADATA_SECTIONS_BYTES = maxBytes + maxMetadataSections * maxSectionHead

/** One entry of the metadata. */
export type MetadataEntry = { readonly key: string; readonly value: string }

/** What a plugin says of itself. */
export type PluginMetadata = {
  entries: readonly MetadataEntry[]
  /** The repository and the commit, where a tool wrote them as `wasm-metadata` does. */
  source?: string | undefined
  revision?: string | undefined
}

/**
 * Reads the metadata of a plugin. A plugin without any has no entries.
 *
 * @throws {BuildInfoError} for what is no WASM, and for metadata that is malformed or too large.
 * @example
 * ```ts
 * import { appendMetadata, readMetadata } from '@newton/policy-sdk/provenance'
 *
 * const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
 * const wasm = appendMetadata(empty, [{ key: 'bldopt', value: '--world=0.2' }])
 * readMetadata(wasm).entries // [{ key: 'bldopt', value: '--world=0.2' }]
 * ```
 */
export function readMetadata(wasm: Uint8Array): PluginMetadata {
  const sections = readSections(wasm)
  const own = sections.filter(isMetadata)
  if (own.length > maxMetadataSections) {
    throw new BuildInfoError({
      fault: 'too_large',
      reason: `it has ${own.length} sections of metadata, at most ${maxMetadataSections} are read`,
    })
  }
  const stream = concatAll(own.map(({ contents, end }) => wasm.subarray(contents, end)))
  return {
    entries: decodeMetadata(stream),
    source: textOf(wasm, sections, 'source'),
    revision: textOf(wasm, sections, 'revision'),
  }
}

/** Decodes a stream of entries. */
export function decodeMetadata(stream: Uint8Array): readonly MetadataEntry[] {
  if (stream.length > maxBytes) {
    throw new BuildInfoError({
      fault: 'too_large',
      reason: `its metadata has ${stream.length} bytes, at most ${maxBytes} are read`,
    })
  }
  const reader = xdrReader(stream)
  const entries: MetadataEntry[] = []
  while (!reader.ended) {
    if (entries.length === maxEntries) {
      throw new BuildInfoError({ fault: 'too_large', reason: `it has over ${maxEntries} entries` })
    }
    const at = reader.offset
    const kind = reader.u32()
    if (kind !== 0) {
      throw new BuildInfoError({
        fault: 'malformed',
        reason: `the entry at byte ${at} is of kind ${kind}, only 0 is known`,
      })
    }
    entries.push({ key: reader.string(), value: reader.string() })
  }
  return entries
}

/** Encodes entries as a stream. */
export function encodeMetadata(entries: readonly MetadataEntry[]): Uint8Array {
  assertList('entries', entries)
  for (const [at, entry] of entries.entries()) {
    assertText(`entries[${at}].key`, entry?.key)
    assertText(`entries[${at}].value`, entry?.value)
  }
  return concatAll(
    entries.flatMap(({ key, value }) => [xdrU32(0), xdrString(key), xdrString(value)]),
  )
}

/**
 * Appends metadata to a plugin that has none.
 *
 * @throws {BuildInfoError} where it has some already: what a plugin says of itself is said once.
 */
export function appendMetadata(wasm: Uint8Array, entries: readonly MetadataEntry[]): Uint8Array {
  if (readSections(wasm).some(isMetadata)) {
    throw new BuildInfoError({ fault: 'present', reason: 'the plugin has metadata already' })
  }
  const stream = encodeMetadata(entries)
  decodeMetadata(stream)
  return concatAll([wasm, customSection(METADATA_SECTION, stream)])
}

/** A plugin without its metadata sections, and those sections, byte for byte. */
export function splitMetadata(wasm: Uint8Array): { code: Uint8Array; metadata: Uint8Array } {
  const own = readSections(wasm).filter(isMetadata)
  const code: Uint8Array[] = []
  let from = 0
  for (const { start, end } of own) {
    code.push(wasm.subarray(from, start))
    from = end
  }
  return {
    code: concatAll([...code, wasm.subarray(from)]),
    metadata: concatAll(own.map(({ start, end }) => wasm.subarray(start, end))),
  }
}

function isMetadata({ name }: WasmSection): boolean {
  return name !== undefined && readNames.includes(name)
}

/** The text of a section that is there once and short. It is shown, and decides nothing. */
function textOf(
  wasm: Uint8Array,
  sections: readonly WasmSection[],
  wanted: string,
): string | undefined {
  const found = sections.filter(({ name }) => name === wanted)
  const [only] = found
  if (only === undefined || found.length > 1 || only.end - only.contents > 2_048) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(wasm.subarray(only.contents, only.end))
  } catch {
    return undefined
  }
}
