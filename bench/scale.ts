/**
 * 100 operators, 1,000 clients, 200 tasks a second of which half share a policy: what saturates first, and what
 * to add. Steps are measured in this process; what an operator and a gateway spend on a task beside them is that of
 * `npm run bench:network`.
 *
 * npx tsx bench/scale.ts --operators 100 --rate 200
 */
import { parseArgs } from 'node:util'
import { measureSteps } from './scale/costs.js'
import { type Scenario, type StepCosts, simulateNetwork } from './scale/model.js'

const { values } = parseArgs({
  options: {
    operators: { type: 'string', default: '100' },
    clients: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
    /** CPU of an operator for a task, and of a gateway, from `bench:network`. */
    'operator-task': { type: 'string', default: '20' },
    'gateway-task': { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})
const operators = Number(values.operators)
const quorum = Math.ceil(operators * 0.67)
const measured = await measureSteps({ operators, quorum })
const { signCost, recoverCost, blsCost, joinCost, httpCost } = measured
/** Operators of the network that `bench:network` measures. */
const benched = 4
const costs: StepCosts = {
  gatewayTask: Math.max(
    2,
    Number(values['gateway-task']) - benched * (signCost + httpCost + 0.3) - 2,
  ),
  gatewayCall: signCost + httpCost / 2,
  // The answer is read and hashed, and a row is kept.
  gatewayShare: httpCost / 2 + 0.3,
  gatewayAggregate: joinCost,
  operatorTask: Math.max(recoverCost, Number(values['operator-task']) - 2 * blsCost),
  operatorSign: blsCost,
  operatorPrepare: 5,
  ...{ journal: 5, way: 5 },
}
const base: Scenario = {
  ...{ operators, operatorCores: 1, gateways: 1, gatewayCores: 1, signatures: 2 },
  ...{ asked: operators, quorum, clients: Number(values.clients) },
  ...{ tasksPerSecond: Number(values.rate), shared: 0.5, policies: 1_000, ready: 256 },
  ...{ seconds: Number(values.seconds), timeout: 30_000, seed: 1 },
}
/** A quorum, and a tenth more for those that are slow. */
const some = Math.min(operators, Math.ceil(quorum * 1.1))
const scenarios: Record<string, Partial<Scenario>> = {
  'a tenth of the load, one gateway': { tasksPerSecond: base.tasksPerSecond / 10 },
  'one gateway': {},
  '8 gateways': { gateways: 8 },
  '64 gateways': { gateways: 64 },
  '64 gateways, 2 cores an operator': { gateways: 64, operatorCores: 2 },
  '64 gateways, 4 cores an operator': { gateways: 64, operatorCores: 4 },
  '64 gateways, 8 cores an operator': { gateways: 64, operatorCores: 8 },
  [`64 gateways, 8 cores, ${some} asked`]: { gateways: 64, operatorCores: 8, asked: some },
  [`48 gateways, 8 cores, ${some} asked`]: { gateways: 48, operatorCores: 8, asked: some },
}
const outcomes = Object.entries(scenarios).map(([name, change]) => ({
  name,
  ...simulateNetwork({ ...base, ...change }, costs),
}))
if (values.json) console.log(JSON.stringify({ costs, measured, outcomes }))
else {
  for (const [name, cost] of Object.entries(costs)) {
    console.log(name.padEnd(20), `${cost.toFixed(2)} ms`)
  }
  console.log(
    ['', 'answered/s', 'p50 ms', 'p95 ms', 'failed', 'gateway', 'operator']
      .map((head, at) => (at === 0 ? head.padEnd(40) : head.padStart(11)))
      .join(''),
  )
  for (const { name, throughput, p50, p95, failed, gatewayUse, operatorUse } of outcomes) {
    const cells = [throughput, p50, p95, failed].map((cell) => cell.toFixed(0).padStart(11))
    const uses = [gatewayUse, operatorUse].map((use) => `${(use * 100).toFixed(0)} %`.padStart(11))
    console.log([name.padEnd(40), ...cells, ...uses].join(''))
  }
}
process.exit(0)
