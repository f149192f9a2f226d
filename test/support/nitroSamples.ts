/** Genuine documents of the public vectors, the policies that accept them, and places to change them at. */
import { existsSync, readFileSync } from 'node:fs'
import { parseCoseSign1 } from '../../src/enclave/nitro/cose.js'
import { parseNitroPayload } from '../../src/enclave/nitro/payload.js'
import type { NitroPolicy } from '../../src/enclave/nitro/policy.js'
import type { P384Backend } from '../../src/enclave/nitro/x509/signature.js'
import { toHex } from '../../src/internal/bytes.js'

export const folder = new URL('../../../shared/vectors/public/nitro/', import.meta.url)
export const present = existsSync(folder)
if (!present) {
  if (process.env['CI_REQUIRE_ALL'] === '1') throw new Error('the public Nitro vectors are absent')
  console.warn('skipped: ../shared/vectors/public/nitro is absent')
}

export const read = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(name, folder)))
export type Sample = { file: string; expect_production: string; now_ms: number }
export const accepted: readonly Sample[] = (
  present ? (JSON.parse(Buffer.from(read('MANIFEST.json')).toString()) as Sample[]) : []
).filter((sample) => sample.expect_production === 'accept')

export function policyOf(bytes: Uint8Array, now: number, backend: P384Backend): NitroPolicy {
  const pcr0 = parseNitroPayload(parseCoseSign1(bytes).payload).pcrs.get(0) as Uint8Array
  return {
    measurements: [{ 0: toHex(pcr0) }],
    freshness: { kind: 'maxAge', maxAge: 3_600_000 },
    binding: { userData: 'any', publicKey: 'any' },
    clock: () => now,
    backend,
  }
}

/** A small generator with a seed, so that a failure can be repeated. */
export function positions(count: number, below: number, seed: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  })
}
