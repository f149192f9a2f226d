/**
 * The one error class that every error of this package extends.
 *
 * The shape follows what users of viem know (`shortMessage`, `metaMessages`, `details`,
 * `walk`), plus a stable machine-readable `code` and `retryable`.
 */

const brand: unique symbol = Symbol.for('@newton/policy-sdk/error') as never

/** Options of {@link BaseError}. */
export type BaseErrorOptions = {
  /** What led to this error. Kept as `cause`, never swallowed. */
  cause?: unknown
  /** Whether the same call may succeed later without any change by the caller. */
  retryable?: boolean | undefined
  /** What to do about it, one line each. */
  metaMessages?: readonly string[] | undefined
  /** The technical reason, often the message of the cause. */
  details?: string | undefined
}

/**
 * Base of all errors thrown by `@newton/policy-sdk`.
 *
 * Subclasses set `name` and `code`; both are API and never change. Two copies of the package may
 * be installed at once, so recognize errors with {@link isPolicySdkError} and not `instanceof`.
 *
 * @example
 * ```ts
 * import { isPolicySdkError } from '@newton/policy-sdk'
 *
 * try {
 *   // …
 * } catch (error) {
 *   if (isPolicySdkError(error) && error.retryable) scheduleAgain()
 *   else throw error
 * }
 * ```
 */
export class BaseError extends Error {
  override readonly name: string = 'BaseError'
  /** Stable identifier of the failure, for programs. */
  readonly code: string = 'UNKNOWN'
  /** Whether a later try of the same call may succeed. */
  readonly retryable: boolean
  /** The first line of the message. */
  readonly shortMessage: string
  /** Lines that say what to do. */
  readonly metaMessages: readonly string[]
  /** The technical reason, if there is one. */
  readonly details: string | undefined
  /** The transaction that was sent before this happened, where one was: it may be mined. */
  transactionHash: `0x${string}` | undefined

  constructor(shortMessage: string, options: BaseErrorOptions = {}) {
    const { cause, metaMessages = [], retryable = false } = options
    const details =
      options.details ?? (cause instanceof Error ? firstLine(cause.message) : undefined)
    const lines = [shortMessage]
    if (metaMessages.length > 0) lines.push('', ...metaMessages)
    if (details !== undefined && details !== '') lines.push('', `Details: ${details}`)
    super(lines.join('\n'), cause === undefined ? undefined : { cause })
    this.shortMessage = shortMessage
    this.metaMessages = metaMessages
    this.details = details
    this.retryable = retryable
    Object.defineProperty(this, brand, { value: true })
  }

  /**
   * Walks the chain of causes, this error first, and returns the first one that matches.
   *
   * @param matches - Test of one error. Without it, the deepest cause is returned.
   */
  walk(matches?: (error: unknown) => boolean): unknown {
    let current: unknown = this
    for (let depth = 0; depth < 64; depth++) {
      if (matches?.(current)) return current
      const next: unknown = current instanceof Error ? current.cause : undefined
      if (next === undefined || next === null) return matches ? undefined : current
      current = next
    }
    return undefined
  }

  /** JSON form without stack and without causes, safe to log. */
  toJSON(): { name: string; code: string; message: string; retryable: boolean } {
    return { name: this.name, code: this.code, message: this.message, retryable: this.retryable }
  }
}

/**
 * Tells whether `error` was thrown by this package, also by another copy of it.
 *
 * @example
 * ```ts
 * import { isPolicySdkError } from '@newton/policy-sdk'
 *
 * isPolicySdkError(new Error('other')) // false
 * ```
 */
export function isPolicySdkError(error: unknown): error is BaseError {
  return (
    typeof error === 'object' &&
    error !== null &&
    (error as Record<symbol, unknown>)[brand] === true
  )
}

function firstLine(message: string): string {
  const end = message.indexOf('\n')
  return end === -1 ? message : message.slice(0, end)
}
