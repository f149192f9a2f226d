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
