import { InvalidInputError } from '../../errors/common.js'

/**
 * Refuses what is no path inside a store: each part starts with a letter, a digit, or one dot, and
 * none leads upwards. Whatever a path is made from, no file outside is reached.
 */
export function assertPath(path: string): string {
  const form = /^(?:\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)(?:\/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/
  if (typeof path === 'string' && path.length <= 1_000 && form.test(path)) return path
  throw new InvalidInputError({ field: 'path', reason: 'it is no path inside a store' })
}
