/** One check made before anything is signed. */
export type PreflightCheck = {
  /** Stable name of the rule: the contract's error name, or a rule of the client side. */
  rule: string
  ok: boolean
  /** A failed `error` stops the action; a failed `warning` does not. */
  level: 'error' | 'warning'
  /** What was found. */
  detail: string
  /** What to do about it; empty where the check passed. */
  fix: string
}

/** A check that passed. */
export function passed(rule: string, detail: string): PreflightCheck {
  return { rule, ok: true, level: 'error', detail, fix: '' }
}

/** A check that failed and stops the action. */
export function failed(rule: string, detail: string, fix: string): PreflightCheck {
  return { rule, ok: false, level: 'error', detail, fix }
}

/** A check that failed, or could not be made, and does not stop the action. */
export function warning(rule: string, detail: string, fix: string): PreflightCheck {
  return { rule, ok: false, level: 'warning', detail, fix }
}

/** A check that one thing is another, as text without regard to case. */
export function equal(
  rule: string,
  { found, wanted, fix }: { found: unknown; wanted: unknown; fix: string },
): PreflightCheck {
  return String(found).toLowerCase() === String(wanted).toLowerCase()
    ? passed(rule, `it is ${found}`)
    : failed(rule, `it is ${found}, expected ${wanted}`, fix)
}

/** A check by a condition: one text for both outcomes, a fix for the bad one. */
export function holds(
  rule: string,
  { ok, detail, fix }: { ok: boolean; detail: string; fix: string },
): PreflightCheck {
  return ok ? passed(rule, detail) : failed(rule, detail, fix)
}
