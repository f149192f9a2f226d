/** How many compiled plugins a process of some kind keeps, where it shares no memory with others. */

/** Bounds of the cache. */
export type PluginCacheLimits = {
  entries: number
  /** Bytes, each entry weighing three times its component. */
  bytes: number
}

const MiB = 1024 * 1024

/** The four presets: entries and bytes by the kind of process. */
export const pluginCachePresets = {
  /** A laptop or a browser: a few policies. */
  dev: { entries: 8, bytes: 256 * MiB },
  staging: { entries: 32, bytes: 1024 * MiB },
  /** An operator with 20 to 50 policies. */
  prodSmall: { entries: 32, bytes: 1024 * MiB },
  /** An operator with 500 to 1,000 policies on several chains. */
  prodLarge: { entries: 256, bytes: 8192 * MiB },
} as const satisfies Record<string, PluginCacheLimits>

/** Name of a preset. */
export type PluginCachePreset = keyof typeof pluginCachePresets
