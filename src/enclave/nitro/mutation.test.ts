import { X509Certificate } from 'node:crypto'
import { readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  accepted,
  folder,
  policyOf,
  positions,
  present,
  read,
  type Sample,
} from '../../../test/support/nitroSamples.js'
import { isPolicySdkError } from '../../errors/base.js'
import { bytesToUint, toHex, uintToBytes } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { createSimulator } from '../simulator/index.js'
import { encodeCoseSign1, parseCoseSign1 } from './cose.js'
import { parseNitroPayload } from './payload.js'
import type { NitroPolicy } from './policy.js'
import { verifyNitroAttestation } from './verify.js'
import { parseCertificate } from './x509/certificate.js'
import {
  AWS_NITRO_ROOT_KECCAK256,
  AWS_NITRO_ROOT_SHA256,
  certificateFingerprint,
} from './x509/roots.js'

describe.skipIf(!present)('the other signature of the pair', () => {
  test.each(accepted)(
    '(r, n - s) of $file verifies: same payload hash, another document hash',
    async ({ file, now_ms }) => {
      const order =
        0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n
      const bytes = read(file)
      const sign1 = parseCoseSign1(bytes)
      const signature = sign1.signature.slice()
      signature.set(uintToBytes(order - bytesToUint(signature.subarray(48)), 48), 48)
      const twin = encodeCoseSign1({ ...sign1, signature })
      for (const backend of ['webcrypto', 'noble'] as const) {
        const policy = policyOf(bytes, now_ms, backend)
        const [one, two] = [
          await verifyNitroAttestation(bytes, policy),
          await verifyNitroAttestation(twin, policy),
        ]
        if (one.status !== 'valid' || two.status !== 'valid') throw new Error('both are genuine')
        expect(two.attestation.payloadHash).toBe(one.attestation.payloadHash)
        expect(two.attestation.documentHash).not.toBe(one.attestation.documentHash)
        expect(one.attestation.documentHash).toBe(keccakHex(bytes))
      }
    },
  )
})

describe.skipIf(!present)('differential: node:crypto certificates', () => {
  const files = present
    ? [
        ...readdirSync(folder).filter((name) => name.endsWith('.bin')),
        ...readdirSync(new URL('negative/', folder))
          .filter((name) => name.endsWith('.bin'))
          .map((name) => `negative/${name}`),
      ]
    : []
  test('the same names, dates, CA flags and keys in every certificate that both read', () => {
    let compared = 0
    for (const file of files) {
      let payload: ReturnType<typeof parseNitroPayload>
      try {
        payload = parseNitroPayload(parseCoseSign1(read(file)).payload)
      } catch {
        continue
      }
      const ders = [...payload.cabundle, payload.certificate]
      for (const [index, der] of ders.entries()) {
        let ours: ReturnType<typeof parseCertificate>
        try {
          ours = parseCertificate(der)
        } catch {
          continue
        }
        const theirs = new X509Certificate(der)
        expect(Date.parse(theirs.validFrom)).toBe(ours.notBefore)
        expect(Date.parse(theirs.validTo)).toBe(ours.notAfter)
        // OpenSSL calls a certificate a CA only where it may also sign certificates.
        const mayIssue = ours.keyUsage?.keyCertSign !== false
        expect(theirs.ca).toBe(ours.basicConstraints?.ca === true && mayIssue)
        expect(BigInt(`0x${theirs.serialNumber}`)).toBe(bytesToUint(ours.serial))
        if (ours.publicKey !== undefined) {
          const spki = new Uint8Array(theirs.publicKey.export({ type: 'spki', format: 'der' }))
          expect(toHex(spki.subarray(-97))).toBe(toHex(ours.publicKey))
        }
        const parent = index === 0 ? undefined : ders[index - 1]
        if (parent !== undefined) {
          const issuer = new X509Certificate(parent)
          const sameName = theirs.issuer === issuer.subject
          expect(sameName).toBe(toHex(ours.issuer) === toHex(parseCertificate(parent).subject))
        }
        compared++
      }
    }
    expect(compared).toBeGreaterThan(200)
  })

  test('node:crypto confirms all four links of every accepted document, and finds none in mutants', async () => {
    for (const { file } of accepted) {
      const payload = parseNitroPayload(parseCoseSign1(read(file)).payload)
      const chain = [...payload.cabundle, payload.certificate].map(
        (der) => new X509Certificate(der),
      )
      for (let i = 1; i < chain.length; i++) {
        const [child, parent] = [chain[i] as X509Certificate, chain[i - 1] as X509Certificate]
        expect(child.checkIssued(parent)).toBe(true)
        expect(child.verify(parent.publicKey)).toBe(true)
      }
    }
  })

  test('a mutated certificate that we read and node:crypto does not verify is refused by us too', async () => {
    const { file, now_ms } = accepted[0] as Sample
    const bytes = read(file)
    const policy = policyOf(bytes, now_ms, 'webcrypto')
    const payload = parseNitroPayload(parseCoseSign1(bytes).payload)
    const parent = new X509Certificate(payload.cabundle[3] as Uint8Array)
    const start = Buffer.from(bytes).indexOf(Buffer.from(payload.certificate))
    expect(start).toBeGreaterThan(0)
    for (const position of positions(200, payload.certificate.length * 8, 99)) {
      const mutant = bytes.slice()
      const at = start + (position >> 3)
      mutant[at] = (mutant[at] as number) ^ (1 << (position & 7))
      const der = mutant.subarray(start, start + payload.certificate.length)
      let theirs = false
      try {
        theirs = new X509Certificate(der).verify(parent.publicKey)
      } catch {}
      expect(theirs).toBe(false)
      expect((await verifyNitroAttestation(mutant, policy)).status).toBe('reject')
    }
  })

  test('the pinned root is the one in every document, by both hashes', () => {
    const payload = parseNitroPayload(parseCoseSign1(read((accepted[0] as Sample).file)).payload)
    const root = payload.cabundle[0] as Uint8Array
    expect(certificateFingerprint(root)).toBe(AWS_NITRO_ROOT_SHA256)
    expect(keccakHex(root)).toBe(AWS_NITRO_ROOT_KECCAK256)
    expect(new X509Certificate(root).fingerprint256.replaceAll(':', '').toLowerCase()).toBe(
      AWS_NITRO_ROOT_SHA256.slice(2),
    )
  })
})

