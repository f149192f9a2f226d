/**
 * Where encoded nodes lie, one after the other: an allocation for each costs more than its bytes.
 *
 * They stay there for a while after they were stored. A node that a later commit changes is made of what it
 * was: sixteen children are read in one piece, where their records lie anywhere in memory.
 */

/** Encoded nodes of an arena. */
export type Slabs = {
  /** Slabs in the order of being made; those before `first` are gone. */
  list: Slab[]
  /** Number of the first of `list`. Numbers begin with 1: a record without an encoding has 0. */
  first: number
  /** Bytes of all slabs. */
  bytes: number
}

/** One of them, used up to `at`. */
export type Slab = { bytes: Uint8Array; view: DataView; at: number }

const slabBytes = 1 << 20
/** Bytes that the longest node takes. */
export const longestNode: number = 5 + 16 * 80
// An arena may keep twice as much in encoded nodes as it has in records, and this at most.
const bytesPerRecord = 128
const mostBytes = 1 << 26

/** No slabs yet. */
export function createSlabs(): Slabs {
  return { list: [], first: 1, bytes: 0 }
}

/** The slab with room for a node, and its number. `records`: how many the arena has in use. */
export function slabWithRoom(slabs: Slabs, records: number): { slab: Slab; number: number } {
  const { list } = slabs
  let last = list.at(-1)
  if (last === undefined || last.bytes.length - last.at < longestNode) {
    last = newSlab(Math.min(slabBytes, Math.max(4 * longestNode, records * bytesPerRecord)))
    list.push(last)
    slabs.bytes += last.bytes.length
    const most = Math.min(mostBytes, records * bytesPerRecord)
    // What was stored longest ago is what changes least.
    while (list.length > 1 && slabs.bytes > most) {
      slabs.bytes -= (list.shift() as Slab).bytes.length
      slabs.first++
    }
  }
  return { slab: last, number: slabs.first + list.length - 1 }
}

/** The slab of that number, while it is kept. */
export function slabOf({ list, first }: Slabs, number: number): Slab | undefined {
  return number < first ? undefined : list[number - first]
}

function newSlab(size: number): Slab {
  const bytes = new Uint8Array(size)
  return { bytes, view: new DataView(bytes.buffer), at: 0 }
}
