/** What a refused filing says about the challenge: over, done already, or to be tried again. */
import { isPolicySdkError } from '../../errors/base.js'

/**
 * What to do about a filing that failed.
 *
 * - `final`: nobody can file it, now or later
 * - `unfounded`: the contract finds nothing false; to be compared with an own verification
 * - `settled`: all these signers were slashed for it already
 * - `proof`: the proof does not hold; another one may
 * - `signers`: fewer or other signers may go through
 * - `later`: everything else; a node that lags refuses true challenges too
 */
export type FilingRefusal = 'final' | 'unfounded' | 'settled' | 'proof' | 'signers' | 'later'

/** Tells what a failed filing means. What is not known is tried again. */
export function classifyRefusal(error: unknown): FilingRefusal {
  const { reasons, reverted, tooLarge } = readCauses(error)
  if (reasons.some((reason) => finalReasons.has(reason))) return 'final'
  if (reasons.includes('NothingToSlash')) return 'settled'
  if (reasons.includes('ChallengeFailed')) return 'unfounded'
  if (reasons.includes('ProofRejected')) return 'proof'
  if (reasons.some((reason) => responseReasons.has(reason))) return 'later'
  return reverted || tooLarge ? 'signers' : 'later'
}

/** No later block changes these. */
const finalReasons: ReadonlySet<string> = new Set([
  'ChallengeWindowClosed',
  'WrongChain',
  'WrongPolicyRegistry',
  'ReferenceBlockHashUnchecked',
])

/** These are about the response, whoever the signers are. */
const responseReasons: ReadonlySet<string> = new Set([
  'ResponseNotAccepted',
  'CertificateMessageHashMismatch',
  'ReferenceTimestampMismatch',
  'VerifierNotSet',
  'PublicValueMismatch',
  'DocumentSignatureInvalid',
])

// Nodes say in many ways that a transaction needs too much gas or has too much data.
const sizeWords =
  /out of gas|intrinsic gas|gas required exceeds|exceeds? .{0,40}\bgas|gas limit|exceeds the limit|oversized|too large/i

type Causes = { reasons: string[]; reverted: boolean; tooLarge: boolean }

/** Reads a chain of causes by its fields: the classes are of another layer, or another copy. */
function readCauses(error: unknown): Causes {
  const found: Causes = { reasons: [], reverted: false, tooLarge: false }
  if (!isPolicySdkError(error)) return found
  error.walk((one) => {
    const { code, errorName, checks, status, shortMessage, message, details } = Object(one) as {
      [field: string]: unknown
    }
    if (typeof errorName === 'string') found.reasons.push(errorName)
    if (code === 'CONTRACT_REVERT') found.reverted = true
    if (code === 'PREFLIGHT_FAILED' && Array.isArray(checks)) {
      found.reasons.push(...checks.filter(isFailed).map(({ rule }) => rule))
    }
    const text = `${String(shortMessage ?? message ?? '')} ${String(details ?? '')}`
    if (status === 413 || sizeWords.test(text)) found.tooLarge = true
    return false
  })
  return found
}

function isFailed(check: unknown): check is { rule: string } {
  const { rule, ok, level } = Object(check) as Record<string, unknown>
  return typeof rule === 'string' && ok === false && level === 'error'
}
