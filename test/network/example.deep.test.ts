/** The example of an operator, as the only one of a network: it commits, answers, and ends well. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { isBuilt } from '../cli/runner.js'
import { memberOf, passFloors, requestOf, taskClientOf, untilCommitted } from './asking.js'
import { createSupervisor, type Supervisor, untilReady } from './supervisor.js'
import { createNetworkWorld, type NetworkWorld } from './world.js'

vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 })

let directory: string
let world: NetworkWorld
let supervisor: Supervisor
let child: ChildProcess | undefined

function startExample(env: Record<string, string | undefined> = {}) {
  const { config } = memberOf(world, 'operator-0')
  const started = spawn(
    process.execPath,
    ['--import', 'tsx', 'examples/operator/index.ts', config],
    {
      env: { ...process.env, OPERATOR_ACCOUNT_KEY: world.operators[0]?.privateKey, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  const take = (chunk: Buffer): void => {
    output += chunk.toString()
  }
  started.stdout?.on('data', take)
  started.stderr?.on('data', take)
  const ended = new Promise<number | null>((resolve) => started.once('close', resolve))
  child = started
  return {
    ended,
    output: () => output,
    kill: () => started.kill('SIGTERM'),
  }
}

beforeAll(async () => {
  if (!isBuilt) return
  directory = await mkdtemp(join(tmpdir(), 'newton-example-'))
  world = await createNetworkWorld({ directory, operators: 1, window: 5 })
  supervisor = createSupervisor({ directory })
})
afterAll(async () => {
  child?.kill('SIGKILL')
  await supervisor?.stop()
  await world?.stop()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

test.skipIf(!isBuilt)(
  'it refuses to start without its account, and says what is missing',
  async () => {
    const { ended, output } = startExample({ OPERATOR_ACCOUNT_KEY: undefined })
    expect(await ended).toBe(1)
    expect(output()).toContain('set OPERATOR_ACCOUNT_KEY')
  },
)

test.skipIf(!isBuilt)('it commits, a gateway asks it, and SIGTERM ends it with 0', async () => {
  const { ended, output, kill } = startExample({ NEWTON_JOURNAL_NEW: 'true' })
  const operator = memberOf(world, 'operator-0')
  await untilReady(operator).catch((cause: unknown) => {
    throw new Error(output(), { cause })
  })
  supervisor.start(memberOf(world, 'gateway-0'))
  await untilReady(memberOf(world, 'gateway-0'))
  await untilCommitted(world)
  await passFloors(world)
  const tasks = await taskClientOf(world)
  expect(await tasks.createTask(requestOf(world, 3n))).toMatchObject({ allowed: true })
  expect(await tasks.createTask(requestOf(world, 7n))).toMatchObject({ allowed: false })
  kill()
  expect(await ended).toBe(0)
  expect(output()).toContain('"event":"operator.listening"')
})
