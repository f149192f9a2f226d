/**
 * Signing, aggregating, verifying and whole verifications, beside bare @noble/curves.
 *
 * `npm run bench:attestation` prints a table; `--json` prints one object. Each row is the best of
 * several runs in one process. "bare" is the curve library alone on the same points: what no
 * implementation over it can go below. Ours adds the checks that keep forged points out.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import type { Address, Hex } from 'viem'
import { attestationLevels, verifyTaskAttestation } from '../src/attestation/index.js'
import {
  addG1,
  addG2,
  blsKeyFromSeed,
  buildCertificate,
  type Certificate,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  decodeCertificate,
  encodeCertificate,
  type G1Point,
  type G2Point,
  hashToG1,
  operatorWitness,
  verifyCertificate,
  verifySignature,
} from '../src/core/bn254/index.js'
import { computeArtifactDigest, encodeDigestPreimage } from '../src/core/digest.js'
import { computeMessageHash, encodeResponse } from '../src/core/response.js'
import { fromHex, toHex, uintToBytes, utf8 } from '../src/internal/bytes.js'
import { createWorld, word } from '../test/support/attestationWorld.js'

type Row = {
  name: string
  ours: number
  unit: 'ms' | 'µs'
  better: 'lower'
  peers: Record<string, number>
  target: number | null
}

const rows: Row[] = []

/** Milliseconds of the fastest of several runs. */
async function best(work: () => unknown, { runs = 7, repeat = 1 } = {}): Promise<number> {
  await work()
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const start = performance.now()
    for (let j = 0; j < repeat; j++) await work()
    fastest = Math.min(fastest, (performance.now() - start) / repeat)
  }
  return fastest
}

async function row(
  name: string,
  {
    ours,
    bare,
    target = null,
    ...how
  }: {
    ours: () => unknown
    bare?: () => unknown
    target?: number | null
    runs?: number
    repeat?: number
  },
): Promise<void> {
  const time = await best(ours, how)
  const peer = bare === undefined ? undefined : await best(bare, how)
  const unit = time < 0.5 ? 'µs' : 'ms'
  const scale = unit === 'µs' ? 1_000 : 1
  const peers: Record<string, number> = {}
  if (peer !== undefined) peers['bare'] = peer * scale
  rows.push({ name, ours: time * scale, unit, better: 'lower', peers, target })
}

const g1 = ({ X, Y }: G1Point) => bn254.G1.Point.fromAffine({ x: X, y: Y })
const g2 = ({ X, Y }: G2Point) =>
  bn254.G2.Point.fromAffine({ x: { c0: X[1], c1: X[0] }, y: { c0: Y[1], c1: Y[0] } })

async function curve(): Promise<void> {
  const digest: Hex = word(7)
  const secret = 0x1234567890abcdef1234567890abcdef1234567890abcdefn
  const key = createBlsKey(secret)
  const hashed = g1(hashToG1(digest))
  const signature = key.sign(digest)
  const { pubkey, pubkeyG2 } = key.publicKey
  await row('hash to G1', { ours: () => hashToG1(digest), repeat: 20 })
  await row('sign', {
    ours: () => key.sign(digest),
    bare: () => hashed.multiply(secret).toAffine(),
    repeat: 10,
  })
  const pairs = [
    { g1: g1(signature).negate(), g2: bn254.G2.Point.BASE },
    { g1: hashed, g2: g2(pubkeyG2) },
  ]
  await row('verify one signature', {
    ours: () => verifySignature({ digest, signature, pubkey, pubkeyG2 }),
    bare: () => bn254.pairingBatch(pairs),
  })
}

