/**
 * Which of many signatures over one message are bad.
 *
 * All are checked together, with one pairing product; where that fails, bad ones are found by halving.
 * With random coefficients `cᵢ` of 12 bits,
 * ```
 * V(S) = e(Σ cᵢ·σᵢ, -G₂) · e(H(m), Σ cᵢ·pkᵢ) = 1
 * ```
 * holds for a set without bad shares, and for one with any, shares made to cancel out included, with a
 * chance of 2^-12. `V` of a set is the product over its halves, so that one pairing product tells of
 * both: a bad share costs about log₂ n of them, whoever sent it. The sum of what is left is checked at
 * the end; where it fails for that chance, coefficients are drawn again.
 *
 * That a sum verifies means that each of its operators signed the message, because their keys are
 * registered with proofs of possession. Shares made to cancel out can pass together; who signed is not
 * falsified by that, and the certificate of all of them is valid.
 */
import type { Hex } from 'viem'
import { type Bn254Backend, nobleBackend, type PairingProduct } from './backend.js'
import { hashToG1 } from './curve/hashToG1.js'
import {
  combineG1,
  drawCoefficients,
  joinWindowsG2,
  sumG1,
  sumG2,
  windowSumsG2,
} from './curve/pointSums.js'
import {
  G1_INFINITY,
  type G1Point,
  G2_GENERATOR,
  G2_INFINITY,
  type G2Point,
  g1Equal,
  g2Equal,
  negateG1,
} from './curve/points.js'
import { CertificateBuildError } from './errors.js'
import { platformRandomBytes } from './keys.js'
import type { OperatorTable, TableOperator } from './operatorTable.js'
import { pairingProduct } from './signature.js'

/** Signatures by the index of their operator. */
type Shares = ReadonlyMap<number, G1Point>

// Narrow windows: most sets that are combined are small.
const BITS = 3
const WINDOWS = 4
/** Points that are combined without giving way. */
const CHUNK = 512
/** Draws of coefficients; all miss with a chance of 2^-96. */
const DRAWS = 8

type Work = {
  table: OperatorTable
  fresh: Shares
  hashed: G1Point
  backend: Bn254Backend
  randomBytes: (length: number) => Uint8Array
  signal: AbortSignal | undefined
}

/**
 * Finds which of the fresh signatures to leave out, so that the sum of all others verifies. Their
 * points were checked. A sum that is nothing, of keys that cancel out, is no certificate all the same. The event loop is given way to between steps.
 *
 * @param parameters.good - Signatures whose sum is known to verify.
 * @returns Indices of the bad ones, ascending.
 */
export async function findBadShares(parameters: {
  table: OperatorTable
  digest: Hex
  good: Shares
  fresh: Shares
  backend?: Bn254Backend | undefined
  randomBytes?: ((length: number) => Uint8Array) | undefined
  signal?: AbortSignal | undefined
}): Promise<number[]> {
  const { good, fresh, signal } = parameters
  const work: Work = {
    table: parameters.table,
    fresh,
    hashed: hashToG1(parameters.digest),
    backend: parameters.backend ?? nobleBackend,
    randomBytes: parameters.randomBytes ?? platformRandomBytes,
    signal,
  }
  let rest = [...fresh.keys()]
  const bad: number[] = []
  for (let draw = 0; rest.length > 0; draw++) {
    const held = new Map([...good, ...rest.map((i) => [i, fresh.get(i) as G1Point] as const)])
    await giveWay(signal)
    if (sumVerifies(held, work)) break
    const found = draw < DRAWS ? await bisect(rest, work) : await lookAtEach(rest, work)
    bad.push(...found)
    rest = rest.filter((index) => !found.includes(index))
    // Each alone is right and the sum is not: impossible, so that no certificate is made of it.
    if (draw > DRAWS && found.length === 0) {
      const detail = 'shares that are right alone are not right together'
      throw new CertificateBuildError({ fault: 'SHARE_INVALID', detail })
    }
  }
  return bad.sort((a, b) => a - b)
}

/** Operators' signatures over one message, summed. */
export type SignatureSum = { digest: Hex; signature: G1Point; signers: readonly number[] }

