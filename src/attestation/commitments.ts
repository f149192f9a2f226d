/**
 * Commitments to plugin outputs: what each operator publishes before anyone evaluates, and which of them
 * count.
 *
 * ```
 * digest = keccak256(abi.encode(keccak256("NewtonPluginOutputsV1"), taskId,
 *          keccak256(templateId_0 ‖ hash_0 ‖ …)))     templates ascending
 * ```
 * The operator is no part of what it signs: those that have the same outputs sign the same message, and
 * their signatures can be summed.
 */
import type { Address, Hex } from 'viem'
import {
  type BackendOptions,
  type BlsSigner,
  findBadShares,
  type G1Point,
  isUsableSignature,
  type OperatorTable,
  signWith,
} from '../core/bn254/index.js'
import { canonicalBytes, type Json } from '../core/canonicalJson.js'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, toHex, utf8 } from '../internal/bytes.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { keccak, keccakHex } from '../internal/keccak.js'

/** Hash of each output, by policy-data template id. */
export type OutputHashes = Readonly<Record<Hex, Hex>>

/** What one operator publishes for one task. */
export type OutputCommitment = {
  operator: Address
  taskId: Hex
  hashes: OutputHashes
  /** BLS, over {@link computeOutputsDigest}. */
  signature: G1Point
}

/** Why a commitment does not count. */
export type CommitmentFault =
  | 'MALFORMED'
  | 'OTHER_TASK'
  | 'UNKNOWN_OPERATOR'
  | 'SIGNATURE_INVALID'
  | 'OTHER_TEMPLATES'
  /** The operator published two different ones: neither counts. */
  | 'EQUIVOCATION'
  /** More in one operator's name than an honest one publishes: they were not looked at. */
  | 'TOO_MANY'

/** A commitment that is signed by the operator that it names. */
export type SignedOutputs = {
  readonly index: number
  readonly hashes: OutputHashes
  readonly digest: Hex
  readonly commitment: OutputCommitment
}

/** Commitments of one task, checked. See {@link checkCommitments}. */
export type CheckedCommitments = {
  /** The one of each operator that counts, by index in the table. */
  readonly counted: ReadonlyMap<number, SignedOutputs>
  /** All that are signed, of operators that said two things too: what shows who said what. */
  readonly signed: readonly OutputCommitment[]
  /** Commitments that did not count. */
  readonly refused: readonly { readonly operator: Address; readonly fault: CommitmentFault }[]
}

/** What commitments are checked against. */
export type CommitmentsParameters = BackendOptions & {
  table: OperatorTable
  taskId: Hex
  templates: readonly Hex[]
  commitments: readonly OutputCommitment[]
}

/**
 * Hashes an operator's outputs.
 *
 * @throws {CanonicalJsonError} for an output canonical JSON refuses.
 * @throws {InvalidInputError} for an id that is not 32 bytes.
 */
export function computeOutputHashes(outputs: Readonly<Record<Hex, Json>>): OutputHashes {
  const hashes: Record<Hex, Hex> = {}
  for (const [id, output] of Object.entries(outputs)) {
    hashes[toHex(fixedFromHex(id, 32, `outputs.${id}`))] = keccakHex(canonicalBytes(output))
  }
  return hashes
}

/**
 * Computes what an operator signs to publish its hashes.
 *
 * @throws {InvalidInputError} naming the malformed member.
 */
export function computeOutputsDigest(parameters: { taskId: Hex; hashes: OutputHashes }): Hex {
  const entries = Object.entries(normalizeHashes(parameters.hashes)).sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  const words = entries.flatMap(([id, hash]) => [
    fixedFromHex(id, 32, 'hashes'),
    fixedFromHex(hash, 32, `hashes.${id}`),
  ])
  return keccakHex(
    keccak(utf8('NewtonPluginOutputsV1')),
    fixedFromHex(parameters.taskId, 32, 'taskId'),
    keccak(concat(...words)),
  )
}

/**
 * Makes an operator's signed commitment to its outputs.
 *
 * @throws {InvalidPointError} where the signer answers with no point of the curve.
 */
export async function commitToOutputs(
  parameters: {
    key: BlsSigner
    operator: Address
    taskId: Hex
    outputs: Readonly<Record<Hex, Json>>
  },
  options: IoOptions = {},
): Promise<OutputCommitment> {
  const { key, operator, taskId, outputs } = parameters
  const hashes = computeOutputHashes(outputs)
  const signature = await signWith(key, computeOutputsDigest({ taskId, hashes }), options)
  return { operator, taskId, hashes, signature }
}

/** Most commitments in one operator's name that are looked at; two show that it says two things. */
const MAX_COMMITMENTS_EACH = 4

/**
 * Checks commitments of one task: each is of its task and templates, and signed by whom it names.
 *
 * Those that name the same hashes are checked by their sum, mostly all of them; where that fails each is
 * looked at. Of operators in whose name there are several, each is looked at alone, so that the sum of
 * those that count is one that was checked.
 *
 * @example
 * ```ts
 * import { checkCommitments } from '@newton/policy-sdk/attestation'
 *
 * const { counted, refused } = await checkCommitments({ table, taskId, templates, commitments })
 * ```
 */
