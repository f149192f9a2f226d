/**
 * What is remembered about sources: how often they failed lately, and which wrong copies they
 * served. Both fade with time; a wrong copy is also final for its artifact until it fades.
 */
import { assertOptions } from '../internal/options.js'
import { atLeastOne } from './internal/optionRules.js'

/** Health of sources by name. */
export type HealthBoard = {
  succeeded(source: string): void
  failed(source: string): void
  /** Remembers that `source` served other bytes for `key`. */
  servedWrongCopy(source: string, key: string): void
  /** Whether `source` is to be skipped for `key`. */
  isBad(source: string, key: string): boolean
  /** 0 for a source without recent failures, more for a worse one. */
  penalty(source: string): number
  /** Sources in order of penalty; equal ones keep their order. */
  order<item>(items: readonly item[], nameOf: (item: item) => string): item[]
  /** Wrong copies on record. */
  wrongCopies(): { source: string; key: string; at: number }[]
}

/** Options of {@link createHealthBoard}. */
export type HealthBoardOptions = {
  /** Milliseconds since the epoch. @default Date.now */
  now?: (() => number) | undefined
  /** Milliseconds in which half of a penalty fades. @default 60_000 */
  halfLife?: number | undefined
  /** Milliseconds a wrong copy is remembered. @default 3_600_000 */
  rememberWrongCopy?: number | undefined
  /** Most wrong copies on record; the oldest goes first. @default 10_000 */
  maxWrongCopies?: number | undefined
}

/**
 * Creates an empty board.
 *
 * @example
 * ```ts
 * import { createHealthBoard } from '@newton/policy-sdk/da'
 *
 * const health = createHealthBoard()
 * health.failed('gateway.example')
 * ```
 */
export function createHealthBoard(options: HealthBoardOptions = {}): HealthBoard {
  assertOptions(options, {
    now: 'function',
    halfLife: atLeastOne,
    rememberWrongCopy: { least: 0 },
    maxWrongCopies: { least: 0 },
  })
  const {
    now = Date.now,
    halfLife = 60_000,
    rememberWrongCopy = 3_600_000,
    maxWrongCopies = 10_000,
  } = options
  const penalties = new Map<string, { value: number; at: number }>()
  const wrong = new Map<string, { source: string; key: string; at: number }>()

  const penalty = (source: string): number => {
    const entry = penalties.get(source)
    if (!entry) return 0
    const faded = entry.value * 0.5 ** ((now() - entry.at) / halfLife)
    return faded < 0.01 ? 0 : faded
  }
  const add = (source: string, by: number): void => {
    penalties.set(source, { value: Math.min(100, Math.max(0, penalty(source) + by)), at: now() })
  }
  const wrongKey = (source: string, key: string): string => JSON.stringify([source, key])

  return {
    succeeded: (source) => {
      const left = penalty(source) / 2
      if (left === 0) penalties.delete(source)
      else penalties.set(source, { value: left, at: now() })
    },
    failed: (source) => add(source, 1),
    servedWrongCopy(source, key) {
      // A liar is worse than an absentee, for all artifacts.
      add(source, 5)
      wrong.delete(wrongKey(source, key))
      wrong.set(wrongKey(source, key), { source, key, at: now() })
      while (wrong.size > maxWrongCopies) wrong.delete(wrong.keys().next().value as string)
    },
    isBad(source, key) {
      const entry = wrong.get(wrongKey(source, key))
      if (!entry) return false
      if (now() - entry.at < rememberWrongCopy) return true
      wrong.delete(wrongKey(source, key))
      return false
    },
    penalty,
    order(items, nameOf) {
      return items
        .map((item, index) => ({ item, index, penalty: Math.floor(penalty(nameOf(item))) }))
        .sort((a, b) => a.penalty - b.penalty || a.index - b.index)
        .map(({ item }) => item)
    },
    wrongCopies: () => [...wrong.values()],
  }
}
