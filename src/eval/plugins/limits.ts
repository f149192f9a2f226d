/**
 * What one run may use, and how the options become complete.
 */
import { InvalidInputError } from '../../errors/common.js'

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

/** Checks the limits that are given and fills in the defaults. */
export function resolveLimits(given: Partial<PluginLimits>): PluginLimits {
  return { ...defaultPluginLimits, ...definedOnly(given) }
}

function definedOnly<values extends Record<string, unknown>>(values: values): values {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue
    if (typeof value !== 'number' || !(value > 0)) {
      throw new InvalidInputError({ field: `limits.${name}`, reason: 'expected a positive number' })
    }
  }
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as values
}
