import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bn254 } from '@noble/curves/bn254.js'
import { build } from 'esbuild'
import fc from 'fast-check'
import type { Hex } from 'viem'
import { describe, expect, test } from 'vitest'
import { publicVectors } from '../../../test/publicVectors.js'
import { computeArtifactHash } from '../../core/artifact.js'
import { GROUP_ORDER } from '../../core/bn254/curve/points.js'
import { concat, fromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  decodeEigenDaCommitment,
  encodeEigenDaCommitment,
  standardFromOpCommitment,
} from '../eigenda/cert/cert.js'
import { computeBatchRoot, computeBlobKey } from '../eigenda/cert/digest.js'
import { decodePayload, encodePayload } from '../eigenda/payloadCodec.js'
import { nodeKzgWorker } from '../node/kzgWorker.js'
import { createArtifactVerifier } from '../verifier.js'
import { assertEigenDaCert, verifyEigenDaCert } from './certificate.js'
import { commitToEncodedPayload, commitToPayload } from './commitment.js'
import { inverseFourier, power, symbolsToScalars } from './field.js'
import { certCheck, createKzg, kzgCheck } from './kzg.js'
import { affineMsm } from './msm/affine.js'
import { nobleMsm } from './msm/msm.js'
import { wasmMsm } from './msm/wasm.js'
import { compressG1, createSrs, decompressG1 } from './srs.js'
import { connectKzgWorker, type MessageEndpoint, serveKzg } from './worker.js'

type PayloadVector = {
  name: string
  payloadLen: number
  symbols: number
  keccakPayload: Hex
  keccakEncodedPayload: Hex
  keccakBlobCoeffBytes: Hex
  commitmentX: Hex
  commitmentY: Hex
  gnarkCompressed: string
}
type LiveCert = { source: string; altdaCommitment: Hex; encodedPayload: Hex }

const vectors = JSON.parse(
  readFileSync('test/vectors/eigenda/payload_commitment_vectors.json', 'utf8'),
) as PayloadVector[]
const folder = publicVectors('eigenda')
const hasPublic = folder !== undefined
const points = hasPublic
  ? new Uint8Array(readFileSync(`${folder}/g1_abbr.point`))
  : new Uint8Array()
const live = hasPublic
  ? (JSON.parse(readFileSync(`${folder}/live_sepolia_certs.json`, 'utf8')) as LiveCert[])
  : []

/** The payloads that the vectors are hashes of. */
function payloadOf({ name, payloadLen }: PayloadVector): Uint8Array {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value)
  switch (name) {
    case 'empty':
      return new Uint8Array(0)
    case 'hello':
      return text('hello')
    case '31x01':
      return new Uint8Array(31).fill(1)
    case '32x01':
      return new Uint8Array(32).fill(1)
    case 'my-eigenda-payload':
      return text('my-eigenda-payload')
    case '1024 i&255':
      return Uint8Array.from({ length: payloadLen }, (_, i) => i & 255)
    case '62 (Go example)': {
      const payload = new Uint8Array(62)
      payload[0] = 1
      payload[31] = 2
      return payload
    }
    case '63457 max@2048':
      return Uint8Array.from({ length: payloadLen }, (_, i) => (i * 13 + 5) & 255)
    case '10240 i*7+3':
      return Uint8Array.from({ length: payloadLen }, (_, i) => (i * 7 + 3) & 255)
    default:
      return new Uint8Array(0)
  }
}

describe('inverseFourier', () => {
  test('gives the coefficients of the polynomial through the values', () => {
    const root = power(
      19103219067921713944291392827692070036145651957329286315305642004821462161904n,
      2n ** 24n,
    )
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(0n, GROUP_ORDER - 1n), { minLength: 16, maxLength: 16 }),
        (coefficients) => {
          const values = coefficients.map((_, i) => {
            const x = power(root, BigInt(i))
            return coefficients.reduceRight((sum, c) => (sum * x + c) % GROUP_ORDER, 0n)
          })
          expect(inverseFourier(values)).toEqual(coefficients)
        },
      ),
      { numRuns: 20 },
    )
  })
  test('needs a power of two', () => {
    for (const size of [0, 3, 12])
      expect(() => inverseFourier(new Array<bigint>(size).fill(1n))).toThrow(/power of two/)
  })
})

