import type { DocumentVerifier } from '../../core/interfaces/documentVerifier.js'
import { assertKnown } from '../../internal/options.js'
import {
  type NitroVerdict,
  verifyArchivedNitroAttestation,
  verifyNitroAttestation,
} from './verify.js'
import type { NitroRoot } from './x509/roots.js'
import type { P384Backend } from './x509/signature.js'

/** Parameters of {@link createDocumentVerifier}. */
export type DocumentVerifierParameters = {
  /** @default 'aws' */
  roots?: 'aws' | readonly NitroRoot[] | undefined
  /** Must be true for roots other than AWS's. */
  insecureTrustRoot?: boolean | undefined
  /** Most milliseconds of age where a document is judged live. @default 300000 */
  maxAge?: number | undefined
  clock?: (() => number) | undefined
  skew?: number | undefined
  backend?: P384Backend | undefined
}

/**
 * Creates what checks the documents of task responses: the named measurement, the user data, the
 * certificates and the signature.
 *
 * Whether the measurement was whitelisted is a question for the chain, asked elsewhere.
 *
 * @example
 * ```ts
 * import { createDocumentVerifier } from '@newton/policy-sdk/enclave'
 *
 * const verifier = createDocumentVerifier()
 * ```
 */
export function createDocumentVerifier(
  parameters: DocumentVerifierParameters = {},
): DocumentVerifier {
  const own = ['maxAge', 'clock', 'roots', 'insecureTrustRoot', 'skew', 'backend']
  assertKnown('parameters', parameters, own)
  const { maxAge = 300_000, clock, ...base } = parameters
  return {
    verifyDocument: async ({ document, pcr0Commitment, userData, archived }, options = {}) => {
      const policy = {
        ...base,
        measurements: { pcr0Commitment },
        binding: { userData, publicKey: 'any' },
      } as const
      let verdict: NitroVerdict
      try {
        verdict = archived
          ? await verifyArchivedNitroAttestation(document, { ...policy, at: 'document' }, options)
          : await verifyNitroAttestation(
              document,
              { ...policy, clock, freshness: { kind: 'maxAge', maxAge } },
              options,
            )
      } catch {
        // Cut short by the caller.
        return { status: 'inconclusive', reason: 'ABORTED' }
      }
      if (verdict.status === 'valid') return { status: 'valid' }
      // Asked with nonsense: nothing was found out about the document.
      if (verdict.code === 'POLICY') return { status: 'inconclusive', reason: verdict.code }
      return { status: 'reject', code: verdict.code }
    },
  }
}
