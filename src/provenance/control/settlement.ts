/** Ends a job: evidence, then the claim, then whoever is told of it. */
import { fromHex } from '../../internal/bytes.js'
import { decodeBuildInfo } from '../build/buildInfo.js'
import {
  encodeEvidence,
  evidenceHashOf,
  readEvidence,
  type VerificationEvidence,
} from '../claims/evidence.js'
import type { StoredJob } from '../queue/jobQueue.js'
import { whyNone } from './answers.js'
import { answersOf, evidenceOf, lower, outcomeOf, payloadOf } from './buildJobs.js'
import type { ControlPlaneParameters } from './parameters.js'

/**
 * Records what came of a job, or says why nothing did.
 *
 * @param options.keep - Keeps the job for whoever records it; `false` where it is another's by now.
 */
export async function settleJob(
  parameters: ControlPlaneParameters,
  job: StoredJob,
  { signal, keep }: { signal?: AbortSignal | undefined; keep: () => Promise<boolean> },
): Promise<void> {
  const { claims, evidence: store, onClaim, onEvent, confirmations = 1 } = parameters
  const payload = payloadOf(job)
  const answers = answersOf(job)
  const info = decodeBuildInfo(fromHex(payload.xdr))
  const agreed =
    job.state === 'poisoned'
      ? undefined
      : outcomeOf(payload, answers, { confirmations, last: true })
  if (agreed === undefined) {
    const reason = job.state === 'poisoned' ? 'its workers were lost' : whyNone(answers)
    onEvent?.({ type: 'control.gave_up', jobId: job.id, state: job.state, reason })
    return
  }
  const evidence = evidenceOf(payload, info, agreed)
  const { guessed = false } = payload
  if (guessed && evidence.result !== 'match') {
    const { wasmHash, buildInfoHash, result } = evidence
    onEvent?.({ type: 'control.guessed', wasmHash, buildInfoHash, result })
    return
  }
  const { bytes, hash } = encodeEvidence(evidence)
  const evidenceUri = await store.put(bytes, hash)
  const { wasmHash, buildInfoHash, result } = evidence
  const replace = await isWorthMore(parameters, { evidence, evidenceUri })
  // What came before may have taken longer than the job was kept for.
  if (!(await keep())) return
  const { transactionHash } = await claims.submitClaim(
    { wasmHash, buildInfoHash, result, evidenceUri },
    { signal, ...(replace ? { replace } : {}) },
  )
  await onClaim?.({ evidence, evidenceUri, buildInfo: info, guessed, transactionHash })
  onEvent?.({ type: 'control.claimed', evidence, evidenceUri, transactionHash })
}

/**
 * Whether a match is worth more than the same word on chain: that one rests on a build without walls, on
 * evidence that is lost, or on evidence at an address where it is no more, such as one of this machine.
 */
async function isWorthMore(
  { index, claims, evidence: store }: ControlPlaneParameters,
  made: { evidence: VerificationEvidence; evidenceUri: string },
): Promise<boolean> {
  const { evidence, evidenceUri } = made
  if (evidence.result !== 'match' || evidence.isolation !== 'bubblewrap') return false
  const own = index
    .get(evidence.wasmHash)
    ?.claims.find(
      ({ verifier, buildInfoHash, result }) =>
        lower(verifier) === lower(claims.verifier) &&
        buildInfoHash === evidence.buildInfoHash &&
        result === 'match',
    )
  if (own === undefined || own.evidenceUri === evidenceUri) return false
  if (placeOf(own.evidenceUri) !== placeOf(evidenceUri)) return true
  const hash = evidenceHashOf(own.evidenceUri)
  const bytes = hash && (await store.get(hash))
  return (bytes && readEvidence(bytes))?.isolation !== 'bubblewrap'
}

/** Where evidence is, without the name of the document. */
function placeOf(uri: string): string {
  return uri.slice(0, uri.lastIndexOf('/'))
}
