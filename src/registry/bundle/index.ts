/**
 * One evaluation as one file that a stranger verifies offline: who attested it, that it was logged,
 * where its artifacts stand, where the log is anchored. Browser-safe; no client, no socket.
 */
export {
  type BundledAnchor,
  type BundledArtifact,
  bundleVersion,
  createEvaluationBundle,
  type EvaluationBundle,
  formatEvaluationBundle,
  parseEvaluationBundle,
} from './bundle.js'
export { bundleReceipt } from './optional.js'
export {
  type BundleCheck,
  type BundleCheckName,
  type BundleTrust,
  type BundleVerdict,
  bundleChecks,
  type OptionalPart,
} from './trust.js'
export { verifyEvaluationBundle } from './verify.js'
