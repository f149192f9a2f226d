/**
 * Parsed policies in memory, by the hash of their Rego.
 */
import type { Hex } from 'viem'
import { createSingleFlightCache } from '../plugins/cache.js'
import type { PreparedPolicy, RegoEngine } from '../rego/engine.js'

type Entry = { policy: PreparedPolicy; users: number; evicted: boolean; disposed: boolean }

/** See {@link createPolicyCache}. */
export type PolicyCache = {
  /** Runs `use` on the prepared policy, which is not disposed before `use` returns. */
  with<value>(
    hash: Hex,
    load: () => Promise<Uint8Array>,
    use: (policy: PreparedPolicy) => value,
  ): Promise<value>
  clear(): void
}

/** Creates a cache of prepared policies, at most 256 of them and 64 MiB of Rego. */
export function createPolicyCache(
  engine: RegoEngine,
  options: { entries?: number | undefined } = {},
): PolicyCache {
  const entries = new Map<string, Entry>()
  const cache = createSingleFlightCache<Entry>(
    { entries: options.entries ?? 256, bytes: 64 * 1024 * 1024 },
    (key) => retire(key),
  )

  function retire(key: string): void {
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
    entry.evicted = true
    settle(entry)
  }

  function settle(entry: Entry): void {
    if (!entry.evicted || entry.users > 0 || entry.disposed) return
    entry.disposed = true
    entry.policy.dispose()
  }

  return {
    async with(hash, load, use) {
      for (;;) {
        const entry = await cache.get(hash, async () => {
          const rego = await load()
          const policy = await engine.prepare({ rego })
          const fresh: Entry = { policy, users: 0, evicted: false, disposed: false }
          entries.set(hash, fresh)
          return { value: fresh, weight: rego.length }
        })
        // Evicted between the load and here: load again.
        if (entry.disposed) continue
        entry.users++
        try {
          return use(entry.policy)
        } finally {
          entry.users--
          settle(entry)
        }
      }
    },
    clear() {
      cache.clear()
      for (const key of [...entries.keys()]) retire(key)
    },
  }
}
