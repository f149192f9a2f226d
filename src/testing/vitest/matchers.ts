/** Matchers that say what was found, not only that it differs. */
import type { AttestationOutcome } from '../../attestation/index.js'
import { isPolicySdkError } from '../../errors/base.js'

/** What a matcher gives: whether it passes, and what to say where it does not. */
export type MatcherResult = { pass: boolean; message: () => string }

/**
 * The matchers, for `expect.extend`.
 *
 * @example
 * ```ts
 * import { expect } from 'vitest'
 * import { policyMatchers } from '@newton/policy-sdk/testing/vitest'
 *
 * expect.extend(policyMatchers)
 * ```
 */
export const policyMatchers = {
  toBeValidAttestation(received: unknown, level: 'quorum' | 'result' = 'quorum'): MatcherResult {
    const outcome = outcomeOf(received)
    const pass =
      outcome?.status === 'valid' && (outcome.level === 'result' || outcome.level === level)
    return {
      pass,
      message: () =>
        pass
          ? `expected the attestation not to be valid, it is: ${describe(received)}`
          : `expected an attestation that is valid at level ${level}, got ${describe(received)}`,
    }
  },
  toBeRefusedWith(received: unknown, reason: string): MatcherResult {
    const outcome = outcomeOf(received)
    const refused = ['reject', 'slashable', 'disputed'].includes(outcome?.status ?? '')
    const pass = refused && (outcome as { reason?: string }).reason === reason
    return {
      pass,
      message: () =>
        `expected an attestation ${pass ? 'not ' : ''}to be refused with ${reason}, got ${describe(received)}`,
    }
  },
  toAllow(received: unknown): MatcherResult {
    const decision = decisionOf(received)
    const pass = decision?.allow === true
    return {
      pass,
      message: () =>
        pass ? 'expected a denial, it was allowed' : `expected an allow, got ${tell(decision)}`,
    }
  },
  toDeny(received: unknown, reason?: string | RegExp): MatcherResult {
    const decision = decisionOf(received)
    const named =
      reason === undefined ||
      decision?.reasons.some((each) =>
        typeof reason === 'string' ? each === reason : reason.test(each),
      ) === true
    const pass = decision?.allow === false && named
    const wanted = reason === undefined ? 'a denial' : `a denial for ${String(reason)}`
    return {
      pass,
      message: () => `expected ${pass ? 'no' : ''} ${wanted}, got ${tell(decision)}`,
    }
  },
  async toRevertWith(received: unknown, errorName: string): Promise<MatcherResult> {
    const found = await revertOf(received)
    const pass = found === errorName
    return {
      pass,
      message: () =>
        `expected ${pass ? 'another outcome than' : ''} a revert with ${errorName}, got ${found}`,
    }
  },
}

function outcomeOf(received: unknown): AttestationOutcome | undefined {
  const { status } = (received ?? {}) as { status?: unknown }
  return typeof status === 'string' ? (received as AttestationOutcome) : undefined
}

function describe(received: unknown): string {
  const outcome = outcomeOf(received)
  if (outcome === undefined) return `${String(received)}, which is no outcome`
  const { status, ...rest } = outcome as AttestationOutcome & Record<string, unknown>
  const parts = ['level', 'reason', 'detail'].flatMap((name) =>
    rest[name] === undefined ? [] : [`${name}: ${String(rest[name])}`],
  )
  return [status, ...parts].join(', ')
}

/** A decision of an evaluation (`allow`) or of a verified task (`allowed`). */
function decisionOf(received: unknown): { allow: boolean; reasons: readonly string[] } | undefined {
  if (typeof received !== 'object' || received === null) return undefined
  const { allow, allowed, reasons } = received as Record<string, unknown>
  const decided = allow ?? allowed
  if (typeof decided !== 'boolean') return undefined
  return { allow: decided, reasons: Array.isArray(reasons) ? reasons.map(String) : [] }
}

function tell(decision: ReturnType<typeof decisionOf>): string {
  if (decision === undefined) return 'something that is no decision'
  if (decision.allow) return 'an allow'
  const quoted = decision.reasons.map((reason) => `"${reason}"`).join(', ')
  return quoted === '' ? 'a denial without reasons' : `a denial for ${quoted}`
}

async function revertOf(received: unknown): Promise<string> {
  try {
    await (typeof received === 'function' ? (received as () => unknown)() : received)
  } catch (error) {
    if (!isPolicySdkError(error)) return String(error)
    const revert = error.walk((each) => typeof nameOf(each) === 'string')
    return nameOf(revert) ?? `${error.code}: ${error.shortMessage}`
  }
  return 'no error'
}

const nameOf = (error: unknown): string | undefined =>
  (error as { errorName?: string } | undefined)?.errorName
