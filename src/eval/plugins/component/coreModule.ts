/**
 * Caps what a core module may allocate by rewriting its memory and table sections.
 *
 * JavaScript engines have no other per-instance limit: worker resource limits do not count
 * WebAssembly memory. Each defined memory and table gets a maximum; imported ones come from a
 * module that went through here too. Source: WebAssembly core specification 5.5 (binary modules).
 */
import { PluginComponentError, PluginLimitError } from '../errors.js'

/** Limits of the memories and tables of one component. */
export type AllocationLimits = {
  /** Bytes of all memories of the component together. */
  memoryBytes: number
  /** Entries of all tables of the component together. */
  tableEntries: number
}

type Limit = { flags: number; min: number; max: number | undefined; reference?: readonly number[] }
type Section = { id: number; start: number; end: number; payload: number }

const PAGE = 65_536

/**
 * Rewrites core modules so that together they stay within `limits`.
 *
 * @returns The modules in the same order, with a maximum on every memory and table.
 * @throws {PluginLimitError} where the initial sizes alone are over the limits.
 * @throws {PluginComponentError} for shared or 64-bit memories and malformed modules.
 */
export function capAllocations(
  modules: readonly Uint8Array[],
  limits: AllocationLimits,
): Uint8Array[] {
  const parsed = modules.map((bytes) => {
    const sections = readSections(bytes)
    return {
      bytes,
      sections,
      memories: limitsOf(bytes, sections, 5, readMemory),
      tables: limitsOf(bytes, sections, 4, readTable),
    }
  })
  const memories = parsed.flatMap((module) => module.memories)
  const tables = parsed.flatMap((module) => module.tables)
  share(
    memories,
    Math.floor(limits.memoryBytes / PAGE),
    'memory',
    (pages) => `${pages * PAGE} bytes of memory`,
  )
  share(tables, limits.tableEntries, 'memory', (entries) => `${entries} table entries`)
  return parsed.map(({ bytes, sections, memories: own, tables: ownTables }) => {
    if (own.length === 0 && ownTables.length === 0) return bytes
    const parts: Uint8Array[] = [bytes.subarray(0, 8)]
    for (const section of sections) {
      if (section.id === 5) parts.push(encodeSection(5, own))
      else if (section.id === 4) parts.push(encodeSection(4, ownTables))
      else parts.push(bytes.subarray(section.start, section.end))
    }
    return join(parts)
  })
}

/** Gives every entry its minimum and an equal part of what is left, never above its own maximum. */
function share(
  entries: Limit[],
  budget: number,
  limit: 'memory',
  describe: (amount: number) => string,
): void {
  if (entries.length === 0) return
  const least = entries.reduce((sum, entry) => sum + entry.min, 0)
  if (least > budget) {
    throw new PluginLimitError(
      limit,
      `it starts with ${describe(least)}, more than ${describe(budget)}`,
    )
  }
  const extra = Math.floor((budget - least) / entries.length)
  for (const entry of entries) {
    const cap = entry.min + extra
    entry.max = entry.max === undefined ? cap : Math.min(entry.max, cap)
  }
}

function readSections(bytes: Uint8Array): Section[] {
  const sections: Section[] = []
  let at = 8
  while (at < bytes.length) {
    const start = at
    const id = bytes[at++] as number
    const size = readU32(bytes, at)
    const end = size.next + size.value
    if (end > bytes.length) throw new PluginComponentError('a core section runs past the end')
    sections.push({ id, start, end, payload: size.next })
    at = end
  }
  return sections
}

function limitsOf(
  bytes: Uint8Array,
  sections: readonly Section[],
  id: number,
  read: (bytes: Uint8Array, at: number) => { limit: Limit; next: number },
): Limit[] {
  const section = sections.find((candidate) => candidate.id === id)
  if (!section) return []
  const count = readU32(bytes, section.payload)
  if (count.value > section.end - section.payload)
    throw new PluginComponentError('a core section is malformed')
  const limits: Limit[] = []
  let at = count.next
  for (let i = 0; i < count.value; i++) {
    const { limit, next } = read(bytes, at)
    limits.push(limit)
    at = next
  }
  if (at !== section.end) throw new PluginComponentError('a core section has bytes left over')
  return limits
}

function readMemory(bytes: Uint8Array, at: number): { limit: Limit; next: number } {
  const flags = bytes[at] as number
  if (flags > 1)
    throw new PluginComponentError('shared, 64-bit and custom-page memories are not supported')
  return readLimit(bytes, at)
}

function readTable(bytes: Uint8Array, at: number): { limit: Limit; next: number } {
  const type = bytes[at]
  if (type !== 0x70 && type !== 0x6f) {
    throw new PluginComponentError('only tables of functions and externals are supported')
  }
  const { limit, next } = readLimit(bytes, at + 1)
  return { limit: { ...limit, reference: [type] }, next }
}

function readLimit(bytes: Uint8Array, at: number): { limit: Limit; next: number } {
  const flags = bytes[at] as number
  if (flags > 1) throw new PluginComponentError('limits of an unsupported kind')
  const min = readU32(bytes, at + 1)
  if (flags === 0) return { limit: { flags: 1, min: min.value, max: undefined }, next: min.next }
  const max = readU32(bytes, min.next)
  return { limit: { flags: 1, min: min.value, max: max.value }, next: max.next }
}

function encodeSection(id: number, limits: readonly Limit[]): Uint8Array {
  const payload = [...encodeU32(limits.length)]
  for (const { reference = [], min, max = min } of limits) {
    payload.push(...reference, 1, ...encodeU32(min), ...encodeU32(max))
  }
  return Uint8Array.from([id, ...encodeU32(payload.length), ...payload])
}

function readU32(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0
  let at = start
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined) break
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) {
      if (value > 0xffffffff) break
      return { value, next: at }
    }
  }
  throw new PluginComponentError('a core module has a malformed number')
}

function encodeU32(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    const byte = rest % 128
    rest = Math.floor(rest / 128)
    out.push(rest > 0 ? byte | 0x80 : byte)
  } while (rest > 0)
  return out
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
