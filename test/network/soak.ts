/**
 * A network under a steady load: memory and file handles of every process have to be flat, and what a task leaves on
 * its disk bounded. Journals and a gateway's tasks are kept for days: they grow by the task, never by the hour.
 *
 * npx tsx test/network/soak.ts --seconds 3600 --rate 2 --samples samples.jsonl
 */
import { appendFileSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { passFloors, requestOf, taskClientOf, untilCommitted } from './asking.js'
import { createSupervisor, untilReady } from './supervisor.js'
import { createNetworkWorld } from './world.js'

/** What one process held at one time. */
type Sample = { resident: number; handles: number; disk: number; answered: number }

/** The same, with where on the disk it lies. */
export type SoakSample = Sample & {
  name: string
  /** Seconds since the load began. */
  at: number
  /** Bytes of each file and folder of its data directory. */
  places: Readonly<Record<string, number>>
}

/** What a soak came to. */
export type SoakReport = {
  seconds: number
  answered: number
  failed: number
  /** How often each thing was why. */
  failures: Readonly<Record<string, number>>
  /** Bytes resident and open handles of each process, in the second quarter of the time and in the last. */
  processes: Readonly<Record<string, { early: Sample; late: Sample }>>
  /** Bytes that one answered task left on the disk of each process, between the same two quarters. */
  diskPerTask: Readonly<Record<string, number>>
  /** What grew; empty where all is flat. */
  violations: readonly string[]
}

/** Bytes that a task may leave: an answer with its documents, three records of a journal, their indices. */
const MOST_PER_TASK = 64 * 1_024
/** Bytes by which files grow at a time, whatever is in them. */
const SLACK = 32 * 1_048_576

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Bytes of each file and folder of a directory. What is removed meanwhile counts nothing. */
function placesOf(directory: string): Record<string, number> {
  const places: Record<string, number> = {}
  const attempt = <value>(work: () => value): value | undefined => {
    try {
      return work()
    } catch {
      return undefined
    }
  }
  for (const entry of attempt(() => readdirSync(directory, { withFileTypes: true })) ?? []) {
    const path = join(directory, entry.name)
    const bytes = entry.isDirectory()
      ? sum(placesOf(path))
      : // Blocks, not length: a database file may have holes.
        attempt(() => statSync(path).blocks * 512)
    if (bytes !== undefined) places[entry.name] = bytes
  }
  return places
}

const sum = (places: Readonly<Record<string, number>>): number =>
  Object.values(places).reduce((all, bytes) => all + bytes, 0)

function sampleOf(pid: number): Pick<Sample, 'resident' | 'handles'> | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const resident = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1_024
    return { resident, handles: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return undefined
  }
}

/** The middle one of each: one collection more or less says nothing. */
function middle(samples: readonly Sample[]): Sample {
  const at = (values: number[]): number =>
    values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
  return {
    resident: at(samples.map(({ resident }) => resident)),
    handles: at(samples.map(({ handles }) => handles)),
    disk: at(samples.map(({ disk }) => disk)),
    answered: at(samples.map(({ answered }) => answered)),
  }
}

