/** Numbers of options. */
import { UsageError } from './errors.js'

/**
 * A whole number of an option.
 *
 * @throws {UsageError} for anything else, and for more than `digits` digits.
 */
export function wholeNumber(option: string, text: string, digits: number): number {
  if (/^\d+$/.test(text) && text.length <= digits) return Number(text)
  throw new UsageError(`--${option} is a whole number, not ${JSON.stringify(text)}.`)
}
