/**
 * Commitments to outputs as they travel: grouped by what they say, with one signature and the signers of
 * each group, so that whoever gets them makes one pairing product of all.
 *
 * ```
 * e(Σ σ_g, -G₂) · Π e(H(digest_g), Σ pk₂ of the signers of g) = 1
 * ```
 * Keys are those of the reader's own table, registered with proofs of possession: a product that holds
 * says that each operator named signed the digest of its group.
 */
import type { Address, Hex } from 'viem'
import {
  type BackendOptions,
  type G1Point,
  isUsableSignature,
  keysCancel,
  type OperatorTable,
  sumG1,
  sumsVerify,
} from '../core/bn254/index.js'
import { isPolicySdkError } from '../errors/base.js'
import { fixedFromHex, toHex } from '../internal/bytes.js'
import { type IoOptions, withDeadline } from '../internal/deadline.js'
import {
  assertFunctions,
  assertList,
  assertMembers,
  assertObject,
  assertOptions,
} from '../internal/options.js'
import {
  computeOutputsDigest,
  namesTemplates,
  normalizeHashes,
  type OutputHashes,
  type SignedOutputs,
} from './commitments.js'
import { type OutputGroupFault, OutputGroupsError } from './errors.js'

/** Operators that committed to the same outputs of one task. */
export type OutputGroup = {
  readonly hashes: OutputHashes
  /** The sum of their signatures over the digest of `hashes`. */
  readonly signature: G1Point
  /** A bit for each operator of the table: operator `i` is bit `i % 8`, the lowest first, of byte `i / 8`. */
  readonly signers: Hex
}

/** Most groups of one task that are shown, and looked at. */
export const MAX_OUTPUT_GROUPS = 64

/** Operators that said the same. */
export type Members = { readonly hashes: OutputHashes; readonly indices: readonly number[] }

/** A group of commitments whose sum was checked. */
export type CommitmentGroup = Members & { readonly digest: Hex; readonly group: OutputGroup }

/**
 * Groups commitments that were checked. Of operators whose keys cancel out there is no signature to
 * show: they are left out.
 */
export function groupCommitments(
  counted: ReadonlyMap<number, SignedOutputs>,
  table: OperatorTable,
): CommitmentGroup[] {
  const byDigest = new Map<Hex, SignedOutputs[]>()
  for (const one of counted.values()) {
    byDigest.set(one.digest, [...(byDigest.get(one.digest) ?? []), one])
  }
  const groups: CommitmentGroup[] = []
  for (const [digest, all] of byDigest) {
    const [{ hashes }] = all as [SignedOutputs]
    const indices = all.map(({ index }) => index).sort((a, b) => a - b)
    if (keysCancel(table, indices)) continue
    const signature = sumG1(all.map(({ commitment }) => commitment.signature))
    const signers = encodeSigners(indices, table)
    groups.push({ digest, hashes, indices, group: { hashes, signature, signers } })
  }
  return groups
}

/** Groups, and what they have to be of. */
export type OutputGroupsParameters = BackendOptions & {
  table: OperatorTable
  taskId: Hex
  templates: readonly Hex[]
  groups: readonly OutputGroup[]
}

/**
 * Reads groups and checks them with one pairing product.
 *
 * @returns Each group's hashes and the indices of its signers.
 * @throws {OutputGroupsError} for the first thing that is wrong: nothing of them counts then.
 * @throws {InvalidInputError} for parameters of one's own that are none.
 */
export async function readOutputGroups(
  parameters: OutputGroupsParameters,
  options: IoOptions = {},
): Promise<readonly Members[]> {
  assertObject('parameters', parameters)
  const { table, backend, groups } = parameters
  if (!Array.isArray(groups)) throw refuse('MALFORMED', 'they are no list')
  assertOwn(parameters, options)
  if (groups.length > MAX_OUTPUT_GROUPS) {
    throw refuse('TOO_MANY_GROUPS', `there are more than ${MAX_OUTPUT_GROUPS}`)
  }
  const digests = new Set<Hex>()
  const seen = new Set<number>()
  // Of a list with holes each is looked at.
  const read = Array.from(groups as readonly OutputGroup[], (group, place) => {
    const one = readGroup(group, place, parameters)
    if (digests.has(one.digest)) {
      throw refuse('GROUP_REPEATED', `group ${place} says what an earlier one says`)
    }
    digests.add(one.digest)
    for (const index of one.indices) {
      if (seen.has(index)) {
        const operator = table.operators[index]?.operator as Address
        const detail = `operator ${index} is in group ${place} and in an earlier one`
        throw refuse('EQUIVOCATION', detail, operator)
      }
      seen.add(index)
    }
    return one
  })
  const sums = read.map(({ digest, indices, signature }) => ({
    ...{ digest, signature, signers: indices },
  }))
  const holds = await withDeadline('checking commitments', options, (signal) =>
    sumsVerify({ table, sums, backend, signal }),
  )
  if (!holds) {
    throw refuse('SIGNATURE_INVALID', 'the signatures are not of the operators that they name')
  }
  return read
}

