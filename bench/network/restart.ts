/** An operator that ends and comes again, with what its tree holds. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mclBackend } from '../../src/core/bn254/mcl/index.js'
import type { TaskClient } from '../../src/operator/index.js'
import {
  memberOf,
  passFloors,
  requestOf,
  taskClientOf,
  untilCommitted,
} from '../../test/network/asking.js'
import { createSupervisor, type Supervisor, untilReady } from '../../test/network/supervisor.js'
import { createNetworkWorld, type NetworkWorld } from '../../test/network/world.js'
import { fillTrees } from './artifacts.js'
import { cpuOf } from './cpu.js'

/** What a restart takes. */
export type Restart = {
  /** Seconds until it is ready again. */
  ready: number
  /** Seconds until a task that needs it is answered. */
  answered: number
  /** Milliseconds of CPU that it had used when it was ready. */
  cpu: number
}

/** A restart of an operator of a network whose trees hold `count` artifacts or a few more. */
export async function restartFilled(count: number): Promise<Restart & { held: number }> {
  const directory = await mkdtemp(join(tmpdir(), 'newton-bench-'))
  const world = await createNetworkWorld({ directory, operators: 4 })
  const supervisor = createSupervisor({ directory })
  try {
    const held = await fillTrees(world, count)
    for (const member of world.members) supervisor.start(member)
    for (const member of world.members) await untilReady(member)
    await untilCommitted(world)
    await passFloors(world)
    const tasks = await taskClientOf(world, { backend: await mclBackend() })
    await tasks.createTask(requestOf(world, 1n))
    return { held, ...(await restart(world, { supervisor, tasks })) }
  } finally {
    await supervisor.stop()
    await world.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Ends an operator and starts it again. */
export async function restart(
  world: NetworkWorld,
  { supervisor, tasks }: { supervisor: Supervisor; tasks: TaskClient },
): Promise<Restart> {
  const member = memberOf(world, 'operator-0')
  // Of four, three have a quorum: with another one away none is reached without this one.
  const other = memberOf(world, 'operator-1')
  await supervisor.end(other.name, 'SIGTERM')
  const began = performance.now()
  const since = (): number => (performance.now() - began) / 1_000
  await supervisor.end(member.name, 'SIGTERM')
  supervisor.start(member)
  await untilReady(member)
  const ready = since()
  const cpu = cpuOf(supervisor.pidOf(member.name) as number)
  for (let answered = false; !answered; ) {
    answered = await tasks.createTask(requestOf(world, 1n)).then(
      () => true,
      () => false,
    )
  }
  const answered = since()
  supervisor.start(other)
  await untilReady(other)
  return { ready, answered, cpu }
}
