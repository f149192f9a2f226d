/**
 * Data availability: commitments by size and backend, cache paths, IPFS verification.
 *
 * `npm run bench:da` prints a table, `--json` one object. Commitments use the ceremony's points
 * where `../shared/vectors/public/eigenda` is there, repeated where it is too short, and a toy
 * ceremony's otherwise: the work is the same. `--full` adds 16,384 and 65,536 symbols.
 */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import mcl from 'mcl-wasm'
import { computeArtifactHash } from '../src/core/artifact.js'
import type { G1Point } from '../src/core/bn254/curve/points.js'
import {
  createArtifactSource,
  createLayeredArtifactCache,
  encodePayload,
  type LayeredArtifactCache,
  memoryDa,
} from '../src/da/index.js'
import { buildUnixfs, walkUnixfs } from '../src/da/ipfs/index.js'
import { isBlockOf } from '../src/da/ipfs/multihash.js'
import { inverseFourier, symbolsToScalars } from '../src/da/kzg/field.js'
import { affineMsm, decompressG1, mclMsm, nobleMsm, wasmMsm } from '../src/da/kzg/index.js'
import { diskByteStore } from '../src/da/node/index.js'
import { keccak } from '../src/internal/keccak.js'
import { longKeccak } from '../src/internal/longKeccak.js'
import type { Row } from './report.js'

const rows: Row[] = []
const sample = (length: number): Uint8Array => {
  const out = new Uint8Array(length)
  let state = 1
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    out[i] = state >>> 24
  }
  return out
}

/** Milliseconds of the best of `runs`. */
async function best(runs: number, work: () => unknown): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run++) {
    const start = performance.now()
    await work()
    fastest = Math.min(fastest, performance.now() - start)
  }
  return fastest
}

function referencePoints(count: number): G1Point[] {
  const path = new URL('../../shared/vectors/public/eigenda/g1_abbr.point', import.meta.url)
  if (!existsSync(path)) return Array.from({ length: count }, () => ({ X: 1n, Y: 2n }))
  const bytes = new Uint8Array(readFileSync(path))
  const have = Math.min(count, Math.floor(bytes.length / 32))
  const points = Array.from({ length: have }, (_, i) =>
    decompressG1(bytes.subarray(i * 32, i * 32 + 32)),
  )
  return Array.from({ length: count }, (_, i) => points[i % have] as G1Point)
}

async function commitments(sizes: readonly number[]): Promise<void> {
  await mcl.init(mcl.BN_SNARK1)
  const mclBackend = mclMsm(mcl)
  const points = referencePoints(Math.max(...sizes))
  for (const symbols of sizes) {
    const payload = sample((symbols - 1) * 31)
    const values = symbolsToScalars(encodePayload(payload))
    const runs = symbols > 4_096 ? 1 : 3
    const transform = await best(runs, () => inverseFourier(values))
    const coefficients = inverseFourier(values)
    const prefix = points.slice(0, symbols)
    const results = new Map<string, { time: number; point: G1Point }>()
    for (const backend of [wasmMsm(), affineMsm(), nobleMsm(), mclBackend]) {
      let point: G1Point = { X: 0n, Y: 0n }
      const time = await best(runs, async () => {
        point = await backend.msm(prefix, coefficients)
      })
      results.set(backend.name, { time, point })
    }
    const reference = results.get('noble')?.point as G1Point
    for (const [name, { point }] of results) {
      if (point.X !== reference.X || point.Y !== reference.Y)
        throw new Error(`${name} disagrees at ${symbols} symbols`)
    }
    const at = (name: string): number => round(transform + (results.get(name)?.time ?? Number.NaN))
    const name = `commit ${symbols} symbols (${payload.length} bytes)`
    const peers = { 'mcl-wasm': at('mcl-wasm'), affineMsm: at('affine'), noble: at('noble') }
    rows.push(
      {
        name: `${name}, default`,
        ours: at('wasm'),
        unit: 'ms',
        better: 'lower',
        peers,
        target: at('mcl-wasm'),
      },
      {
        name: `${name}, mclMsm`,
        ours: at('mcl-wasm'),
        unit: 'ms',
        better: 'lower',
        peers: { noble: at('noble') },
        target: round(at('noble') / 2),
      },
    )
  }
}

