/**
 * Every parser of provenance that reads what strangers wrote, over changed and invented bytes: each input is
 * read or refused by a typed error, within its time, and what was read holds what the format promises.
 */
import { gzipSync } from 'node:zlib'
import {
  type Address,
  createClient,
  custom,
  encodeAbiParameters,
  type Hex,
  pad,
  toEventSelector,
} from 'viem'
import { describe, expect, test } from 'vitest'
import { BuildInfoSubmitted } from '../../src/core/abi/buildInfoRegistryAbi.js'
import { ClaimSubmitted } from '../../src/core/abi/verificationRegistryAbi.js'
import { canonicalBytes, type JsonObject } from '../../src/core/canonicalJson.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { concat, toHex, utf8 } from '../../src/internal/bytes.js'
import {
  appendMetadata,
  type BuildInfo,
  createControlHandler,
  createProvenanceIndex,
  createSourceArchive,
  createStatusHandler,
  decodeBuildInfo,
  encodeBuildInfo,
  encodeEvidence,
  evidenceHashOf,
  httpWorkerControl,
  parseBuildEntries,
  provenanceStatement,
  readEvidence,
  readMetadata,
  readSourceArchive,
  splitMetadata,
  statementSigner,
  toMetadataEntries,
  verifyEvidence,
  verifyStatement,
} from '../../src/provenance/index.js'
import { readCargoLock } from '../../src/provenance/node/index.js'
import { createProvenanceEvents } from '../../src/registry/index.js'
import { type Generator, generator } from './mutation.js'
import { toyPlugin } from './toy.js'

/** A parser, bytes that it reads, and what it is to do with any others. */
type Target = {
  name: string
  seeds: readonly Uint8Array[]
  /** Throws a typed error, or something else where it is broken. */
  read: (bytes: Uint8Array) => unknown
  /** Milliseconds of one input at most. */
  budget?: number
}

const hash = (byte: string): Hex => `0x${byte.repeat(32)}`
const info: BuildInfo = {
  ...{ wasmSha256: hash('01'), sourceSha256: hash('02'), args: ['plugin', 'build'] },
  ...{ image: `newton-toolchain@sha256:${'ab'.repeat(32)}`, options: ['--a=b', '--c'] },
  sourceUri: 'https://a.example/source.tar',
}
const plugin = appendMetadata(toyPlugin('fine'), toMetadataEntries(info))
const { archive } = createSourceArchive([
  { path: 'src/lib.rs', bytes: utf8('pub fn run() {}\n'), executable: true },
  { path: `${'deep/'.repeat(30)}file`, bytes: utf8('x'.repeat(700)) },
])
const { bytes: evidence, hash: evidenceHash } = encodeEvidence({
  schema: 'newton.verification-evidence/1',
  ...{ wasmHash: hash('03'), wasmSha256: hash('01'), buildInfoHash: hash('04'), result: 'match' },
  ...{ level: 'exact', image: info.image, sourceSha256: hash('02'), isolation: 'bubblewrap' },
  rebuiltSha256: hash('01'),
})
const verifier: Address = `0x${'12'.repeat(20)}`
const signer = statementSigner({ keyId: 'a', seed: new Uint8Array(32).fill(7) })
const envelope = signer.sign(
  provenanceStatement(info, { verifier, chainId: 1n, timestamp: 1n, evidenceUri: 'https://a' }),
)
const token = 'a'.repeat(32)
const job = {
  ...{ image: info.image, args: ['a'], options: [], sourceSha256: hash('02'), metadata: '0x' },
}
const outcome = {
  ...{ status: 'built', isolation: 'bubblewrap', logSha256: hash('00') },
  ...{ codeSha256: hash('05'), rebuiltSha256: hash('06') },
}
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value))
const parsed = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

const addresses = {
  buildInfoRegistry: `0x${'b1'.repeat(20)}`,
  verificationRegistry: `0x${'b2'.repeat(20)}`,
  policyDataRegistry: `0x${'b3'.repeat(20)}`,
} as const

