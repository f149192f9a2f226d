import fc from 'fast-check'
import { decodeAbiParameters, encodeAbiParameters, type Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../internal/bytes.js'
import {
  bn254CertificateParameter,
  type Certificate,
  decodeCertificate,
  encodeCertificate,
} from './index.js'

const uint256 = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })
const hexOf = (constraints: object) => fc.uint8Array(constraints).map(toHex)
const pair = fc.tuple(uint256, uint256)
const uint32 = fc.nat({ max: 2 ** 32 - 1 })
const point = fc.record({ X: uint256, Y: uint256 })
const certificates: fc.Arbitrary<Certificate> = fc.record({
  referenceTimestamp: uint32,
  messageHash: hexOf({ minLength: 32, maxLength: 32 }),
  signature: point,
  apk: fc.record({ X: pair, Y: pair }),
  nonSignerWitnesses: fc.array(
    fc.record({
      operatorIndex: uint32,
      operatorInfoProof: hexOf({ maxLength: 70 }),
      operatorInfo: fc.record({ pubkey: point, weights: fc.array(uint256, { maxLength: 3 }) }),
    }),
    { maxLength: 4 },
  ),
})

/** What the library's decoder and encoder say of the same bytes. */
function byLibrary(encoded: Hex): Certificate | 'refused' {
  try {
    const [certificate] = decodeAbiParameters([bn254CertificateParameter], encoded)
    const again = encodeAbiParameters([bn254CertificateParameter], [certificate])
    return again === encoded ? certificate : 'refused'
  } catch {
    return 'refused'
  }
}

function byUs(encoded: Hex): Certificate | 'refused' {
  try {
    return decodeCertificate(encoded)
  } catch (error) {
    expect(error).toMatchObject({ code: 'CERTIFICATE_REFUSED', reason: 'MALFORMED' })
    return 'refused'
  }
}

describe('decodeCertificate', () => {
  test('behavior: reads what the library reads', () => {
    fc.assert(
      fc.property(certificates, (certificate) => {
        const encoded = encodeCertificate(certificate)
        expect(byUs(encoded)).toEqual(certificate)
        expect(byLibrary(encoded)).toEqual(certificate)
      }),
      { numRuns: 200 },
    )
  })

  test('behavior: refuses what the library would write in another way', () => {
    const changed = fc.record({
      certificate: certificates,
      place: fc.nat(),
      value: fc.nat({ max: 255 }),
      how: fc.constantFrom('byte', 'word', 'cut', 'add', 'swap'),
    })
    fc.assert(
      fc.property(changed, ({ certificate, place, value, how }) => {
        const bytes = fromHex(encodeCertificate(certificate))
        const at = place % bytes.length
        const word = at - (at % 32)
        let hostile = bytes.slice()
        if (how === 'byte') hostile[at] = value
        if (how === 'word') hostile.set(new Uint8Array(32).fill(value % 2 === 0 ? 0 : 255), word)
        if (how === 'cut') hostile = hostile.slice(0, at)
        if (how === 'add') hostile = Uint8Array.from([...hostile, ...hostile.slice(word)])
        if (how === 'swap') {
          hostile.set(bytes.subarray(0, 32), word)
          hostile.set(bytes.subarray(word, word + 32), 0)
        }
        expect(byUs(toHex(hostile))).toEqual(byLibrary(toHex(hostile)))
      }),
      { numRuns: 1_000 },
    )
  })

  test('behavior: a number of witnesses or weights that cannot be there costs nothing', () => {
    const bytes = fromHex(
      encodeCertificate({
        ...{ referenceTimestamp: 1, messageHash: `0x${'11'.repeat(32)}` },
        ...{ signature: { X: 1n, Y: 2n }, apk: { X: [1n, 2n], Y: [3n, 4n] } },
        nonSignerWitnesses: [],
      }),
    )
    for (const byte of [0, 20, 27, 31]) {
      const hostile = bytes.slice()
      hostile[bytes.length - 32 + byte] = 255
      expect(byUs(toHex(hostile))).toBe('refused')
    }
  })
})
