import type { Address, Hex } from 'viem'
import { describe, expect, test, vi } from 'vitest'
import { toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import {
  addG1,
  addG2,
  type Bn254Backend,
  blsKeyFromSeed,
  buildCertificate,
  CertificateBuildError,
  computeSignableDigest,
  createAggregator,
  createBlsKey,
  createOperatorTable,
  G1_INFINITY,
  type G1Point,
  GROUP_ORDER,
  nobleBackend,
  type TableOperator,
  verifyCertificate,
} from './index.js'

const referenceTimestamp = 1_750_000_000
const messageHash: Hex = `0x${'5a'.repeat(32)}`
const digest = computeSignableDigest({ referenceTimestamp, messageHash })
const count = 24

const address = (index: number): Address => toHex(uintToBytes(index + 1, 20))
const keys = Array.from({ length: count }, (_, index) => blsKeyFromSeed(utf8(`operator ${index}`)))
const operators: TableOperator[] = keys.map((key, index) => ({
  operator: address(index),
  ...key.publicKey,
  weights: [100n + BigInt(index), 1000n],
}))
const table = createOperatorTable(operators)
const base = { table, referenceTimestamp, messageHash }

const share = (index: number, signature?: G1Point) => ({
  operator: address(index),
  signature: signature ?? (keys[index] as (typeof keys)[number]).sign(digest),
})
const all = Array.from({ length: count }, (_, index) => index)
const bad = (index: number) => share(index, blsKeyFromSeed(utf8(`bad ${index}`)).sign(digest))
const without = (...left: number[]) => all.filter((index) => !left.includes(index))
const quorumOf = (certificate: Awaited<ReturnType<typeof buildCertificate>>['certificate']) =>
  verifyCertificate({
    certificate,
    table: table.info,
    referenceTimestamp,
    messageHash,
    quorumBps: 100,
  })

/** The default backend, counting what it is asked for. */
function counting(): Bn254Backend & { products: number } {
  const counted = {
    ...nobleBackend,
    products: 0,
    pairingProduct(pairs: Parameters<Bn254Backend['pairingProduct']>[0]) {
      counted.products++
      return nobleBackend.pairingProduct(pairs)
    },
  }
  return counted
}

describe('buildCertificate', () => {
  test('default: who does not sign is a non-signer', async () => {
    const shares = [4, 0, 3].map((index) => share(index))
    const built = await buildCertificate({ ...base, shares })
    expect(built.signers).toEqual([0, 3, 4])
    expect(built.refused).toEqual([])
    expect(built.certificate.nonSignerWitnesses.map((one) => one.operatorIndex)).toEqual(
      without(0, 3, 4),
    )
    expect(built.certificate.apk).toEqual(
      addG2([0, 3, 4].map((i) => operators[i]?.pubkeyG2 as never)),
    )
    expect(quorumOf(built.certificate).status).toBe('valid')
  })

  test('behavior: bad, repeated and unknown shares are left out one by one', async () => {
    const foreign = { ...share(0), operator: address(777) }
    const infinite = share(9, G1_INFINITY)
    const shares = [
      foreign,
      ...without(2, 9, 20).map((index) => share(index)),
      share(5),
      bad(2),
      infinite,
      share(20, { X: 1n, Y: 1n }),
    ]
    const built = await buildCertificate({ ...base, shares })
    expect(built.signers).toEqual(without(2, 9, 20))
    expect(built.refused.map(({ operator, index, fault }) => [operator, index, fault])).toEqual([
      [address(777), -1, 'UNKNOWN_OPERATOR'],
      [address(5), 5, 'DUPLICATE_SIGNER'],
      [address(9), 9, 'SHARE_INVALID'],
      [address(20), 20, 'SHARE_INVALID'],
      [address(2), 2, 'SHARE_INVALID'],
    ])
    expect(quorumOf(built.certificate).status).toBe('valid')
  })

  test('behavior: what is no share at all is refused, and keeps no other out', async () => {
    const { signature } = share(3)
    const malformed: unknown[] = [null, undefined, 1, 'share', [], {}, { operator: 7, signature }]
    malformed.push({ signature }, { operator: null, signature }, { operator: address(3) })
    malformed.push({ operator: address(3), signature: { X: '1', Y: '2' } })
    const shares = [...malformed, ...all.map((index) => share(index))] as never[]
    const built = await buildCertificate({ ...base, shares })
    expect(built.signers).toEqual(all)
    expect(built.refused.map(({ fault }) => fault)).toEqual([
      ...malformed.slice(0, -2).map(() => 'UNKNOWN_OPERATOR'),
      'SHARE_INVALID',
      'SHARE_INVALID',
    ])
  })

  test('behavior: operators whose keys cancel out sign with others, and make nothing alone', async () => {
    const league = [createBlsKey(77n), createBlsKey(GROUP_ORDER - 77n)]
    const joined = createOperatorTable([
      ...league.map((key, i) => ({
        operator: address(800 + i),
        ...key.publicKey,
        weights: [1n, 1n],
      })),
      ...operators.slice(0, 4),
    ])
    const of = (i: number, signed = digest) => ({
      operator: address(800 + i),
      signature: (league[i] as (typeof league)[0]).sign(signed),
    })
    const parameters = { ...base, table: joined }
    const alone = buildCertificate({ ...parameters, shares: [of(0), of(1)] })
    await expect(alone).rejects.toMatchObject({ code: 'CERTIFICATE_BUILD', fault: 'NO_SIGNERS' })
    const aggregator = createAggregator(parameters)
    for (const one of [of(0), of(1)]) aggregator.add(one)
    await expect(aggregator.certificate()).rejects.toMatchObject({ fault: 'NO_SIGNERS' })
    aggregator.add(share(2))
    const { certificate, signers } = await aggregator.certificate()
    expect(signers).toEqual([0, 1, 4])
    const against = { certificate, table: joined.info, referenceTimestamp, messageHash }
    expect(verifyCertificate({ ...against, quorumBps: 1 }).status).toBe('valid')
    // Bad shares that cancel out with the keys are bad all the same.
    const shift = createBlsKey(12345n).sign(digest)
    const unshift = createBlsKey(GROUP_ORDER - 12345n).sign(digest)
    const moved = (i: number, by: G1Point) => ({
      ...of(i),
      signature: addG1([of(i).signature, by]),
    })
    const shares = [moved(0, shift), moved(1, unshift)]
    const error = await buildCertificate({ ...parameters, shares }).catch((thrown) => thrown)
    expect(error.refused.map(({ index }: { index: number }) => index)).toEqual([0, 1])
  })

  test('behavior: shares that cancel each other out are found beside a bad one', async () => {
    const shift = createBlsKey(12345n).sign(digest)
    const unshift = createBlsKey(GROUP_ORDER - 12345n).sign(digest)
    const moved = (index: number, by: G1Point) => share(index, addG1([share(index).signature, by]))
    const shares = [
      moved(6, shift),
      moved(7, unshift),
      bad(15),
      ...without(6, 7, 15).map((index) => share(index)),
    ]
    const built = await buildCertificate({ ...base, shares })
    expect(built.refused.map(({ index }) => index)).toEqual([6, 7, 15])
    expect(built.signers).toEqual(without(6, 7, 15))
    expect(quorumOf(built.certificate).status).toBe('valid')
  })

  test('behavior: a bad share costs a pairing product for each halving', async () => {
    for (const at of [0, 13, count - 1]) {
      const backend = counting()
      const shares = all.map((index) => (index === at ? bad(index) : share(index)))
      const built = await buildCertificate({ ...base, shares, backend })
      expect(built.refused.map(({ index }) => index)).toEqual([at])
      // The sum, the combination of all, one for each of 5 levels at most, the sum of the rest.
      expect(backend.products).toBeLessThanOrEqual(2 + 5 + 1)
    }
  })

  test('behavior: coefficients that miss are drawn again', async () => {
    let draws = 0
    const randomBytes = (length: number): Uint8Array =>
      new Uint8Array(length).fill(draws++ < 8 ? 0 : 7)
    const shares = [share(0), bad(1), share(2)]
    const built = await buildCertificate({ ...base, shares, randomBytes })
    expect(built.refused.map(({ index }) => index)).toEqual([1])
    // A source that never gives anything costs a look at each.
    const dead = { ...base, shares, randomBytes: (length: number) => new Uint8Array(length) }
    expect((await buildCertificate(dead)).signers).toEqual([0, 2])
  })

  test('error: NO_SIGNERS names why each share was left out', async () => {
    const fault = async (shares: ReturnType<typeof share>[]) => {
      const error = await buildCertificate({ ...base, shares }).catch((thrown: unknown) => thrown)
      expect(error).toBeInstanceOf(CertificateBuildError)
      const { fault, refused, code } = error as CertificateBuildError
      expect(code).toBe('CERTIFICATE_BUILD')
      return [fault, ...refused.map((one) => one.fault)]
    }
    expect(await fault([])).toEqual(['NO_SIGNERS'])
    expect(await fault([bad(1), { ...share(0), operator: address(99) }])).toEqual([
      'NO_SIGNERS',
      'UNKNOWN_OPERATOR',
      'SHARE_INVALID',
    ])
  })
})

describe('createAggregator', () => {
  test('default: certificates grow with the shares', async () => {
    const aggregator = createAggregator(base)
    expect(aggregator.weights()).toEqual([0n, 0n])
    for (const index of [3, 1]) expect(aggregator.add(share(index))).toBeUndefined()
    expect(aggregator.signers()).toEqual([1, 3])
    expect(aggregator.weights()).toEqual([204n, 2000n])
    expect((await aggregator.certificate()).signers).toEqual([1, 3])
    aggregator.add(share(2))
    const second = await aggregator.certificate()
    expect(second.signers).toEqual([1, 2, 3])
    expect(quorumOf(second.certificate).status).toBe('valid')
  })

  test('behavior: an operator whose share was bad may send another', async () => {
    const aggregator = createAggregator(base)
    aggregator.add(share(0))
    aggregator.add(bad(1))
    expect(aggregator.add(share(1))?.fault).toBe('DUPLICATE_SIGNER')
    expect((await aggregator.certificate()).refused.map(({ index }) => index)).toEqual([1])
    expect(aggregator.signers()).toEqual([0])
    expect(aggregator.add(share(1))).toBeUndefined()
    expect(await aggregator.certificate()).toMatchObject({ signers: [0, 1], refused: [] })
  })

  test('behavior: what comes in during a certificate waits for the next one', async () => {
    const aggregator = createAggregator(base)
    aggregator.add(share(0))
    const first = aggregator.certificate()
    await Promise.resolve()
    await Promise.resolve()
    aggregator.add(share(1))
    const [one, two] = await Promise.all([first, aggregator.certificate()])
    expect(one.signers).toEqual([0])
    expect(two.signers).toEqual([0, 1])
  })

  test('behavior: the event loop turns between steps', async () => {
    const turns = vi.fn()
    const timer = setInterval(turns, 0)
    try {
      const shares = all.map((index) => (index % 5 === 0 ? bad(index) : share(index)))
      await buildCertificate({ ...base, shares })
    } finally {
      clearInterval(timer)
    }
    expect(turns.mock.calls.length).toBeGreaterThan(5)
  })

  test('behavior: an aborted call leaves the shares as they were', async () => {
    const aggregator = createAggregator(base)
    aggregator.add(share(0))
    aggregator.add(bad(1))
    const controller = new AbortController()
    const call = aggregator.certificate({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(call).rejects.toThrow('enough')
    expect(aggregator.signers()).toEqual([0, 1])
    expect((await aggregator.certificate()).signers).toEqual([0])
  })
})
