/**
 * A network in numbers: tasks arrive, gateways ask operators, operators evaluate and sign, gateways aggregate.
 * Every process is a queue before its cores; what a step costs is given. Nothing is random but arrivals, ways
 * over the network and policies, all from one seed.
 */
import { mulberry32 } from '../../src/da/internal/random.js'

/** Milliseconds of CPU of each step, and of what only takes time. */
export type StepCosts = {
  /** A gateway takes a task in, keeps it, and answers. */
  gatewayTask: number
  /** A gateway signs one call and sends it. */
  gatewayCall: number
  /** A gateway reads one answer and keeps the share. */
  gatewayShare: number
  /** A gateway checks the shares of a quorum and joins them. */
  gatewayAggregate: number
  /** An operator checks who calls, reads the task, evaluates, and writes its answer. */
  operatorTask: number
  /** An operator makes one signature. */
  operatorSign: number
  /** An operator prepares a policy that it does not have ready. */
  operatorPrepare: number
  /** The record is on disk: time, not CPU. */
  journal: number
  /** One way over the network: time, not CPU. */
  way: number
}

/** A network and its load. */
export type Scenario = {
  operators: number
  /** Cores of one operator's process. */
  operatorCores: number
  gateways: number
  /** Cores of one gateway's process. */
  gatewayCores: number
  /** Signatures that an operator makes for a task: its response, and its enclave's document. */
  signatures: number
  /** Operators asked for one task: all, or a quorum and some more. */
  asked: number
  /** Shares that a certificate needs. */
  quorum: number
  clients: number
  tasksPerSecond: number
  /** Share of the tasks that use one policy; the others use any of `policies`. */
  shared: number
  policies: number
  /** Policies that an operator keeps ready. */
  ready: number
  seconds: number
  /** Milliseconds after which a task has failed. */
  timeout: number
  seed: number
}

/** What came of it. */
export type Outcome = {
  arrived: number
  answered: number
  failed: number
  /** Answered in the second half of the time, a second. */
  throughput: number
  p50: number
  p95: number
  /** Share of their cores that is in use. 1 is saturated. */
  gatewayUse: number
  operatorUse: number
  /** Longest queue at the end of one process of a role. */
  gatewayQueue: number
  operatorQueue: number
}

type Job = { cost: number; done: () => void }
type Station = { free: number; cores: number; waiting: Job[]; at: number; busy: number }

