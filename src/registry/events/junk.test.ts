/** Whatever a node answers in place of blocks and logs is a typed error, and moves no cursor. */
import { expect, test } from 'vitest'
import { fakeClient, type RpcHandler } from '../../../test/registry/fakeNode.js'
import { account, createPolicyChain } from '../../../test/registry/policyChain.js'
import { isPolicySdkError } from '../../errors/base.js'
import { createAcceptedResponses, indexRegistry, readOperatorTable } from '../index.js'
import { watchPolicyEvents } from './watch.js'

const contract = `0x${'e1'.repeat(20)}` as const
const fields: Readonly<Record<string, readonly string[]>> = {
  eth_getBlockByNumber: [
    ...['', 'number', 'hash', 'parentHash', 'timestamp', 'logsBloom', 'transactions'],
  ],
  eth_getLogs: [
    ...['', '0', '0.topics', '0.topics.0', '0.topics.1', '0.data', '0.address', '0.removed'],
    ...['0.blockNumber', '0.blockHash', '0.logIndex', '0.transactionIndex', '0.transactionHash'],
  ],
}
const junk: readonly unknown[] = [
  ...[null, undefined, '', '0x', 'x', 1, true, [], {}, [null], Number.NaN],
  ...[`0x${'ff'.repeat(40)}`, { number: null, hash: null }, () => 1],
]

function changed(answer: unknown, path: readonly string[], value: unknown): unknown {
  const [name, ...rest] = path
  if (name === undefined || name === '') return value
  const copy = (Array.isArray(answer) ? [...answer] : { ...(answer as object) }) as never
  ;(copy as Record<string, unknown>)[name] = changed(
    (copy as Record<string, unknown>)[name],
    rest,
    value,
  )
  return copy
}

const cases = Object.entries(fields).flatMap(([method, paths]) =>
  paths.map((path) => [method, path] as const),
)
test.each(cases)('error: junk from %s in place of "%s"', async (method, path) => {
  const chain = createPolicyChain()
  const alice = account(0xa)
  chain.move(alice)
  for (let i = 0; i < 12; i++) chain.mine()
  for (const value of junk) {
    const node = chain.node()
    let broken = false
    const handler: RpcHandler = (call) => {
      const answer = node(call)
      if (!broken || call.method !== method) return answer
      const isEmpty = method === 'eth_getLogs' && (answer as unknown[]).length === 0
      return isEmpty && path !== '' ? answer : changed(answer, path.split('.'), value)
    }
    const client = fakeClient(handler)
    const events = await chain.events(handler)
    const index = await indexRegistry({ events, fromBlock: 0n, confirmations: 0 })
    const failures: unknown[] = []
    const fails = (error: unknown): unknown => failures.push(error)
    chain.move(alice)
    broken = true
    await index.sync().catch(fails)
    // Where it was read all the same, what was read is right.
    const at = index.state.cursor?.number ?? 0n
    const slot = index.policySlotAt({ client: alice, block: at })
    expect(slot).toBe(chain.slotAt(alice, Number(at)))
    const addresses = { responseRegistry: contract, certificateVerifier: contract }
    const range = { fromBlock: 0n, toBlock: BigInt(chain.height()) }
    await createAcceptedResponses({ client, addresses }).getAcceptedResponses(range).catch(fails)
    await readOperatorTable(client, { referenceTimestamp: 5, addresses }).catch(fails)
    await events.getBlock(5n).catch(fails)
    await events.getFinalizedBlock().catch(fails)
    const unwatch = watchPolicyEvents({
      ...{ events, fromBlock: 1n, pollingInterval: 0, confirmations: 0 },
      onEvents: () => undefined,
      onError: fails,
    })
    await new Promise((resolve) => setTimeout(resolve, 1))
    unwatch()
    for (const error of failures) {
      const text = error instanceof Error ? error.stack : String(error)
      expect(isPolicySdkError(error), `${String(value)}: ${text}`).toBe(true)
    }
  }
})
