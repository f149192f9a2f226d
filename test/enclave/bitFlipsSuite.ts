/** Genuine documents with one bit changed; how many of each is the caller's. */
import { describe, expect, test } from 'vitest'
import { verifyNitroAttestation } from '../../src/enclave/nitro/verify.js'
import {
  accepted,
  policyOf,
  positions,
  present,
  read,
  type Sample,
} from '../support/nitroSamples.js'

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