/** Runs a scenario to the end of its time. */
export function simulateNetwork(scenario: Scenario, costs: StepCosts): Outcome {
  const { operators, gateways, seconds, timeout } = scenario
  const random = mulberry32(scenario.seed)
  const clock = createClock()
  const stations = (count: number, cores: number): Station[] =>
    Array.from({ length: count }, () => ({ free: cores, cores, waiting: [], at: 0, busy: 0 }))
  const gates = stations(gateways, scenario.gatewayCores)
  const peers = stations(operators, scenario.operatorCores)
  const ready = peers.map(() => new Map<number, true>())
  const end = seconds * 1_000
  const times: number[] = []
  const state = { arrived: 0, answered: 0, failed: 0, late: 0 }

  const start = (station: Station, { cost, done }: Job): void => {
    station.free--
    station.busy += Math.max(0, Math.min(cost, end - clock.now()))
    clock.after(cost, () => {
      station.free++
      const next = station.waiting[station.at]
      if (next !== undefined) {
        station.at++
        if (station.at > 4_096) station.waiting.splice(0, station.at)
        if (station.at > 4_096) station.at = 0
        start(station, next)
      }
      done()
    })
  }
  const work = (station: Station, cost: number, done: () => void): void => {
    if (station.free > 0) start(station, { cost, done })
    else station.waiting.push({ cost, done })
  }
  const prepareCost = (peer: number, policy: number): number => {
    const known = ready[peer] as Map<number, true>
    const had = known.delete(policy)
    known.set(policy, true)
    for (const oldest of known.keys()) {
      if (known.size <= scenario.ready) break
      known.delete(oldest)
    }
    return had ? 0 : costs.operatorPrepare
  }
  const way = (): number => costs.way * (0.5 + random())

  const task = (): void => {
    const began = clock.now()
    const gate = gates[state.arrived % gateways] as Station
    const first = Math.floor(random() * operators)
    const policy = random() < scenario.shared ? 0 : 1 + Math.floor(random() * scenario.policies)
    state.arrived++
    let shares = 0
    let over = false
    const finish = (): void => {
      over = true
      const took = clock.now() - began
      if (took > timeout) {
        state.failed++
        return
      }
      state.answered++
      if (clock.now() > end / 2 && clock.now() <= end) state.late++
      times.push(took)
    }
    const share = (): void => {
      if (over) return
      shares++
      if (shares !== scenario.quorum) return
      work(gate, costs.gatewayAggregate, finish)
    }
    const ask = (peer: number): void => {
      // Who is not needed any more is not asked.
      if (over) return
      clock.after(way(), () => {
        const { operatorTask, operatorSign } = costs
        const cost = operatorTask + scenario.signatures * operatorSign + prepareCost(peer, policy)
        work(peers[peer] as Station, cost, () => {
          clock.after(costs.journal + way(), () => {
            if (!over) work(gate, costs.gatewayShare, share)
          })
        })
      })
    }
    work(gate, costs.gatewayTask, () => {
      for (let turn = 0; turn < scenario.asked; turn++) {
        const peer = (first + turn) % operators
        work(gate, costs.gatewayCall, () => ask(peer))
      }
    })
    clock.after(timeout, () => {
      if (over) return
      over = true
      state.failed++
    })
  }
  // A thousand clients that ask by chance: their sum is without memory.
  const arrive = (): void => {
    if (clock.now() >= end) return
    task()
    clock.after((-Math.log(1 - random()) * 1_000) / scenario.tasksPerSecond, arrive)
  }
  arrive()
  clock.run(end)
  times.sort((a, b) => a - b)
  const at = (part: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * part))] ?? Number.NaN
  const use = (all: readonly Station[]): number =>
    all.reduce((sum, { busy, cores }) => sum + busy / (end * cores), 0) / all.length
  const queue = (all: readonly Station[]): number =>
    Math.max(...all.map(({ waiting, at: first }) => waiting.length - first))
  return {
    ...{ arrived: state.arrived, answered: state.answered, failed: state.failed },
    throughput: state.late / (seconds / 2),
    ...{ p50: at(0.5), p95: at(0.95) },
    ...{ gatewayUse: use(gates), operatorUse: use(peers) },
    ...{ gatewayQueue: queue(gates), operatorQueue: queue(peers) },
  }
}

/** Events in the order of their time; of one time in the order they were asked for. */
function createClock() {
  type Event = { time: number; order: number; run: () => void }
  const heap: Event[] = []
  let now = 0
  let order = 0
  const before = (a: Event, b: Event): boolean =>
    a.time < b.time || (a.time === b.time && a.order < b.order)
  const up = (from: number): void => {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1
      if (!before(heap[at] as Event, heap[parent] as Event)) return
      ;[heap[at], heap[parent]] = [heap[parent] as Event, heap[at] as Event]
      at = parent
    }
  }
  const down = (): void => {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2]
      let least = at
      if (left < heap.length && before(heap[left] as Event, heap[least] as Event)) least = left
      if (right < heap.length && before(heap[right] as Event, heap[least] as Event)) least = right
      if (least === at) return
      ;[heap[at], heap[least]] = [heap[least] as Event, heap[at] as Event]
      at = least
    }
  }
  return {
    now: () => now,
    after(milliseconds: number, run: () => void): void {
      heap.push({ time: now + milliseconds, order: order++, run })
      up(heap.length - 1)
    },
    run(until: number): void {
      while (heap.length > 0 && (heap[0] as Event).time <= until) {
        const next = heap[0] as Event
        const last = heap.pop() as Event
        if (heap.length > 0) {
          heap[0] = last
          down()
        }
        now = next.time
        next.run()
      }
      now = until
    },
  }
}
