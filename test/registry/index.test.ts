import { type Abi, encodeAbiParameters, type Hex, toHex } from 'viem'
import { readContract } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { policyRegistryAbi } from '../../src/core/abi/policyRegistryAbi.js'
import type { ChainEvent, ChainEvents } from '../../src/core/interfaces/chainEvents.js'
import { eventTopic } from '../../src/registry/events/events.js'
import { parseIndexState } from '../../src/registry/events/indexer/text.js'
import * as registry from '../../src/registry/index.js'
import { setUpPolicy, startChain, type TestChain, word } from './chain.js'
import { FakeRpcError, fakeBlock, fakeClient } from './fakeNode.js'

let chain: TestChain
let events: ChainEvents
beforeAll(async () => {
  chain = await startChain()
  events = await registry.createChainEvents({
    client: chain.owner,
    addresses: chain.addresses,
    finality: { confirmations: 2 },
  })
})
afterAll(() => chain?.anvil.stop())

describe('windows', () => {
  test('are those of the deployed contracts, and none where nothing is challenged', async () => {
    const { owner, addresses } = chain
    expect(await events.getWindows?.()).toEqual({
      challengeWindow: 1_000n,
      taskResponseWindow: 200n,
    })
    const { challengeVerifier, ...destination } = addresses
    const elsewhere = await registry.createChainEvents({ client: owner, addresses: destination })
    expect(await elsewhere.getWindows?.()).toBe(null)
    const wrong = await registry.createChainEvents({
      client: owner,
      addresses: { ...addresses, challengeVerifier: `0x${'ee'.repeat(20)}` },
    })
    await expect(wrong.getWindows?.()).rejects.toMatchObject({ code: 'CONTRACT_NOT_FOUND' })
    const other = await registry.createChainEvents({
      client: owner,
      addresses: { ...addresses, challengeVerifier: addresses.policyRegistry },
    })
    await expect(other.getWindows?.()).rejects.toThrow()
    expect(challengeVerifier).toBeDefined()
  })
})