const targets: readonly Target[] = [
  {
    name: 'build information',
    seeds: [encodeBuildInfo(info), encodeBuildInfo({ ...info, options: [], args: ['x'] })],
    read: (bytes) => expect(toHex(encodeBuildInfo(decodeBuildInfo(bytes)))).toBe(toHex(bytes)),
  },
  {
    name: 'metadata of plugins',
    seeds: [plugin, concat(plugin, customOf('source', 'a')), toyPlugin('none')],
    read: (bytes) => {
      const { code, metadata } = splitMetadata(bytes)
      expect(code.length + metadata.length).toBe(bytes.length)
      parseBuildEntries(readMetadata(bytes).entries)
      // What is left is a plugin that says nothing of itself.
      expect(readMetadata(code).entries).toEqual([])
    },
  },
  {
    name: 'source archives',
    seeds: [archive, new Uint8Array(gzipSync(archive)), new Uint8Array(gzipSync(bomb()))],
    budget: 1_500,
    read: async (bytes) => {
      const limits = { inflatedBytes: 2 ** 20, entries: 100 }
      const files = await readSourceArchive(bytes, limits)
      for (const { path } of files) expect(path).not.toMatch(/^\/|(^|\/)\.\.?(\/|$)|[\\\0]/)
      const names = files.map(({ path }) => path.toLowerCase())
      expect(new Set(names).size).toBe(names.length)
    },
  },
  {
    name: 'statements',
    seeds: [json(envelope), canonicalBytes(envelope as unknown as JsonObject)],
    read: (bytes) => {
      const verdict = verifyStatement(parsed(bytes), { publicKeys: { a: signer.publicKey } })
      // What is believed is what was signed, whatever else the envelope says.
      if (verdict.status !== 'verified') return
      const statement = canonicalBytes(verdict.statement)
      expect(toHex(statement)).toBe(toHex(new Uint8Array(Buffer.from(envelope.payload, 'base64'))))
    },
  },
  {
    name: 'evidence',
    seeds: [evidence],
    read: (bytes) => {
      const read = readEvidence(bytes)
      if (read !== undefined) expect(toHex(encodeEvidence(read).bytes)).toBe(toHex(bytes))
      const claim = { wasmHash: hash('03'), buildInfoHash: hash('04'), result: 'match' as const }
      const evidenceUri = `https://a.example/${evidenceHash.slice(2)}.json`
      const { status } = verifyEvidence({ ...claim, evidenceUri }, bytes)
      expect(status === 'verified').toBe(toHex(bytes) === toHex(evidence))
      evidenceHashOf(new TextDecoder().decode(bytes))
    },
  },
  {
    name: 'messages of workers',
    seeds: [json({ leaseId: 'x', outcome }), json({}), json({ leaseId: 'x' })],
    read: async (bytes) => {
      for (const path of ['lease', 'renew', 'result']) {
        const request = new Request(`https://control.example/worker/${path}`, {
          ...{ method: 'POST', headers: { authorization: `Bearer ${token}` } },
          body: bytes as Uint8Array<ArrayBuffer>,
        })
        expect([200, 204, 400, 409]).toContain((await control(request)).status)
      }
    },
  },
  {
    name: 'messages of control planes',
    seeds: [json({ leaseId: 'x', leaseMs: 1_000, job })],
    read: async (bytes) => {
      const client = httpWorkerControl({
        ...{ url: 'https://control.example', token },
        fetch: async () => new Response(bytes as Uint8Array<ArrayBuffer>),
      })
      const lease = await client.lease()
      expect(lease?.leaseMs).toBeGreaterThan(0)
      expect(lease?.job.sourceSha256).toMatch(/^0x[0-9a-f]{64}$/)
      for (const each of [...(lease?.job.args ?? []), ...(lease?.job.options ?? [])]) {
        expect(typeof each).toBe('string')
      }
    },
  },
  {
    name: 'questions to an index',
    seeds: ['/wasms.json?limit=3&result=match', `/wasms/${hash('03')}.json`, '/wasms/ab.json'].map(
      (path) => utf8(path),
    ),
    read: async (bytes) => {
      const path = encodeURI(new TextDecoder().decode(bytes)).replace(/^[^/]*/, '')
      const url = `https://index.example${path}`
      if (!URL.canParse(url)) return
      expect([200, 400, 404]).toContain((await status(new Request(url))).status)
    },
  },
  {
    name: 'lock files of crates',
    seeds: [
      utf8(
        `version = 4\n\n[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "${'ab'.repeat(32)}"\n`,
      ),
    ],
    read: (bytes) => {
      for (const { name, version, sha256 } of readCargoLock(new TextDecoder().decode(bytes))) {
        expect(`${name}-${version}`).not.toMatch(/[/\\]|^\.\./)
        expect(sha256).toMatch(/^[0-9a-f]{64}$/)
      }
    },
  },
  {
    name: 'logs of claims',
    seeds: [json(logsOf('match')), json(logsOf('build info'))],
    read: async (bytes) => {
      const events = await createProvenanceEvents({
        ...{ client: nodeThatSays(parsed(bytes)), addresses, proofDepth: 0n, finality: 'latest' },
      })
      const read = await events.getEvents({ fromBlock: 1n, toBlock: 5n })
      const index = createProvenanceIndex()
      index.apply(read)
      for (const { claims } of index.list()) {
        for (const { result } of claims) expect(result).toMatch(/^(match|no_match|did_not_run)$/)
      }
    },
  },
]

