/**
 * The evaluation ledger: durable events, acknowledgements, proofs, replay, memory; beside a plain SQLite
 * table that checks the same signatures, and what Tessera publishes of itself.
 *
 * `npm run bench:ledger` prints a table; `--json` prints one object; `--million` replays a million events;
 * `--quick` does a fifth. `cpu` is the same by the time that this process used: on a machine that does other
 * things as well it says what is left of a figure, and a target is held against the clock all the same.
 * Where a row has a target, a run that misses it ends with exit code 1 under `--check`. Directories are
 * made in TMPDIR: a disk behind it that does not sync as fast is what limits the first rows.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type EventSigner,
  type Ledger,
  leafHash,
  logReader,
  type NoteSigner,
  prepareEvent,
  prepareGenesis,
  prepareKeyEvent,
  readCut,
  replayLedger,
  signEvent,
  type VerifySignature,
  verifyCheckpoint,
  verifyInclusion,
} from '../src/ledger/index.js'
import {
  openLedger,
  opensslEventSigner,
  opensslVerify,
  posixTiles,
} from '../src/ledger/node/index.js'
import { loadEventSchemas } from '../src/ledger/schemas/index.js'

type Row = {
  name: string
  ours: number
  unit: 'events/s' | 'proofs/s' | 'ms' | 'MB' | 's'
  better: 'lower' | 'higher'
  peers: Record<string, number>
  target: number | null
  /** By CPU time in place of the clock. */
  cpu?: number
}

const rows: Row[] = []
const whole = process.argv.includes('--quick') ? 2_000 : 10_000

/** Seconds by the clock, and of CPU, since it was made. */
function watch(): () => { seconds: number; cpu: number } {
  const began = performance.now()
  const used = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(used)
    return { seconds: (performance.now() - began) / 1_000, cpu: (user + system) / 1_000_000 }
  }
}
const name = 'ledger.example/bench'
const checkpointSeed = new Uint8Array(32).fill(7)
const directory = mkdtempSync(join(tmpdir(), 'ledger-bench-'))
const schemas = await loadEventSchemas()
const verify: VerifySignature = opensslVerify()
const [genesis, admin, operator] = [1, 2, 3].map((fill) =>
  opensslEventSigner(new Uint8Array(32).fill(fill)),
) as [EventSigner, EventSigner, EventSigner]

const open = (): Promise<Ledger> => openLedger({ directory, ledger: name, checkpointSeed, schemas })

async function start(): Promise<Ledger> {
  const ledger = await open()
  const parts = { ledger: name }
  const { publicKey } = genesis
  await ledger.record(prepareGenesis({ ...parts, publicKey, checkpointKey: '' }), {
    signer: genesis,
  })
  for (const [key, role, by] of [
    [admin, 'admin', genesis],
    [operator, 'operator', admin],
  ] as const) {
    const prepared = await prepareKeyEvent({ ...parts, key, role, by: by.publicKey })
    await ledger.record(prepared, { signer: by })
  }
  return ledger
}

/** Bodies that are signed one on top of the other, as clients send them. */
async function signedBodies(ledger: Ledger, count: number): Promise<Uint8Array[]> {
  let previousHash = ledger.head()?.current_hash as string
  const bodies: Uint8Array[] = []
  for (let at = 0; at < count; at += 1) {
    const { payload } = prepareEvent({
      ...{ ledger: name, domain: 'decisions', schemaVersion: 'newton.anomaly/1' },
      fields: { kind: 'bench', subject: `number ${at}`, detail: 'x'.repeat(200) },
      publicKey: operator.publicKey,
    })
    const signed = await signEvent({ payload, previousHash, signer: operator, verify: () => true })
    previousHash = signed.currentHash
    bodies.push(signed.bytes)
  }
  return bodies
}

