/**
 * Provenance: what isolation costs a build, and jobs a second through the queues.
 *
 * `npm run bench:provenance`, after `npm run build`, or a part: `-- queues`, `isolation`, `rust`; `--json` prints one object. Peers run in the same
 * process: the same build without walls, and a table in the same database with the two statements of a
 * queue that does not fence its leases. Rows whose programs (`bwrap`, a Postgres server) are not on the
 * machine are left out, and named.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { javascriptToolchain } from '../src/cli/toolchains/javascript.js'
import { rustToolchain } from '../src/cli/toolchains/rust.js'
import { readSourceFolder } from '../src/cli/toolchains/sources.js'
import {
  connectPglite,
  connectPostgres,
  type SqlConnections,
} from '../src/internal/node/postgres.js'
import { createSourceArchive, type JobQueue } from '../src/provenance/index.js'
import {
  openSandbox,
  pgliteQueue,
  postgresQueue,
  type Sandbox,
  sandboxedBuilder,
} from '../src/provenance/node/index.js'
import { missingIsolation } from '../test/provenance/toy.js'
import { postgresPrograms, startPostgres } from '../test/support/postgres.js'
import { type Row, report } from './report.js'

const rows: Row[] = []
const folder = mkdtempSync(join(tmpdir(), 'bench-provenance-'))
const signal = new AbortController().signal

/** Jobs a second, each put, leased, finished and settled, by `workers` at once. */
async function throughput(queue: JobQueue, jobs: number, workers: number): Promise<number> {
  const started = performance.now()
  const names = Array.from({ length: jobs }, (_, at) => `job ${at}`)
  await each(names, workers, (id) => queue.put({ id, payload: '{}' }))
  await each(names, workers, async () => {
    const lease = await queue.lease(60_000)
    if (lease === undefined) throw new TypeError('there is no job')
    await queue.finish(lease.leaseId, { status: 'done', result: '{}' })
    await queue.settle((await queue.reserve(lease.job.id, 60_000)) ?? '')
  })
  return (jobs / (performance.now() - started)) * 1_000
}

/** The same by a table whose jobs are taken and deleted: no lease, no tries, no result. */
async function bareTable({ pool, release }: SqlConnections, jobs: number): Promise<number> {
  const connection = await pool.connect()
  await connection.query('create table bare (id text primary key, payload text)', [])
  const started = performance.now()
  for (let at = 0; at < jobs; at++) {
    await connection.query('insert into bare values ($1, $2)', [`job ${at}`, '{}'])
  }
  for (let at = 0; at < jobs; at++) {
    await connection.query(
      'delete from bare where id = (select id from bare limit 1 for update skip locked)',
      [],
    )
  }
  const took = performance.now() - started
  connection.release()
  await pool.end()
  await release()
  return (jobs / took) * 1_000
}

async function each(
  items: readonly string[],
  workers: number,
  work: (item: string) => Promise<unknown>,
): Promise<void> {
  const left = [...items]
  const one = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item)
  }
  await Promise.all(Array.from({ length: workers }, one))
}

async function queues(): Promise<void> {
  const unit = 'jobs/s'
  const pglite = await pgliteQueue({ directory: join(folder, 'queue') })
  const ours = await throughput(pglite, 300, 4)
  await pglite.close()
  const bare = await bareTable(
    await connectPglite({ directory: join(folder, 'bare'), role: 'benchmark' }),
    300,
  )
  rows.push({
    ...{ name: 'queue in PGlite', ours, unit, better: 'higher', target: 50 },
    peers: { 'unfenced table': bare },
  })
  if (postgresPrograms === undefined) return console.error('left out: no Postgres server')
  const server = await startPostgres()
  try {
    const queue = await postgresQueue({ url: server.url })
    const shared = await throughput(queue, 1_000, 8)
    await queue.close()
    const table = await bareTable(await connectPostgres({ url: server.url, needed: '' }), 1_000)
    rows.push({
      ...{ name: 'queue on a Postgres server', ours: shared, unit, better: 'higher', target: 300 },
      peers: { 'unfenced table': table },
    })
  } finally {
    await server.stop()
  }
}

/**
 * The same build where nothing of an earlier one is found: the snapshot tool keeps what it compiled in the
 * home that the list of users names, and walls have an empty one each time.
 */
