/**
 * Operator tables: who may sign, with which keys and which stake weights. The chain keeps only
 * `OperatorSetInfo`; a non-signer's entry is proved against its root (`table/proofs.ts`).
 */
import { bn254 } from '@noble/curves/bn254.js'
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { concat, fixedFromHex, toHex } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { assertG1, fromNobleG1, type G1Point, type G2Point, readCurveG2 } from './curve/points.js'
import { InvalidPointError, OperatorTableError, type PointFault } from './errors.js'
import type { BackendOptions } from './signature.js'
import { findBadKey } from './table/keyChecks.js'
import { type OperatorInfo, operatorInfoLeaf, treeDepth } from './table/proofs.js'

/** What the chain keeps of a table. */
export type OperatorSetInfo = {
  readonly operatorInfoTreeRoot: Hex
  readonly numOperators: bigint
  /** Sum of all operators' keys. */
  readonly aggregatePubkey: G1Point
  /** Sum of all operators' weights, for each strategy. */
  readonly totalWeights: readonly bigint[]
}

/** An operator as a table is built from it. */
export type TableOperator = OperatorInfo & {
  readonly operator: Address
  readonly pubkeyG2: G2Point
}

/** A table's entries with their proofs: what challengers work with. */
export type OperatorTree = {
  readonly operators: readonly OperatorInfo[]
  readonly info: OperatorSetInfo
  /** Proves the entry at `index`: sibling hashes from the leaf up, joined. */
  proof(index: number): Hex
}

/** A whole table with both keys of each operator: what signers and aggregators work with. */
export type OperatorTable = OperatorTree & {
  readonly operators: readonly TableOperator[]
  /** Index of an operator, `-1` where there is none. */
  indexOf(operator: Address): number
}

/** Most operators that one table may have. */
export const MAX_OPERATORS = 65_536

const maxUint256 = 2n ** 256n - 1n
const zeroWord = new Uint8Array(32)

/**
 * Builds the tree of a table from its entries, in the order given.
 *
 * @throws {OperatorTableError} for an empty set, weights that differ in length or overflow, a key
 * twice, keys that cancel out.
 * @throws {InvalidPointError} naming the entry whose key is malformed.
 */
export function createOperatorTree(operators: readonly OperatorInfo[]): OperatorTree {
  if (!Array.isArray(operators) || operators.length === 0) {
    throw new OperatorTableError({ fault: 'EMPTY_OPERATOR_SET', detail: 'it has no operators' })
  }
  if (operators.length > MAX_OPERATORS) {
    throw new InvalidInputError({ field: 'operators', reason: `at most ${MAX_OPERATORS}` })
  }
  const strategies = operators[0]?.weights.length ?? 0
  if (strategies === 0) {
    throw new OperatorTableError({ fault: 'EMPTY_WEIGHTS', detail: 'operators have no weights' })
  }
  const totals = new Array<bigint>(strategies).fill(0n)
  const keys = new Set<string>()
  let aggregate = bn254.G1.Point.ZERO
  operators.forEach(({ pubkey, weights }, index) => {
    aggregate = aggregate.add(assertG1(pubkey, { field: `operators[${index}].pubkey` }))
    const key = `${pubkey.X}:${pubkey.Y}`
    assertUnused({ seen: keys.has(key), fault: 'DUPLICATE_PUBKEY', index })
    keys.add(key)
    addWeights(totals, { weights, index })
  })
  if (aggregate.is0()) {
    throw new OperatorTableError({ fault: 'AGGREGATE_AT_INFINITY', detail: 'the keys cancel out' })
  }
  const layers = merkleLayers(operators.map(operatorInfoLeaf))
  return Object.freeze({
    operators: Object.freeze(operators.map(frozenEntry)),
    info: Object.freeze({
      operatorInfoTreeRoot: toHex(layers[layers.length - 1]?.[0] as Uint8Array),
      numOperators: BigInt(operators.length),
      aggregatePubkey: fromNobleG1(aggregate),
      totalWeights: Object.freeze(totals),
    }),
    proof: (index: number): Hex => merkleProof(layers, { index, count: operators.length }),
  })
}

/**
 * Builds a table of operators, in the order given. Our own verifier publishes tables in ascending
 * order of addresses.
 *
 * Every key is checked: on its curve, in its subgroup, G1 and G2 of one secret, no operator and no
 * key twice. What is costly is done for all keys at once, and not again for a key that passed before.
 *
 * @throws {OperatorTableError} for an empty set, weights that differ in length or overflow,
 * repeats, keys of two secrets.
 * @throws {InvalidPointError} naming the operator whose key is malformed.
 * @example
 * ```ts
 * import { blsKeyFromSeed, createOperatorTable } from '@newton/policy-sdk/attestation'
 *
 * const key = blsKeyFromSeed(new Uint8Array([1]))
 * const operator = `0x${'11'.repeat(20)}` as const
 * const table = createOperatorTable([{ operator, ...key.publicKey, weights: [100n] }])
 * table.info.totalWeights // [100n]
 * ```
 */
