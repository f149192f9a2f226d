/**
 * Enclaves: document verification by backend, seal and open, round trips through the simulator by
 * transport, evaluations per second.
 *
 * `npm run bench:enclave` prints a table, `--json` one object. Peers run in the same process: node:crypto
 * with the same five signatures and no profile checks, and the HPKE library without our copies.
 */
import {
  generateKeyPairSync,
  type KeyObject,
  verify as nodeVerify,
  sign,
  X509Certificate,
} from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305'
import { CipherSuite, HkdfSha256 } from '@hpke/core'
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519'
import {
  createDecryptionKey,
  createEnclaveEvaluator,
  createMemoryTransport,
  createSecretsOpener,
  type EnclaveListener,
  type EnclaveTransport,
  memoryAnchor,
  memoryBlobs,
  openSealedKv,
  pinnedRecipient,
  sealSecrets,
  serveEnclave,
  verifyNitroAttestation,
} from '../src/enclave/index.js'
import { parseCoseSign1, signatureStructure } from '../src/enclave/nitro/cose.js'
import { parseNitroPayload } from '../src/enclave/nitro/payload.js'
import {
  childProcessTransport,
  tcpListener,
  tcpTransport,
  unixListener,
  unixTransport,
} from '../src/enclave/node/index.js'
import { createSimulator } from '../src/enclave/simulator/index.js'
import { fromHex, toHex } from '../src/internal/bytes.js'
import { bundle, verifier } from '../test/enclave/bundle.js'
import { limitEvaluator, transferRequest } from '../test/enclave/fixtures.js'
import { type Row, report } from './report.js'

const rows: Row[] = []

/** Median milliseconds of `runs`, after one for the compiler. */
async function median(runs: number, work: () => Promise<unknown>): Promise<number> {
  await work()
  const took: number[] = []
  for (let run = 0; run < runs; run++) {
    const started = performance.now()
    await work()
    took.push(performance.now() - started)
  }
  return took.sort((a, b) => a - b)[runs >> 1] as number
}

const folder = new URL('../../shared/vectors/public/nitro/', import.meta.url)
const image = [{ name: 'child', bytes: Uint8Array.of(1) }]

type Policy = Parameters<typeof verifyNitroAttestation>[1]
const rest = {
  freshness: { kind: 'maxAge', maxAge: 3_600_000 },
  binding: { userData: 'any', publicKey: 'any' },
} as const

/** A published document where there is one, else one of the simulator: the work is the same. */
async function sample(): Promise<{ bytes: Uint8Array; policy: Policy }> {
  const file = new URL('7743a3dd9569.bin', folder)
  if (!existsSync(file)) {
    const simulator = createSimulator({ image })
    return { bytes: await simulator.nsm.attest({}), policy: { ...simulator.policy, ...rest } }
  }
  const bytes = new Uint8Array(readFileSync(file))
  const { pcrs, timestamp } = parseNitroPayload(parseCoseSign1(bytes).payload)
  return {
    bytes,
    policy: {
      ...rest,
      measurements: [{ 0: toHex(pcrs.get(0) as Uint8Array) }],
      clock: () => timestamp,
    },
  }
}

/** The same five signatures with node:crypto, and nothing else. */
async function nodeCrypto(bytes: Uint8Array): Promise<boolean> {
  const sign1 = parseCoseSign1(bytes)
  const payload = parseNitroPayload(sign1.payload)
  const chain = [...payload.cabundle, payload.certificate].map((der) => new X509Certificate(der))
  const links = chain
    .slice(1)
    .every((child, i) => child.verify((chain[i] as X509Certificate).publicKey))
  const key = (chain.at(-1) as X509Certificate).publicKey
  return (
    links &&
    nodeVerify(
      'sha384',
      signatureStructure(sign1),
      { key, dsaEncoding: 'ieee-p1363' },
      sign1.signature,
    )
  )
}

