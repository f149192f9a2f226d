/** What a connection, and all connections of one server together, may use. */
import { InvalidInputError } from '../../errors/common.js'

/** Limits of a connection. */
export type WireLimits = {
  /** Most bytes of a frame body. @default 4194304 */
  maxFrame: number
  /** Most requests in flight: their work counts until it really ends. @default 32 */
  maxInflight: number
  /** Most bytes that wait to be written. @default 16777216 */
  maxQueuedBytes: number
  /** Milliseconds for a frame header that has begun. @default 5000 */
  headerTimeout: number
  /** Milliseconds for a frame body that has begun. @default 30000 */
  bodyTimeout: number
  /** Milliseconds for connecting and greeting. @default 5000 */
  connectTimeout: number
  /** Milliseconds between pings; two without an answer end the connection. @default 15000 */
  pingInterval: number
}

/** Limits of a server: of each connection, and of all together. */
export type ServerLimits = WireLimits & {
  /** Most connections; for one more, the one that has been idle longest makes room. @default 64 */
  maxConnections: number
  /** Most bytes in frames that are not whole, requests in work and answers not sent. @default 67108864 */
  maxTotalBytes: number
  /** Most requests in work. @default 128 */
  maxTotalInflight: number
  /** Milliseconds without a frame after which a connection with nothing in flight ends. @default 60000 */
  idleTimeout: number
}

/** Limits where nothing else is said. */
export const defaultWireLimits: WireLimits = {
  maxFrame: 4_194_304,
  maxInflight: 32,
  maxQueuedBytes: 16_777_216,
  headerTimeout: 5_000,
  bodyTimeout: 30_000,
  connectTimeout: 5_000,
  pingInterval: 15_000,
}

/** Limits of a server where nothing else is said. */
export const defaultServerLimits: ServerLimits = {
  ...defaultWireLimits,
  maxConnections: 64,
  maxTotalBytes: 67_108_864,
  maxTotalInflight: 128,
  idleTimeout: 60_000,
}

/**
 * Fills limits up with defaults.
 *
 * @throws {InvalidInputError} for one that is no number above 0, or too large for a timer or a frame.
 */
export function readLimits<limits extends WireLimits>(
  given: Partial<limits> | undefined,
  defaults: limits,
): limits {
  const set = Object.entries(given ?? {}).filter(([, value]) => value !== undefined)
  for (const [name, value] of set) {
    if (!Object.hasOwn(defaults, name)) continue
    if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > 2 ** 31 - 1) {
      throw new InvalidInputError({
        field: `limits.${name}`,
        reason: 'expected a whole number from 1 to 2147483647',
      })
    }
  }
  return { ...defaults, ...Object.fromEntries(set) }
}
