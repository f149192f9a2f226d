/**
 * Signing, aggregating, verifying, whole verifications and the index, beside bare @noble/curves and
 * bare mcl-wasm.
 *
 * `npm run bench:attestation` prints a table; `--json` prints one object. Each row is the best of
 * several runs in one process. "bare" is `@noble/curves` alone on the same points, "mcl" is `mcl-wasm`
 * alone: what no implementation over them can go below. Ours adds the checks that keep forged points
 * out. Where a row has a target, a run that misses it ends with exit code 1 under `--check`.
 */
import { bn254 } from '@noble/curves/bn254.js'
import { keccak_256 } from '@noble/hashes/sha3.js'
import mcl from 'mcl-wasm'
import { type Address, getAddress, type Hex } from 'viem'
import { attestationLevels, verifyTaskAttestation } from '../src/attestation/index.js'
import { ARTIFACT_ABSENT } from '../src/core/artifact.js'
import {
  addG1,
  addG2,
  type BlsKey,
  type Bn254Backend,
  blsKeyFromSeed,
  buildCertificate,
  type Certificate,
  computeSignableDigest,
  createBlsKey,
  createOperatorTable,
  decodeCertificate,
  encodeCertificate,
  type G1Point,
  G2_GENERATOR,
  type G2Point,
  hashToG1,
  nobleBackend,
  operatorWitness,
  type TableOperator,
  verifyCertificate,
  verifySignature,
} from '../src/core/bn254/index.js'
import { mclBackend } from '../src/core/bn254/mcl/index.js'
import { computeArtifactDigest, encodeDigestPreimage } from '../src/core/digest.js'
import {
  computeParamsHash,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../src/core/ids.js'
import type { ChainEvent, ChainEvents } from '../src/core/interfaces/chainEvents.js'
import { computeMessageHash, encodeResponse } from '../src/core/response.js'
import { fromHex, toHex, uintToBytes, utf8 } from '../src/internal/bytes.js'
import { indexRegistry } from '../src/registry/index.js'
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
    mcl,
    target = null,
    ...how
  }: {
    ours: () => unknown
    bare?: () => unknown
    mcl?: () => unknown
    /** Milliseconds, or the most times `bare`. */
    target?: number | { ratio: number } | null
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
  if (mcl !== undefined) peers['mcl'] = (await best(mcl, how)) * scale
  const limit = typeof target === 'object' && target !== null ? target.ratio * (peer ?? 0) : target
  rows.push({
    ...{ name, unit, better: 'lower', peers },
    ours: time * scale,
    target: limit === null ? null : limit * scale,
  })
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
    const verify = (of: Certificate, backend?: Bn254Backend) =>
      verifyCertificate({
        backend,
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
      target: count === 400 ? { ratio: 1.3 } : null,
    })
    const inMcl = mclPairs(certificate, digest)
    await row(`verify a certificate of ${count}, ${silent} silent, with mcl-wasm`, {
      runs,
      ours: () => verify(certificate, wasm),
      mcl: () => inMcl(),
      target: count === 400 ? 6 : null,
    })
    if (count !== 400) continue
    rows.push({
      name: `  nothing of its table and signers remembered`,
      ours: await unknownTables(operators, keys),
      unit: 'ms',
      better: 'lower',
      peers: {},
      target: null,
    })
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

/** The fastest of verifications of which each is the first one of its table, signers and backend. */
async function unknownTables(
  operators: readonly TableOperator[],
  keys: readonly BlsKey[],
): Promise<number> {
  const referenceTimestamp = 1_750_000_000
  const messageHash: Hex = word(9)
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  let fastest = Number.POSITIVE_INFINITY
  for (let round = 0; round < 8; round++) {
    const weights = [BigInt(1_000 + round)]
    const table = createOperatorTable(operators.map((one) => ({ ...one, weights })))
    const shares = operators.flatMap(({ operator }, i) =>
      (i + round) % 4 === 0 ? [] : [{ operator, signature: (keys[i] as BlsKey).sign(digest) }],
    )
    const of = { table, referenceTimestamp, messageHash, shares, backend: wasm }
    const { certificate } = await buildCertificate(of)
    const against = { table: table.info, referenceTimestamp, messageHash, quorumBps: 7_500 }
    const start = performance.now()
    const outcome = verifyCertificate({ backend: { ...nobleBackend }, certificate, ...against })
    fastest = Math.min(fastest, performance.now() - start)
    if (outcome.status !== 'valid') throw new Error('a certificate does not verify')
  }
  return fastest
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

/** A table of 1,000 operators, and 700 shares with a bad one among them. */
async function thousand(): Promise<void> {
  const referenceTimestamp = 1_750_000_000
  const messageHash: Hex = word(9)
  const digest = computeSignableDigest({ referenceTimestamp, messageHash })
  let tables = 0
  // New keys each time: those that passed once are remembered.
  const members = () => {
    tables++
    return Array.from({ length: 1_000 }, (_, i) => {
      const key = createBlsKey(BigInt(tables * 1_000 + i))
      const operator = toHex(uintToBytes(i + 1, 20)) as Address
      return { key, entry: { operator, ...key.publicKey, weights: [100n] } }
    })
  }
  const sets = [members(), members(), members()]
  let next = 0
  await row('build the table of 1,000 operators', {
    runs: 2,
    ours: () => createOperatorTable((sets[next++] as (typeof sets)[0]).map(({ entry }) => entry)),
    target: 1_000,
  })
  const [own] = sets as [(typeof sets)[0]]
  const table = createOperatorTable(own.map(({ entry }) => entry))
  await row('build it again', {
    runs: 2,
    ours: () => createOperatorTable(own.map(({ entry }) => entry)),
  })
  for (const bad of [0, 1]) {
    const shares = own.slice(0, 700).map(({ key, entry }, i) => ({
      operator: entry.operator,
      signature: key.sign(i < bad ? messageHash : digest),
    }))
    const parameters = { table, referenceTimestamp, messageHash, shares }
    for (const backend of [undefined, wasm]) {
      const how = `${bad} bad${backend === undefined ? '' : ', with mcl-wasm'}`
      await row(`aggregate 700 of 1,000, ${how}`, {
        runs: 2,
        ours: () => buildCertificate({ ...parameters, backend }),
        target: 300,
      })
      rows.push({
        name: `  longest without a turn of the event loop, ${how}`,
        ours: await longestBlock(() => buildCertificate({ ...parameters, backend })),
        unit: 'ms',
        better: 'lower',
        peers: {},
        target: 50,
      })
    }
  }
}

async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 0)
  await work()
  clearInterval(timer)
  return Math.max(longest, performance.now() - last)
}

