/**
 * A network of processes on this machine, from the client's call to a verified answer.
 *
 * `npm run bench:network` prints a table; `--json` prints one object. Needs `npm run build` before. Wall
 * times are of the machine as it is; CPU times of each process are read from `/proc` and hold on a busy one
 * too.
 *
 * npx tsx bench/network.ts --tasks 40 --clients 4
 * npx tsx bench/network.ts --artifacts 0
 * npx tsx bench/network.ts --profile profiles
 *
 * The last rows are of a second network, into whose trees 10,000 artifacts are registered and committed before
 * it starts, which takes a minute or two. `--artifacts 0` leaves them out.
 *
 * With `--profile` every process writes a CPU profile there when it ends, and `window.json` says between
 * which microseconds of the same clock the clients asked at once.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { mclBackend } from '../src/core/bn254/mcl/index.js'
import type { TaskClient } from '../src/operator/index.js'
import { component } from '../test/fixtures/pluginComponents.js'
import { passFloors, requestOf, taskClientOf, untilCommitted } from '../test/network/asking.js'
import { createSupervisor, metricOf, untilReady } from '../test/network/supervisor.js'
import { createNetworkWorld, type Member, type NetworkWorld } from '../test/network/world.js'
import { cpuOf } from './network/cpu.js'
import { restart, restartFilled } from './network/restart.js'
import { type Row, report } from './report.js'

const rows: Row[] = []
const row = (
  name: string,
  ours: number,
  unit: string,
  more: { target?: number; better?: Row['better'] } = {},
): void => {
  rows.push({ name, ours, unit, better: more.better ?? 'lower', peers: {}, target: more.target })
}
/** Microseconds of the clock that CPU profiles have. */
const clock = (): number => Number(process.hrtime.bigint() / 1_000n)

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Tasks one after another: how long one takes, and where its milliseconds go. */
async function one(
  world: NetworkWorld,
  tasks: TaskClient,
  options: { tasks: number; what: string; target: number },
) {
  const times: number[] = []
  for (let value = 0n; value < BigInt(options.tasks); value++) {
    const started = performance.now()
    await tasks.createTask(requestOf(world, value % 5n))
    times.push(performance.now() - started)
  }
  times.sort((a, b) => a - b)
  const { what, target } = options
  row(`a warm task ${what}, p50`, percentile(times, 0.5), 'ms', { target })
  row(`a warm task ${what}, p95`, percentile(times, 0.95), 'ms')
}

/** Tasks of several clients at once: how many a second, and the CPU of each process for one. */
async function many(
  world: NetworkWorld,
  tasks: TaskClient,
  options: { tasks: number; clients: number; pidOf: (name: string) => number | undefined },
) {
  const names = world.members.map(({ name }) => name)
  const cpu = (): Map<string, number> =>
    new Map(
      names.flatMap((name) => {
        const pid = options.pidOf(name)
        return pid === undefined ? [] : [[name, cpuOf(pid)] as const]
      }),
    )
  const before = cpu()
  const own = process.cpuUsage()
  const started = performance.now()
  let left = options.tasks
  const worker = async (): Promise<void> => {
    while (left-- > 0) await tasks.createTask(requestOf(world, BigInt(left) % 5n))
  }
  await Promise.all([...Array(options.clients).keys()].map(worker))
  const seconds = (performance.now() - started) / 1_000
  const after = cpu()
  const used = process.cpuUsage(own)
  row(`tasks a second, ${options.clients} clients`, options.tasks / seconds, '/s', {
    ...{ target: 20, better: 'higher' },
  })
  const each = (name: string): number =>
    ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / options.tasks
  const operators = names.filter((name) => name.startsWith('operator'))
  row(
    'CPU a task: one operator',
    operators.reduce((sum, name) => sum + each(name), 0) / operators.length,
    'ms',
  )
  row('CPU a task: gateway', each('gateway-0'), 'ms')
  row('CPU a task: challenger', each('challenger'), 'ms')
  row('CPU a task: replica', each('replica'), 'ms')
  row('CPU a task: client and chain', (used.user + used.system) / 1_000 / options.tasks, 'ms')
}

