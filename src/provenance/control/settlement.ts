/** Ends a job: evidence, then the claim, then whoever is told of it. */
import { fromHex } from '../../internal/bytes.js'
import { decodeBuildInfo } from '../build/buildInfo.js'
import { encodeEvidence } from '../claims/evidence.js'
import type { StoredJob } from '../queue/jobQueue.js'
import { agreedOutcome, whyNone } from './answers.js'
import { answersOf, evidenceOf, payloadOf } from './buildJobs.js'
import type { ControlPlaneParameters } from './parameters.js'

/** Records what came of a job, or says why nothing did. */
export async function settleJob(
  parameters: ControlPlaneParameters,
  job: StoredJob,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<void> {
  const { claims, evidence: store, onClaim, onEvent, confirmations = 1 } = parameters
  const payload = payloadOf(job)
  const answers = answersOf(job)
  const info = decodeBuildInfo(fromHex(payload.xdr))
  const agreed =
    job.state === 'poisoned' ? undefined : agreedOutcome(answers, { confirmations, last: true })
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
  const { transactionHash } = await claims.submitClaim(
    { wasmHash, buildInfoHash, result, evidenceUri },
    { signal },
  )
  await onClaim?.({ evidence, evidenceUri, buildInfo: info, guessed, transactionHash })
  onEvent?.({ type: 'control.claimed', evidence, evidenceUri, transactionHash })
}
