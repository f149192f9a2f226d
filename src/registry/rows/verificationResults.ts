import type { VerificationResult } from '../../core/interfaces/provenance.js'

/** Results of rebuilds by the contract's numbers, of which 0 is none. */
export const verificationResults: readonly (VerificationResult | undefined)[] = [
  undefined,
  'match',
  'no_match',
  'did_not_run',
]