describe.each([nobleMsm(), affineMsm(), wasmMsm()])('MSM backend $name', ({ msm }) => {
  const base = bn254.G1.Point.BASE
  const at = (k: bigint) => {
    const { x, y } = base.multiply(k).toAffine()
    return { X: x, Y: y }
  }
  test('is the sum of the products', async () => {
    const points = [at(3n), at(5n), at(7n)]
    const sum = (3n * 11n + 7n * (GROUP_ORDER - 1n)) % GROUP_ORDER
    expect(await msm(points, [11n, 0n, GROUP_ORDER - 1n])).toEqual(at(sum))
    expect(await msm(points, [0n, 0n, 0n])).toEqual({ X: 0n, Y: 0n })
    expect(await msm([], [])).toEqual({ X: 0n, Y: 0n })
  })
  test('with repeated points, opposite points, infinities and cancelling sums', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            k: fc.oneof(
              fc.bigInt(0n, 4n),
              fc.bigInt(GROUP_ORDER - 4n, GROUP_ORDER - 1n),
              fc.bigInt(0n, GROUP_ORDER - 1n),
            ),
            scalar: fc.oneof(
              fc.bigInt(0n, 300n),
              fc.bigInt(GROUP_ORDER - 300n, GROUP_ORDER - 1n),
              fc.bigInt(0n, GROUP_ORDER - 1n),
            ),
          }),
          { minLength: 1, maxLength: 40 },
        ),
        async (terms) => {
          const points = terms.map(({ k }) => (k === 0n ? { X: 0n, Y: 0n } : at(k)))
          const total = terms.reduce((sum, { k, scalar }) => (sum + k * scalar) % GROUP_ORDER, 0n)
          const expected = total === 0n ? { X: 0n, Y: 0n } : at(total)
          expect(
            await msm(
              points,
              terms.map(({ scalar }) => scalar),
            ),
          ).toEqual(expected)
        },
      ),
      { numRuns: 25 },
    )
  })
})

describe('point compression', () => {
  test('follows the vectors, and round-trips', () => {
    for (const { gnarkCompressed, commitmentX, commitmentY } of vectors) {
      const point = decompressG1(fromHex(`0x${gnarkCompressed}`))
      expect(point).toEqual({ X: BigInt(commitmentX), Y: BigInt(commitmentY) })
      expect(toHex(compressG1(point))).toBe(`0x${gnarkCompressed}`)
    }
  })
  test('refuses malformed points', () => {
    const bad = [
      '00'.repeat(32),
      `41${'00'.repeat(31)}`,
      `40${'00'.repeat(30)}01`,
      'ff'.repeat(32),
      `80${'00'.repeat(30)}04`,
    ]
    for (const hex of bad)
      expect(() => decompressG1(fromHex(`0x${hex}`))).toThrow(/reference string/)
    expect(() => decompressG1(new Uint8Array(31))).toThrow(/31 bytes/)
  })
})