/**
 * Whether sums over different messages verify, each with the keys of its signers, by one pairing product.
 * Their points were checked. Each signer of each sum signed its message then: keys are registered with
 * proofs of possession, and what one sum has too much another may have too little.
 */
export async function sumsVerify(parameters: {
  table: OperatorTable
  sums: readonly SignatureSum[]
  backend?: Bn254Backend | undefined
  signal?: AbortSignal | undefined
}): Promise<boolean> {
  const { table, sums, backend = nobleBackend, signal } = parameters
  if (sums.length === 0) return true
  await giveWay(signal)
  const pairs = sums.map(({ digest, signers }) => ({
    ...{ g1: hashToG1(digest), g2: sumG2(keysOf(table, signers)) },
  }))
  const signature = sumG1(sums.map((sum) => sum.signature))
  return backend.pairingProduct([{ g1: negateG1(signature), g2: G2_GENERATOR }, ...pairs]).isOne()
}

/** Whether the keys of operators, given by index, add up to nothing. */
export function keysCancel(table: OperatorTable, indices: readonly number[]): boolean {
  return g1Equal(sumG1(indices.map((index) => operatorAt(table, index).pubkey)), G1_INFINITY)
}

function sumVerifies(held: Shares, work: Work): boolean {
  const { table, hashed, backend } = work
  const left = sumG1([...held.values()])
  const key = sumG2(keysOf(table, held.keys()))
  if (!g2Equal(key, G2_INFINITY))
    return pairingProduct(backend, { left, right: hashed, key }).isOne()
  // Keys of operators that are in league can cancel out, and infinity pairs to one: then one of them is
  // looked at alone, and the rest, whose keys cancel no more.
  const [first, ...rest] = [...held]
  return [[first], rest].every(
    (part) => part.length > 0 && sumVerifies(new Map(part as [number, G1Point][]), work),
  )
}

async function bisect(among: readonly number[], work: Work): Promise<number[]> {
  const { digits } = drawCoefficients({
    count: among.length,
    windows: WINDOWS,
    bits: BITS,
    random: work.randomBytes,
  })
  const combine = async (start: number, end: number): Promise<PairingProduct> => {
    let left: G1Point[] = []
    let key: G2Point[] = []
    for (let from = start; from < end; from += CHUNK) {
      const to = Math.min(end, from + CHUNK)
      const part = among.slice(from, to)
      const own = { bits: BITS, digits: digits.map((window) => window.subarray(from, to)) }
      await giveWay(work.signal)
      left = [
        ...left,
        combineG1(
          part.map((i) => work.fresh.get(i) as G1Point),
          own,
        ),
      ]
      key = [...key, joinWindowsG2(windowSumsG2(keysOf(work.table, part), own), own)]
    }
    await giveWay(work.signal)
    const sums = { left: sumG1(left), right: work.hashed, key: sumG2(key) }
    return pairingProduct(work.backend, sums)
  }
  const bad: number[] = []
  const open = [{ start: 0, end: among.length, value: await combine(0, among.length) }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { start, end, value } = next
    if (value.isOne()) continue
    if (end - start === 1) {
      bad.push(among[start] as number)
      continue
    }
    const middle = (start + end) >> 1
    const first = await combine(start, middle)
    open.push({ start: middle, end, value: value.over(first) })
    open.push({ start, end: middle, value: first })
  }
  return bad
}

async function lookAtEach(among: readonly number[], work: Work): Promise<number[]> {
  const bad: number[] = []
  for (const index of among) {
    await giveWay(work.signal)
    const held = new Map([[index, work.fresh.get(index) as G1Point]])
    if (!sumVerifies(held, work)) bad.push(index)
  }
  return bad
}

async function giveWay(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0))
  signal?.throwIfAborted()
}

function keysOf(table: OperatorTable, indices: Iterable<number>): G2Point[] {
  // The table's keys were checked when it was made: their subgroup checks are not paid for twice.
  return [...indices].map((index) => operatorAt(table, index).pubkeyG2)
}

function operatorAt(table: OperatorTable, index: number): TableOperator {
  return table.operators[index] as TableOperator
}
