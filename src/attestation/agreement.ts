/**
 * Agreement on plugin outputs, before anyone evaluates.
 *
 * Plugins read the world, so operators' outputs can differ; a quorum needs equal bytes. Each
 * operator publishes the keccak of the canonical JSON of each of its outputs, signed. For each
 * output the hash that more than half of all stake named is the agreed one. Operators whose own
 * outputs equal the agreed ones evaluate and sign; the others abstain.
 *
 * ```
 * digest = keccak256(abi.encode(keccak256("NewtonPluginOutputsV1"), taskId,
 *          keccak256(templateId_0 ‖ hash_0 ‖ …)))     templates ascending
 * ```
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
  type TableOperator,
} from '../core/bn254/index.js'
import { canonicalBytes, type Json } from '../core/canonicalJson.js'
import { InvalidInputError } from '../errors/common.js'
import { concat, fixedFromHex, toHex, utf8 } from '../internal/bytes.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import { keccak, keccakHex } from '../internal/keccak.js'
import { AbstainError, InputsDivergeError } from './errors.js'

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

/** What operators agreed on. */
export type OutputAgreement = {
  /** The agreed hash of each output. */
  readonly hashes: OutputHashes
  /** Operators whose outputs equal all agreed ones, by index in the table, ascending. */
  readonly signers: readonly number[]
  /** Weight of those operators, for each strategy. */
  readonly weights: readonly bigint[]
  /** Commitments that did not count. */
  readonly refused: readonly { readonly operator: Address; readonly fault: CommitmentFault }[]
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
 * Fixes the agreed outputs from the commitments that arrived.
 *
 * A majority is more than half of the table's whole weight in every strategy, so there is at most
 * one, however many commitments are missing. Whoever relays commitments can withhold, not forge.
 *
 * @param parameters.templates - The policy's data templates; commitments must name just these.
 * @throws {InputsDivergeError} naming the templates whose outputs have no majority.
 * @example
 * ```ts
 * import { agreeOnOutputs } from '@newton/policy-sdk/attestation'
 *
 * const agreement = await agreeOnOutputs({ table, taskId, templates, commitments })
 * agreement.signers // who may sign
 * ```
 */
export async function agreeOnOutputs(
  parameters: BackendOptions & {
    table: OperatorTable
    taskId: Hex
    templates: readonly Hex[]
    commitments: readonly OutputCommitment[]
  },
  options: IoOptions = {},
): Promise<OutputAgreement> {
  const { table, templates } = parameters
  const { counted, refused } = await countCommitments(parameters, options)
  const { totalWeights } = table.info
  const hashes: Record<Hex, Hex> = {}
  const divergent: Hex[] = []
  for (const template of templates.map((id) => id.toLowerCase() as Hex)) {
    const weights = new Map<Hex, readonly bigint[]>()
    for (const [index, own] of counted) {
      const hash = own[template] as Hex
      weights.set(hash, addWeights(weights.get(hash), operatorAt(table, index)))
    }
    const majority = [...weights].find(([, weight]) => {
      return totalWeights.every((total, strategy) => 2n * (weight[strategy] ?? 0n) > total)
    })
    if (majority === undefined) divergent.push(template)
    else hashes[template] = majority[0]
  }
  if (divergent.length > 0) throw new InputsDivergeError({ templates: divergent })
  const signers = [...counted]
    .filter(([, own]) => Object.entries(hashes).every(([id, hash]) => own[id as Hex] === hash))
    .map(([index]) => index)
    .sort((a, b) => a - b)
  let weights: readonly bigint[] = totalWeights.map(() => 0n)
  for (const index of signers) weights = addWeights(weights, operatorAt(table, index))
  return { hashes, signers, weights, refused }
}

/**
 * Checks that an operator's own outputs are the agreed ones, before it evaluates and signs.
 *
 * @throws {AbstainError} naming the templates whose own output differs.
 */
export function assertOwnOutputs(parameters: {
  agreed: OutputHashes
  outputs: Readonly<Record<Hex, Json>>
}): void {
  const own = computeOutputHashes(parameters.outputs)
  const agreed = normalizeHashes(parameters.agreed)
  const ids = new Set([...Object.keys(agreed), ...Object.keys(own)]) as Set<Hex>
  const templates = [...ids].filter((id) => own[id] !== agreed[id])
  if (templates.length > 0) throw new AbstainError({ templates })
}

type ReadCommitment = {
  commitment: OutputCommitment
  index: number
  hashes: OutputHashes
  digest: Hex
}

async function countCommitments(
  parameters: Parameters<typeof agreeOnOutputs>[0],
  options: IoOptions,
): Promise<{ counted: Map<number, OutputHashes>; refused: OutputAgreement['refused'] }> {
  const { table } = parameters
  const counted = new Map<number, OutputHashes>()
  const refused: { operator: Address; fault: CommitmentFault }[] = []
  const twice = new Set<number>()
  const read: ReadCommitment[] = []
  const each = new Map<number, Map<string, ReadCommitment>>()
  for (const commitment of parameters.commitments) {
    const one = readCommitment(commitment, parameters)
    if (typeof one === 'string') {
      refused.push({ operator: commitment?.operator, fault: one })
      continue
    }
    // A copy is the one that it is a copy of, and costs no pairing.
    const own = each.get(one.index) ?? new Map<string, ReadCommitment>()
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
  const bad = await withDeadline('checking commitments', options, (signal) =>
    findUnsigned(new Set(read), { table, backend: parameters.backend, signal }),
  )
  for (const one of read) {
    const { index, hashes } = one
    if (bad.has(one)) {
      refused.push({ operator: one.commitment.operator, fault: 'SIGNATURE_INVALID' })
      continue
    }
    const before = counted.get(index)
    const differs =
      before !== undefined &&
      Object.entries(hashes).some(([id, hash]) => before[id as Hex] !== hash)
    if (differs) twice.add(index)
    counted.set(index, hashes)
  }
  for (const index of twice) {
    counted.delete(index)
    refused.push({ operator: operatorAt(table, index).operator, fault: 'EQUIVOCATION' })
  }
  return { counted, refused }
}

/**
 * The commitments whose signature is bad. Those that name the same hashes are checked together: mostly
 * that is all of them. Several of one operator are checked one after the other.
 */
async function findUnsigned(
  read: ReadonlySet<ReadCommitment>,
  options: BackendOptions & { table: OperatorTable; signal: AbortSignal },
): Promise<Set<ReadCommitment>> {
  const bad = new Set<ReadCommitment>()
  const rounds = new Map<string, Map<number, ReadCommitment>>()
  const seen = new Map<string, number>()
  for (const one of read) {
    const own = `${one.digest}:${one.index}`
    const round = seen.get(own) ?? 0
    seen.set(own, round + 1)
    const key = `${one.digest}:${round}`
    const members = rounds.get(key) ?? new Map<number, ReadCommitment>()
    members.set(one.index, one)
    rounds.set(key, members)
  }
  for (const members of rounds.values()) {
    const [first] = members.values()
    const fresh = new Map([...members].map(([index, one]) => [index, one.commitment.signature]))
    const { digest } = first as ReadCommitment
    const found = await findBadShares({ ...options, digest, good: new Map(), fresh })
    for (const index of found) bad.add(members.get(index) as ReadCommitment)
  }
  return bad
}

function readCommitment(
  commitment: OutputCommitment,
  { table, taskId, templates }: { table: OperatorTable; taskId: Hex; templates: readonly Hex[] },
): ReadCommitment | CommitmentFault {
  try {
    if (commitment.taskId.toLowerCase() !== taskId.toLowerCase()) return 'OTHER_TASK'
    const index = table.indexOf(commitment.operator)
    if (index === -1) return 'UNKNOWN_OPERATOR'
    const hashes = normalizeHashes(commitment.hashes)
    const named = templates.every((id) => id.toLowerCase() in hashes)
    if (!named || Object.keys(hashes).length !== templates.length) return 'OTHER_TEMPLATES'
    const digest = computeOutputsDigest({ taskId, hashes })
    if (!isUsableSignature(commitment.signature)) return 'SIGNATURE_INVALID'
    return { commitment, index, hashes, digest }
  } catch {
    return 'MALFORMED'
  }
}

function normalizeHashes(hashes: OutputHashes): OutputHashes {
  const normalized: Record<Hex, Hex> = {}
  for (const [id, hash] of Object.entries(hashes)) {
    const key = toHex(fixedFromHex(id, 32, `hashes.${id}`))
    if (key in normalized)
      throw new InvalidInputError({ field: `hashes.${id}`, reason: 'given twice' })
    normalized[key] = toHex(fixedFromHex(hash, 32, `hashes.${id}`))
  }
  return normalized
}

function addWeights(
  sum: readonly bigint[] | undefined,
  { weights }: TableOperator,
): readonly bigint[] {
  return weights.map((weight, strategy) => (sum?.[strategy] ?? 0n) + weight)
}

function operatorAt(table: OperatorTable, index: number): TableOperator {
  return table.operators[index] as TableOperator
}
