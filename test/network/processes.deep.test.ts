/** Eight processes, started by the command line from configurations: they do their work, and end well. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TaskClient } from '../../src/operator/index.js'
import { signCall } from '../../src/operator/rpc/auth.js'
import { isBuilt } from '../cli/runner.js'
import { memberOf, passFloors, requestOf, taskClientOf, until, untilCommitted } from './asking.js'
import { createSupervisor, metricOf, type Supervisor, untilReady } from './supervisor.js'
import { createNetworkWorld, type NetworkWorld } from './world.js'

let directory: string
let world: NetworkWorld
let supervisor: Supervisor
let tasks: TaskClient

const member = (name: string) => memberOf(world, name)

beforeAll(async () => {
  if (!isBuilt) return
  directory = await mkdtemp(join(tmpdir(), 'newton-network-'))
  world = await createNetworkWorld({ directory })
  supervisor = createSupervisor({ directory })
  for (const one of world.members) supervisor.start(one)
  for (const one of world.members) await untilReady(one)
  tasks = await taskClientOf(world)
}, 400_000)

afterAll(async () => {
  await supervisor?.stop()
  await world?.stop()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
}, 60_000)

test.skipIf(!isBuilt)(
  'the artifacts are committed, a task is answered, verified and landed, and all see it',
  async () => {
    await untilCommitted(world)
    await passFloors(world)
    const allowed = await tasks.createTask({ ...requestOf(world, 3n), broadcast: true })
    expect(allowed.allowed).toBe(true)
    const denied = await tasks.createTask(requestOf(world, 7n))
    expect(denied.allowed).toBe(false)
    await until('landed', async () => {
      return (await metricOf(member('gateway-0'), /^gateway_tasks\{state="final"\}/)) === 1
    })
    await until('the challenger has verified it', async () => {
      return (await metricOf(member('challenger'), /^challenger_verified_total.*valid/)) === 1
    })
    await until('the replica has held it against the tree', async () => {
      return (await metricOf(member('replica'), /^replica_responses_checked_total/)) === 1
    })
    expect(await metricOf(member('replica'), /^replica_anomalies_total/)).toBe(0)
  },
  300_000,
)

test.skipIf(!isBuilt)(
  'a second process on a data directory is refused, and told who has it',
  async () => {
    const twin = { ...member('replica'), name: 'twin' }
    supervisor.start(twin)
    await until('the twin ends', async () => !supervisor.isRunning('twin'))
    const log = await readFile(join(directory, 'twin.log'), 'utf8')
    expect(log).toContain('belongs to replica, process')
    expect(supervisor.deaths.find(({ name }) => name === 'twin')?.code).toBe(1)
  },
  150_000,
)

/** What lets a call to an operator be read: whoever signs it may ask for leaves. */
async function signedFor(name: string): Promise<string> {
  const operator = world.operators.find((one) => one.name === name)?.address
  if (operator === undefined) throw new Error(`no operator is called ${name}`)
  const [paramsHash, nonce] = [generatePrivateKey(), generatePrivateKey()]
  const expiresAt = BigInt(Math.floor(Date.now() / 1_000) + 30)
  return signCall(
    privateKeyToAccount(generatePrivateKey()),
    { operator, method: 'newt_signedRead', paramsHash, nonce, expiresAt },
    { chainId: BigInt(world.chain.id), policyRegistry: world.contracts.policyRegistry },
  )
}

test.skipIf(!isBuilt)(
  'a second signal ends a process at once, whatever it waits for, and nothing is lost',
  async () => {
    for (const [name, second] of [
      ['gateway-0', 'SIGTERM'],
      ['operator-0', 'SIGINT'],
    ] as const) {
      const one = member(name)
      const before = await metricOf(one, /^(gateway_tasks\{|operator_sequence )/)
      // A call that does not come to its end keeps the first signal waiting.
      const held = connect(Number(new URL(one.url).port), '127.0.0.1')
      held.on('error', () => undefined)
      const line = name === 'operator-0' ? `authorization: ${await signedFor(name)}\r\n` : ''
      held.write(`POST /rpc HTTP/1.1\r\nhost: a\r\n${line}content-length: 1000\r\n\r\n{`)
      await new Promise((resolve) => setTimeout(resolve, 300))
      supervisor.signal(name, 'SIGTERM')
      await until(`${name} is stopping`, async () =>
        (await readFile(join(directory, `${name}.log`), 'utf8')).includes(`${one.role}.stopping`),
      )
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      expect(supervisor.isRunning(name)).toBe(true)
      const asked = Date.now()
      expect(await supervisor.end(name, second)).toMatchObject({ code: null, signal: second })
      expect(Date.now() - asked).toBeLessThan(2_000)
      held.destroy()
      supervisor.start(one)
      await untilReady(one)
      // An operator counts from what it has derived again since it started.
      await until(`${name} has all that it had`, async () => {
        return (await metricOf(one, /^(gateway_tasks\{|operator_sequence )/)) >= before
      })
    }
  },
  400_000,
)

test.skipIf(!isBuilt)(
  'SIGTERM ends each with 0, and started again each goes on where it was',
  async () => {
    for (const one of world.members) {
      expect(await supervisor.end(one.name, 'SIGTERM')).toMatchObject({ code: 0 })
      const lines = (await readFile(join(directory, `${one.name}.log`), 'utf8')).trim().split('\n')
      expect(JSON.parse(lines.at(-1) as string)).toMatchObject({ msg: `${one.role}.stopped` })
    }
    expect(supervisor.deaths.filter(({ name }) => name !== 'twin').every(({ ours }) => ours)).toBe(
      true,
    )
    for (const one of world.members) supervisor.start(one)
    for (const one of world.members) await untilReady(one)
    const again = await tasks.createTask(requestOf(world, 4n))
    expect(again.allowed).toBe(true)
  },
  400_000,
)