async function cachePaths(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-da-'))
  try {
    for (const [label, length] of [
      ['64 KiB', 65_536],
      ['15 MiB', 15 * 1_048_576],
    ] as const) {
      const bytes = sample(length)
      const hash = computeArtifactHash(bytes)
      const da = memoryDa()
      await da.put(bytes)
      const request = { hash, namespace: 6 } as const
      const form = (cache: LayeredArtifactCache) =>
        cache.memory.get({ form: 'wasm', key: hash }, async (signal) => {
          const { length: weight } = await cache.getArtifact(request, { signal })
          return { value: { weight }, weight }
        })
      const runs = length > 1_000_000 ? 3 : 20
      const fresh = (folder: string) =>
        createLayeredArtifactCache({
          disk: diskByteStore({ directory: join(directory, folder) }),
          da: createArtifactSource({ clients: [da] }),
        })
      let serial = 0
      const ours = await best(runs, () => longKeccak(bytes))
      const hashOnly = round(await best(runs, () => keccak(bytes)))
      rows.push({
        name: `keccak-256, ${label}`,
        ours: round(ours),
        unit: 'ms',
        better: 'lower',
        peers: { noble: hashOnly },
        ...(length > 1_000_000 ? { target: 40 } : {}),
      })
      const miss = await best(runs, () => fresh(`miss-${label}-${serial++}`).getArtifact(request))
      const warm = fresh(`warm-${label}`)
      await form(warm)
      const disk = await best(runs, () => warm.getArtifact(request))
      const reads = 10_000
      const memory = await best(3, async () => {
        for (let i = 0; i < reads; i++) await form(warm)
      })
      rows.push(
        {
          name: `cache miss to L3, ${label}`,
          ours: round(miss),
          unit: 'ms',
          better: 'lower',
          peers: { 'noble keccak alone': hashOnly },
        },
        {
          name: `L2 hit, hashed, ${label}`,
          ours: round(disk),
          unit: 'ms',
          better: 'lower',
          peers: { 'noble keccak alone': hashOnly },
        },
        {
          name: `L1 hit, ${label}`,
          ours: round((memory / reads) * 1_000),
          unit: 'µs',
          better: 'lower',
          peers: {},
        },
      )
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function ipfsThroughput(): Promise<void> {
  const bytes = sample(16 * 1_048_576)
  const mebibytes = bytes.length / 1_048_576
  const hashing = await best(3, () => sha256(bytes))
  for (const profile of ['unixfs-v1-2025', 'unixfs-v0-2015'] as const) {
    const { root, blocks } = buildUnixfs(bytes, profile)
    const byHash = new Map(blocks.map((block) => [block.cid.toV1().toString(), block.bytes]))
    const limits = { maxBytes: 1e9, maxBlocks: 1e6, maxDepth: 16 }
    const walk = await best(3, () =>
      walkUnixfs(root, {
        source: 'bench',
        limits,
        getBlock: async (cid) => {
          const block = byHash.get(cid.toV1().toString()) as Uint8Array
          if (!(await isBlockOf(cid, block))) throw new Error('wrong block')
          return block
        },
      }),
    )
    rows.push({
      name: `walk and check every block, ${profile}`,
      ours: round(mebibytes / (walk / 1_000)),
      unit: 'MiB/s',
      better: 'higher',
      peers: { 'noble sha256 alone': round(mebibytes / (hashing / 1_000)) },
      target: round(mebibytes / (hashing / 1_000)),
    })
  }
}

function round(value: number): number {
  return Number(value.toPrecision(4))
}

const isFull = process.argv.includes('--full')
await commitments(isFull ? [512, 2_048, 4_096, 16_384, 65_536] : [512, 2_048, 4_096])
await cachePaths()
await ipfsThroughput()
if (process.argv.includes('--json')) console.log(JSON.stringify({ area: 'da', rows }))
else {
  for (const { name, ours, unit, better, peers, target } of rows) {
    const ratioTo = (peer: string): number => {
      const value = peers[peer] as number
      return better === 'lower' ? value / ours : ours / value
    }
    const ratios = Object.entries(peers).map(
      ([peer, value]) => `${peer} ${value} (×${ratioTo(peer).toFixed(2)})`,
    )
    const line = `${name.padEnd(56)} ${String(ours).padStart(9)} ${unit.padEnd(6)} ${ratios.join(', ')}`
    if (target === undefined) console.log(line)
    else {
      const met = better === 'lower' ? ours <= target : ours >= target
      console.log(`${line}  [${target} ${unit}: ${met ? 'met' : 'missed'}]`)
    }
  }
}
