/**
 * Eight processes, a link before each operator, and faults at random instants, while clients ask for tasks.
 *
 * npx tsx test/network/chaos.ts --seconds 300 --seed 7
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { verifyTaskAttestation } from '../../src/attestation/index.js'
import { mulberry32 } from '../../src/da/internal/random.js'
import type { VerifiedTask } from '../../src/operator/index.js'
import { createAcceptedResponses, createChainEvents } from '../../src/registry/index.js'
import { passFloors, readerOf, requestOf, taskClientOf, untilCommitted } from './asking.js'
import { startLink } from './proxy.js'
import { createRecorder } from './recorder.js'
import { createSupervisor, metricOf, readiness, untilReady } from './supervisor.js'
import { createNetworkWorld, type Member, type NetworkWorld } from './world.js'

/** What a run came to. */
export type ChaosReport = {
  seed: number
  kills: Readonly<Record<string, number>>
  faults: Readonly<Record<string, number>>
  answered: number
  failed: number
  /** Failures by their code: what clients were told while something was down. */
  failures: Readonly<Record<string, number>>
  shares: number
  accepted: number
  commits: number
  roots: readonly string[]
  /** What must never be; empty where all is well. */
  violations: readonly string[]
}

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Runs a network under faults. */
export async function runChaos(options: {
  seconds: number
  seed: number
  /** Faults a minute. @default 12 */
  rate?: number
  log?: (line: string) => void
}): Promise<ChaosReport> {
  const { seconds, seed, rate = 12, log = () => undefined } = options
  const directory = await mkdtemp(join(tmpdir(), 'newton-chaos-'))
  const recorder = createRecorder()
  const links: Awaited<ReturnType<typeof startLink>>[] = []
  const closers: (() => Promise<void> | void)[] = []
  try {
    const world = await createNetworkWorld({
      directory,
      linkOf: async (name, target) => {
        const link = await startLink({ name, target }, recorder.onExchange)
        links.push(link)
        closers.push(link.close)
        return link.url
      },
    })
    closers.push(world.stop)
    const supervisor = createSupervisor({ directory })
    closers.push(supervisor.stop)
    for (const member of world.members) supervisor.start(member)
    for (const member of world.members) await untilReady(member)
    log('all are ready')
    // Until the policy is under a root nobody decides, whatever is killed.
    await untilCommitted(world)
    log('the policy is committed')
    await passFloors(world)
    // A network that answers nothing before the first fault shows nothing after it.
    await (await taskClientOf(world)).createTask(requestOf(world, 1n))
    log('a task is answered')
    const until = Date.now() + seconds * 1_000
    const clients = startClients(world, { recorder, until })
    const kills = await makeFaults(world, { supervisor, links, seed, rate, until, log })
    await clients
    for (const link of links) link.state.mode = 'open'
    for (const member of world.members) await untilReady(member)
    log('all are ready again')
    // What was answered before the end shall be landed, and all be at one root.
    const judged = await judge(world)
    const stray = supervisor.deaths.filter(({ ours }) => !ours)
    return {
      ...{ seed, kills, ...judged },
      faults: Object.fromEntries(links.map(({ name, state }) => [name, state.spoiled])),
      answered: recorder.counts.answered,
      failed: recorder.counts.failed,
      failures: recorder.failures,
      shares: recorder.counts.shares,
      violations: [
        ...recorder.violations(),
        ...judged.violations,
        ...stray.map(({ name, code }) => `${name} died by itself with ${code}`),
        // A run in which nothing was done shows nothing.
        ...(recorder.counts.answered === 0 ? ['no task was answered'] : []),
        ...(judged.accepted === 0 ? ['no response was accepted on chain'] : []),
      ],
    }
  } finally {
    for (const close of closers.reverse()) await close()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Asks for tasks until the end, each verified before it counts. */
async function startClients(
  world: NetworkWorld,
  { recorder, until }: { recorder: ReturnType<typeof createRecorder>; until: number },
): Promise<void> {
  const tasks = await taskClientOf(world)
  const one = async (): Promise<void> => {
    for (let value = 1n; Date.now() < until; value++) {
      try {
        const verified: VerifiedTask = await tasks.createTask({
          ...requestOf(world, value % 10n),
          ...{ broadcast: true, timeout: 60_000 },
        })
        recorder.onAnswer(verified)
      } catch (error) {
        recorder.onFailure(error)
        await sleep(250)
      }
    }
  }
  await Promise.all([one(), one()])
}

async function makeFaults(
  world: NetworkWorld,
  at: {
    supervisor: ReturnType<typeof createSupervisor>
    links: readonly Awaited<ReturnType<typeof startLink>>[]
    seed: number
    rate: number
    until: number
    log: (line: string) => void
  },
): Promise<Record<string, number>> {
  const { supervisor, links, until, log } = at
  const random = mulberry32(at.seed)
  const kills: Record<string, number> = {}
  // Each process is killed in turn, in an order by chance, so that none is left out.
  const order = [...world.members].sort(() => random() - 0.5)
  for (let turn = 0; Date.now() < until; turn++) {
    await sleep((60_000 / at.rate) * (0.5 + random()))
    const member = order[turn % order.length] as Member
    await supervisor.end(member.name, 'SIGKILL')
    kills[member.name] = (kills[member.name] ?? 0) + 1
    const link = links[Math.floor(random() * links.length)]
    const modes = ['cut', 'slow', 'garbage'] as const
    if (link !== undefined && turn % 3 === 2) {
      for (const other of links) other.state.mode = 'open'
      link.state.mode = modes[Math.floor(random() * 3)] as (typeof modes)[number]
      log(`${link.name}: ${link.state.mode}`)
    }
    log(`killed ${member.name}`)
    await sleep(random() * 1_000)
    supervisor.start(member)
    // Four operators bear one that is down: the next one falls when this one stands again.
    await untilReady(member, 60_000).catch(() => log(`${member.name} is slow to come back`))
  }
  return kills
}

/** What the chain and the trees show at the end. */
async function judge(
  world: NetworkWorld,
): Promise<Pick<ChaosReport, 'accepted' | 'commits' | 'roots' | 'violations'>> {
  const { client, contracts: addresses, members } = world
  const events = await createChainEvents({ client, addresses, finality: 'latest' })
  const followers = members.filter(({ role }) => role === 'operator' || role === 'replica')
  const violations: string[] = []
  const types = ['StateRootCommitted'] as const
  const read = async () => {
    const { number: toBlock } = await events.getLatestBlock()
    return events.getEvents({ fromBlock: addresses.fromBlock, toBlock, types })
  }
  let at: number[] = []
  for (let tries = 0; tries < 60; tries++) {
    const newest = (await read()).length
    at = await Promise.all(followers.map((one) => metricOf(one, /^(operator|replica)_sequence /)))
    if (at.every((sequence) => sequence >= newest - 1 && sequence > 0)) break
    await sleep(1_000)
  }
  const commits = await read()
  for (const [index, commit] of commits.entries()) {
    const { sequenceNo } = commit as unknown as { sequenceNo: bigint }
    if (sequenceNo !== BigInt(index + 1)) violations.push(`commit ${index + 1} is ${sequenceNo}`)
  }
  for (const [index, one] of followers.entries()) {
    if ((at[index] ?? 0) < commits.length - 1) violations.push(`${one.name} is at ${at[index]}`)
    const anomalies = await metricOf(one, /^(operator|replica)_anomalies_total/)
    if (anomalies > 0) violations.push(`${one.name} saw ${anomalies} anomalies`)
    const lacks = await readiness(one)
    if (lacks !== undefined) violations.push(`${one.name}: ${lacks}`)
  }
  const roots = commits.map((one) => (one as unknown as { newStateRoot: string }).newStateRoot)
  return { ...(await judgeAccepted(world, violations)), commits: commits.length, roots, violations }
}

/** Every accepted response holds before a verifier that has seen nothing of the run. */
async function judgeAccepted(
  world: NetworkWorld,
  violations: string[],
): Promise<{ accepted: number }> {
  const { client, contracts: addresses } = world
  const reader = await readerOf(world)
  const responses = createAcceptedResponses({ client, addresses })
  const toBlock = await client.getBlockNumber({ cacheTime: 0 })
  const accepted = await responses.getAcceptedResponses({ fromBlock: addresses.fromBlock, toBlock })
  for (const { task, response, certificate, blockNumber: at } of accepted) {
    const outcome = await verifyTaskAttestation({
      ...{ reader, task, taskChecked: true, response, certificate, at },
      level: 'result',
      // The policy has no plugins: its inputs are known.
      inputs: { outputs: {}, secrets: {} },
    })
    if (outcome.status !== 'valid') violations.push(`${response.taskId}: ${outcome.status}`)
  }
  return { accepted: accepted.length }
}

if (process.argv[1]?.endsWith('chaos.ts') === true) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '300' },
      seed: { type: 'string', default: '1' },
      rate: { type: 'string', default: '12' },
    },
  })
  const print = (line: string): void => {
    process.stdout.write(`${line}\n`)
  }
  const { seconds, seed, rate } = values
  print(`seed ${seed}`)
  const report = await runChaos({
    ...{ seconds: Number(seconds), seed: Number(seed), rate: Number(rate), log: print },
  })
  print(JSON.stringify(report, null, 2))
  process.exitCode = report.violations.length === 0 ? 0 : 1
}
