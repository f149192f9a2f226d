/** What a dishonest operator would sign: the digest of an evaluation with another plugin. */
import {
  computeArtifactDigest,
  computeArtifactHash,
  type DigestPreimage,
  type PolicyTaskResponse,
} from '@newton/policy-sdk'

type Attested = { response: PolicyTaskResponse; preimage: DigestPreimage }

export function forgeDigest(honest: Attested): Attested {
  const wasmHash = computeArtifactHash(new TextEncoder().encode('another plugin'))
  const data = honest.preimage.data.map((entry) => ({ ...entry, wasmHash }))
  const preimage = { ...honest.preimage, data }
  return {
    preimage,
    response: { ...honest.response, artifactDigest: computeArtifactDigest(preimage) },
  }
}
