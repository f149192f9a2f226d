/** What the matchers add to vitest's assertions. */

/** The matchers, as `expect(…)` has them. */
export interface PolicyMatchers<R = unknown> {
  /** An outcome of `verifyTaskAttestation`: `valid`, at a level or above. */
  toBeValidAttestation(level?: 'quorum' | 'result'): R
  /** An outcome of `verifyTaskAttestation`: refused, slashable or disputed, for a reason. */
  toBeRefusedWith(reason: string): R
  /** An evaluation, or a verified task: allowed. */
  toAllow(): R
  /** An evaluation, or a verified task: denied, with a reason of the policy where one is given. */
  toDeny(reason?: string | RegExp): R
  /** A promise that rejects because a contract reverted with an error of this name. */
  toRevertWith(errorName: string): Promise<R>
}

declare module 'vitest' {
  // The one form that versions 2 to 4 share; its parameter has to be written as theirs is.
  // biome-ignore lint/suspicious/noExplicitAny: vitest declares the same parameter with this default
  interface Assertion<T = any> extends PolicyMatchers<T> {}
  interface AsymmetricMatchersContaining extends PolicyMatchers {}
}
