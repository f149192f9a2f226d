/**
 * Agreement on plugin outputs, before anyone evaluates.
 *
 * Plugins read the world, so operators' outputs can differ; a quorum needs equal bytes. Each
 * operator publishes the keccak of the canonical JSON of each of its outputs, signed. For each
 * output the hash that more than half of all stake named is the agreed one. Operators whose own
 * outputs equal the agreed ones evaluate and sign; the others abstain.
 *
 * Whoever gathers commitments checks them one by one where it has to; what it passes on are groups.
 */
import type { Hex } from 'viem'
import type { OperatorTable, TableOperator } from '../core/bn254/index.js'
import type { Json } from '../core/canonicalJson.js'
import type { IoOptions } from '../internal/deadline.js'
import {
  type CheckedCommitments,
  type CommitmentsParameters,
  checkCommitments,
  computeOutputHashes,
  normalizeHashes,
  type OutputHashes,
} from './commitments.js'
import { AbstainError, InputsDivergeError } from './errors.js'
import {
  type CommitmentGroup,
  groupCommitments,
  MAX_OUTPUT_GROUPS,
  type Members,
  type OutputGroup,
  type OutputGroupsParameters,
  readOutputGroups,
} from './outputGroups.js'

/** The outputs that a majority has, and who has them. */
export type AgreedOutputs = {
  /** The agreed hash of each output. */
  readonly hashes: OutputHashes
  /** Operators whose outputs equal all agreed ones, by index in the table, ascending. */
  readonly signers: readonly number[]
  /** Weight of those operators, for each strategy. */
  readonly weights: readonly bigint[]
}

/** What operators agreed on. */
export type OutputAgreement = AgreedOutputs & {
  /** Commitments that did not count. */
  readonly refused: CheckedCommitments['refused']
  /** What shows the agreement to others: as few groups as have the majority of each output. */
  readonly groups: readonly OutputGroup[]
}

/**
 * Fixes the agreed outputs from the commitments that arrived.
 *
 * A majority is more than half of the table's whole weight in every strategy, so there is at most
 * one, however many commitments are missing. Whoever relays commitments can withhold, not forge.
 *
 * @param parameters.templates - The policy's data templates; commitments must name just these.
 * @param parameters.checked - What {@link checkCommitments} made of the commitments, where it was asked
 * before.
 * @throws {InputsDivergeError} naming the templates whose outputs have no majority.
 * @example
 * ```ts
 * import { agreeOnOutputs } from '@newton/policy-sdk/attestation'
 *
 * const agreement = await agreeOnOutputs({ table, taskId, templates, commitments })
 * agreement.signers // who may sign
 * agreement.groups // what operators are shown
 * ```
 */
export async function agreeOnOutputs(
  parameters: CommitmentsParameters & { checked?: CheckedCommitments | undefined },
  options: IoOptions = {},
): Promise<OutputAgreement> {
  const { table, templates } = parameters
  const { counted, refused } = parameters.checked ?? (await checkCommitments(parameters, options))
  const members = [...counted.values()].map(({ index, hashes }) => ({ hashes, indices: [index] }))
  const agreed = findMajority(members, { table, templates })
  const groups = chooseGroups(groupCommitments(counted, table), agreed, table)
  return { ...agreed, refused, groups }
}

/**
 * Fixes the agreed outputs from the groups that a gateway sends, with one pairing product. The table is one's
 * own, in force at the task's reference block.
 *
 * @throws {OutputGroupsError} where the groups are not what they say: none of them counts.
 * @throws {InputsDivergeError} naming the templates whose outputs have no majority.
 * @throws {InvalidInputError} for parameters of one's own that are none.
 * @example
 * ```ts
 * import { agreeOnGroups } from '@newton/policy-sdk/attestation'
 *
 * const { hashes } = await agreeOnGroups({ table, taskId, templates, groups })
 * ```
 */
export async function agreeOnGroups(
  parameters: OutputGroupsParameters,
  options: IoOptions = {},
): Promise<AgreedOutputs> {
  return findMajority(await readOutputGroups(parameters, options), parameters)
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

function findMajority(
  members: readonly Members[],
  { table, templates }: { table: OperatorTable; templates: readonly Hex[] },
): AgreedOutputs {
  const { totalWeights } = table.info
  const hashes: Record<Hex, Hex> = {}
  const divergent: Hex[] = []
  for (const template of templates.map((id) => id.toLowerCase() as Hex)) {
    const weights = new Map<Hex, readonly bigint[]>()
    for (const { hashes: own, indices } of members) {
      const hash = own[template] as Hex
      weights.set(hash, addWeights(weights.get(hash), { table, indices }))
    }
    const majority = [...weights].find(([, weight]) => isMajority(weight, totalWeights))
    if (majority === undefined) divergent.push(template)
    else hashes[template] = majority[0]
  }
  if (divergent.length > 0) throw new InputsDivergeError({ templates: divergent })
  const signers = members
    .filter(({ hashes: own }) => namesAll(own, hashes))
    .flatMap(({ indices }) => indices)
    .sort((a, b) => a - b)
  return { hashes, signers, weights: addWeights(undefined, { table, indices: signers }) }
}

/** As few groups as show the majority: those that have most of the agreed outputs first. */
function chooseGroups(
  groups: readonly CommitmentGroup[],
  { hashes }: AgreedOutputs,
  table: OperatorTable,
): readonly OutputGroup[] {
  const { totalWeights } = table.info
  const templates = Object.keys(hashes) as Hex[]
  const agreedOf = ({ hashes: own }: CommitmentGroup): Hex[] =>
    templates.filter((id) => own[id] === hashes[id])
  const order = [...groups].sort(
    (a, b) =>
      agreedOf(b).length - agreedOf(a).length ||
      b.indices.length - a.indices.length ||
      (a.digest < b.digest ? -1 : 1),
  )
  const shown = new Map<Hex, readonly bigint[]>()
  const missing = (): Hex[] =>
    templates.filter((id) => !isMajority(shown.get(id) ?? [], totalWeights))
  const chosen: OutputGroup[] = []
  for (const one of order) {
    if (missing().length === 0 || chosen.length === MAX_OUTPUT_GROUPS) break
    const agreed = agreedOf(one)
    if (!missing().some((id) => agreed.includes(id))) continue
    chosen.push(one.group)
    const { indices } = one
    for (const id of agreed) shown.set(id, addWeights(shown.get(id), { table, indices }))
  }
  // Said by a majority, but by none that can be shown: nobody would evaluate on it.
  const unseen = missing()
  if (unseen.length > 0) throw new InputsDivergeError({ templates: unseen })
  return chosen
}

/**
 * Whether weights are more than half of all stake, in every strategy that has any: where nobody has stake,
 * nobody can be of another opinion.
 */
export function isMajority(weights: readonly bigint[], totals: readonly bigint[]): boolean {
  return (
    totals.some((total) => total > 0n) &&
    totals.every((total, strategy) => total === 0n || 2n * (weights[strategy] ?? 0n) > total)
  )
}

function namesAll(own: OutputHashes, agreed: OutputHashes): boolean {
  return Object.entries(agreed).every(([id, hash]) => own[id as Hex] === hash)
}

function addWeights(
  sum: readonly bigint[] | undefined,
  { table, indices }: { table: OperatorTable; indices: readonly number[] },
): readonly bigint[] {
  const weights = [...(sum ?? table.info.totalWeights.map(() => 0n))]
  for (const index of indices) {
    for (const [strategy, weight] of (table.operators[index] as TableOperator).weights.entries()) {
      weights[strategy] = (weights[strategy] ?? 0n) + weight
    }
  }
  return weights
}
