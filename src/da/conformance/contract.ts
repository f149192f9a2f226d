/** How a case says that the contract of `DaClient` is broken, and the bytes that it stores. */
import { BaseError } from '../../errors/base.js'

/** A backend does not keep the contract of `DaClient`. */
export class ConformanceError extends BaseError {
  override readonly name = 'ConformanceError'
  override readonly code = 'DA_CONFORMANCE'
}

export function broken(reason: string): ConformanceError {
  return new ConformanceError(`The contract is broken: ${reason}.`)
}

export function require(condition: boolean, reason: string): void {
  if (!condition) throw broken(reason)
}

export async function failure(call: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await call
  } catch (error) {
    return error
  }
  throw new ConformanceError(`The call succeeded with ${typeof value} where it must fail.`)
}

// Deterministic bytes without long runs, different for every seed.
export function sampleBytes(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    out[i] = state >>> 24
  }
  return out
}