/** The same for a policy with a data plugin, whose own run takes a millisecond or two. */
async function plugged(
  world: NetworkWorld,
  tasks: TaskClient,
  { tasks: count, clients }: { tasks: number; clients: number },
): Promise<void> {
  const { pluggedClient: policyClient } = world
  if (policyClient === undefined) throw new Error('there is no policy with a plugin')
  const own = { ...world, policyClient }
  for (let value = 0n; value < 5n; value++) await tasks.createTask(requestOf(own, value))
  await one(own, tasks, { tasks: count, what: 'with one plugin', target: 400 })
  const started = performance.now()
  let left = count
  const worker = async (): Promise<void> => {
    while (left-- > 0) await tasks.createTask(requestOf(own, BigInt(left) % 5n))
  }
  await Promise.all([...Array(clients).keys()].map(worker))
  const seconds = (performance.now() - started) / 1_000
  row(`tasks with one plugin a second, ${clients} clients`, count / seconds, '/s', {
    ...{ target: 8, better: 'higher' },
  })
}

/** Where the wall time of a task went, by what each process counted itself. */
async function phases(world: NetworkWorld): Promise<void> {
  const average = async (member: Member, name: string, labels = ''): Promise<number> => {
    const at = (suffix: string): RegExp => new RegExp(`^${name}_${suffix}\\{?${labels}`)
    const sum = await metricOf(member, at('sum'))
    const count = await metricOf(member, at('count'))
    return count === 0 ? Number.NaN : (1_000 * sum) / count
  }
  const of = (role: string): Member => world.members.find((one) => one.role === role) as Member
  row(
    'gateway: a task from its receipt to its answer',
    await average(of('gateway'), 'gateway_task_seconds'),
    'ms',
  )
  const evaluate = 'method="newt_evaluateAndSign"'
  row(
    'operator: newt_evaluateAndSign',
    await average(of('operator'), 'rpc_call_seconds', evaluate),
    'ms',
  )
  row('operator: a signature', await average(of('operator'), 'operator_sign_seconds'), 'ms')
}

/** Restarts of an operator, as it is and in a network of its own whose trees hold many artifacts. */
async function restarts(
  world: NetworkWorld,
  parts: Parameters<typeof restart>[1],
  artifacts: number,
): Promise<void> {
  const empty = await restart(world, parts)
  row('an operator ended and ready again', empty.ready, 's', { target: 5 })
  row('CPU of an operator until it is ready', empty.cpu / 1_000, 's')
  if (artifacts === 0) return
  const { held, ready, answered, cpu } = await restartFilled(artifacts)
  const what = `with ${held.toLocaleString('en')} artifacts`
  row(`${what}: an operator ended and ready again`, ready, 's', { target: 5 })
  row(`${what}: until a task that needs it is answered`, answered, 's')
  row(`${what}: CPU of an operator until it is ready`, cpu / 1_000, 's')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tasks: { type: 'string', default: '40' },
      clients: { type: 'string', default: '8' },
      operators: { type: 'string', default: '4' },
      artifacts: { type: 'string', default: '10000' },
      json: { type: 'boolean', default: false },
      profile: { type: 'string' },
    },
  })
  const profiles = values.profile === undefined ? undefined : resolve(values.profile)
  const directory = await mkdtemp(join(tmpdir(), 'newton-bench-'))
  const plugin = await component({ run: '(call $number (i64.const 1))' })
  const world = await createNetworkWorld({
    ...{ directory, plugin, operators: Number(values.operators) },
  })
  if (profiles !== undefined) await mkdir(profiles, { recursive: true })
  const node = profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`]
  const supervisor = createSupervisor({ directory, node })
  try {
    const began = performance.now()
    for (const member of world.members) supervisor.start(member)
    for (const member of world.members) await untilReady(member)
    row('eight processes from start to ready', (performance.now() - began) / 1_000, 's')
    await untilCommitted(world)
    await passFloors(world)
    // The pairings of the target, and of the roles where it is installed.
    const tasks = await taskClientOf(world, { backend: await mclBackend() })
    for (let value = 0n; value < 5n; value++) await tasks.createTask(requestOf(world, value % 5n))
    const count = Number(values.tasks)
    await one(world, tasks, { tasks: count, what: 'without plugins', target: 250 })
    const pidOf = supervisor.pidOf
    const from = clock()
    await many(world, tasks, { tasks: count, clients: Number(values.clients), pidOf })
    if (profiles !== undefined) {
      const pids = Object.fromEntries(world.members.map(({ name }) => [name, pidOf(name)]))
      await writeFile(join(profiles, 'window.json'), JSON.stringify({ from, to: clock(), pids }))
    }
    await phases(world)
    await plugged(world, tasks, { tasks: count, clients: Number(values.clients) })
    await restarts(world, { supervisor, tasks }, Number(values.artifacts))
    if (profiles !== undefined) {
      for (const { name } of world.members) await supervisor.end(name, 'SIGTERM')
    }
  } finally {
    await supervisor.stop()
    await world.stop()
    await rm(directory, { recursive: true, force: true })
  }
  report('network', rows)
}

await main()
process.exit(0)
