/** The tiers by name, and what the cache says about them. */
import type { Hex } from 'viem'

/** Names of the tiers that tell of themselves, top first. The evaluation's own memory does not. */
export const cacheTiers = ['L1', 'L2', 'L3', 'L4'] as const

/** A tier of the cache. */
export type CacheTier = (typeof cacheTiers)[number]

/** What the cache did. Feed it to `recordCacheMetrics`. */
export type CacheEvent =
  | { type: 'cache.lookup'; tier: CacheTier; result: 'hit' | 'miss'; form: string }
  | { type: 'cache.fill'; tier: CacheTier; key: string; byteLength: number }
  | { type: 'cache.evict'; tier: CacheTier; form: string; reason: string }
  | { type: 'cache.size'; tier: CacheTier; form: string; entries: number; bytes: number }
  /** A tier held or served bytes that are not the artifact; they were dropped. */
  | { type: 'cache.wrongCopy'; tier: CacheTier; source: string; hash: Hex; error: unknown }
  /** The disk failed; the call went on without it. */
  | {
      type: 'cache.storeFailed'
      tier: CacheTier
      operation: 'read' | 'write' | 'remove'
      error: unknown
    }
  | { type: 'cache.prewarm'; templateId: Hex; result: 'ok' | 'error'; error: unknown }

/** Takes an event. Never throws. */
export type EmitCacheEvent = (event: CacheEvent) => void

/** A hook that cannot decide, by throwing, whether an artifact can be had. */
export function safely(onEvent: ((event: CacheEvent) => void) | undefined): EmitCacheEvent {
  return (event) => {
    try {
      onEvent?.(event)
    } catch {
      // The hook's own failure is its owner's.
    }
  }
}
