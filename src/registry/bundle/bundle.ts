/** One evaluation with everything that proves it, as one JSON file. */
import type { Hex } from 'viem'
import { canonicalJson, type Json, type JsonObject, parseJson } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromUtf8 } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import type { EventProof } from '../../ledger/writer/types.js'

/** Version of the file's form. */
export const bundleVersion = 'newton-evaluation-bundle/1'

/** A proof that a committed root of the state tree has an artifact. */
export type BundledArtifact = {
  /** 4 to 8, see `namespaces`. */
  namespace: number
  hash: Hex
  /** `toProofCalldata` of `/statetree`, numbers as decimal text. */
  proof: {
    depth: string
    present: string
    siblings: readonly Hex[]
    leafKeyHash: Hex
    leafValueHash: Hex
  }
}

/** An anchored checkpoint of the meta log, at or after the one that the proof is of. */
export type BundledAnchor = {
  /** A receipt of `/ledger`; numbers that are bigints there are decimal text. */
  receipt: JsonObject
  /** RFC 9162 consistency proof from the proof's checkpoint to the anchored one, as `0x` hex. */
  growth: readonly Hex[]
  /**
   * The anchored checkpoint as the log signed it, where it is a later one than the proof's: a root does
   * not commit to a size, a signature does.
   */
  checkpoint?: string | undefined
}

/** Everything about one evaluation. */
export type EvaluationBundle = {
  version: typeof bundleVersion
  attestation: {
    /** `encodeResponse`. */
    response: Hex
    /** `encodeCertificate`. */
    certificate: Hex
    /** `encodeDigestPreimage`: which artifacts the operators named. */
    digestPreimage: Hex
  }
  ledger: {
    /** The event of the evaluation, as its log has it. */
    entry: string
    /** tlog-proof of the entry in its domain's log. */
    domainProof: string
    /** The MetaRoot record that names that log's size and root. */
    metaRecord: string
    /** tlog-proof of the record in the meta log, with cosignatures. */
    metaProof: string
  }
  /** Where the artifacts stand in the tree that operators commit. */
  tree?: { root: Hex; artifacts: readonly BundledArtifact[] } | undefined
  anchors?: readonly BundledAnchor[] | undefined
  /** Claims about where the plugins come from, as their registry gives them out. */
  provenance?: readonly { wasmHash: Hex; claim: Json }[] | undefined
}

/**
 * Makes a bundle of an attested response and the proofs of its event.
 *
 * @param parameters.proof - What `prove` of a ledger answers.
 * @example
 * ```ts
 * import { createEvaluationBundle, formatEvaluationBundle } from '@newton/policy-sdk/bundle'
 * import type { EventProof } from '@newton/policy-sdk/ledger'
 *
 * declare const proof: EventProof
 * declare const attestation: {
 *   response: `0x${string}`; certificate: `0x${string}`; digestPreimage: `0x${string}`
 * }
 * export const file = formatEvaluationBundle(createEvaluationBundle({ attestation, proof }))
 * ```
 */
export function createEvaluationBundle(parameters: {
  attestation: EvaluationBundle['attestation']
  proof: EventProof
  tree?: EvaluationBundle['tree']
  anchors?: EvaluationBundle['anchors']
  provenance?: EvaluationBundle['provenance']
}): EvaluationBundle {
  assertMembers('parameters', parameters, ['attestation', 'proof'])
  const { attestation, proof, tree, anchors, provenance } = parameters
  return {
    version: bundleVersion,
    attestation,
    ledger: {
      entry: fromUtf8(proof.entry, 'proof.entry'),
      domainProof: proof.domainProof,
      metaRecord: fromUtf8(proof.metaRecord, 'proof.metaRecord'),
      metaProof: proof.metaProof,
    },
    ...(tree === undefined ? {} : { tree }),
    ...(anchors === undefined ? {} : { anchors }),
    ...(provenance === undefined ? {} : { provenance }),
  }
}

/** Writes a bundle. There is one text of a bundle: canonical JSON. */
export function formatEvaluationBundle(bundle: EvaluationBundle): string {
  return canonicalJson(bundle as unknown as Json)
}

/** Longest file that is read, in characters. */
const maxLength = 4_000_000

/**
 * Reads a bundle: canonical JSON with the members there are and no others. What it says is not verified.
 *
 * @throws {InvalidInputError} for anything else.
 */
