/** What a dishonest operator would sign: the digest of an evaluation with another plugin. */
import {
  computeArtifactDigest,
  computeArtifactHash,
  type DigestPreimage,
  type Evaluation,
  type PolicyTaskResponse,
} from '@newton/policy-sdk'

export function forgeDigest(evaluation: Evaluation): {
  response: PolicyTaskResponse
  preimage: DigestPreimage
} {
  const wasmHash = computeArtifactHash(new TextEncoder().encode('another plugin'))
  const data = evaluation.digestPreimage.data.map((entry) => ({ ...entry, wasmHash }))
  const preimage = { ...evaluation.digestPreimage, data }
  return {
    preimage,
    response: { ...evaluation.response, artifactDigest: computeArtifactDigest(preimage) },
  }
}
