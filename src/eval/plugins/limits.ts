/**
 * What one run may use, and how the options become complete.
 */
import { assertCount, assertKnown, MAX_TIMER } from '../../internal/options.js'

/** Limits of one run. Hitting one is inconclusive, never a decision. */
export type PluginLimits = {
  /** Milliseconds of computation, over all rounds, without waiting for the network. @default 5000 */
  time: number
  /** Milliseconds to compile a component. @default 30000 */
  compileTime: number
  /** Bytes of linear memory. @default 134217728 */
  memoryBytes: number
  /** Entries of all tables. @default 1000000 */
  tableEntries: number
  /** Bytes of the output. @default 1048576 */
  outputBytes: number
  /** Bytes of captured standard output and error. @default 65536 */
  stderrBytes: number
  /** Random bytes of one run. @default 1048576 */
  randomBytes: number
}

/** Defaults of {@link PluginLimits}. */
export const defaultPluginLimits: PluginLimits = {
  time: 5_000,
  compileTime: 30_000,
  memoryBytes: 128 * 1024 * 1024,
  tableEntries: 1_000_000,
  outputBytes: 1_048_576,
  stderrBytes: 65_536,
  randomBytes: 1_048_576,
}

/**
 * Checks the limits that are given and fills in the defaults.
 *
 * @throws {InvalidInputError} for a limit of another name, and for what is no positive integer.
 */
export function resolveLimits(given: Partial<PluginLimits>): PluginLimits {
  const names = Object.keys(defaultPluginLimits) as (keyof PluginLimits)[]
  assertKnown('limits', given, names)
  const limits = { ...defaultPluginLimits }
  for (const name of names) {
    const value = given[name]
    if (value === undefined) continue
    const timer = name === 'time' || name === 'compileTime'
    assertCount(`limits.${name}`, value, timer ? { most: MAX_TIMER } : {})
    limits[name] = value
  }
  return limits
}
