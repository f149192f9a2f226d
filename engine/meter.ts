/**
 * Adds a step counter to a WebAssembly module.
 *
 * Every loop iteration takes one unit from the exported global `fuel`, every bulk memory operation
 * one unit per 64 bytes; at zero the module traps. So a policy is bounded in time by a number that
 * is the same on every machine, without a clock, a worker or an import.
 *
 * Works on the binary format (WebAssembly 2.0 with SIMD); an opcode it does not know is an error.
 */

const BULK_SHIFT = 6

/** A cursor over the bytes of a module. */
type Reader = { bytes: Uint8Array; at: number }

/** Writes a module with a step counter and a maximum memory size. */
export function addMeter(module: Uint8Array, { maxPages }: { maxPages: number }): Uint8Array {
  const sections = readSections(module)
  const types = vector(sections, 1)
  const functions = vector(sections, 3)
  const globals = vector(sections, 6)
  const exports = vector(sections, 7)
  if (sections.some((section) => section.id === 2)) {
    throw new Error('the module imports something')
  }
  const fuel = globals.count
  const charge = functions.count
  const out: Uint8Array[] = [module.subarray(0, 8)]
  for (const section of sections) {
    switch (section.id) {
      case 1:
        // (func (param i32) (result i32))
        out.push(grow(1, types, [0x60, 1, 0x7f, 1, 0x7f]))
        break
      case 3:
        out.push(grow(3, functions, unsigned(types.count)))
        break
      case 5:
        out.push(sectionOf(5, limitMemory(section.body, maxPages)))
        break
      case 6:
        out.push(grow(6, globals, [0x7e, 1, 0x42, ...signed(2n ** 63n - 1n), 0x0b]))
        break
      case 7:
        out.push(grow(7, exports, [4, ...new TextEncoder().encode('fuel'), 3, ...unsigned(fuel)]))
        break
      case 10:
        out.push(sectionOf(10, meterCode(section.body, { fuel, charge })))
        break
      case 0:
        break
      default:
        out.push(sectionOf(section.id, section.body))
    }
  }
  return join(out)
}

function meterCode(body: Uint8Array, indices: { fuel: number; charge: number }): Uint8Array {
  const reader: Reader = { bytes: body, at: 0 }
  const count = readUnsigned(reader)
  const out: Uint8Array[] = [Uint8Array.from(unsigned(count + 1))]
  const step = stepCode(indices.fuel)
  const bulk = Uint8Array.from([0x10, ...unsigned(indices.charge)])
  for (let index = 0; index < count; index++) {
    const size = readUnsigned(reader)
    const end = reader.at + size
    const pieces: Uint8Array[] = []
    let copied = reader.at
    skipLocals(reader)
    while (reader.at < end) {
      const start = reader.at
      const kind = skipInstruction(reader)
      if (kind === 'loop') {
        pieces.push(body.subarray(copied, reader.at), step)
        copied = reader.at
      } else if (kind === 'bulk') {
        pieces.push(body.subarray(copied, start), bulk)
        copied = start
      }
    }
    if (reader.at !== end) throw new Error(`function ${index} is misread`)
    pieces.push(body.subarray(copied, end))
    const code = join(pieces)
    out.push(Uint8Array.from(unsigned(code.length)), code)
  }
  const charge = chargeCode(indices.fuel)
  out.push(Uint8Array.from(unsigned(charge.length)), charge)
  return join(out)
}

/** `if (fuel == 0) unreachable; fuel -= 1` */
function stepCode(fuel: number): Uint8Array {
  const global = unsigned(fuel)
  return Uint8Array.from([
    ...[0x23, ...global, 0x50, 0x04, 0x40, 0x00, 0x0b],
    ...[0x23, ...global, 0x42, 1, 0x7d, 0x24, ...global],
  ])
}

/** `(length) => { if (fuel < length >> 6) { fuel = 0; unreachable }; fuel -= length >> 6; length }` */
function chargeCode(fuel: number): Uint8Array {
  const global = unsigned(fuel)
  const units = [0x20, 0, 0xad, 0x42, BULK_SHIFT, 0x88]
  return Uint8Array.from([
    0,
    ...[0x23, ...global, ...units, 0x54, 0x04, 0x40, 0x42, 0, 0x24, ...global, 0x00, 0x0b],
    ...[0x23, ...global, ...units, 0x7d, 0x24, ...global],
    ...[0x20, 0, 0x0b],
  ])
}

function skipLocals(reader: Reader): void {
  const groups = readUnsigned(reader)
  for (let group = 0; group < groups; group++) {
    readUnsigned(reader)
    reader.at++
  }
}

