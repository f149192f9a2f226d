/** The names of a plugin, and how a rebuild compares with it. */
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { bytesEqual, concatAll, toHex } from '../../internal/bytes.js'
import { longKeccakHex } from '../../internal/longKeccak.js'
import { splitMetadata } from './metadata.js'
import { readSections } from './sections.js'

/** The names of a plugin. */
export type WasmHashes = {
  /** SHA-256 of all bytes. */
  wasmSha256: Hex
  /** keccak-256 of all bytes: the artifact's name on chain. */
  wasmHash: Hex
  /** SHA-256 of the bytes without metadata sections. */
  codeSha256: Hex
}

/** How a rebuild compares: every byte, every byte but metadata, or neither. */
export type BuildMatch = 'exact_match' | 'code_match' | 'no_match'

/** What a comparison found. */
export type BuildComparison = {
  match: BuildMatch
  original: WasmHashes
  rebuilt: WasmHashes
  /** The first section that differs, where the code does. */
  difference?: SectionDifference | undefined
}

/** Where two plugins begin to differ. */
export type SectionDifference = {
  /** Place of the section in the outermost level, from 0. */
  index: number
  /** Its id and name, in the original where it has one there. */
  section: string
  /** First byte that differs, from the section's beginning. */
  offset: number
}

/** Computes the names of a plugin. Throws `BuildInfoError` for what is no WASM. */
export function computeWasmHashes(wasm: Uint8Array): WasmHashes {
  const { code } = splitMetadata(wasm)
  return {
    wasmSha256: toHex(sha256(wasm)),
    wasmHash: longKeccakHex(wasm),
    codeSha256: toHex(sha256(code)),
  }
}

/**
 * Compares what a build gave with a plugin. The plugin's metadata is put on the rebuilt code before
 * the comparison, since the metadata names the build and is no product of it.
 *
 * @throws {BuildInfoError} where one of the two is no WASM.
 * @example
 * ```ts
 * import { appendMetadata, compareBuild } from '@newton/policy-sdk/provenance'
 *
 * const code = Uint8Array.of(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0)
 * const plugin = appendMetadata(code, [{ key: 'determinism', value: 'newton-det/2' }])
 * compareBuild(plugin, code).match // 'exact_match'
 * ```
 */
export function compareBuild(original: Uint8Array, built: Uint8Array): BuildComparison {
  const { code, metadata } = splitMetadata(original)
  const builtCode = splitMetadata(built).code
  const rebuilt = concatAll([builtCode, metadata])
  const same = bytesEqual(code, builtCode)
  const comparison = {
    original: computeWasmHashes(original),
    rebuilt: computeWasmHashes(rebuilt),
  }
  if (bytesEqual(original, rebuilt)) return { match: 'exact_match', ...comparison }
  // The code is equal, but the original has metadata in the midst of it.
  if (same) return { match: 'code_match', ...comparison }
  return { match: 'no_match', ...comparison, difference: firstDifference(code, builtCode) }
}

function firstDifference(left: Uint8Array, right: Uint8Array): SectionDifference {
  const [ours, theirs] = [readSections(left), readSections(right)]
  for (let index = 0; index < Math.max(ours.length, theirs.length); index++) {
    const [a, b] = [ours[index], theirs[index]]
    const [one, other] = [
      a === undefined ? new Uint8Array() : left.subarray(a.start, a.end),
      b === undefined ? new Uint8Array() : right.subarray(b.start, b.end),
    ]
    if (bytesEqual(one, other)) continue
    const shown = a ?? b
    const name = shown?.name === undefined ? '' : ` (${shown.name})`
    const offset = one.findIndex((byte, i) => byte !== other[i])
    return {
      index,
      section: `section ${shown?.id}${name}`,
      offset: offset < 0 ? one.length : offset,
    }
  }
  return { index: 0, section: 'preamble', offset: 0 }
}