export async function checkCommitments(
  parameters: CommitmentsParameters,
  options: IoOptions = {},
): Promise<CheckedCommitments> {
  const { table, backend } = parameters
  const refused: { operator: Address; fault: CommitmentFault }[] = []
  const { read, each } = readAll(parameters, refused)
  const bad = await withDeadline('checking commitments', options, (signal) =>
    findUnsigned(each, { table, backend, signal }),
  )
  const counted = new Map<number, SignedOutputs>()
  const twice = new Set<number>()
  for (const one of read) {
    if (bad.has(one)) {
      refused.push({ operator: one.commitment.operator, fault: 'SIGNATURE_INVALID' })
      continue
    }
    const before = counted.get(one.index)
    if (before !== undefined && before.digest !== one.digest) twice.add(one.index)
    counted.set(one.index, one)
  }
  for (const index of twice) {
    counted.delete(index)
    const operator = table.operators[index]?.operator as Address
    refused.push({ operator, fault: 'EQUIVOCATION' })
  }
  const signed = [...new Set(read)].filter((one) => !bad.has(one))
  return { counted, signed: signed.map(({ commitment }) => commitment), refused }
}

/** Different commitments by operator. */
type ByOperator = ReadonlyMap<number, ReadonlyMap<string, SignedOutputs>>

function readAll(
  parameters: CommitmentsParameters,
  refused: { operator: Address; fault: CommitmentFault }[],
): { read: readonly SignedOutputs[]; each: ByOperator } {
  const read: SignedOutputs[] = []
  const each = new Map<number, Map<string, SignedOutputs>>()
  for (const commitment of parameters.commitments) {
    const one = readCommitment(commitment, parameters)
    if (typeof one === 'string') {
      refused.push({ operator: commitment?.operator, fault: one })
      continue
    }
    // A copy is the one that it is a copy of, and costs no pairing.
    const own = each.get(one.index) ?? new Map<string, SignedOutputs>()
    const { X, Y } = one.commitment.signature
    const name = `${one.digest}:${X}:${Y}`
    const known = own.get(name)
    if (known === undefined && own.size === MAX_COMMITMENTS_EACH) {
      refused.push({ operator: commitment.operator, fault: 'TOO_MANY' })
      continue
    }
    each.set(one.index, own.set(name, known ?? one))
    read.push(known ?? one)
  }
  return { read, each }
}

/** The commitments whose signature is bad. */
async function findUnsigned(
  each: ByOperator,
  options: BackendOptions & { table: OperatorTable; signal: AbortSignal },
): Promise<Set<SignedOutputs>> {
  const bad = new Set<SignedOutputs>()
  const signatureOf = (one: SignedOutputs): [number, G1Point] => [
    one.index,
    one.commitment.signature,
  ]
  /** What is left to be checked by its sum, and what of it was looked at alone. */
  const byDigest = new Map<Hex, { good: SignedOutputs[]; fresh: SignedOutputs[] }>()
  for (const own of each.values()) {
    const all = [...own.values()]
    const good: SignedOutputs[] = []
    for (const one of all.length > 1 ? all : []) {
      const { digest } = one
      const fresh = new Map([signatureOf(one)])
      const found = await findBadShares({ ...options, digest, good: new Map(), fresh })
      if (found.length > 0) bad.add(one)
      else good.push(one)
    }
    // Whoever said two things counts in neither sum.
    if (good.length > 1) continue
    for (const one of all.length > 1 ? good : all) {
      const sum = byDigest.get(one.digest) ?? { good: [], fresh: [] }
      byDigest.set(one.digest, sum)
      sum[all.length > 1 ? 'good' : 'fresh'].push(one)
    }
  }
  for (const [digest, sum] of byDigest) {
    const good = new Map(sum.good.map(signatureOf))
    const fresh = new Map(sum.fresh.map(signatureOf))
    const found = new Set(await findBadShares({ ...options, digest, good, fresh }))
    for (const one of sum.fresh) if (found.has(one.index)) bad.add(one)
  }
  return bad
}

function readCommitment(
  commitment: OutputCommitment,
  { table, taskId, templates }: CommitmentsParameters,
): SignedOutputs | CommitmentFault {
  try {
    if (commitment.taskId.toLowerCase() !== taskId.toLowerCase()) return 'OTHER_TASK'
    const index = table.indexOf(commitment.operator)
    if (index === -1) return 'UNKNOWN_OPERATOR'
    const hashes = normalizeHashes(commitment.hashes)
    if (!namesTemplates(hashes, templates)) return 'OTHER_TEMPLATES'
    const digest = computeOutputsDigest({ taskId, hashes })
    if (!isUsableSignature(commitment.signature)) return 'SIGNATURE_INVALID'
    return { commitment, index, hashes, digest }
  } catch {
    return 'MALFORMED'
  }
}

/** Whether hashes, which were normalized, are of just these templates. */
export function namesTemplates(hashes: OutputHashes, templates: readonly Hex[]): boolean {
  const named = templates.every((id) => id.toLowerCase() in hashes)
  return named && Object.keys(hashes).length === templates.length
}

/** Hashes in lower case. @throws {InvalidInputError} naming the malformed member, or one given twice. */
export function normalizeHashes(hashes: OutputHashes): OutputHashes {
  const normalized: Record<Hex, Hex> = {}
  for (const [id, hash] of Object.entries(hashes)) {
    const key = toHex(fixedFromHex(id, 32, `hashes.${id}`))
    if (key in normalized)
      throw new InvalidInputError({ field: `hashes.${id}`, reason: 'given twice' })
    normalized[key] = toHex(fixedFromHex(hash, 32, `hashes.${id}`))
  }
  return normalized
}
