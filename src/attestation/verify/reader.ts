/** What a verification reads from. The parts come from `registry`, `da` and `eval`. */
import type { Hex } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import type { DocumentVerifier } from '../../core/interfaces/documentVerifier.js'
import type { PluginReplayer, ResultReplayer } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { EnvelopeSource } from '../../core/interfaces/secretsOpener.js'
import { TimeoutError } from '../../errors/common.js'
import { InconclusiveError } from './errors.js'
import type { InconclusiveReason } from './outcome.js'

/** Sources of a verification. Each level names what it needs; a missing one is inconclusive. */
export type AttestationReader = {
  /** Needed from level `binding` on. */
  registry: RegistryReader
  /** Needed from level `artifacts` on. */
  artifacts?: ArtifactSource | undefined
  /** Needed from level `quorum` on. */
  certificates?: CertificateReader | undefined
  /** Needed at level `result`. */
  replayer?: ResultReplayer | undefined
  /** Needed at level `result` where a data template has a secrets schema. */
  envelopes?: EnvelopeSource | undefined
  /** Used at level `result` where a transcript is supplied. */
  plugins?: PluginReplayer | undefined
  /** Used at level `result` where an enclave is named: its document must then verify. */
  documents?: DocumentVerifier | undefined
}

/** Inputs of an evaluation as they travel with a response. */
export type AttestedInputs = {
  outputs: Readonly<Record<Hex, Json>>
  secrets: Readonly<Record<Hex, Hex>>
}

/**
 * Runs one read. Whatever fails is inconclusive, except a cancellation by the caller.
 *
 * @throws {InconclusiveError} with `reason`, or `TIMEOUT`.
 */
export async function obtain<value>(
  what: { reason: InconclusiveReason; detail: string; signal?: AbortSignal | undefined },
  read: () => Promise<value>,
): Promise<value> {
  try {
    return await read()
  } catch (cause) {
    if (what.signal?.aborted === true) throw what.signal.reason
    if (cause instanceof InconclusiveError) throw cause
    const reason = cause instanceof TimeoutError ? 'TIMEOUT' : what.reason
    throw new InconclusiveError({ reason, detail: what.detail }, { cause })
  }
}