describe('indexRegistry', () => {
  test('rebuilds what the contracts say, at every block', async () => {
    const { owner, addresses } = chain
    const policy = await setUpPolicy(chain, 1)
    const second = await registry.deployPolicyInstanceSync(owner, {
      addresses,
      templateId: policy.template,
      client: policy.client,
      expireAfter: 99,
    })
    await registry.setCurrentPolicyInstanceSync(owner, {
      addresses,
      client: policy.client,
      instanceId: second.id,
    })
    const again = { addresses, client: policy.client, instanceId: second.id, preflight: false }
    await registry.setCurrentPolicyInstanceSync(owner, again)
    await registry.setCurrentPolicyDataInstanceSync(owner, {
      ...again,
      ...{ templateId: policy.dataTemplate, instanceId: policy.dataInstance },
    })
    await registry.setEnclaveRequiredSync(owner, { addresses, required: true })
    await chain.mine(2)
    const index = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
      step: 7n,
    })
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    expect(index.state.policyTemplates.get(policy.template)).toEqual(
      await reader.getPolicyTemplate(policy.template),
    )
    expect(index.state.policyDataTemplates.get(policy.dataTemplate)).toEqual(
      await reader.getPolicyDataTemplate(policy.dataTemplate),
    )
    expect(index.state.policyInstances.get(second.id)).toEqual(
      await reader.getPolicyInstance(second.id),
    )
    expect(index.state.policyDataInstances.get(policy.dataInstance)).toEqual(
      await reader.getPolicyDataInstance(policy.dataInstance),
    )
    const indexed = registry.createIndexedReader({ index, reader })
    const height = await chain.height()
    for (let block = height - 10n; block <= height; block++) {
      expect(await indexed.snapshot({ client: policy.client, block })).toEqual(
        await reader.snapshot({ client: policy.client, block }),
      )
    }
    // Move by move: what was set again is none.
    const { policySlots, policyDataSlots } = index.state
    const moves = policySlots.get(policy.client.toLowerCase())
    const read = (functionName: string, args: readonly unknown[]) =>
      readContract(owner, {
        ...{ address: addresses.policyRegistry, abi: policyRegistryAbi as Abi },
        ...{ functionName, args: [policy.client, ...args] },
      })
    expect(BigInt(moves?.length ?? 0)).toBe(await read('slotLength', []))
    for (const [at, { block, id }] of (moves ?? []).entries()) {
      expect(await read('slotAt', [BigInt(at)])).toEqual([block, id])
    }
    const dataKey = [...policyDataSlots.keys()].find((key) => key.endsWith(policy.dataTemplate))
    expect(policyDataSlots.get(dataKey ?? '')).toHaveLength(1)
  })

  test('a warm snapshot makes no request', async () => {
    const { owner, addresses } = chain
    const policy = await setUpPolicy(chain, 2)
    const index = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
    })
    const reader = await registry.createRegistryReader({ client: owner, addresses })
    const block = await chain.height()
    const io = ['getBlock', 'snapshot', 'getPolicyInstance']
    const calls: PropertyKey[] = []
    const spied = new Proxy(reader, {
      get: (target, key) => {
        if (io.includes(String(key))) calls.push(key)
        return Reflect.get(target, key) as unknown
      },
    })
    const warm = registry.createIndexedReader({ index, reader: spied })
    await warm.snapshot({ client: policy.client, block })
    calls.length = 0
    await warm.snapshot({ client: policy.client, block })
    expect(calls).toEqual([])
  })

  test('resumes from its text, and refuses another', async () => {
    const { addresses } = chain
    const index = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
    })
    const text = index.serialize()
    const policy = await setUpPolicy(chain, 3)
    const resumed = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: 0n,
      state: text,
    })
    expect(resumed.state.policyInstances.has(policy.instance)).toBe(true)
    const fresh = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
    })
    expect(resumed.state.policySlots).toEqual(fresh.state.policySlots)
    expect(parseIndexState(fresh.serialize())).toEqual(fresh.state)
    for (const bad of [
      '',
      '{}',
      '{"version":2}',
      text.replace('"policySlots":{', '"policySlots":[],"x":{'),
    ]) {
      expect(() => parseIndexState(bad)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }) as Error,
      )
    }
    await expect(
      registry.indexRegistry({
        confirmations: 0,
        events: { ...events, chainId: 5n },
        fromBlock: 0n,
        state: text,
      }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('a reorganization takes back what is not there any more', async () => {
    const { owner, addresses, anvil } = chain
    const policy = await setUpPolicy(chain, 4)
    const index = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
    })
    const snapshot = await anvil.rpc('evm_snapshot')
    const kept = await chain.height()
    const lost = await registry.deployPolicyInstanceSync(owner, {
      addresses,
      templateId: policy.template,
      client: policy.client,
      expireAfter: 50,
    })
    await registry.setCurrentPolicyInstanceSync(owner, {
      addresses,
      client: policy.client,
      instanceId: lost.id,
    })
    await index.sync()
    expect(index.state.policyInstances.has(lost.id)).toBe(true)
    const undone: bigint[] = []
    const seen: string[] = []
    const unwatch = registry.watchPolicyEvents({
      events,
      confirmations: 0,
      fromBlock: kept + 1n,
      pollingInterval: 10,
      onEvents: (list) => seen.push(...list.map(({ type }) => type)),
      onReorganization: (block) => undone.push(block),
    })
    await until(() => seen.length === 2)
    // The same height again, by other blocks.
    await anvil.rpc('evm_revert', [snapshot])
    await anvil.rpc('evm_increaseTime', [100])
    await chain.mine(4)
    const sync = await index.sync()
    expect(sync.reorganizedTo).toBe(kept)
    expect(index.state.policyInstances.has(lost.id)).toBe(false)
    expect(index.policySlotAt({ client: policy.client, block: await chain.height() })).toBe(
      policy.instance,
    )
    const fresh = await registry.indexRegistry({
      confirmations: 0,
      events,
      fromBlock: addresses.fromBlock,
    })
    expect(index.state.policySlots).toEqual(fresh.state.policySlots)
    expect(index.state.policyInstances).toEqual(fresh.state.policyInstances)
    await until(() => undone.length > 0)
    unwatch()
    expect(seen).toEqual(['PolicyInstanceDeployed', 'CurrentPolicyInstanceSet'])
    expect(undone[0]).toBeLessThanOrEqual(kept)
  })

  test('error: a log that is missing is noticed', async () => {
    const { addresses } = chain
    await setUpPolicy(chain, 6)
    const dishonest: ChainEvents = {
      ...events,
      getEvents: async (query, options) =>
        (await events.getEvents(query, options)).filter(
          (event) => !(event.type === 'CurrentPolicyInstanceSet' && /^0x0+$/.test(event.previous)),
        ),
    }
    const { owner } = chain
    const policy = await setUpPolicy(chain, 7)
    const next = await registry.deployPolicyInstanceSync(owner, {
      addresses,
      templateId: policy.template,
      client: policy.client,
      expireAfter: 1234,
    })
    await registry.setCurrentPolicyInstanceSync(owner, {
      addresses,
      client: policy.client,
      instanceId: next.id,
    })
    await expect(
      registry.indexRegistry({
        confirmations: 0,
        events: dishonest,
        fromBlock: addresses.fromBlock,
      }),
    ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
  })

  test('error: a row that is not its id’s, and a block that changes under the read', async () => {
    const { addresses } = chain
    const forged: ChainEvents = {
      ...events,
      getEvents: async (query, options) =>
        (await events.getEvents(query, options)).map(
          (event): ChainEvent =>
            event.type === 'PolicyTemplateRegistered' ? { ...event, regoHash: word(666) } : event,
        ),
    }
    await expect(
      registry.indexRegistry({ confirmations: 0, events: forged, fromBlock: addresses.fromBlock }),
    ).rejects.toMatchObject({ code: 'ROW_MISMATCH' })
    let asked = 0
    const shifting: ChainEvents = {
      ...events,
      getBlock: async (number, options) => {
        const block = await events.getBlock(number, options)
        asked += 1
        return block && { ...block, hash: word(asked) }
      },
    }
    await expect(
      registry.indexRegistry({
        confirmations: 0,
        events: shifting,
        fromBlock: addresses.fromBlock,
        step: 5n,
      }),
    ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT', retryable: true })
  })
})

