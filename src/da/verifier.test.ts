import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { computeArtifactHash } from '../core/artifact.js'
import type { DaLocator } from '../core/locator.js'
import { DaIntegrityError } from './errors.js'
import {
  type ArtifactCheck,
  assertArtifact,
  createArtifactVerifier,
  verifyArtifact,
} from './verifier.js'

const locator: DaLocator = { kind: 'keccakStore', name: '' }
// keccak-256 of "hello", from the payload vectors.
const hello = new TextEncoder().encode('hello')
const helloHash = '0x1c8aff950685c2ed4bc3174f3472287b56d9517b9c948127319a09a7a36deac8'

describe('assertArtifact', () => {
  test('says what was checked', () => {
    expect(assertArtifact(hello, locator, helloHash)).toEqual({
      source: 'keccakStore',
      checks: ['keccak256'],
    })
  })
  test('any flipped byte is refused', () => {
    for (let i = 0; i < hello.length; i++) {
      const copy = hello.slice()
      copy[i] = (copy[i] as number) ^ 0x80
      expect(() => assertArtifact(copy, locator, helloHash)).toThrow(DaIntegrityError)
      expect(verifyArtifact(copy, locator, helloHash).status).toBe('refused')
    }
  })
  test('any flipped bit of the expectation is refused', () => {
    for (let i = 2; i < helloHash.length; i++) {
      const digit = (Number.parseInt(helloHash[i] as string, 16) ^ 1).toString(16)
      const other = `${helloHash.slice(0, i)}${digit}${helloHash.slice(i + 1)}` as const
      expect(verifyArtifact(hello, locator, other as `0x${string}`).status).toBe('refused')
    }
  })
  test('an HTML page with a truncated body is no artifact', () => {
    expect(verifyArtifact(new TextEncoder().encode('<html>'), locator, helloHash)).toMatchObject({
      status: 'refused',
      code: 'DA_INTEGRITY',
    })
    expect(verifyArtifact(new Uint8Array(0), locator, helloHash)).toMatchObject({
      status: 'refused',
    })
  })
})

describe('verifyArtifact', () => {
  test('never throws', () => {
    fc.assert(
      fc.property(fc.anything(), fc.anything(), fc.anything(), (bytes, where, expected) => {
        expect(verifyArtifact(bytes as never, where as never, expected as never).status).toBe(
          'refused',
        )
      }),
    )
  })
  test('accepts exactly the bytes that were hashed', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        fc.uint8Array({ minLength: 1, maxLength: 200 }),
        (a, b) => {
          const same = a.length === b.length && a.every((byte, i) => byte === b[i])
          expect(verifyArtifact(b, locator, computeArtifactHash(a)).status === 'verified').toBe(
            same,
          )
        },
      ),
    )
  })
})

describe('createArtifactVerifier', () => {
  const deep: ArtifactCheck = {
    name: 'deep',
    supports: ({ kind }) => kind === 'cid',
    check: async (bytes) => {
      if (bytes[0] === 0) throw new DaIntegrityError({ source: 'deep', reason: 'a zero' })
      return ['deep']
    },
  }
  const cid: DaLocator = { kind: 'cid', cid: '0x01551220' }
  test('adds checks to the hash, where they apply', async () => {
    const verifier = createArtifactVerifier({ checks: [deep] })
    expect((await verifier.assertArtifact(hello, cid, helloHash)).checks).toEqual([
      'keccak256',
      'deep',
    ])
    expect((await verifier.assertArtifact(hello, locator, helloHash)).checks).toEqual(['keccak256'])
  })
  test('refuses where a required check does not apply or fails', async () => {
    const verifier = createArtifactVerifier({ checks: [deep], required: ['deep'] })
    expect((await verifier.verifyArtifact(hello, locator, helloHash)).status).toBe('refused')
    const zero = new Uint8Array(3)
    expect((await verifier.verifyArtifact(zero, cid, computeArtifactHash(zero))).status).toBe(
      'refused',
    )
  })
  test('never lets a passing check replace the hash', async () => {
    const verifier = createArtifactVerifier({ checks: [{ ...deep, check: async () => ['deep'] }] })
    expect((await verifier.verifyArtifact(new Uint8Array([1]), cid, helloHash)).status).toBe(
      'refused',
    )
  })
})