describe('hostile input', () => {
  const policy: NitroPolicy = {
    measurements: [{ 0: `0x${'a0'.repeat(48)}` }],
    freshness: { kind: 'maxAge', maxAge: 60_000 },
    binding: { userData: 'any', publicKey: 'any' },
  }
  const timed = async (bytes: Uint8Array): Promise<number> => {
    const started = performance.now()
    const verdict = await verifyNitroAttestation(bytes, policy)
    const took = performance.now() - started
    expect(verdict.status).toBe('reject')
    if (verdict.status === 'reject') expect(verdict.code).not.toBe('POLICY')
    return took
  }

  test('anything of up to 16 KiB is refused with a code', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 16_384 }), async (bytes) => {
        await timed(bytes)
      }),
      { numRuns: 300 },
    )
  })

  test('16 KiB built to be expensive takes under 50 ms', async () => {
    const head = [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0]
    const wrap = (payload: Uint8Array): Uint8Array => {
      const out = new Uint8Array(head.length + 3 + payload.length + 98)
      out.set(head)
      out.set([0x59, payload.length >> 8, payload.length & 0xff], head.length)
      out.set(payload, head.length + 3)
      out.set([0x58, 0x60], head.length + 3 + payload.length)
      return out
    }
    const fills: Record<string, (i: number) => number> = {
      'arrays in arrays': () => 0x81,
      'indefinite arrays': () => 0x9f,
      'indefinite maps': () => 0xbf,
      'empty maps in an array': (i) => (i === 0 ? 0x9f : 0xa0),
      'many integers': (i) => (i === 0 ? 0x9f : 0x00),
      'many map entries': (i) => (i === 0 ? 0xbf : i & 1 ? i & 0x17 : 0xf6),
      'promised lengths': () => 0x5b,
    }
    // Once for the compiler.
    await timed(wrap(new Uint8Array(16_000)))
    for (const fill of Object.values(fills)) {
      expect(
        await timed(wrap(Uint8Array.from({ length: 16_000 }, (_, i) => fill(i)))),
      ).toBeLessThan(50)
    }
  })

  test('wrong JavaScript types are refused, never thrown', async () => {
    for (const value of [undefined, null, 7, 'x', {}, [], new Uint16Array(4), Symbol('x')]) {
      expect(await verifyNitroAttestation(value as never, policy)).toMatchObject({
        status: 'reject',
        code: 'MALFORMED',
      })
      expect(await verifyNitroAttestation(new Uint8Array(4), value as never)).toMatchObject({
        status: 'reject',
      })
    }
  })

  test('a payload mutated in structure and signed anew is refused or reads the same', async () => {
    const simulator = createSimulator({ image: [{ name: 'a', bytes: Uint8Array.of(1) }] })
    const document = await simulator.nsm.attest({})
    const cose = parseCoseSign1(document)
    await fc.assert(
      fc.asyncProperty(fc.nat(cose.payload.length - 1), fc.nat(255), async (at, value) => {
        const payload = cose.payload.slice()
        if (payload[at] === value) return
        payload[at] = value
        try {
          parseNitroPayload(payload)
        } catch (error) {
          expect(isPolicySdkError(error)).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a buffer that changes while it is verified changes nothing', async () => {
    const simulator = createSimulator({ image: [{ name: 'a', bytes: Uint8Array.of(1) }] })
    const document = await simulator.nsm.attest({ userData: Uint8Array.of(1, 2, 3) })
    const pending = verifyNitroAttestation(document, {
      ...simulator.policy,
      freshness: policy.freshness,
      binding: { userData: Uint8Array.of(1, 2, 3), publicKey: 'absent' },
    })
    document.fill(0)
    expect(await pending).toMatchObject({ status: 'valid', attestation: { userData: '0x010203' } })
  })
})