describe('ranges', () => {
  const address = `0x${'a1'.repeat(20)}` as const
  const log = (index: number): object => ({
    address,
    topics: [
      eventTopic('ArtifactAnnounced'),
      word(index),
      word(4),
      `0x${'00'.repeat(12)}${'b2'.repeat(20)}`,
    ],
    data: encodeAbiParameters([{ type: 'bytes' }], ['0x05']),
    blockNumber: toHex(index * 5),
    blockHash: word(index * 5),
    transactionIndex: '0x0',
    logIndex: '0x0',
    transactionHash: word(index),
    removed: false,
  })
  const addresses = { policyRegistry: address, policyDataRegistry: address }
  const head = fakeBlock(1_000_000n, word(1))
  const headAnd = (handler: () => unknown) =>
    fakeClient(({ method }) => (method === 'eth_getBlockByNumber' ? head : handler()))

  test('10,000 logs through a node with limits on blocks and on results', async () => {
    const logs = Array.from({ length: 10_000 }, (_, index) => log(index))
    let requests = 0
    const client = fakeClient(({ method, params }) => {
      if (method === 'eth_getBlockByNumber') return head
      if (method !== 'eth_getLogs') throw new FakeRpcError(-32601, `no ${method}`)
      requests += 1
      const { fromBlock, toBlock } = params[0] as { fromBlock: Hex; toBlock: Hex }
      const [from, to] = [Number(fromBlock), Number(toBlock)]
      if (to - from >= 2000) throw new FakeRpcError(-32005, 'block range is too wide')
      const found = logs.slice(Math.ceil(from / 5), Math.floor(to / 5) + 1)
      if (found.length > 300) {
        throw new FakeRpcError(-32602, 'query returned more than 300 results')
      }
      return found
    })
    const fake = await registry.createChainEvents({ client, addresses })
    const found = await fake.getEvents({ fromBlock: 0n, toBlock: 60_000n })
    expect(found).toHaveLength(10_000)
    expect(found.map(({ blockNumber }) => blockNumber)).toEqual(
      logs.map((_, index) => BigInt(index * 5)),
    )
    expect(requests).toBeLessThan(200)
  })

  test('error: a node that refuses a single block, or fails, is an error and no empty answer', async () => {
    const refusing = headAnd(() => {
      throw new FakeRpcError(-32005, 'limit exceeded')
    })
    const one = await registry.createChainEvents({ client: refusing, addresses })
    await expect(one.getEvents({ fromBlock: 0n, toBlock: 8n })).rejects.toMatchObject({
      code: 'RPC_FAILED',
      retryable: true,
    })
    let calls = 0
    const down = headAnd(() => {
      calls += 1
      throw new FakeRpcError(-32603, 'internal error')
    })
    const two = await registry.createChainEvents({ client: down, addresses })
    await expect(two.getEvents({ fromBlock: 0n, toBlock: 100_000n })).rejects.toMatchObject({
      code: 'RPC_FAILED',
    })
    expect(calls).toBe(1)
  })

  test('error: logs that were not asked for, of two chains, malformed', async () => {
    const answers: unknown[] = [
      'no list',
      [{}],
      [{ ...log(1), address: `0x${'cc'.repeat(20)}` }],
      [{ ...log(1), blockNumber: '0xffff' }],
      [{ ...log(1), removed: true }],
      [{ ...log(1), topics: [word(1)] }],
      [{ ...log(1), data: '0x12' }],
      [log(1), { ...log(1), logIndex: '0x1', blockHash: word(99) }],
      [log(1), log(1)],
    ]
    for (const answer of answers) {
      const fake = await registry.createChainEvents({ client: headAnd(() => answer), addresses })
      await expect(fake.getEvents({ fromBlock: 0n, toBlock: 10n })).rejects.toMatchObject({
        code: 'RPC_INCONSISTENT',
      })
    }
  })

  test('error: a caller’s abort and timeout', async () => {
    const silent = fakeClient(() => new Promise(() => {}))
    const fake = await registry.createChainEvents({ client: silent, addresses })
    await expect(fake.getLatestBlock({ timeout: 20 })).rejects.toMatchObject({ code: 'TIMEOUT' })
    const reason = new TypeError('stop')
    await expect(fake.getLatestBlock({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })

  test('finality', async () => {
    const client = fakeClient(({ method, params }) => {
      expect(method).toBe('eth_getBlockByNumber')
      const number = params[0] === 'latest' ? 100n : BigInt(params[0] as string)
      return fakeBlock(number, word(number))
    })
    const fake = await registry.createChainEvents({
      client,
      addresses,
      finality: { confirmations: 12 },
    })
    expect(await fake.getFinalizedBlock()).toMatchObject({ number: 88n, hash: word(88) })
  })
})

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > end) throw new TypeError('it did not happen')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