/** Moves past one instruction and says what the meter must do about it. */
function skipInstruction(reader: Reader): 'loop' | 'bulk' | 'other' {
  const opcode = reader.bytes[reader.at++] as number
  const skip = (count: number): void => {
    for (let i = 0; i < count; i++) readUnsigned(reader)
  }
  switch (opcode) {
    case 0x03:
      skip(1)
      return 'loop'
    case 0x02:
    case 0x04:
    case 0x0c:
    case 0x0d:
    case 0x10:
    case 0x12:
    case 0x20:
    case 0x21:
    case 0x22:
    case 0x23:
    case 0x24:
    case 0x25:
    case 0x26:
    case 0x3f:
    case 0x40:
    case 0x41:
    case 0x42:
    case 0xd0:
    case 0xd2:
      skip(1)
      return 'other'
    case 0x0e:
      skip(readUnsigned(reader) + 1)
      return 'other'
    case 0x11:
    case 0x13:
      skip(2)
      return 'other'
    case 0x1c:
      skip(readUnsigned(reader))
      return 'other'
    case 0x43:
      reader.at += 4
      return 'other'
    case 0x44:
      reader.at += 8
      return 'other'
    case 0xfc:
      return skipMiscellaneous(reader, skip)
    case 0xfd:
      skipVector(reader, skip)
      return 'other'
    default:
      if (opcode >= 0x28 && opcode <= 0x3e) skip(2)
      else if (!isPlain(opcode)) throw new Error(`unknown opcode 0x${opcode.toString(16)}`)
      return 'other'
  }
}

function isPlain(opcode: number): boolean {
  if (opcode >= 0x45 && opcode <= 0xc4) return true
  return [0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1].includes(opcode)
}

function skipMiscellaneous(reader: Reader, skip: (count: number) => void): 'bulk' | 'other' {
  const opcode = readUnsigned(reader)
  if (opcode <= 7) return 'other'
  if (opcode === 10 || opcode === 12 || opcode === 14 || opcode === 8) skip(2)
  else if (opcode <= 17) skip(1)
  else throw new Error(`unknown opcode 0xfc ${opcode}`)
  return opcode === 10 || opcode === 11 ? 'bulk' : 'other'
}

function skipVector(reader: Reader, skip: (count: number) => void): void {
  const opcode = readUnsigned(reader)
  if (opcode <= 11 || opcode === 92 || opcode === 93) skip(2)
  else if (opcode === 12 || opcode === 13) reader.at += 16
  else if (opcode >= 21 && opcode <= 34) reader.at += 1
  else if (opcode >= 84 && opcode <= 91) {
    skip(2)
    reader.at += 1
  } else if (opcode > 255) throw new Error(`unknown opcode 0xfd ${opcode}`)
}

function limitMemory(body: Uint8Array, maxPages: number): Uint8Array {
  const reader: Reader = { bytes: body, at: 0 }
  if (readUnsigned(reader) !== 1) throw new Error('expected one memory')
  const flags = readUnsigned(reader)
  if (flags > 1) throw new Error('expected a 32-bit memory that is not shared')
  return Uint8Array.from([1, 1, ...unsigned(readUnsigned(reader)), ...unsigned(maxPages)])
}

function readSections(module: Uint8Array): { id: number; body: Uint8Array }[] {
  const reader: Reader = { bytes: module, at: 8 }
  const sections: { id: number; body: Uint8Array }[] = []
  while (reader.at < module.length) {
    const id = module[reader.at++] as number
    const size = readUnsigned(reader)
    sections.push({ id, body: module.subarray(reader.at, reader.at + size) })
    reader.at += size
  }
  return sections
}

type Vector = { count: number; items: Uint8Array }

function vector(sections: readonly { id: number; body: Uint8Array }[], id: number): Vector {
  const section = sections.find((one) => one.id === id)
  if (section === undefined) throw new Error(`the module has no section ${id}`)
  const reader: Reader = { bytes: section.body, at: 0 }
  const count = readUnsigned(reader)
  return { count, items: section.body.subarray(reader.at) }
}

function grow(id: number, { count, items }: Vector, item: readonly number[]): Uint8Array {
  return sectionOf(id, join([Uint8Array.from(unsigned(count + 1)), items, Uint8Array.from(item)]))
}

function sectionOf(id: number, body: Uint8Array): Uint8Array {
  return join([Uint8Array.from([id, ...unsigned(body.length)]), body])
}

/** Reads a LEB128 number. Also moves past signed ones, whose value nobody needs here. */
function readUnsigned(reader: Reader): number {
  let value = 0
  let scale = 1
  for (;;) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw new Error('the module is cut short')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
    scale *= 128
  }
}

function unsigned(value: number): number[] {
  const out: number[] = []
  let rest = value
  do {
    const low = rest & 0x7f
    rest = Math.floor(rest / 128)
    out.push(rest > 0 ? low | 0x80 : low)
  } while (rest > 0)
  return out
}

function signed(value: bigint): number[] {
  const out: number[] = []
  let rest = value
  for (;;) {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
      out.push(low)
      return out
    }
    out.push(low | 0x80)
  }
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
