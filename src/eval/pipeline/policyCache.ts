/**
 * Parsed policies in memory, by the engine and the hash of their Rego.
 */
import type { Hex } from 'viem'
import {
  createProcessMemory,
  type MemorySlot,
  type ProcessMemory,
} from '../../internal/processMemory.js'
import type { PreparedPolicy, RegoEngine } from '../rego/engine.js'

type Entry = { policy: PreparedPolicy; users: number; isGone: boolean; isDisposed: boolean }

/** See {@link createPolicyCache}. */
export type PolicyCache = {
  /** Runs `use` on the prepared policy, which is not disposed before `use` returns. */
  with<value>(
    hash: Hex,
    load: () => Promise<Uint8Array>,
    use: (policy: PreparedPolicy) => value,
  ): Promise<value>
  /** The same, at once where it is held, and not counted: for the second use in one evaluation. */
  again<value>(
    hash: Hex,
    load: () => Promise<Uint8Array>,
    use: (policy: PreparedPolicy) => value,
  ): value | Promise<value>
}

/**
 * Creates a cache of prepared policies in a memory, by default one of 256 policies and 64 MiB of
 * Rego.
 */
export function createPolicyCache(
  engine: RegoEngine,
  memory: ProcessMemory = createProcessMemory({ maxBytes: 64 * 1024 * 1024 }),
): PolicyCache {
  const owner = numberOf(engine)
  const slotOf = (hash: Hex): MemorySlot => ({ form: 'rego', key: `${owner}/${hash}` })
  const cache: PolicyCache = {
    async with(hash, load, use) {
      for (;;) {
        const entry = await memory.get(slotOf(hash), async () => {
          const rego = await load()
          const policy = await engine.prepare({ rego })
          const fresh: Entry = { policy, users: 0, isGone: false, isDisposed: false }
          const dispose = (): void => {
            fresh.isGone = true
            settle(fresh)
          }
          return { value: fresh, weight: rego.length, dispose }
        })
        // Gone between the load and here: load again.
        if (!entry.isDisposed) return using(entry, use)
      }
    },
    again(hash, load, use) {
      const entry = memory.peek<Entry>(slotOf(hash))
      return entry === undefined ? cache.with(hash, load, use) : using(entry, use)
    },
  }
  return cache
}

function using<value>(entry: Entry, use: (policy: PreparedPolicy) => value): value {
  entry.users++
  try {
    return use(entry.policy)
  } finally {
    entry.users--
    settle(entry)
  }
}

function settle(entry: Entry): void {
  if (!entry.isGone || entry.users > 0 || entry.isDisposed) return
  entry.isDisposed = true
  entry.policy.dispose()
}

const numbers = new WeakMap<RegoEngine, number>()
let engines = 0

/** A policy runs in the engine that prepared it: two engines of one name have each their own. */
function numberOf(engine: RegoEngine): number {
  const known = numbers.get(engine)
  if (known !== undefined) return known
  engines += 1
  numbers.set(engine, engines)
  return engines
}