export function createOperatorTable(
  operators: readonly TableOperator[],
  options: BackendOptions = {},
): OperatorTable {
  const tree = createOperatorTree(operators)
  const byAddress = new Map<string, number>()
  const keys = operators.map(({ operator, pubkey, pubkeyG2 }, index) => {
    const address = toHex(fixedFromHex(operator, 20, `operators[${index}].operator`))
    assertUnused({ seen: byAddress.has(address), fault: 'DUPLICATE_OPERATOR', index })
    byAddress.set(address, index)
    const { fault } = readCurveG2(pubkeyG2, { infinity: false })
    if (fault !== undefined) throw badKey(index, fault)
    return { pubkey, pubkeyG2 }
  })
  const bad = findBadKey(keys, options.backend)
  if (bad?.fault === 'KEY_MISMATCH') {
    const detail = `the G1 and G2 keys of operators[${bad.index}] have different secrets`
    throw new OperatorTableError({ fault: 'KEY_MISMATCH', detail })
  }
  if (bad !== undefined) throw badKey(bad.index, bad.fault)
  return Object.freeze({
    ...tree,
    operators: tree.operators as readonly TableOperator[],
    indexOf: (operator: Address): number =>
      typeof operator === 'string' ? (byAddress.get(operator.toLowerCase()) ?? -1) : -1,
  })
}

/** An entry of its own: what the caller does with his later is not what was checked and hashed. */
function frozenEntry<entry extends OperatorInfo>(entry: entry): entry {
  const { pubkeyG2 } = entry as OperatorInfo & { pubkeyG2?: G2Point }
  return Object.freeze({
    ...entry,
    pubkey: Object.freeze({ ...entry.pubkey }),
    weights: Object.freeze([...entry.weights]),
    ...(pubkeyG2 === undefined ? {} : { pubkeyG2: frozenG2(pubkeyG2) }),
  })
}

const frozenG2 = ({ X, Y }: G2Point): G2Point =>
  Object.freeze({ X: Object.freeze([...X]), Y: Object.freeze([...Y]) }) as G2Point

function merkleLayers(leaves: readonly Uint8Array[]): Uint8Array[][] {
  const width = 2 ** treeDepth(leaves.length)
  const layers = [Array.from({ length: width }, (_, index) => leaves[index] ?? zeroWord)]
  for (;;) {
    const below = layers[layers.length - 1] as Uint8Array[]
    if (below.length === 1) return layers
    const layer: Uint8Array[] = []
    for (let i = 0; i < below.length; i += 2) {
      layer.push(keccak(below[i] as Uint8Array, below[i + 1] as Uint8Array))
    }
    layers.push(layer)
  }
}

function merkleProof(
  layers: readonly Uint8Array[][],
  { index, count }: { index: number; count: number },
): Hex {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new InvalidInputError({ field: 'index', reason: `expected 0 to ${count - 1}` })
  }
  const siblings: Uint8Array[] = []
  let position = index
  for (const layer of layers.slice(0, -1)) {
    siblings.push(layer[position ^ 1] as Uint8Array)
    position >>= 1
  }
  return toHex(concat(...siblings))
}

function badKey(index: number, fault: PointFault): InvalidPointError {
  return new InvalidPointError({ field: `operators[${index}].pubkeyG2`, fault, group: 'G2' })
}

function addWeights(
  totals: bigint[],
  { weights, index }: { weights: readonly bigint[]; index: number },
): void {
  if (weights.length !== totals.length) {
    throw new OperatorTableError({
      fault: 'WEIGHTS_LENGTH_MISMATCH',
      detail: `operators[${index}] has ${weights.length} weights, the first one ${totals.length}`,
    })
  }
  weights.forEach((weight, strategy) => {
    const total = (totals[strategy] as bigint) + weight
    if (typeof weight !== 'bigint' || weight < 0n || total > maxUint256) {
      throw new OperatorTableError({
        fault: 'WEIGHT_OVERFLOW',
        detail: `weight ${strategy} of operators[${index}] does not fit`,
      })
    }
    totals[strategy] = total
  })
}

function assertUnused(parameters: {
  seen: boolean
  fault: 'DUPLICATE_OPERATOR' | 'DUPLICATE_PUBKEY'
  index: number
}): void {
  const { seen, fault, index } = parameters
  if (seen) {
    throw new OperatorTableError({ fault, detail: `operators[${index}] repeats an earlier one` })
  }
}
