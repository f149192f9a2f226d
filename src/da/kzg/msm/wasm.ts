/**
 * Pippenger's method in WebAssembly, where there is one: `wasm/msm.rs` is its source.
 *
 * Memory: the arguments as they come (points of 64 bytes, scalars of 36), points in the form they are
 * added in, and the work area of one round. Nothing is kept between calls.
 */
import { FIELD_MODULUS, type G1Point, GROUP_ORDER } from '../../../core/bn254/curve/points.js'
import { InvalidInputError } from '../../../errors/common.js'
import { fromBase64 } from '../../../internal/base64.js'
import { affineMsm } from './affine.js'
import type { MsmBackend } from './msm.js'
import { msmWasm } from './msmWasm.generated.js'

type Engine = {
  memory: { buffer: ArrayBuffer; grow(pages: number): number }
  __heap_base: { value: number }
  load(from: number, to: number, count: number): void
  msm(work: number): void
}

/** Bytes of a field element, and of a point, in the engine. */
const elementBytes = 36
const pointBytes = 72
/** Additions that share an inversion: more save little and take memory. */
const together = 1 << 16
/** Points of one call: at most 20 MB. */
const most = 1 << 16

/**
 * The default backend: faster than `mcl-wasm`, with the same results. Where WebAssembly cannot be
 * compiled it is {@link affineMsm}.
 *
 * @example
 * ```ts
 * import { wasmMsm } from '@newton/policy-sdk/da/kzg'
 *
 * await wasmMsm().msm([{ X: 1n, Y: 2n }], [1n]) // { X: 1n, Y: 2n }
 * ```
 */
export function wasmMsm(): MsmBackend {
  const module = compiled()
  if (module === undefined) return affineMsm()
  return {
    name: 'wasm',
    async msm(points, scalars, options = {}) {
      const parts: G1Point[] = []
      for (let start = 0; start < points.length; start += most) {
        options.signal?.throwIfAborted()
        // An instance for each: its memory goes with it.
        const engine = new WebAssembly.Instance(module).exports as unknown as Engine
        const end = Math.min(points.length, start + most)
        parts.push(sumOf(engine, points.slice(start, end), scalars.slice(start, end)))
      }
      if (parts.length < 2) return parts[0] ?? { X: 0n, Y: 0n }
      return affineMsm().msm(
        parts,
        parts.map(() => 1n),
        options,
      )
    },
  }
}

let shared: WebAssembly.Module | null | undefined

function compiled(): WebAssembly.Module | undefined {
  if (shared === undefined) {
    try {
      shared = new WebAssembly.Module(fromBase64(msmWasm) as Uint8Array<ArrayBuffer>)
    } catch {
      // No WebAssembly, or a content security policy that forbids it.
      shared = null
    }
  }
  return shared ?? undefined
}

function sumOf(engine: Engine, points: readonly G1Point[], scalars: readonly bigint[]): G1Point {
  const count = points.length
  const bits = windowBits(count)
  const windows = Math.ceil(256 / bits)
  const group = Math.max(1, Math.min(windows, Math.floor(together / count)))
  const buckets = group << (bits - 1)
  let end = engine.__heap_base.value
  const room = (bytes: number): number => {
    const at = (end + 7) & ~7
    end = at + bytes
    return at
  }
  const work = room(48)
  const result = room(64)
  const given = room(count * 64)
  const factors = room(count * elementBytes)
  const loaded = room(count * pointBytes)
  const entries = room(group * count * pointBytes)
  const half = Math.ceil((group * count) / 2) * elementBytes
  const [rises, products] = [room(half), room(half)]
  const [starts, lengths] = [room(buckets * 4), room(buckets * 4)]
  const pages = Math.ceil((end - engine.memory.buffer.byteLength) / 65_536)
  if (pages > 0) engine.memory.grow(pages)
  const view = new DataView(engine.memory.buffer)
  // Digits count from -2^(bits-1): the same is added to each scalar, so that none of them carries.
  let shift = 0n
  for (let window = 0; window < windows; window++) shift |= 1n << BigInt((window + 1) * bits - 1)
  points.forEach(({ X, Y }, index) => {
    put(view, given + index * 64, below(X, FIELD_MODULUS, `points[${index}].X`))
    put(view, given + index * 64 + 32, below(Y, FIELD_MODULUS, `points[${index}].Y`))
    const scalar = below(scalars[index], GROUP_ORDER, `scalars[${index}]`)
    put(view, factors + index * elementBytes, scalar + shift)
  })
  engine.load(given, loaded, count)
  const job = [loaded, factors, count, bits, windows, group, entries, rises, products, starts]
  for (const [index, value] of [...job, lengths, result].entries())
    view.setUint32(work + index * 4, value, true)
  engine.msm(work)
  return { X: take(view, result), Y: take(view, result + 32) }
}

function windowBits(count: number): number {
  // Measured: the additions of a bucket's points against those of its window's sum.
  return Math.max(3, Math.min(13, Math.round(Math.log2(count + 1)) - 3))
}

// A larger number would run into its neighbour.
function below(value: bigint | undefined, limit: bigint, field: string): bigint {
  if (typeof value === 'bigint' && value >= 0n && value < limit) return value
  throw new InvalidInputError({ field, reason: 'expected a number below the modulus' })
}

function put(view: DataView, at: number, value: bigint): void {
  let to = at
  for (let rest = value; rest > 0n; rest >>= 64n, to += 8)
    view.setBigUint64(to, BigInt.asUintN(64, rest), true)
}

function take(view: DataView, at: number): bigint {
  let value = 0n
  for (let word = 3; word >= 0; word--)
    value = (value << 64n) | view.getBigUint64(at + word * 8, true)
  return value
}