/** Runs a network under a steady load. */
export async function runSoak(options: {
  seconds: number
  /** Tasks a second. */
  rate: number
  operators?: number | undefined
  /** Part by which memory may be larger at the end. @default 0.15 */
  growth?: number | undefined
  /** Told of each sample: of a run that is cut short they are what is left. */
  onSample?: ((sample: SoakSample) => void) | undefined
}): Promise<SoakReport> {
  const { seconds, rate, operators = 4, growth = 0.15, onSample } = options
  const directory = await mkdtemp(join(tmpdir(), 'newton-soak-'))
  const world = await createNetworkWorld({ directory, operators })
  const supervisor = createSupervisor({ directory })
  try {
    for (const member of world.members) supervisor.start(member)
    for (const member of world.members) await untilReady(member)
    await untilCommitted(world)
    await passFloors(world)
    const tasks = await taskClientOf(world)
    const began = Date.now()
    const until = began + seconds * 1_000
    const counts = { answered: 0, failed: 0, failures: {} as Record<string, number> }
    const running = new Set<Promise<void>>()
    const load = async (): Promise<void> => {
      for (let value = 0n; Date.now() < until; value++) {
        const asked: Promise<void> = tasks
          .createTask(requestOf(world, value % 10n))
          .then(
            () => void counts.answered++,
            (error: unknown) => {
              counts.failed++
              const { code = 'unknown', message } = error as { code?: string; message: string }
              const why = `${code}: ${message.split('\n', 1)[0]}`
              counts.failures[why] = (counts.failures[why] ?? 0) + 1
            },
          )
          .finally(() => running.delete(asked))
        running.add(asked)
        await sleep(1_000 / rate)
        // What is slower than its rate is not asked for more: memory would only hold the queue.
        while (running.size > 16) await Promise.race(running)
      }
      await Promise.all(running)
    }
    const samples: Record<string, Sample[]> = {}
    const watch = async (): Promise<void> => {
      while (Date.now() < until) {
        for (const { name, directory: own } of world.members) {
          const pid = supervisor.pidOf(name)
          const sample = pid === undefined ? undefined : sampleOf(pid)
          samples[name] ??= []
          if (sample === undefined) continue
          const places = placesOf(own)
          const disk = sum(places)
          const { answered } = counts
          samples[name].push({ ...sample, disk, answered })
          const at = Math.round((Date.now() - began) / 1_000)
          onSample?.({ name, at, ...sample, disk, answered, places })
        }
        await sleep(Math.max(500, (seconds * 1_000) / 200))
      }
    }
    await Promise.all([load(), watch()])
    return judge({ samples, counts, seconds, growth, deaths: supervisor.deaths })
  } finally {
    await supervisor.stop()
    await world.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

function judge(run: {
  samples: Readonly<Record<string, readonly Sample[]>>
  counts: Pick<SoakReport, 'answered' | 'failed' | 'failures'>
  seconds: number
  growth: number
  deaths: readonly { name: string; ours: boolean; code: number | null }[]
}): SoakReport {
  const { samples, counts, seconds, growth, deaths } = run
  const diskPerTask: Record<string, number> = {}
  const processes: Record<string, { early: Sample; late: Sample }> = {}
  const violations = deaths
    .filter(({ ours }) => !ours)
    .map(({ name, code }) => `${name} died by itself with ${code}`)
  if (counts.answered === 0) violations.push('no task was answered')
  for (const [name, all] of Object.entries(samples)) {
    const quarter = Math.floor(all.length / 4)
    const early = middle(all.slice(quarter, 2 * quarter))
    const late = middle(all.slice(3 * quarter))
    processes[name] = { early, late }
    if (late.resident > early.resident * (1 + growth)) {
      violations.push(`${name} grew from ${early.resident} to ${late.resident} bytes`)
    }
    const perTask = (late.disk - early.disk) / Math.max(1, late.answered - early.answered)
    diskPerTask[name] = Math.round(perTask)
    if (late.disk - early.disk > SLACK && perTask > MOST_PER_TASK) {
      violations.push(`${name} keeps ${diskPerTask[name]} bytes of each task`)
    }
    if (late.handles > early.handles + 16) {
      violations.push(`${name} has ${late.handles} handles, and had ${early.handles}`)
    }
  }
  return { seconds, ...counts, processes, diskPerTask, violations }
}

if (process.argv[1]?.endsWith('soak.ts') === true) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3600' },
      rate: { type: 'string', default: '2' },
      operators: { type: 'string', default: '4' },
      samples: { type: 'string' },
    },
  })
  const { samples } = values
  const report = await runSoak({
    ...{ seconds: Number(values.seconds), rate: Number(values.rate) },
    operators: Number(values.operators),
    ...(samples === undefined
      ? {}
      : { onSample: (one) => appendFileSync(samples, `${JSON.stringify(one)}\n`) }),
  })
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
  process.exit(report.violations.length === 0 ? 0 : 1)
}
