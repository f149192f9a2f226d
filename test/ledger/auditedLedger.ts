/** A ledger with files of every class, and one of them changed by a byte. */
import { expect } from 'vitest'
import type { TileReader } from '../../src/core/interfaces/tileStore.js'
import type {
  AuditorParameters,
  createAuditor,
  Ledger,
  memoryTiles,
} from '../../src/ledger/index.js'
import { fill, openTestLedger } from './ledgerWorld.js'

/** Full tiles, a level above, partial tiles of every published size, several cuts. */
export async function openAudited(store: ReturnType<typeof memoryTiles>): Promise<Ledger> {
  const ledger = await openTestLedger({ store, keepPartials: true })
  // Sizes between cuts are published as well.
  for (const at of [7, 3, 250, 20, 1]) {
    await fill(ledger, at, at * 1_000)
    await ledger.flush()
  }
  return ledger
}

export const byWidth = (one: string, other: string): number =>
  Number(one.split('/').at(-1)) - Number(other.split('/').at(-1))

/** Reads one file with a byte changed at a part of its length. */
export function flippedIn(store: TileReader, path: string, at = 0.5): TileReader['read'] {
  return async (asked, options) => {
    const file = await store.read(asked, options)
    if (file === undefined || asked !== path) return file
    const bytes = file.bytes.slice()
    const place = Math.min(bytes.length - 1, Math.floor(bytes.length * at))
    bytes[place] = (bytes[place] as number) ^ 1
    return { ...file, bytes }
  }
}

/** The path, where one rebuild finds that its file was changed. */
export async function foundAt(
  store: ReturnType<typeof memoryTiles>,
  { path, at }: { path: string; at: number },
  auditorOf: (options: Partial<AuditorParameters>) => ReturnType<typeof createAuditor>,
): Promise<string | undefined> {
  expect(store.files.has(path), path).toBe(true)
  const files = { read: flippedIn(store, path, at), list: (folder: string) => store.list(folder) }
  const found = await auditorOf({ store: files }).rebuild()
  for (const { kind } of found) expect(['files', 'root', 'rollback'], path).toContain(kind)
  return found.length > 0 ? path : undefined
}
