/**
 * `@newton/policy-sdk`: what every user needs, browser-safe and without I/O.
 *
 * Storage, evaluation, enclaves and chain access have subpaths of their own.
 */
export * from './core/index.js'
export {
  BaseError,
  type BaseErrorOptions,
  InvalidInputError,
  isPolicySdkError,
  MissingPeerError,
  TimeoutError,
} from './errors/index.js'
export type { IoOptions } from './internal/deadline.js'