async function aggregates(): Promise<void> {
  const referenceTimestamp = 1_750_000_000
  const messageHash: Hex = word(9)
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  for (const count of [4, 16, 100, 400]) {
    const keys = Array.from({ length: count }, (_, i) => blsKeyFromSeed(utf8(`bench ${i}`)))
    const operators = keys.map((key, i) => ({
      operator: toHex(uintToBytes(i + 1, 20)) as Address,
      ...key.publicKey,
      weights: [100n],
    }))
    const runs = count > 50 ? 3 : 5
    const table = createOperatorTable(operators)
    const shares = keys.map((key, i) => ({
      operator: (operators[i] as { operator: Address }).operator,
      signature: key.sign(digest),
    }))
    const signatures = shares.map((one) => one.signature)
    const points = signatures.map(g1)
    const keyPoints = operators.map((one) => g2(one.pubkeyG2))
    await row(`add ${count} signatures, each checked`, {
      runs,
      repeat: 5,
      ours: () => addG1(signatures),
      bare: () => points.reduce((sum, one) => sum.add(one)).toAffine(),
    })
    await row(`add ${count} G2 keys, each checked`, {
      runs,
      ours: () => addG2(operators.map((one) => one.pubkeyG2)),
      bare: () => keyPoints.reduce((sum, one) => sum.add(one)).toAffine(),
    })
    if (count === 4 || count === 400) {
      await row(`build the table of ${count} operators`, {
        runs: 2,
        ours: () => createOperatorTable(operators),
      })
    }
    const parameters = { table, referenceTimestamp, messageHash }
    await row(`aggregate ${count} into a certificate`, {
      runs,
      ours: () => buildCertificate({ ...parameters, shares }),
      bare: () => {
        points.reduce((sum, one) => sum.add(one)).toAffine()
        keyPoints.reduce((sum, one) => sum.add(one)).toAffine()
      },
    })
    const quorum = await buildCertificate({
      ...parameters,
      shares: shares.slice(0, Math.ceil(count * 0.75)),
    })
    const { certificate } = quorum
    const verify = (of: Certificate) =>
      verifyCertificate({
        certificate: of,
        table: table.info,
        referenceTimestamp,
        messageHash,
        quorumBps: 7_500,
      })
    if (verify(certificate).status !== 'valid') throw new Error('the certificate does not verify')
    const silent = certificate.nonSignerWitnesses.length
    const pairs = [
      { g1: g1(certificate.signature).negate(), g2: bn254.G2.Point.BASE },
      { g1: g1(hashToG1(digest)), g2: g2(certificate.apk) },
    ]
    await row(`verify a certificate of ${count}, ${silent} silent`, {
      runs,
      ours: () => verify(certificate),
      bare: () => bn254.pairingBatch(pairs),
    })
    if (count !== 400) continue
    const encoded = encodeCertificate(certificate)
    await row(`decode that certificate, ${fromHex(encoded).length} bytes`, {
      ours: () => decodeCertificate(encoded),
    })
    const witness = operatorWitness(table, 0)
    const many = Array.from({ length: 50_000 }, (_, operatorIndex) => ({
      ...witness,
      operatorIndex,
    }))
    const hostile = { ...certificate, nonSignerWitnesses: many }
    await row('refuse 50,000 non-signers', { ours: () => verify(hostile), repeat: 10 })
  }
}

async function messages(): Promise<void> {
  const world = createWorld()
  const { response, preimage } = world.evaluate(world.makeTask())
  const [data] = preimage.data as [(typeof preimage.data)[number]]
  for (const count of [2, 32]) {
    const wide = { ...preimage, data: Array.from({ length: count }, () => data) }
    const bytes = encodeDigestPreimage(wide)
    await row(`artifact digest, ${count} data instances`, {
      repeat: 100,
      ours: () => computeArtifactDigest(wide),
      bare: () => keccak_256(bytes),
    })
  }
  const encoded = fromHex(encodeResponse(response))
  await row('message hash of a response', {
    repeat: 100,
    ours: () => computeMessageHash(response),
    bare: () => keccak_256(encoded),
  })
}

async function levels(): Promise<void> {
  const world = createWorld()
  const { task, response, preimage, inputs } = world.evaluate(world.makeTask())
  const certificate = world.sign(response, { signers: [0, 1, 2] })
  const parameters = { reader: world.reader, task, response, certificate, preimage, inputs }
  for (const level of attestationLevels) {
    await row(`verify to level ${level}`, {
      repeat: level === 'quorum' || level === 'result' ? 1 : 20,
      ours: () => verifyTaskAttestation({ ...parameters, level }),
    })
  }
}

await curve()
await messages()
await levels()
await aggregates()

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ area: 'attestation', rows }))
} else {
  const width = Math.max(...rows.map(({ name }) => name.length))
  console.log(`${'attestation'.padEnd(width)}        ours        bare   ratio`)
  for (const { name, ours, unit, peers } of rows) {
    const bare = peers['bare']
    const time = `${ours.toFixed(2)} ${unit}`.padStart(12)
    const peer =
      bare === undefined
        ? ''
        : `${`${bare.toFixed(2)} ${unit}`.padStart(12)}${(ours / bare).toFixed(2).padStart(8)}`
    console.log(`${name.padEnd(width)}${time}${peer}`)
  }
}
