/**
 * The top-level sections of a WebAssembly module or component, as far as metadata needs them.
 *
 * Nested modules and components are sections like others and are not entered: what is inside of
 * them is the toolchain's.
 */
import { concatAll, utf8 } from '../../internal/bytes.js'
import { assertBytes } from '../../internal/options.js'
import { BuildInfoError } from '../errors.js'

/** Largest plugin that is looked at: no larger one can be published. */
export const MAX_WASM_BYTES: number = 64 * 1024 * 1024

/** A component of a heap snapshot has a few dozen; what has this many is no plugin. */
const maxSections = 65_536

/** Where a section lies. */
export type WasmSection = {
  id: number
  /** Name of a custom section, where it is short enough to be one that matters. */
  name: string | undefined
  /** First byte of the section, which is its id. */
  start: number
  /** First byte of its contents: after the name, where it is a custom section. */
  contents: number
  end: number
}

const magic = [0x00, 0x61, 0x73, 0x6d]

/** Lists the sections of the outermost level. Throws {@link BuildInfoError} for what is no WASM. */
export function readSections(wasm: Uint8Array): readonly WasmSection[] {
  assertBytes('wasm', wasm)
  if (wasm.length > MAX_WASM_BYTES) {
    throw new BuildInfoError({ fault: 'too_large', reason: `it has ${wasm.length} bytes` })
  }
  if (wasm.length < 8 || magic.some((byte, index) => wasm[index] !== byte)) {
    throw new BuildInfoError({ fault: 'not_wasm', reason: 'these bytes are not WebAssembly' })
  }
  const sections: WasmSection[] = []
  let offset = 8
  while (offset < wasm.length) {
    if (sections.length === maxSections) {
      throw new BuildInfoError({
        fault: 'too_large',
        reason: `it has over ${maxSections} sections`,
      })
    }
    const start = offset
    const id = wasm[offset] as number
    const size = readLeb(wasm, offset + 1)
    const end = size.next + size.value
    if (end > wasm.length) throw truncated(start)
    sections.push({
      id,
      start,
      end,
      ...(id === 0 ? nameOf(wasm, size.next, end) : { name: undefined, contents: size.next }),
    })
    offset = end
  }
  return sections
}

/** A custom section with its header. */
export function customSection(name: string, contents: Uint8Array): Uint8Array {
  const label = utf8(name)
  const head = concatAll([leb(label.length), label])
  return concatAll([Uint8Array.of(0), leb(head.length + contents.length), head, contents])
}

function nameOf(
  wasm: Uint8Array,
  from: number,
  end: number,
): { name: string | undefined; contents: number } {
  const length = readLeb(wasm, from)
  const contents = length.next + length.value
  if (contents > end) throw truncated(from)
  // Names that are looked for are short; a long one is not decoded at all.
  if (length.value > 64) return { name: undefined, contents }
  return { name: new TextDecoder().decode(wasm.subarray(length.next, contents)), contents }
}

function readLeb(wasm: Uint8Array, from: number): { value: number; next: number } {
  let value = 0
  for (let i = 0; i < 5; i++) {
    const byte = wasm[from + i]
    if (byte === undefined) throw truncated(from)
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (byte < 0x80) {
      if (value > 0xffff_ffff) break
      return { value, next: from + i + 1 }
    }
  }
  throw new BuildInfoError({ fault: 'not_wasm', reason: `the number at byte ${from} is too large` })
}

function leb(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return Uint8Array.from(bytes)
}

function truncated(offset: number): BuildInfoError {
  return new BuildInfoError({
    fault: 'not_wasm',
    reason: `the section at byte ${offset} goes beyond the end`,
  })
}