/** The index: announcements that crowd one artifact, and looks at a chain where nothing happens. */
async function index(): Promise<void> {
  const at = (block: bigint, logIndex: number) => ({
    ...{ blockNumber: block, blockHash: word(Number(block)), transactionIndex: 0, logIndex },
    transactionHash: word(1),
  })
  const announced: ChainEvent[] = Array.from({ length: 20_000 }, (_, i) => ({
    ...at(BigInt(1 + Math.floor(i / 100)), i % 100),
    type: 'ArtifactAnnounced',
    hash: word(5),
    namespace: 0,
    announcer: toHex(uintToBytes(1 + (i % 500), 20)),
    locator: toHex(uintToBytes(i + 1, 64)),
  }))
  await row('index 20,000 announcements of one artifact', {
    runs: 3,
    ours: () => indexRegistry({ events: chainOf(announced, 210n), fromBlock: 0n }),
    target: 1_000,
  })
  const template = { regoHash: word(1), paramsSchemaHash: ARTIFACT_ABSENT }
  const templateId = computePolicyTemplateId({ ...template, policyDataTemplateRefs: [] })
  const author = toHex(uintToBytes(1, 20))
  const deployed: ChainEvent[] = Array.from({ length: 10_000 }, (_, i) => {
    const client = getAddress(toHex(uintToBytes(i + 1, 20)))
    const paramsHash = computeParamsHash({ expireAfter: 50n, params: new Uint8Array() })
    const id = computePolicyInstanceId({ chainId: 1n, client, templateId, paramsHash })
    const row = { templateId, client, id, paramsHash, expireAfter: 50n, params: '0x' as const }
    return {
      ...at(BigInt(2 + Math.floor(i / 100)), i % 100),
      type: 'PolicyInstanceDeployed',
      ...row,
    }
  })
  const registered = { type: 'PolicyTemplateRegistered', id: templateId, author, refs: [] } as const
  const all: ChainEvent[] = [{ ...at(1n, 0), ...registered, ...template }, ...deployed]
  const chain = chainOf(all, 200n)
  const live = await indexRegistry({ events: chain, fromBlock: 0n })
  await row('100 live syncs at 10,000 instances', {
    runs: 3,
    ours: async () => {
      for (let i = 0; i < 100; i++) {
        chain.mine()
        await live.sync()
      }
    },
    target: 100,
  })
}