describe.skipIf(!hasPublic)('against the ceremony’s points', () => {
  const srs = createSrs({ points })

  for (const vector of vectors) {
    const payload = payloadOf(vector)
    test(`payload to commitment: ${vector.name}`, async () => {
      expect(keccakHex(payload)).toBe(vector.keccakPayload)
      const encoded = encodePayload(payload)
      expect(encoded.length).toBe(vector.symbols * 32)
      expect(keccakHex(encoded)).toBe(vector.keccakEncodedPayload)
      expect(decodePayload(encoded)).toEqual(payload)
      const blob = concat(
        ...inverseFourier(symbolsToScalars(encoded)).map((c) => uintToBytes(c, 32)),
      )
      expect(keccakHex(blob)).toBe(vector.keccakBlobCoeffBytes)
      const commitment = await commitToPayload(payload, { srs })
      expect(commitment).toEqual({ X: BigInt(vector.commitmentX), Y: BigInt(vector.commitmentY) })
    })
  }
  for (const [index, { altdaCommitment, encodedPayload }] of live.entries()) {
    const commitment = standardFromOpCommitment(altdaCommitment)
    test(`live payload ${index} reproduces its certificate’s commitment`, async () => {
      const cert = decodeEigenDaCommitment(commitment)
      const encoded = fromHex(encodedPayload)
      expect(await commitToEncodedPayload(encoded, { srs })).toEqual(
        cert.blobInclusionInfo.blobCertificate.blobHeader.commitment.commitment,
      )
      await createKzg({ srs }).assertCommits(decodePayload(encoded), cert)
    })
    test(`live certificate ${index} verifies offline`, async () => {
      expect(await verifyEigenDaCert(commitment)).toMatchObject({
        status: 'verified',
        checks: ['inclusion', 'payer', 'lengthCommitment', 'lengthProof'],
        payer: expect.stringMatching(/^0xc212b67c/),
        blobKey: expect.stringMatching(
          ['^0xce612f0f.*45ab$', '^0x43785ffe.*8ae2$', '^0x22c71d35.*b060$'][index] as string,
        ),
      })
    })
  }

  test('a flipped byte anywhere in a payload is refused', async () => {
    const { altdaCommitment, encodedPayload } = live[0] as LiveCert
    const cert = decodeEigenDaCommitment(standardFromOpCommitment(altdaCommitment))
    const payload = decodePayload(fromHex(encodedPayload))
    const kzg = createKzg({ srs })
    for (let i = 0; i < payload.length; i++) {
      const flipped = payload.slice()
      flipped[i] = (flipped[i] as number) ^ 0x01
      await expect(kzg.assertCommits(flipped, cert)).rejects.toMatchObject({
        code: 'KZG_COMMITMENT_MISMATCH',
      })
    }
    for (const other of [
      payload.subarray(1),
      new Uint8Array([...payload, 0]),
      new Uint8Array(1_000),
    ]) {
      await expect(kzg.assertCommits(other, cert)).rejects.toMatchObject({
        code: 'KZG_COMMITMENT_MISMATCH',
      })
    }
  })

  test('a flipped byte of the points is refused', async () => {
    for (const at of [0, 31, 32, 40, 63, 64, 100, 127]) {
      const flipped = points.slice(0, 128)
      flipped[at] = (flipped[at] as number) ^ 0x01
      await expect(createSrs({ points: flipped }).prefix(4)).rejects.toMatchObject({
        code: 'KZG_INVALID_SRS',
      })
    }
    // The other square root is a point of the curve too.
    const negated = points.slice(0, 128)
    negated[96] = (negated[96] as number) ^ 0x40
    await expect(createSrs({ points: negated }).prefix(4)).rejects.toMatchObject({
      code: 'KZG_INVALID_SRS',
    })
  })

  test('points swapped, or of a toy ceremony, are refused', async () => {
    const swapped = points.slice(0, 128)
    swapped.set(points.subarray(64, 96), 96)
    swapped.set(points.subarray(96, 128), 64)
    await expect(createSrs({ points: swapped }).prefix(4)).rejects.toMatchObject({
      code: 'KZG_INVALID_SRS',
    })
    const toy = new Uint8Array(128)
    for (let i = 0; i < 4; i++) {
      const { x, y } = bn254.G1.Point.BASE.multiply(7n ** BigInt(i)).toAffine()
      toy.set(compressG1({ X: x, Y: y }), i * 32)
    }
    await expect(createSrs({ points: toy }).prefix(4)).rejects.toMatchObject({
      code: 'KZG_INVALID_SRS',
    })
    // The same points pass for their own secret: the check is about τ and not about form.
    const tau = bn254.G2.Point.BASE.multiply(7n).toAffine()
    const tauG2 = { X: [tau.x.c1, tau.x.c0], Y: [tau.y.c1, tau.y.c0] } as const
    await expect(createSrs({ points: toy, tauG2 }).prefix(4)).resolves.toHaveLength(4)
  })

  test('more points than supplied are asked for in vain', async () => {
    await expect(createSrs({ points: points.subarray(0, 64) }).prefix(3)).rejects.toMatchObject({
      code: 'KZG_SRS_TOO_SHORT',
    })
    const short = createSrs({ length: 8, points: async () => points.slice(0, 32) })
    await expect(short.prefix(4)).rejects.toMatchObject({ code: 'KZG_SRS_TOO_SHORT' })
  })

  test('mutating any byte of a certificate is refused, or changes only what a node must check', async () => {
    const commitment = fromHex(standardFromOpCommitment((live[0] as LiveCert).altdaCommitment))
    const original = decodeEigenDaCommitment(commitment)
    const survivors: string[] = []
    for (let i = 0; i < commitment.length; i++) {
      const mutated = commitment.slice()
      mutated[i] = (mutated[i] as number) ^ 0x01
      // Bytes outside the blob certificate change no hash, and each costs two pairings to try.
      if (leavesHashes(mutated) && i % 29 !== 0 && process.env['DA_LONG'] !== '1') continue
      const result = await verifyEigenDaCert(mutated)
      if (result.status !== 'verified') continue
      const decoded = decodeEigenDaCommitment(mutated)
      // What is left must be a member that only the chain can vouch for.
      expect(encodeEigenDaCommitment(decoded)).toBe(toHex(mutated))
      expect(computeBlobKey(decoded)).toBe(computeBlobKey(original))
      const { nonSignerStakesAndSignature: _a, signedQuorumNumbers: _b, ...rest } = decoded
      const { nonSignerStakesAndSignature: _c, signedQuorumNumbers: _d, ...expected } = original
      const { referenceBlockNumber: _e, ...root } = rest.batchHeader
      const { referenceBlockNumber: _f, ...expectedRoot } = expected.batchHeader
      expect({ ...rest, batchHeader: root }).toEqual({ ...expected, batchHeader: expectedRoot })
      survivors.push(String(i))
    }
    expect(survivors.length).toBeGreaterThan(0)
    expect(survivors.length).toBeLessThan(commitment.length)
  }, 120_000)

  test('the contract’s word is needed where it is asked for', async () => {
    const commitment = standardFromOpCommitment((live[0] as LiveCert).altdaCommitment)
    const ask = (status: number) =>
      verifyEigenDaCert(commitment, { checkDACert: async () => status })
    expect(await ask(1)).toMatchObject({
      status: 'verified',
      checks: expect.arrayContaining(['checkDACert']),
    })
    for (const status of [0, 2, 6, 7])
      expect(await ask(status)).toMatchObject({ status: 'refused', fault: 'REFUSED_ON_CHAIN' })
    await expect(
      assertEigenDaCert(commitment, { checkDACert: async () => 6 }),
    ).rejects.toMatchObject({
      name: 'InvalidCertError',
      code: 'KZG_INVALID_CERT',
      fault: 'REFUSED_ON_CHAIN',
    })
    const down = await verifyEigenDaCert(commitment, {
      checkDACert: async () => {
        throw new TypeError('RPC is down')
      },
    })
    expect(down.status).toBe('unknown')
    expect(await verifyEigenDaCert(commitment, { payer: `0x${'11'.repeat(20)}` })).toMatchObject({
      status: 'refused',
      fault: 'UNEXPECTED_PAYER',
    })
  })

  test('levels of an artifact’s verification', async () => {
    const { altdaCommitment, encodedPayload } = live[0] as LiveCert
    const bytes = decodePayload(fromHex(encodedPayload))
    const commitments = [standardFromOpCommitment(altdaCommitment)]
    const verifier = createArtifactVerifier({
      checks: [kzgCheck(createKzg({ srs })), certCheck()],
      required: ['kzg', 'cert'],
    })
    const locator = { kind: 'eigenDa', commitments } as const
    expect(
      (await verifier.assertArtifact(bytes, locator, computeArtifactHash(bytes))).checks,
    ).toEqual([
      'keccak256',
      'kzg',
      'cert',
      'cert.inclusion',
      'cert.payer',
      'cert.lengthCommitment',
      'cert.lengthProof',
    ])
    const other = standardFromOpCommitment((live[1] as LiveCert).altdaCommitment)
    for (const wrong of [[other], [...commitments, other], [other, ...commitments]]) {
      const result = await verifier.verifyArtifact(
        bytes,
        { kind: 'eigenDa', commitments: wrong },
        computeArtifactHash(bytes),
      )
      expect(result.status).toBe('refused')
    }
  })

  test('a worker gives the same, and its errors arrive', async () => {
    const temporary = await mkdtemp(join(tmpdir(), 'kzg-worker-'))
    const outfile = join(temporary, 'worker.mjs')
    await build({
      entryPoints: ['src/da/node/kzgWorkerMain.ts'],
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile,
    })
    const worker = nodeKzgWorker({
      points: points.slice(0, 64 * 32),
      script: pathToFileURL(outfile),
    })
    try {
      const payload = new Uint8Array(1_000).fill(5)
      const kzg = createKzg({ srs, worker, workerThreshold: 2 })
      expect(await kzg.commit(payload)).toEqual(await commitToPayload(payload, { srs }))
      await expect(kzg.commit(new Uint8Array(10_000))).rejects.toMatchObject({ code: 'KZG_WORKER' })
    } finally {
      worker.close()
      await rm(temporary, { recursive: true })
    }
    await expect(worker.commit(new Uint8Array(1_000))).rejects.toMatchObject({ code: 'KZG_WORKER' })
  }, 60_000)

  test('a port that talks nonsense is answered with an error', async () => {
    const [left, right] = channel()
    serveKzg(right)
    const client = connectKzgWorker(left, points.slice(0, 64))
    await expect(client.commit('x' as never)).rejects.toMatchObject({ code: 'KZG_WORKER' })
    expect(await client.commit(new TextEncoder().encode('hello'))).toMatchObject({
      X: BigInt((vectors.find(({ name }) => name === 'hello') as PayloadVector).commitmentX),
    })
  })
})

