/** The model of a large network: what can be computed by hand comes out of it. */
import { expect, test } from 'vitest'
import { type Scenario, type StepCosts, simulateNetwork } from '../bench/scale/model.js'

const costs: StepCosts = {
  ...{ gatewayTask: 2, gatewayCall: 0.5, gatewayShare: 0.5, gatewayAggregate: 3 },
  ...{ operatorTask: 4, operatorSign: 3, operatorPrepare: 0, journal: 2, way: 1 },
}
const scenario: Scenario = {
  ...{ operators: 4, operatorCores: 1, gateways: 1, gatewayCores: 1, signatures: 2 },
  ...{ asked: 4, quorum: 3, clients: 10, tasksPerSecond: 20, shared: 1, policies: 1, ready: 8 },
  ...{ seconds: 60, timeout: 10_000, seed: 1 },
}

test('default: far from its bounds, use is load times cost, and a task takes its steps', () => {
  const outcome = simulateNetwork(scenario, costs)
  expect(outcome.failed).toBe(0)
  expect(outcome.throughput).toBeGreaterThan(17)
  expect(outcome.throughput).toBeLessThan(23)
  // 10 ms of each operator for a task, 20 tasks a second.
  expect(outcome.operatorUse).toBeCloseTo((outcome.arrived / 60) * 0.01, 2)
  // Taking in, four calls, three or four shares, one certificate.
  expect(outcome.gatewayUse).toBeGreaterThan((outcome.arrived / 60) * 0.0085)
  expect(outcome.gatewayUse).toBeLessThan((outcome.arrived / 60) * 0.0092)
  const steps = 2 + 0.5 + 1 + 10 + 2 + 1 + 0.5 + 3
  expect(outcome.p50).toBeGreaterThan(steps - 1)
  expect(outcome.p50).toBeLessThan(steps + 8)
})

test('behavior: beyond its bound an operator is saturated, and so many are answered as it can', () => {
  const outcome = simulateNetwork({ ...scenario, tasksPerSecond: 150, seconds: 20 }, costs)
  expect(outcome.operatorUse).toBeGreaterThan(0.97)
  expect(outcome.throughput).toBeLessThan(101)
  expect(outcome.operatorQueue).toBeGreaterThan(100)
})

test('behavior: with fewer asked each works less; a policy that is not ready costs', () => {
  const few = simulateNetwork({ ...scenario, asked: 3 }, costs)
  const all = simulateNetwork(scenario, costs)
  expect(few.operatorUse / all.operatorUse).toBeCloseTo(0.75, 1)
  const prepare = { ...costs, operatorPrepare: 5 }
  const mixed = { ...scenario, shared: 0.5, policies: 1_000, ready: 10 }
  expect(simulateNetwork(mixed, prepare).operatorUse / all.operatorUse).toBeCloseTo(1.25, 1)
  expect(simulateNetwork(scenario, prepare).operatorUse).toBeCloseTo(all.operatorUse, 2)
})

test('behavior: the same seed, the same outcome', () => {
  expect(simulateNetwork(scenario, costs)).toEqual(simulateNetwork(scenario, costs))
  expect(simulateNetwork({ ...scenario, seed: 2 }, costs)).not.toEqual(
    simulateNetwork(scenario, costs),
  )
})
