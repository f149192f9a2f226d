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
export {
  createProcessMemory,
  type EvictionReason,
  type MemoryEntry,
  type MemoryEvent,
  type MemorySlot,
  type MemoryStats,
  type ProcessMemory,
  type ProcessMemoryOptions,
} from './internal/processMemory.js'
