/** The parts of a bundle that may be absent: tree, anchors, provenance. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT, computeKeyHash, namespaces, ZERO_HASH } from '../../core/artifact.js'
import type { JsonObject } from '../../core/canonicalJson.js'
import type { DigestPreimage } from '../../core/digest.js'
import { bytesEqual, fromHex } from '../../internal/bytes.js'
import { verifyChainAnchor } from '../../ledger/anchor/chainAnchor.js'
import type { ChainAnchorReceipt } from '../../ledger/anchor/receipts.js'
import {
  type Checkpoint,
  type CheckpointTrust,
  openCheckpoint,
} from '../../ledger/log/checkpoint.js'
import { verifyConsistency } from '../../ledger/log/merkle.js'
import { fromProofCalldata, verifyProof } from '../../statetree/proof/proof.js'
import type { BundledAnchor, BundledArtifact, EvaluationBundle } from './bundle.js'
import type { BundleCheck, BundleTrust } from './trust.js'

const failed = (reason: string): BundleCheck => ({ status: 'failed', reason })
const unknown = (reason: string): BundleCheck => ({ status: 'not_checked', reason })

/** Every artifact that the digest names, under a root that the verifier knows as committed. */
export function checkTree(
  { tree }: EvaluationBundle,
  { stateRoots }: BundleTrust,
  preimage: DigestPreimage | undefined,
): BundleCheck {
  if (tree === undefined) return unknown('the bundle has no tree proofs')
  if (preimage === undefined) return unknown('the digest was not checked')
  const wrong = tree.artifacts.find((artifact) => !isUnder(tree.root, artifact))
  if (wrong !== undefined) return failed(`${wrong.hash} is not shown to be under the root`)
  const shown = new Set(tree.artifacts.map(({ namespace, hash }) => `${namespace}/${hash}`))
  const missing = artifactsOf(preimage).find((name) => !shown.has(name))
  if (missing !== undefined) return failed(`${missing} has no proof`)
  if (stateRoots === undefined) return unknown('no committed roots are known')
  return stateRoots.some((root) => root.toLowerCase() === tree.root)
    ? { status: 'passed' }
    : failed(`the root ${tree.root} is not one that was committed`)
}

function isUnder(root: Hex, { namespace, hash, proof }: BundledArtifact): boolean {
  const { depth, present, ...rest } = proof
  const calldata = { ...rest, depth: Number(depth), present: BigInt(present) }
  return verifyProof({
    ...{ root, keyHash: computeKeyHash(namespace, hash), valueHash: hash },
    proof: fromProofCalldata(calldata, 'inclusion'),
  })
}

/** Artifacts by namespace and hash; an absent schema is none. */
function artifactsOf(preimage: DigestPreimage): string[] {
  const named: [number, Hex][] = [
    [namespaces.rego, preimage.regoHash],
    [namespaces.policyParamsSchema, preimage.policyParamsSchemaHash],
    ...preimage.data.flatMap((data): [number, Hex][] => [
      [namespaces.wasm, data.wasmHash],
      [namespaces.policyDataParamsSchema, data.policyDataParamsSchemaHash],
      [namespaces.secretsSchema, data.secretsSchemaHash],
    ]),
  ]
  return named
    .filter(([, hash]) => hash !== ARTIFACT_ABSENT && hash !== ZERO_HASH)
    .map(([namespace, hash]) => `${namespace}/${hash}`)
}

/** The checkpoint that the proof is of, or one that it grew to, is anchored. One anchor is enough. */
export function checkAnchors(
  { anchors = [] }: EvaluationBundle,
  { anchor: trust, ledger }: BundleTrust,
  meta: Checkpoint | undefined,
): BundleCheck {
  if (anchors.length === 0) return unknown('the bundle has no anchors')
  if (trust === undefined) return unknown('no anchors are trusted')
  if (meta === undefined) return unknown('the meta log was not checked')
  const reasons: string[] = []
  for (const anchor of anchors) {
    const verdict = verifyChainAnchor(receiptOf(anchor), trust)
    if (verdict.status !== 'verified') reasons.push(verdict.reason)
    // One that is wrong is none to be passed over: somebody put it there.
    else if (!grewTo(meta, verdict.checkpoint, anchor)) reasons.push('growth')
    else if (!isSigned(meta, verdict.checkpoint, { anchor, log: ledger.meta })) {
      reasons.push('checkpoint')
    }
  }
  return reasons.length === 0 ? { status: 'passed' } : failed(reasons.join(', '))
}

