import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { NitroPolicy } from '../nitro/policy.js'
import { assertNitroAttestation, verifyNitroAttestation } from '../nitro/verify.js'
import { createSimulator, measureImage } from './index.js'

const image = [
  { name: 'policy', bytes: Uint8Array.of(1, 2, 3) },
  { name: 'plugin', bytes: Uint8Array.of(4, 5, 6) },
]
const open: Pick<NitroPolicy, 'freshness' | 'binding'> = {
  freshness: { kind: 'maxAge', maxAge: 60_000 },
  binding: { userData: 'any', publicKey: 'any' },
}

describe('createSimulator', () => {
  test.each(['webcrypto', 'noble'] as const)(
    'the real verifier accepts its documents, %s',
    async (backend) => {
      const simulator = createSimulator({ image })
      const userData = Uint8Array.of(7)
      const publicKey = new Uint8Array(32).fill(9)
      const document = await simulator.nsm.attest({ userData, publicKey })
      const attestation = await assertNitroAttestation(document, {
        ...simulator.policy,
        freshness: open.freshness,
        binding: { userData, publicKey: 'x25519' },
        backend,
      })
      expect(attestation.assurance).toBe('simulator')
      expect(attestation.pcr0Commitment).toBe(keccakHex(fromHex(simulator.measurements.pcrs[0])))
      expect(attestation.publicKey).toBe(toHex(publicKey))
      expect(attestation.nonce).toBeUndefined()
      expect(document[10]).toBe(0xbf)
    },
  )

  test('another root, and the root of AWS, refuse it', async () => {
    const simulator = createSimulator({ image })
    const other = createSimulator({ image })
    const document = await simulator.nsm.attest({})
    const { measurements, clock } = simulator.policy
    expect(await verifyNitroAttestation(document, { measurements, clock, ...open })).toMatchObject({
      code: 'UNTRUSTED_ROOT',
    })
    expect(await verifyNitroAttestation(document, { ...other.policy, ...open })).toMatchObject({
      code: 'UNTRUSTED_ROOT',
    })
    expect(
      await verifyNitroAttestation(document, {
        ...simulator.policy,
        insecureTrustRoot: false,
        ...open,
      }),
    ).toMatchObject({ code: 'POLICY' })
  })

  test('one changed byte of any part, and another version, change PCR0', () => {
    const before = measureImage({ image }).pcrs[0]
    const seen = new Set([before])
    for (const part of image) {
      for (let i = 0; i < part.bytes.length; i++) {
        const bytes = part.bytes.slice()
        bytes[i] = (bytes[i] as number) ^ 1
        seen.add(
          measureImage({ image: image.map((p) => (p === part ? { ...p, bytes } : p)) }).pcrs[0],
        )
      }
    }
    seen.add(measureImage({ image, version: 'newton-simulator/2' }).pcrs[0])
    expect(seen.size).toBe(8)
    expect(measureImage({ image: [...image].reverse() }).pcrs[0]).toBe(before)
  })

  test('the same seed and clock give the same documents', async () => {
    const seed = new Uint8Array(32).fill(5)
    const make = (): Promise<Uint8Array> =>
      createSimulator({ image, seed, now: () => 1_790_000_000_000 }).nsm.attest({
        nonce: Uint8Array.of(1),
      })
    expect(toHex(await make())).toBe(toHex(await make()))
  })

  test('the leaf stays for 2 h 45 min, then rolls over; both verify', async () => {
    let now = 1_790_000_000_000
    const simulator = createSimulator({ image, now: () => now })
    const leaf = async (): Promise<string> => {
      const { certificateFingerprints } = await assertNitroAttestation(
        await simulator.nsm.attest({}),
        {
          ...simulator.policy,
          ...open,
        },
      )
      return certificateFingerprints[4] as string
    }
    const first = await leaf()
    now += 2.7 * 3_600_000
    expect(await leaf()).toBe(first)
    now += 0.1 * 3_600_000
    expect(await leaf()).not.toBe(first)
  })

  test.each(['high', 'low'] as const)(
    '%s-s signatures verify on both backends',
    async (signatures) => {
      const simulator = createSimulator({ image, signatures, map: 'definite' })
      const document = await simulator.nsm.attest({})
      expect(document[10]).toBe(0xa9)
      for (const backend of ['webcrypto', 'noble'] as const) {
        const verdict = await verifyNitroAttestation(document, {
          ...simulator.policy,
          ...open,
          backend,
        })
        expect(verdict.status).toBe('valid')
      }
    },
  )

  test('node:crypto reads its certificates and agrees on every link', () => {
    const simulator = createSimulator({ image })
    const root = new X509Certificate(simulator.root.der)
    expect(root.subject).toContain('NOT AMAZON')
    expect(root.verify(root.publicKey)).toBe(true)
    expect(root.ca).toBe(true)
  })
})
