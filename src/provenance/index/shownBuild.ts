/** Whether a claim's evidence is of the build that the claim is about, and of the plugin's own bytes. */
import type { VerificationEvidence } from '../claims/evidence.js'
import type { IndexedBuild, IndexedClaim, ProvenanceRecord } from './provenanceIndex.js'

/** The build that a claim is about, where somebody says that the plugin comes from it. */
export function claimedBuild(
  record: ProvenanceRecord,
  claim: IndexedClaim,
): IndexedBuild | undefined {
  return record.builds.find(({ buildInfoHash }) => buildInfoHash === claim.buildInfoHash)
}

/**
 * The evidence behind a claim. `undefined` where there is none, and where it is of another build, of other
 * bytes or of other code: such evidence shows nothing of this plugin.
 */
export function shownBuild(
  record: ProvenanceRecord,
  claim: IndexedClaim,
): VerificationEvidence | undefined {
  const info = claimedBuild(record, claim)?.info
  const { evidence } = claim
  if (info === undefined || evidence === undefined || record.hashes === undefined) return undefined
  const { wasmSha256, codeSha256 } = record.hashes
  const isOfBuild =
    evidence.image === info.image &&
    evidence.sourceSha256 === info.sourceSha256 &&
    evidence.wasmSha256 === wasmSha256
  const isOfCode =
    evidence.result !== 'match' ||
    evidence.rebuiltCodeSha256 === undefined ||
    evidence.rebuiltCodeSha256 === codeSha256
  return isOfBuild && isOfCode ? evidence : undefined
}