const control = createControlHandler({
  plane: { lease: async () => undefined, renew: async () => false, finish: async () => false },
  workers: { [token]: 'w' },
})
const status = createStatusHandler({ index: createProvenanceIndex(), service: { name: 'a' } })

/** `ClaimSubmitted` and `BuildInfoSubmitted`, as a node has them. */
function logsOf(kind: 'match' | 'build info'): object[] {
  const isClaim = kind === 'match'
  const data = isClaim
    ? encodeAbiParameters(
        [{ type: 'uint8' }, { type: 'bytes32' }, { type: 'string' }],
        [1, hash('04'), 'https://a'],
      )
    : encodeAbiParameters([{ type: 'bytes' }], [toHex(encodeBuildInfo(info))])
  return [
    {
      address: addresses[isClaim ? 'verificationRegistry' : 'buildInfoRegistry'],
      topics: isClaim
        ? [toEventSelector(ClaimSubmitted), hash('03'), pad(verifier)]
        : [toEventSelector(BuildInfoSubmitted), hash('03'), hash('04'), pad(verifier)],
      ...{ data, blockNumber: '0x3', transactionHash: hash('aa'), transactionIndex: '0x0' },
      ...{ logIndex: '0x0', blockHash: hash('0b'), removed: false },
    },
  ]
}

/** A node that gives these logs, and blocks that fit them. */
function nodeThatSays(logs: unknown) {
  const block = {
    ...{ number: '0x10', hash: hash('0b'), parentHash: hash('0a'), timestamp: '0x5' },
    ...{ logsBloom: `0x${'00'.repeat(256)}`, transactions: [], uncles: [], size: '0x1' },
  }
  return createClient({
    transport: custom(
      {
        request: async ({ method, params }: { method: string; params: unknown[] }) => {
          if (method === 'eth_chainId') return '0x7a69'
          if (method === 'eth_getLogs') return logs
          const [asked] = params
          return typeof asked === 'string' && asked.startsWith('0x')
            ? { ...block, number: asked }
            : block
        },
      },
      { retryCount: 0 },
    ),
  }) as never
}

function customOf(name: string, text: string): Uint8Array {
  const contents = concat(Uint8Array.of(name.length), utf8(name), utf8(text))
  return concat(Uint8Array.of(0, contents.length), contents)
}

/** An archive that is mostly one byte. */
function bomb(): Uint8Array {
  const large = { path: 'a', bytes: new Uint8Array(3 * 2 ** 20) }
  return createSourceArchive([large]).archive
}

/** Runs every parser over `rounds` inputs. */
export function parserFuzzSuite(rounds: number, seed = 20): void {
  describe('parsers of provenance', () => {
    test('behavior: what they are fuzzed from is read', async () => {
      for (const { name, seeds, read } of targets) {
        const [first] = seeds
        await expect(Promise.resolve(read(first as Uint8Array)), name).resolves.not.toThrow()
      }
    })

    test.each(targets)(
      'fuzz: $name',
      async (target) => {
        const random = generator(seed)
        let slowest = 0
        const before = process.memoryUsage()
        for (let round = 0; round < rounds; round++) {
          const bytes = inputOf(target, random)
          const started = performance.now()
          try {
            await target.read(bytes)
          } catch (error) {
            if (!isPolicySdkError(error)) {
              const shown = toHex(bytes.subarray(0, 4_096))
              throw new TypeError(`round ${round} of seed ${seed}: ${shown}`, { cause: error })
            }
          }
          slowest = Math.max(slowest, performance.now() - started)
        }
        expect(slowest, 'milliseconds of one input').toBeLessThan(target.budget ?? 1_000)
        const after = process.memoryUsage()
        const grown = after.heapUsed + after.external - before.heapUsed - before.external
        expect(grown, 'bytes that stay').toBeLessThan(512 * 2 ** 20)
      },
      60_000 + rounds * 50,
    )
  })
}

function inputOf({ seeds }: Target, random: Generator): Uint8Array {
  if (random.below(20) === 0) return random.bytes(random.below(2_000))
  const seed = random.pick(seeds)
  const other = random.pick(seeds)
  return random.mutate(seed, other)
}