/** What does not come from the gateway: a wrong one is a fault of the caller's. */
function assertOwn(parameters: OutputGroupsParameters, options: IoOptions): void {
  assertOptions(
    parameters,
    { table: 'object', taskId: 'text', templates: 'list', groups: 'list', backend: 'object' },
    { field: 'parameters', required: ['table', 'taskId', 'templates'] },
  )
  const { table, taskId, templates, backend } = parameters
  assertMembers('parameters.table', table, ['operators', 'info'])
  assertList('parameters.table.operators', table.operators)
  assertList('parameters.table.info.totalWeights', table.info.totalWeights)
  fixedFromHex(taskId, 32, 'parameters.taskId')
  for (const [index, id] of Array.from(templates).entries()) {
    fixedFromHex(id, 32, `parameters.templates[${index}]`)
  }
  if (backend !== undefined) assertFunctions('parameters.backend', backend, ['pairingProduct'])
  assertObject('options', options)
}

function readGroup(
  group: OutputGroup,
  place: number,
  { table, taskId, templates }: { table: OperatorTable; taskId: Hex; templates: readonly Hex[] },
): Members & { digest: Hex; signature: G1Point } {
  const at = `group ${place}`
  const { hashes: given, signature, signers } = Object(group) as OutputGroup
  let hashes: OutputHashes
  let digest: Hex
  try {
    hashes = normalizeHashes(Object(given) as OutputHashes)
    digest = computeOutputsDigest({ taskId, hashes })
  } catch (cause) {
    const detail = isPolicySdkError(cause) ? cause.shortMessage.replace(/\.$/, '') : 'no hashes'
    throw refuse('MALFORMED', `${at}: ${detail}`)
  }
  if (!namesTemplates(hashes, templates)) {
    throw refuse('OTHER_TEMPLATES', `${at} is of other templates than the policy's`)
  }
  const indices = decodeSigners(signers, { table, at })
  if (indices.length === 0) throw refuse('EMPTY_GROUP', `${at} has no signer`)
  if (!isUsableSignature(signature)) {
    throw refuse('SIGNATURE_INVALID', `the signature of ${at} is no point that may be summed`)
  }
  // A pairing with their sum, which is nothing, would say nothing of who signed.
  if (keysCancel(table, indices)) {
    throw refuse('KEYS_CANCEL', `the keys of the signers of ${at} cancel out`)
  }
  return { hashes, digest, indices, signature: { X: signature.X, Y: signature.Y } }
}

/** Writes indices, which are of the table, as its bits. */
export function encodeSigners(indices: readonly number[], table: OperatorTable): Hex {
  const bits = new Uint8Array(bitmapLength(table))
  for (const index of indices) bits[index >> 3] = (bits[index >> 3] as number) | (1 << (index & 7))
  return toHex(bits)
}

function decodeSigners(
  signers: Hex,
  { table, at }: { table: OperatorTable; at: string },
): readonly number[] {
  const length = bitmapLength(table)
  let bits: Uint8Array
  try {
    bits = fixedFromHex(signers, length, 'signers')
  } catch {
    throw refuse('WRONG_BITMAP', `the signers of ${at} are not ${length} bytes`)
  }
  const indices: number[] = []
  for (let index = 0; index < length * 8; index++) {
    if ((((bits[index >> 3] as number) >> (index & 7)) & 1) === 1) indices.push(index)
  }
  const last = indices.at(-1) ?? 0
  if (last >= table.operators.length) {
    throw refuse('UNKNOWN_OPERATOR', `${at} names operator ${last}, the table has no such one`)
  }
  return indices
}

function bitmapLength({ operators }: OperatorTable): number {
  return Math.ceil(operators.length / 8)
}

function refuse(
  reason: OutputGroupFault,
  detail: string,
  operator?: Address | undefined,
): OutputGroupsError {
  return new OutputGroupsError({ reason, detail, operator })
}
