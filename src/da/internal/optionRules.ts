/** Rules that options of several adapters share. */
import { MAX_TIMER, type OptionRule } from '../../internal/options.js'

/** Options of every adapter. */
export const hookRules = { onEvent: 'function', now: 'function' } as const satisfies Record<
  string,
  OptionRule
>

/** A number of bytes or of things: one at least. */
export const atLeastOne = { least: 1 } as const
/** Milliseconds of which at least one must pass. */
export const someTime = { least: 1, most: MAX_TIMER } as const

/** How often something is tried again, and after how long. */
export const retryRules = {
  tries: atLeastOne,
  baseDelay: 'milliseconds',
  maxDelay: 'milliseconds',
} as const satisfies Record<string, OptionRule>
