/**
 * Pairings in WebAssembly, by `mcl-wasm`: about five times as fast as `@noble/curves`, for operators,
 * aggregators and challengers. An optional peer, loaded when it is asked for.
 *
 * The library has one curve for the whole process, and no object of it survives another
 * initialisation. Where something else in the process chooses another curve, every call here fails.
 */
import { MissingPeerError } from '../../../errors/common.js'
import { uintToBytes } from '../../../internal/bytes.js'
import { foreignProduct } from '../backend.js'
import { g2Equal } from '../curve/points.js'
import {
  type Bn254Backend,
  Bn254BackendError,
  type G1Point,
  G2_GENERATOR,
  type G2Point,
  type PairingProduct,
  type PointPair,
} from '../index.js'

type Mcl = typeof import('mcl-wasm')
type Gt = InstanceType<Mcl['GT']>
type McG1 = InstanceType<Mcl['G1']>
type McG2 = InstanceType<Mcl['G2']>

/**
 * Loads `mcl-wasm` and makes a backend of it.
 *
 * @throws {MissingPeerError} where `mcl-wasm` is not installed.
 * @throws {Bn254BackendError} where the process uses it with another curve already.
 * @example
 * ```ts
 * import { createAggregator } from '@newton/policy-sdk/attestation'
 * import { mclBackend } from '@newton/policy-sdk/attestation/mcl'
 *
 * const backend = await mclBackend()
 * const aggregator = createAggregator({ table, referenceTimestamp, messageHash, backend })
 * ```
 */
export async function mclBackend(): Promise<Bn254Backend> {
  const mcl = await load()
  if (mcl.curveType !== undefined && mcl.curveType !== mcl.BN_SNARK1) throw otherCurve()
  // Once for all callers: the library says which curve it has before it can compute with it.
  starting ??= mcl.init(mcl.BN_SNARK1)
  await starting
  return createBackend(mcl)
}

let starting: Promise<void> | undefined

async function load(): Promise<Mcl> {
  try {
    const imported = (await import('mcl-wasm')) as unknown as Mcl & { default?: Mcl }
    // Bundlers and Node differ in what a CommonJS module's names are. `curveType` changes: only the
    // module's own object shows it.
    return imported.default?.init === undefined ? imported : imported.default
  } catch (cause) {
    throw new MissingPeerError({ peer: 'mcl-wasm', needed: 'mclBackend' }, { cause })
  }
}

function createBackend(mcl: Mcl): Bn254Backend {
  const values = new WeakMap<PairingProduct, Gt>()
  let generatorLines: InstanceType<Mcl['PrecomputedG2']> | undefined

  const assertCurve = (): void => {
    if (mcl.curveType !== mcl.BN_SNARK1) throw otherCurve()
  }
  const product = (value: Gt): PairingProduct => {
    const made: PairingProduct = {
      isOne: () => {
        assertCurve()
        return value.isOne()
      },
      over(other) {
        assertCurve()
        const divisor = values.get(other)
        if (divisor === undefined) throw foreignProduct()
        return product(mcl.div(value, divisor))
      },
    }
    values.set(made, value)
    return made
  }
  const fp = (value: bigint): InstanceType<Mcl['Fp']> => {
    const element = new mcl.Fp()
    element.setLittleEndian(uintToBytes(value, 32).reverse())
    return element
  }
  const fp2 = ([imaginary, real]: readonly [bigint, bigint]): InstanceType<Mcl['Fp2']> => {
    const element = new mcl.Fp2()
    element.set_a(fp(real))
    element.set_b(fp(imaginary))
    return element
  }
  const one = fp(1n)
  const one2 = fp2([0n, 1n])
  const g1 = ({ X, Y }: G1Point): McG1 => {
    const point = new mcl.G1()
    if (X === 0n && Y === 0n) return point
    point.setX(fp(X))
    point.setY(fp(Y))
    point.setZ(one)
    return point
  }
  const g2 = ({ X, Y }: G2Point): McG2 => {
    const point = new mcl.G2()
    if ([...X, ...Y].every((part) => part === 0n)) return point
    point.setX(fp2(X))
    point.setY(fp2(Y))
    point.setZ(one2)
    return point
  }
  const toG1 = (point: McG1): G1Point => {
    if (point.isZero()) return { X: 0n, Y: 0n }
    point.normalize()
    const read = (element: InstanceType<Mcl['Fp']>): bigint => BigInt(`0x${element.getStr(16)}`)
    return { X: read(point.getX()), Y: read(point.getY()) }
  }

  return Object.freeze({
    name: 'mcl-wasm',
    combineG1(terms: Parameters<Bn254Backend['combineG1']>[0]): G1Point {
      assertCurve()
      let sum = new mcl.G1()
      for (const { point, scalar } of terms) {
        if (scalar === 0n) continue
        sum = mcl.add(sum, scalar === 1n ? g1(point) : mcl.mul(g1(point), scalarOf(mcl, scalar)))
      }
      return toG1(sum)
    },
    isInSubgroup(point: G2Point): boolean {
      assertCurve()
      return g2(point).isValidOrder()
    },
    pairingProduct(pairs: readonly PointPair[]): PairingProduct {
      assertCurve()
      let value = new mcl.GT()
      value.setInt(1)
      for (const pair of pairs) {
        const left = g1(pair.g1)
        if (left.isZero()) continue
        if (g2Equal(pair.g2, G2_GENERATOR)) {
          generatorLines ??= new mcl.PrecomputedG2(g2(G2_GENERATOR))
          value = mcl.mul(value, mcl.precomputedMillerLoop(left, generatorLines))
          continue
        }
        const right = g2(pair.g2)
        if (!right.isZero()) value = mcl.mul(value, mcl.millerLoop(left, right))
      }
      return product(mcl.finalExp(value))
    },
  })
}

function scalarOf(mcl: Mcl, scalar: bigint): InstanceType<Mcl['Fr']> {
  const element = new mcl.Fr()
  element.setLittleEndian(uintToBytes(scalar, 32).reverse())
  return element
}

function otherCurve(): Bn254BackendError {
  const reason = 'it is initialised with another curve in this process'
  return new Bn254BackendError({ backend: 'mcl-wasm', reason })
}