/** One P-384 signature, the key in the form it is verified with. */
function rawSignature(): { key: KeyObject; message: Uint8Array; signature: Uint8Array } {
  const { privateKey, publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const message = new Uint8Array(600).fill(7)
  const signature = sign('sha384', message, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  return { key, message, signature }
}

/** Milliseconds of documents whose certificates were not verified before: each has its own. */
async function firstOfPath(rest: Pick<Policy, 'freshness' | 'binding'>): Promise<number> {
  const made = await Promise.all(
    Array.from({ length: 13 }, async () => {
      const simulator = createSimulator({ image })
      return { bytes: await simulator.nsm.attest({}), policy: { ...simulator.policy, ...rest } }
    }),
  )
  let next = 0
  return median(made.length - 1, () => {
    const { bytes, policy } = made[next++] as (typeof made)[number]
    return verifyNitroAttestation(bytes, { ...policy, backend: 'webcrypto' })
  })
}

async function documents(): Promise<void> {
  const { bytes, policy } = await sample()
  const peer = await median(40, () => nodeCrypto(bytes))
  const { key, message, signature } = rawSignature()
  const bare = await median(40, async () => {
    for (let i = 0; i < 5; i++) {
      if (!nodeVerify('sha384', message, { key, dsaEncoding: 'ieee-p1363' }, signature)) return
    }
  })
  for (const backend of ['webcrypto', 'noble'] as const) {
    const ours = await median(40, () => verifyNitroAttestation(bytes, { ...policy, backend }))
    rows.push({
      name: `verify a document (${backend})`,
      ours,
      unit: 'ms',
      better: 'lower',
      peers: { 'node:crypto with its certificates': peer, 'five node:crypto signatures': bare },
    })
    if (backend === 'webcrypto') {
      const name = 'document to five node:crypto signatures in turn'
      const ratio = { unit: 'x', better: 'lower', peers: {}, target: 1.25 } as const
      rows.push({ name, ours: ours / bare, ...ratio })
      const first = await firstOfPath(rest)
      rows.push({ name: `${name}, a path never seen before`, ours: first / bare, ...ratio })
    }
  }
  const hostile = new Uint8Array(16_384).fill(0x81)
  hostile.set([0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0, 0x59, 0x3f, 0x00])
  rows.push({
    name: 'refuse 16 KiB of nonsense',
    ours: await median(100, () => verifyNitroAttestation(hostile, policy)),
    unit: 'ms',
    better: 'lower',
    peers: {},
    target: 50,
  })
}

async function secrets(): Promise<void> {
  const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(7) })
  const recipient = pinnedRecipient({ publicKey: key.publicKey })
  const context = {
    chainId: 1n,
    client: `0x${'11'.repeat(20)}`,
    policyDataInstanceId: `0x${'22'.repeat(32)}`,
  } as const
  const seal = (): ReturnType<typeof sealSecrets> =>
    sealSecrets({
      ...context,
      recipient,
      secrets: { apiKey: 'k'.repeat(1000) },
      validation: 'skip',
      sequence: 1n,
    })
  const opener = createSecretsOpener({ keys: [key] })
  const { envelope } = await seal()
  const kem = new DhkemX25519HkdfSha256()
  const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })
  const publicKey = await kem.deserializePublicKey(fromHex(key.publicKey).slice().buffer)
  const plaintext = new Uint8Array(1013).buffer
  const bare = await median(60, () =>
    suite.seal({ recipientPublicKey: publicKey }, plaintext, new Uint8Array(32).buffer),
  )
  rows.push({
    name: 'seal 1 kB of secrets',
    ours: await median(60, seal),
    unit: 'ms',
    better: 'lower',
    peers: { '@hpke/core alone': bare },
    target: 1.2 * bare,
  })
  rows.push({
    name: 'open 1 kB of secrets',
    ours: await median(60, () => opener.openSecrets({ ...context, envelope })),
    unit: 'ms',
    better: 'lower',
    peers: {},
  })
}

/** A commit of one key to a sealed store of 30,000. */
async function sealedCommits(): Promise<void> {
  const key = new Uint8Array(32).fill(1)
  const kv = await openSealedKv({ key, blobs: memoryBlobs(), anchor: memoryAnchor() })
  const value = new Uint8Array(32).fill(2)
  const all = Array.from({ length: 30_000 }, (_, i) => ({ key: `key/${i}`, value }))
  await kv.commit({ checks: [], writes: all })
  rows.push({
    name: 'sealed commit of one key among 30,000',
    ours: await median(200, () => kv.commit({ checks: [], writes: [{ key: 'key/7', value }] })),
    unit: 'ms',
    better: 'lower',
    peers: {},
    target: 5,
  })
}

async function roundTrips(): Promise<void> {
  const seed = new TextEncoder().encode('a seed of sixteen bytes or more')
  const simulator = createSimulator({ image, seed })
  const inner = limitEvaluator()
  const bare = await median(200, () => inner.evaluate(transferRequest(1n)))
  let inProcess = 0
  const measure = async (
    name: string,
    transport: EnclaveTransport,
    stop: () => Promise<unknown>,
  ): Promise<void> => {
    const evaluator = await createEnclaveEvaluator({
      transport,
      policy: simulator.policy,
      wire: { limits: { connectTimeout: 30_000 } },
    })
    let nonce = 0n
    const one = (): Promise<unknown> => evaluator.evaluate(transferRequest(1n, nonce++))
    const took = await median(40, one)
    const started = performance.now()
    await Promise.all(Array.from({ length: 100 }, one))
    const perSecond = 100_000 / (performance.now() - started)
    rows.push({
      name: `evaluation, attested and verified (${name})`,
      ours: took,
      unit: 'ms',
      better: 'lower',
      peers: { 'the evaluator alone': bare },
    })
    rows.push({
      name: `evaluations, 100 at once (${name})`,
      ours: perSecond,
      unit: '/s',
      better: 'higher',
      peers: {},
      target: name === 'tcp' ? 0.9 * inProcess : undefined,
    })
    if (name === 'memory') inProcess = perSecond
    await evaluator.close()
    await stop()
  }
  const serve = (listener: EnclaveListener): ReturnType<typeof serveEnclave> =>
    serveEnclave({ evaluator: inner, nsm: simulator.nsm, listener })
  const memory = createMemoryTransport()
  const inMemory = await serve(memory.listener)
  await measure('memory', memory.transport, inMemory.close)
  const tcp = tcpListener({ port: 0 })
  const overTcp = await serve(tcp)
  await measure('tcp', tcpTransport({ port: tcp.address()?.port as number }), overTcp.close)
  const path = join(mkdtempSync(join(tmpdir(), 'bench-')), 's')
  const overUnix = await serve(unixListener({ path }))
  await measure('unix socket', unixTransport({ path }), overUnix.close)
  const child = childProcessTransport({
    command: process.execPath,
    args: ['--import', 'tsx', new URL('../test/enclave/child.ts', import.meta.url).pathname],
  })
  await measure('child process', child, async () => child.kill())
}

/** What a page loads that verifies documents, as a server sends it. */
async function pageSize(): Promise<void> {
  const { entryBrotli } = await bundle(verifier)
  rows.push({
    ...{ name: 'verifier in a page, brotli', ours: entryBrotli / 1_000, unit: 'kB' },
    ...{ better: 'lower', peers: {}, target: 25 },
  })
}

await pageSize()
await documents()
await secrets()
await sealedCommits()
await roundTrips()

report('enclave', rows)
process.exit(0)