function withoutCaches(none: Sandbox): Sandbox {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  return {
    isolation: 'none',
    run: async (run) => {
      const home = mkdtempSync(join(folder, 'home-'))
      const users = join(home, 'passwd')
      writeFileSync(users, `build:x:${uid}:${gid}::${home}:/bin/sh\n`)
      const whole = ['/usr/bin/bwrap', '--dev-bind', '/', '/']
      // Other spellings, which are not taken for places inside.
      const argv = [...whole, '--ro-bind', `/.${users}`, '/etc/./passwd', '--', ...run.argv]
      return none.run({ ...run, argv })
    },
  }
}

/** Builds of the JavaScript example, with walls and without. */
async function isolation(): Promise<void> {
  const missing = missingIsolation()
  if (missing !== undefined) return console.error(`left out: ${missing}`)
  const source = new URL('../examples/plugins/sanctions-score-js/plugin.js', import.meta.url)
  const bytes = new Uint8Array(readFileSync(fileURLToPath(source)))
  const { archive, sourceSha256 } = createSourceArchive([{ path: 'plugin.js', bytes }])
  const started = performance.now()
  const { toolchain, close } = await javascriptToolchain()
  const described = performance.now() - started
  const { image, determinism } = toolchain
  const job = { image, determinism, args: ['plugin', 'build'], options: [], sourceSha256 }
  const timed = async (sandbox: Sandbox): Promise<number> => {
    const builder = sandboxedBuilder({ sandbox, toolchains: [toolchain] })
    const begun = performance.now()
    const { status } = await builder.make(job, { signal, archive })
    if (status !== 'built') throw new TypeError('it was not built')
    return performance.now() - begun
  }
  try {
    const walls = await openSandbox()
    const none = await openSandbox({ unsafeNoIsolation: true, bwrap: '/no/bwrap' })
    const took = { walls: [] as number[], cold: [] as number[], none: [] as number[] }
    for (let run = 0; run < 3; run++) {
      took.walls.push(await timed(walls))
      took.cold.push(await timed(withoutCaches(none)))
      took.none.push(await timed(none))
    }
    const [isolated, plain] = [Math.min(...took.walls), Math.min(...took.cold)]
    rows.push(
      {
        ...{ name: 'build of the JavaScript example, isolated', ours: isolated, unit: 'ms' },
        ...{ better: 'lower', target: plain * 1.2 },
        peers: {
          'without walls': plain,
          'and with an earlier build’s cache': Math.min(...took.none),
        },
      },
      {
        ...{ name: 'description of its toolchain', ours: described, unit: 'ms' },
        ...{ better: 'lower', peers: {} },
      },
    )
  } finally {
    await close()
  }
}

/** What a verification of the Rust example takes beside the compiler: toolchain, crates, walls, component. */
async function rust(): Promise<void> {
  const source = fileURLToPath(new URL('../examples/plugins/sanctions-score', import.meta.url))
  const { archive, sourceSha256 } = createSourceArchive(await readSourceFolder(source))
  const started = performance.now()
  const opened = await rustToolchain().catch((error: Error) => {
    console.error(`left out: ${error.message.split('\n')[0]}`)
    return undefined
  })
  if (opened === undefined) return
  try {
    let compiled = 0
    const builder = sandboxedBuilder({
      ...{ sandbox: await openSandbox(), toolchains: [opened.toolchain] },
      onLog: (tail) => {
        const [, minutes = '0', seconds = '0'] =
          /Finished .* in (?:(\d+)m )?([\d.]+)s/.exec(tail) ?? []
        compiled = (Number(minutes) * 60 + Number(seconds)) * 1_000
      },
    })
    const { image, determinism } = opened.toolchain
    const job = { image, determinism, args: ['plugin', 'build'], options: [], sourceSha256 }
    const { status } = await builder.make(job, { signal, archive })
    if (status !== 'built' || compiled === 0) throw new TypeError('it was not built')
    rows.push({
      ...{ name: 'verification of the Rust example, beside the compiler', unit: 'ms' },
      ...{ ours: performance.now() - started - compiled, better: 'lower', target: 60_000 },
      peers: { 'the compiler': compiled },
    })
  } finally {
    await opened.close()
  }
}

const parts: Readonly<Record<string, () => Promise<void>>> = { queues, isolation, rust }
const asked = process.argv.slice(2).filter((word) => !word.startsWith('--'))
const unknown = asked.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  console.error(`no part: ${unknown.join(', ')}; parts are ${Object.keys(parts).join(', ')}`)
  process.exit(2)
}
try {
  for (const name of asked.length > 0 ? asked : Object.keys(parts)) await parts[name]?.()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
report('provenance', rows)
process.exit(0)