function grewTo(meta: Checkpoint, anchored: Checkpoint, { growth }: BundledAnchor): boolean {
  return (
    meta.origin === anchored.origin &&
    verifyConsistency({
      ...{ oldSize: meta.size, oldRoot: meta.root },
      ...{ newSize: anchored.size, newRoot: anchored.root },
      proof: growth.map((hash) => fromHex(hash)),
    })
  )
}

/**
 * Whether the log signed the size that was anchored. RFC 9162 proofs do not commit to a size, so an owner
 * can anchor a right root under a wrong one; a log that signs that has forked.
 */
function isSigned(
  meta: Checkpoint,
  anchored: Checkpoint,
  { anchor, log }: { anchor: BundledAnchor; log: CheckpointTrust },
): boolean {
  const isProofs = meta.size === anchored.size && bytesEqual(meta.root, anchored.root)
  if (anchor.checkpoint === undefined) return isProofs
  const opened = openCheckpoint(anchor.checkpoint, log)
  if (opened.status !== 'verified') return false
  const { origin, size, root } = opened.checkpoint
  return origin === anchored.origin && size === anchored.size && bytesEqual(root, anchored.root)
}

/** What is verified of a receipt: a bundle holds nothing that nobody looks at. */
const receiptMembers = [
  ...[
    'chainId',
    'contract',
    'kind',
    'origin',
    'owner',
    'position',
    'proof',
    'root',
    'size',
    'time',
  ],
]

function receiptOf({ receipt }: BundledAnchor): ChainAnchorReceipt {
  const unexpected = Object.keys(receipt).some((name) => !receiptMembers.includes(name))
  const { size, time, ...rest } = receipt as Record<string, unknown> & {
    size: string
    time: string
  }
  const isDecimal = [size, time].every((value) => /^(0|[1-9][0-9]{0,18})$/.test(String(value)))
  // What does not read is a receipt of nothing: the verifier says so.
  if (unexpected || rest['kind'] !== 'chain' || !isDecimal) return {} as ChainAnchorReceipt
  return { ...rest, size: BigInt(size), time: BigInt(time) } as unknown as ChainAnchorReceipt
}

/** A receipt as a bundle holds it. */
export function bundleReceipt(receipt: ChainAnchorReceipt): JsonObject {
  const { size, time, transactionHash: _, ...rest } = receipt
  return { ...rest, size: size.toString(), time: time.toString() } as unknown as JsonObject
}

/** Every plugin has a claim that the verifier accepts; claims about other plugins are refused. */
export function checkProvenance(
  { provenance = [] }: EvaluationBundle,
  { provenance: accepts }: BundleTrust,
  preimage: DigestPreimage | undefined,
): BundleCheck {
  if (provenance.length === 0) return unknown('the bundle has no claims')
  if (accepts === undefined) return unknown('no claims are trusted')
  if (preimage === undefined) return unknown('the digest was not checked')
  const plugins = preimage.data.map(({ wasmHash }) => wasmHash)
  const foreign = provenance.find(({ wasmHash }) => !plugins.includes(wasmHash))
  if (foreign !== undefined) return failed(`${foreign.wasmHash} is no plugin of this evaluation`)
  const unclaimed = plugins.find(
    (plugin) =>
      !provenance.some(
        ({ wasmHash, claim }) => wasmHash === plugin && accepts(claim, plugin) === true,
      ),
  )
  return unclaimed === undefined
    ? { status: 'passed' }
    : failed(`no claim about ${unclaimed} is accepted`)
}
