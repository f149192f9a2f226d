/** What one measurement of a tree gives, and how times and memory are taken. */
import { keccakHasher } from '../../src/statetree/index.js'

export type Cell = Partial<
  Record<
    | 'bulk'
    | 'update'
    | 'prove'
    | 'verify'
    | 'bytes'
    | 'perKey'
    | 'disk'
    | 'durable'
    | 'raw'
    | 'rawLists'
    | 'hashed'
    | 'written'
    | 'prepare',
    number
  >
>
export type Pair = { keyHash: Uint8Array; valueHash: Uint8Array }

export const hasher = keccakHasher()
/** Milliseconds of processor time: what else runs on the machine does not count. */
export const now = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export function pairs(count: number, offset = 0): Pair[] {
  const seed = new Uint8Array(8)
  const view = new DataView(seed.buffer)
  return [...Array(count).keys()].map((i) => {
    view.setUint32(0, i + offset)
    const keyHash = hasher.hash(seed)
    return { keyHash, valueHash: hasher.hash(keyHash) }
  })
}

export async function best(runs: number, work: () => unknown): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    globalThis.gc?.()
    const start = now()
    await work()
    fastest = Math.min(fastest, now() - start)
  }
  return fastest
}

export const runsFor = (size: number): number => (size >= 1_000_000 ? 2 : 5)
/** Resident bytes: WebAssembly memories are in no other number that Node gives. */
export const memory = (): number => {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().rss
}
/** Bytes a key, where there are enough keys for the difference to mean something. */
export const each = (bytes: number, size: number): { perKey?: number } =>
  size >= 100_000 ? { perKey: bytes / size } : {}

export const middle = (values: number[]): number =>
  values.sort((a, b) => a - b)[values.length >> 1] as number