describe('verifyEigenDaCert', () => {
  test('never throws', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (value) => {
        expect((await verifyEigenDaCert(value as never)).status).toBe('refused')
      }),
      { numRuns: 200 },
    )
    expect((await verifyEigenDaCert('0x', null as never)).status).toBe('refused')
  })
  test('assert names the member that is malformed', async () => {
    await expect(assertEigenDaCert('0x02c0')).rejects.toMatchObject({
      code: 'DA_INVALID_COMMITMENT',
      field: 'cert',
    })
  })
})

/** Whether a mutated commitment still decodes to a certificate under its own batch root. */
function leavesHashes(commitment: Uint8Array): boolean {
  try {
    const cert = decodeEigenDaCommitment(commitment)
    return computeBatchRoot(cert) === cert.batchHeader.batchRoot
  } catch {
    return false
  }
}

/** Two connected endpoints in one thread. */
function channel(): [MessageEndpoint, MessageEndpoint] {
  const { port1, port2 } = new MessageChannel()
  const wrap = (port: typeof port1): MessageEndpoint => ({
    postMessage: (message) => port.postMessage(message),
    listen: (listener) => {
      port.onmessage = ({ data }) => listener(data)
    },
    close: () => port.close(),
  })
  return [wrap(port1), wrap(port2)]
}