async function durable(ledger: Ledger): Promise<void> {
  const count = whole
  const bodies = await signedBodies(ledger, count)
  const passed = watch()
  const results = await Promise.all(bodies.map((body) => ledger.submit(body, { ack: 'durable' })))
  const { seconds, cpu } = passed()
  const refused = results.find(({ status }) => status !== 201)
  if (refused !== undefined) throw new Error(JSON.stringify(refused))
  await ledger.flush()
  const size = Math.round(bodies.reduce((sum, { length }) => sum + length, 0) / count)
  rows.push({
    name: `durable events, each signature verified (${size} bytes)`,
    ...{ ours: count / seconds, unit: 'events/s', better: 'higher', target: 2_000 },
    cpu: count / cpu,
    peers: {
      ...sqlite(bodies),
      'Tessera, HDD, published': 2_900,
      'Tessera, NVMe, published': 10_000,
    },
  })
}

/** The same bytes in a table, synced in batches as large as ours, after the same check of signatures. */
function sqlite(bodies: readonly Uint8Array[]): Record<string, number> {
  const message = new Uint8Array(32).fill(9)
  const signed = opensslEventSigner(new Uint8Array(32).fill(5))
  const signature = signed.sign(message) as Uint8Array
  const began = performance.now()
  for (const _ of bodies) verify(signature, message, signed.publicKey)
  const checking = (performance.now() - began) / 1_000
  const script = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("pragma journal_mode=wal"); db.execute("pragma synchronous=full")
db.execute("create table events (seq integer primary key, id text unique, body blob)")
body = b"x" * int(sys.argv[3])
began = time.monotonic()
count = int(sys.argv[2])
for first in range(0, count, 512):
    db.execute("begin")
    db.executemany("insert into events values (?, ?, ?)", [(n, str(n), body) for n in range(first, min(count, first + 512))])
    db.execute("commit")
print(time.monotonic() - began)
`
  const size = bodies[0]?.length ?? 0
  try {
    const words = ['-c', script, join(directory, 'peer.sqlite'), `${bodies.length}`, `${size}`]
    const seconds = Number(execFileSync('python3', words, { encoding: 'utf8' }))
    return { SQLite: bodies.length / (seconds + checking) }
  } catch {
    return {}
  }
}

async function acknowledged(ledger: Ledger): Promise<void> {
  const rate = 2_000
  const bodies = await signedBodies(ledger, (rate * 3 * whole) / 10_000)
  const began = performance.now()
  const latencies: number[] = []
  const pending: Promise<void>[] = []
  for (let sent = 0; sent < bodies.length; ) {
    const due = Math.floor(((performance.now() - began) / 1_000) * rate)
    for (; sent < Math.min(due, bodies.length); sent += 1) {
      const at = began + (sent / rate) * 1_000
      const submitted = ledger.submit(bodies[sent] as Uint8Array, { ack: 'published' })
      pending.push(submitted.then(() => void latencies.push(performance.now() - at)))
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await Promise.all(pending)
  const sorted = latencies.sort((a, b) => a - b)
  const at = (part: number): number => sorted[Math.floor(sorted.length * part)] as number
  rows.push(
    {
      name: `ack at published, ${rate} a second, median`,
      ...{ ours: at(0.5), unit: 'ms', better: 'lower', peers: {}, target: 150 },
    },
    {
      name: `ack at published, ${rate} a second, 99 %`,
      ...{ ours: at(0.99), unit: 'ms', better: 'lower', peers: {}, target: null },
    },
  )
}

async function proofs(ledger: Ledger): Promise<void> {
  const store = posixTiles({ directory })
  const { key } = ledger.signers.get('decisions') as NoteSigner
  const opened = verifyCheckpoint((await ledger.checkpoint('decisions')) as string, { log: key })
  if (opened.status !== 'verified') throw new Error(opened.reason)
  const { size, root } = opened.checkpoint
  const readFile = async (path: string) => (await store.read(`decisions/${path}`))?.bytes
  const reader = logReader({ checkpoint: opened.checkpoint, read: readFile })
  const made: { index: bigint; leaf: Uint8Array; proof: Uint8Array[] }[] = []
  let passed = watch()
  const count = 300
  for (let at = 0; at < count; at += 1) {
    const index = (BigInt(at) * 7_919n) % size
    const { entry, proof } = await reader.entry(index)
    made.push({ index, leaf: leafHash(entry), proof })
  }
  const read = passed()
  rows.push({
    name: `entry with its proof from files, ${size} entries`,
    ...{ ours: (read.seconds * 1_000) / count, unit: 'ms', better: 'lower', target: 1 },
    ...{ cpu: (read.cpu * 1_000) / count, peers: {} },
  })
  passed = watch()
  const rounds = 30
  for (let round = 0; round < rounds; round += 1) {
    for (const one of made) {
      if (!verifyInclusion({ ...one, size, root })) throw new Error('a proof is refused')
    }
  }
  const { seconds, cpu } = passed()
  rows.push({
    name: 'proofs verified against one checkpoint',
    ...{ ours: (rounds * count) / seconds, cpu: (rounds * count) / cpu },
    ...{ unit: 'proofs/s', better: 'higher', peers: {}, target: 10_000 },
  })
}

async function replay(ledger: Ledger): Promise<void> {
  const store = posixTiles({ directory })
  const log = (ledger.signers.get('meta') as NoteSigner).key
  const { signal } = new AbortController()
  const cut = await readCut({ store, ledger: name, trust: { log } }, signal)
  if (cut === undefined) throw new Error('there is no cut')
  const passed = watch()
  const { events, faults } = await replayLedger(
    { store, ledger: name, cut, schemas, verify },
    signal,
  )
  if (faults.length > 0) throw new Error(JSON.stringify(faults[0], (_, value) => String(value)))
  const { seconds, cpu } = passed()
  const isMillion = events >= 1_000_000n
  const scale = isMillion ? 1 : 1_000_000 / Number(events)
  rows.push({
    name: isMillion ? `replay of ${events} events` : `replay of 1,000,000 events, from ${events}`,
    ...{ ours: seconds * scale, cpu: cpu * scale },
    ...{ unit: 's', better: 'lower', peers: {}, target: 300 },
  })
}

/** What the heap holds more after as many events again. */
async function memory(ledger: Ledger): Promise<void> {
  const held = (): number => {
    globalThis.gc?.()
    return process.memoryUsage().heapUsed / 1_048_576
  }
  if (globalThis.gc === undefined) return
  const before = held()
  const bodies = await signedBodies(ledger, whole)
  await Promise.all(bodies.splice(0).map((body) => ledger.submit(body, { ack: 'durable' })))
  await ledger.flush()
  rows.push({
    name: `heap that ${whole} more events leave`,
    ...{ ours: held() - before, unit: 'MB', better: 'lower', peers: {}, target: 8 },
  })
}

async function million(ledger: Ledger): Promise<void> {
  while ((ledger.head()?.seq ?? 0n) < 1_000_000n) {
    const bodies = await signedBodies(ledger, 10_000)
    await Promise.all(bodies.map((body) => ledger.submit(body, { ack: 'durable' })))
    await ledger.flush()
  }
}

try {
  const ledger = await start()
  await durable(ledger)
  await acknowledged(ledger)
  await memory(ledger)
  if (process.argv.includes('--million')) await million(ledger)
  await ledger.flush()
  await proofs(ledger)
  await replay(ledger)
  await ledger.close()
} finally {
  rmSync(directory, { recursive: true, force: true })
}

if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ area: 'ledger', rows }))
} else {
  const width = Math.max(...rows.map(({ name: text }) => text.length))
  for (const { name: text, ours, unit, peers, target, better, cpu } of rows) {
    const show = (value: number): string => `${value.toFixed(value < 100 ? 2 : 0)} ${unit}`
    const beside = Object.entries(peers).map(([peer, value]) => `${peer} ${show(value)}`)
    const wanted = target === null ? '' : `  target ${show(target)}`
    const used = cpu === undefined ? '' : `  cpu ${show(cpu)}`
    const missed = target !== null && (better === 'lower' ? ours > target : ours < target)
    console.log(
      `${text.padEnd(width)}  ${show(ours).padStart(16)}${used}${wanted}${missed ? '  missed' : ''}  ${beside.join(', ')}`,
    )
  }
}
const isMissed = ({ ours, target, better }: Row): boolean =>
  target !== null && (better === 'lower' ? ours > target : ours < target)
if (process.argv.includes('--check') && rows.some(isMissed)) process.exitCode = 1
