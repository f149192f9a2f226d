/**
 * The result word of a response, and the one way to read results.
 *
 * Reading ports the task manager's `TaskLib.evaluateResult` exactly: 32 bytes equal to 1, or at
 * least 96 bytes whose word at 64 is 4 and whose word at 96 starts with "true". All else denies.
 */
import type { Hex } from 'viem'

/** The ABI word 1. */
export const RESULT_ALLOW: Hex = `0x${'00'.repeat(31)}01`
/** The ABI word 0. */
export const RESULT_DENY: Hex = `0x${'00'.repeat(32)}`

/** Encodes a decision as the one ABI word that is signed. Only `true` allows. */
export function encodeEvaluationResult(allow: boolean): Hex {
  return allow === true ? RESULT_ALLOW : RESULT_DENY
}

/**
 * Reads a result the way the task manager contract does.
 *
 * Exactly 32 bytes: allow iff they are the number 1. At least 96 bytes: allow iff they hold the
 * ABI string "true" (the second word is 4 and the third is the zero-padded text; the first is not
 * looked at). Everything else, of any type, is a deny.
 *
 * @example
 * ```ts
 * import { evaluateResult, RESULT_ALLOW } from '@newton/policy-sdk'
 *
 * evaluateResult(RESULT_ALLOW) // true
 * evaluateResult('0x64656e79') // false: the text "deny"
 * ```
 */
export function evaluateResult(result: Hex): boolean {
  if (typeof result !== 'string' || !/^0x(?:[\da-fA-F]{2})*$/.test(result)) return false
  const digits = result.slice(2).toLowerCase()
  if (digits.length === 64) return digits === RESULT_ALLOW.slice(2)
  if (digits.length < 192) return false
  return digits.slice(64, 128) === TRUE_LENGTH && digits.slice(128, 192) === TRUE_WORD
}

const TRUE_LENGTH = '4'.padStart(64, '0')
const TRUE_WORD = '74727565'.padEnd(64, '0')
