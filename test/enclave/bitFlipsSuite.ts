/** Genuine documents with one bit changed; how many of each is the caller's. */
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseCoseSign1 } from '../../src/enclave/nitro/cose.js'
import { parseNitroPayload } from '../../src/enclave/nitro/payload.js'
import type { NitroPolicy } from '../../src/enclave/nitro/policy.js'
import { verifyNitroAttestation } from '../../src/enclave/nitro/verify.js'
import type { P384Backend } from '../../src/enclave/nitro/x509/signature.js'
import { toHex } from '../../src/internal/bytes.js'

const folder = new URL('../../../shared/vectors/public/nitro/', import.meta.url)
const present = existsSync(folder)
if (!present) {
  if (process.env['CI_REQUIRE_ALL'] === '1') throw new Error('the public Nitro vectors are absent')
  console.warn('skipped: ../shared/vectors/public/nitro is absent')
}

const read = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, folder)))
type Sample = { file: string; expect_production: string; now_ms: number }
const accepted: readonly Sample[] = (
  present ? (JSON.parse(Buffer.from(read('MANIFEST.json')).toString()) as Sample[]) : []
).filter((sample) => sample.expect_production === 'accept')

function policyOf(bytes: Uint8Array, now: number, backend: P384Backend): NitroPolicy {
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
function positions(count: number, below: number, seed: number): number[] {
  let state = seed
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  })
}

/** Flips `flips` bits of each document, one at a time, under each backend. */
export function bitFlipsSuite(flips: number): void {
  describe.skipIf(!present).each(['webcrypto', 'noble'] as const)(
    'single bit flips, %s',
    (backend) => {
      test.each(accepted)(
        'none of $file is accepted',
        async ({ file, now_ms }) => {
          const bytes = read(file)
          const policy = policyOf(bytes, now_ms, backend)
          const survivors: number[] = []
          const seed = Number.parseInt(file.slice(0, 7), 16)
          for (const position of positions(flips, bytes.length * 8, seed)) {
            const flipped = bytes.slice()
            flipped[position >> 3] = (flipped[position >> 3] as number) ^ (1 << (position & 7))
            const verdict = await verifyNitroAttestation(flipped, policy)
            if (verdict.status !== 'reject') survivors.push(position)
          }
          expect(survivors).toEqual([])
        },
        120_000,
      )

      test('both backends give the same code for the same flip', async () => {
        const { file, now_ms } = accepted[0] as Sample
        const bytes = read(file)
        for (const position of positions(40, bytes.length * 8, 7)) {
          const flipped = bytes.slice()
          flipped[position >> 3] = (flipped[position >> 3] as number) ^ (1 << (position & 7))
          expect(
            await verifyNitroAttestation(flipped, policyOf(bytes, now_ms, 'webcrypto')),
          ).toEqual(await verifyNitroAttestation(flipped, policyOf(bytes, now_ms, 'noble')))
        }
      })
    },
  )
}