function chainOf(events: readonly ChainEvent[], height: bigint): ChainEvents & { mine(): void } {
  let head = height
  const blockAt = (number: bigint) => ({ number, hash: word(Number(number)), timestamp: number })
  return {
    chainId: 1n,
    mine: () => {
      head++
    },
    getEvents: async ({ fromBlock, toBlock }) =>
      events.filter(({ blockNumber }) => blockNumber >= fromBlock && blockNumber <= toBlock),
    getBlock: async (number) => (number > head ? null : blockAt(number)),
    getLatestBlock: async () => blockAt(head),
    getFinalizedBlock: async () => blockAt(head),
  }
}

/** The two pairings of a certificate's check in bare mcl-wasm, its points being trusted. */
function mclPairs(certificate: Certificate, digest: Hex): () => unknown {
  const hex = (...parts: bigint[]): string => parts.map((part) => part.toString(16)).join(' ')
  const inG1 = ({ X, Y }: G1Point) => {
    const point = new mcl.G1()
    point.setStr(`1 ${hex(X, Y)}`, 16)
    return point
  }
  const inG2 = ({ X, Y }: G2Point) => {
    const point = new mcl.G2()
    point.setStr(`1 ${hex(X[1], X[0], Y[1], Y[0])}`, 16)
    return point
  }
  const signature = mcl.neg(inG1(certificate.signature))
  const [hashed, apk, generator] = [
    inG1(hashToG1(digest)),
    inG2(certificate.apk),
    inG2(G2_GENERATOR),
  ]
  return () =>
    mcl.finalExp(mcl.mul(mcl.millerLoop(signature, generator), mcl.millerLoop(hashed, apk))).isOne()
}

const wasm = await mclBackend()

await curve()
await messages()
await levels()
await aggregates()
await thousand()
await index()

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ area: 'attestation', rows }))
} else {
  const width = Math.max(...rows.map(({ name }) => name.length))
  console.log(
    `${'attestation'.padEnd(width)}        ours        bare   ratio         mcl      target`,
  )
  for (const { name, ours, unit, peers, target } of rows) {
    const { bare, mcl: peer } = peers
    const show = (value: number | null | undefined): string =>
      (value === undefined || value === null ? '' : `${value.toFixed(2)} ${unit}`).padStart(12)
    const ratio = (bare === undefined ? '' : (ours / bare).toFixed(2)).padStart(8)
    const missed = target !== null && ours > target ? '  missed' : ''
    console.log(
      `${name.padEnd(width)}${show(ours)}${show(bare)}${ratio}${show(peer)}${show(target)}${missed}`,
    )
  }
}
if (process.argv.includes('--check') && rows.some(({ ours, target }) => ours > (target ?? ours))) {
  process.exitCode = 1
}
