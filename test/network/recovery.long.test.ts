/**
 * Processes that die, come late, or come back with what they had yesterday, on a chain, with real sockets and a
 * Postgres server: the others go on, and all are at one root in the end.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { TaskClient } from '../../src/operator/index.js'
import { isBuilt } from '../cli/runner.js'
import { postgresPrograms, startPostgres } from '../support/postgres.js'
import {
  memberOf,
  newestCommit,
  registerAnother,
  requestOf,
  taskClientOf,
  until,
  untilCommitted,
} from './asking.js'
import { startLink } from './proxy.js'
import { createRecorder, type Recorder } from './recorder.js'
import { createSupervisor, metricOf, type Supervisor, untilReady } from './supervisor.js'
import { createNetworkWorld, type NetworkWorld } from './world.js'

vi.setConfig({ testTimeout: 600_000, hookTimeout: 600_000 })

const able = isBuilt && postgresPrograms !== undefined
const first = ['operator-0', 'operator-1', 'operator-2']

describe.skipIf(!able)('recovery', () => {
  let directory: string
  let database: Awaited<ReturnType<typeof startPostgres>>
  let world: NetworkWorld
  let supervisor: Supervisor
  let recorder: Recorder
  let tasks: TaskClient
  const links: Awaited<ReturnType<typeof startLink>>[] = []

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'newton-recovery-'))
    database = await startPostgres()
    recorder = createRecorder()
    world = await createNetworkWorld({
      ...{ directory, gateways: 2, database: database.url, window: 5 },
      linkOf: async (name, target) => {
        const link = await startLink({ name, target }, recorder.onExchange)
        links.push(link)
        return link.url
      },
    })
    supervisor = createSupervisor({ directory })
    // The fourth operator comes late; three of four are a quorum.
    const early = world.members.filter(({ name }) => name !== 'operator-3' && name !== 'challenger')
    for (const member of early) supervisor.start(member)
    for (const member of early) await untilReady(member)
    await untilCommitted(world, { names: first })
    tasks = await taskClientOf(world)
    recorder.onAnswer(await tasks.createTask(requestOf(world, 1n)))
  })
  afterAll(async () => {
    await supervisor?.stop()
    for (const link of links) link.close()
    await world?.stop()
    await database?.stop()
    if (directory !== undefined) await rm(directory, { recursive: true, force: true })
  })

  /** A journal without its witness signs nothing up to the block it was opened at: tasks name one two blocks back. */
  const pastTheFloor = () => world.anvil.rpc('anvil_mine', ['0x5'])

  test('behavior: the tasks of a gateway that is killed are finished by the other one', async () => {
    // Nobody answers in time, so that all are still in flight when the gateway dies.
    for (const link of links) link.state.mode = 'slow'
    const sent = await Promise.all(
      [2n, 3n, 4n, 7n, 8n].map((value) => tasks.sendTask(requestOf(world, value))),
    )
    expect(await supervisor.end('gateway-0', 'SIGKILL')).toMatchObject({ signal: 'SIGKILL' })
    for (const link of links) link.state.mode = 'open'
    const other = await taskClientOf(world, { gateway: 'gateway-1' })
    const answers = await Promise.all(sent.map((one) => other.waitForTask(one)))
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, true, false, false])
    for (const answer of answers) recorder.onAnswer(answer)
    expect(await metricOf(memberOf(world, 'gateway-1'), /^gateway_tasks\{state="signed"\}/)).toBe(6)
    // The one that died comes back, and gives the same answers from the same store.
    supervisor.start(memberOf(world, 'gateway-0'))
    await untilReady(memberOf(world, 'gateway-0'))
    for (const one of sent) recorder.onAnswer(await tasks.waitForTask(one))
    expect(recorder.violations()).toEqual([])
  })

  test('behavior: an operator that joins after several commits reaches their root, and signs', async () => {
    for (let turn = 0; turn < 3; turn++) {
      const before = await newestCommit(world)
      await registerAnother(world, `before the late one, ${turn}`)
      await untilCommitted(world, { names: first, atLeast: before + 1 })
    }
    const late = memberOf(world, 'operator-3')
    supervisor.start(late)
    await untilReady(late)
    await untilCommitted(world, { names: [...first, 'operator-3', 'replica'], atLeast: 4 })
    await pastTheFloor()
    // Without one of the others, its signature is the third.
    await supervisor.end('operator-0', 'SIGKILL')
    recorder.onAnswer(await tasks.createTask(requestOf(world, 5n)))
    const before = await newestCommit(world)
    await registerAnother(world, 'signed by the late one')
    await untilCommitted(world, {
      names: ['operator-1', 'operator-2', 'operator-3'],
      atLeast: before + 1,
    })
    supervisor.start(memberOf(world, 'operator-0'))
    await untilReady(memberOf(world, 'operator-0'))
    await untilCommitted(world)
  })

  test('behavior: one that comes back with an old backup catches up, and signs nothing twice', async () => {
    const member = memberOf(world, 'operator-1')
    const backup = join(directory, 'backup')
    expect(await supervisor.end(member.name, 'SIGTERM')).toMatchObject({ code: 0 })
    await cp(member.directory, backup, { recursive: true })
    supervisor.start(member)
    await untilReady(member)
    for (let turn = 0; turn < 2; turn++) {
      const before = await newestCommit(world)
      await registerAnother(world, `after the backup, ${turn}`)
      recorder.onAnswer(await tasks.createTask(requestOf(world, BigInt(turn))))
      await untilCommitted(world, { atLeast: before + 1 })
    }
    await supervisor.end(member.name, 'SIGKILL')
    await rm(member.directory, { recursive: true })
    await cp(backup, member.directory, { recursive: true })
    supervisor.start(member)
    await untilReady(member)
    await untilCommitted(world)
    const before = await newestCommit(world)
    await registerAnother(world, 'after the restore')
    await untilCommitted(world, { atLeast: before + 1 })
    // What its journal has lost lies below the floor; what is new it signs again.
    await pastTheFloor()
    await supervisor.end('operator-2', 'SIGKILL')
    recorder.onAnswer(await tasks.createTask(requestOf(world, 3n)))
    supervisor.start(memberOf(world, 'operator-2'))
    await untilReady(memberOf(world, 'operator-2'))
    expect(recorder.counts.answered).toBeGreaterThanOrEqual(14)
    expect(recorder.violations()).toEqual([])
  })

  test('behavior: in the end all are at one root, and nobody died by itself', async () => {
    await untilCommitted(world)
    await until('the replica is there too', async () => {
      return (
        (await metricOf(memberOf(world, 'replica'), /^replica_sequence /)) >=
        (await newestCommit(world))
      )
    })
    expect(await metricOf(memberOf(world, 'replica'), /^replica_anomalies_total/)).toBe(0)
    expect(recorder.violations()).toEqual([])
    expect(supervisor.deaths.filter(({ ours }) => !ours)).toEqual([])
  })
})