export function parseEvaluationBundle(file: string | Uint8Array): EvaluationBundle {
  const text = typeof file === 'string' ? file : fromUtf8(file, 'bundle')
  if (text.length > maxLength) throw malformed('it is too long')
  const value = parseJson(text)
  if (canonicalJson(value) !== text) throw malformed('it is not canonical JSON')
  assertShape(value)
  return value as unknown as EvaluationBundle
}

function assertShape(value: Json): void {
  const bundle = members(value, 'bundle', ['attestation', 'ledger', 'version'], optional)
  if (bundle['version'] !== bundleVersion) throw malformed(`its version is \`${bundleVersion}\``)
  const attestation = members(bundle['attestation'], 'attestation', attestationMembers)
  for (const name of attestationMembers) hexOf(attestation[name], `attestation.${name}`)
  const ledger = members(bundle['ledger'], 'ledger', ledgerMembers)
  for (const name of ledgerMembers) textOf(ledger[name], `ledger.${name}`)
  if (bundle['tree'] !== undefined) assertTree(bundle['tree'])
  for (const [at, anchor] of listOf(bundle['anchors'], 'anchors').entries()) {
    const names = ['growth', 'receipt']
    const { receipt, growth, checkpoint } = members(anchor, `anchors[${at}]`, names, ['checkpoint'])
    if (checkpoint !== undefined) textOf(checkpoint, `anchors[${at}].checkpoint`)
    members(receipt, `anchors[${at}].receipt`, [], undefined)
    for (const hash of listOf(growth, `anchors[${at}].growth`)) hexOf(hash, 'growth')
  }
  for (const [at, entry] of listOf(bundle['provenance'], 'provenance').entries()) {
    hexOf(members(entry, `provenance[${at}]`, ['claim', 'wasmHash'])['wasmHash'], 'wasmHash')
  }
}

function assertTree(value: Json): void {
  const tree = members(value, 'tree', ['artifacts', 'root'])
  hexOf(tree['root'], 'tree.root')
  for (const [at, artifact] of listOf(tree['artifacts'], 'tree.artifacts').entries()) {
    const where = `tree.artifacts[${at}]`
    const { namespace, hash, proof } = members(artifact, where, ['hash', 'namespace', 'proof'])
    if (typeof namespace !== 'number') throw malformed(`\`${where}.namespace\` is a number`)
    hexOf(hash, `${where}.hash`)
    const parts = members(proof, `${where}.proof`, proofMembers)
    for (const name of ['leafKeyHash', 'leafValueHash']) hexOf(parts[name], `${where}.${name}`)
    for (const name of ['depth', 'present']) decimalOf(parts[name], `${where}.${name}`)
    for (const sibling of listOf(parts['siblings'], `${where}.siblings`)) hexOf(sibling, where)
  }
}

const optional = ['anchors', 'provenance', 'tree']
const attestationMembers = ['certificate', 'digestPreimage', 'response']
const ledgerMembers = ['domainProof', 'entry', 'metaProof', 'metaRecord']
const proofMembers = ['depth', 'leafKeyHash', 'leafValueHash', 'present', 'siblings']

/** An object with these members; with `more` left out by name, any others. */
function members(
  value: Json | undefined,
  where: string,
  names: readonly string[],
  more: readonly string[] | undefined = [],
): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed(`\`${where}\` is an object`)
  }
  const object = value as JsonObject
  const missing = names.find((name) => !Object.hasOwn(object, name))
  if (missing !== undefined) throw malformed(`\`${where}\` lacks \`${missing}\``)
  if (names.length === 0) return object
  const unknown = Object.keys(object).find((name) => !names.includes(name) && !more.includes(name))
  if (unknown !== undefined) throw malformed(`\`${where}\` has an unknown \`${unknown}\``)
  return object
}

function listOf(value: Json | undefined, where: string): readonly Json[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > 1_024) throw malformed(`\`${where}\` is a list`)
  return value
}

function textOf(value: Json | undefined, where: string): void {
  if (typeof value !== 'string') throw malformed(`\`${where}\` is text`)
}

function hexOf(value: Json | undefined, where: string): void {
  if (typeof value === 'string' && /^0x([0-9a-f]{2})*$/.test(value)) return
  throw malformed(`\`${where}\` is lower-case hex after 0x`)
}

function decimalOf(value: Json | undefined, where: string): void {
  if (typeof value === 'string' && /^(0|[1-9][0-9]{0,77})$/.test(value)) return
  throw malformed(`\`${where}\` is a decimal number as text`)
}

function malformed(reason: string): InvalidInputError {
  return new InvalidInputError({ field: 'bundle', reason })
}
