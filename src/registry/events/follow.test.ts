import { type Address, type Hex, toHex } from 'viem'
import { describe, expect, test } from 'vitest'
import type { RpcHandler } from '../../../test/registry/fakeNode.js'
import { account, createPolicyChain, logOf } from '../../../test/registry/policyChain.js'
import type { ChainEvent, ChainEvents } from '../../core/interfaces/chainEvents.js'
import { indexRegistry, type RegistryIndex } from './indexer/indexer.js'
import { MAX_LOCATORS, MAX_LOCATORS_PER_ANNOUNCER } from './indexer/state.js'
import { watchPolicyEvents } from './watch.js'

const alice = account(0xa11ce)
const slot = (index: RegistryIndex, client: Address = alice): Hex | null =>
  index.policySlotAt({ client, block: index.state.cursor?.number ?? 0n })

describe('the index', () => {
  test('stays behind the newest block until it is confirmed', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    const index = await indexRegistry({ events: await chain.events(chain.node()), fromBlock: 0n })
    expect(index.state.cursor?.number).toBe(0n)
    chain.mine()
    chain.mine()
    expect(await index.sync()).toEqual({
      cursor: 2n,
      applied: 3,
      reorganizedTo: null,
      behind: false,
    })
    await expect(
      indexRegistry({ events: await chain.events(chain.node()), fromBlock: 0n, confirmations: -1 }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('a node that is behind changes nothing', async () => {
    const chain = createPolicyChain()
    const [id] = chain.move(alice)
    for (let i = 0; i < 30; i++) chain.mine()
    let node = chain.node()
    const events = await chain.events((call) => node(call))
    const index = await indexRegistry({ events, fromBlock: 0n })
    for (const lag of [1, 3, 10, 31]) {
      node = chain.node({ lag })
      const sync = await index.sync()
      expect(sync).toMatchObject({ applied: 0, reorganizedTo: null, cursor: 30n })
      expect(sync.behind).toBe(lag > 2)
    }
    // The newest block comes from one node, those below it from another.
    const [front, back] = [chain.node(), chain.node({ lag: 10 })]
    node = (call) => (call.params[0] === 'latest' ? front : back)(call)
    expect(await index.sync()).toMatchObject({ behind: true, reorganizedTo: null, cursor: 30n })
    expect(slot(index)).toBe(id)
  })

  test('error: a backend for logs that is behind; nothing is passed over', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    const [front, back] = [chain.node(), chain.node({ lag: 3 })]
    let lagging = false
    const events = await chain.events((call) =>
      (lagging && call.method === 'eth_getLogs' ? back : front)(call),
    )
    const index = await indexRegistry({ events, fromBlock: 0n, confirmations: 0 })
    lagging = true
    const [strict] = chain.move(alice)
    await expect(index.sync()).rejects.toMatchObject({ code: 'RPC_FAILED' })
    lagging = false
    await index.sync()
    expect(slot(index)).toBe(strict)
  })

  test('a log that was missed among old blocks is found by the slots, and read again', async () => {
    const chain = createPolicyChain()
    const [first] = chain.move(alice)
    const [second] = chain.move(alice)
    for (let i = 0; i < 300; i++) chain.mine()
    let cut = (event: ChainEvent): boolean =>
      event.type.startsWith('Current') && event.blockNumber === 3n
    const events = await chain.events(chain.node())
    const lossy: ChainEvents = {
      ...events,
      getEvents: async (query, io) =>
        (await events.getEvents(query, io)).filter((event) => !cut(event)),
    }
    // Never to be had: an error, and nothing is said about blocks from the miss on.
    await expect(indexRegistry({ events: lossy, fromBlock: 0n })).rejects.toMatchObject({
      code: 'RPC_INCONSISTENT',
      retryable: true,
    })
    // Missed for good by one that has no slots to compare with, then compared.
    const { getSlotValues: _, ...blind } = lossy
    const stale = await indexRegistry({ events: blind, fromBlock: 0n })
    expect(slot(stale)).toBe(first)
    cut = () => false
    const resumed = await indexRegistry({ events, fromBlock: 0n, state: stale.serialize() })
    expect(slot(resumed)).toBe(first)
    chain.mine()
    await resumed.sync()
    expect(slot(resumed)).toBe(second)
  })

  test('a move from a value that was never seen is read again from the last certain one', async () => {
    const chain = createPolicyChain()
    chain.move(alice)
    let gone: bigint | undefined
    const events = await chain.events(chain.node())
    const { getSlotValues: _, ...blind } = events
    const lossy: ChainEvents = {
      ...blind,
      getEvents: async (query, io) =>
        (await events.getEvents(query, io)).filter((event) => event.blockNumber !== gone),
    }
    const index = await indexRegistry({ events: lossy, fromBlock: 0n, confirmations: 0 })
    gone = 3n
    chain.move(alice)
    await index.sync()
    const [third] = chain.move(alice)
    await expect(index.sync()).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    expect(index.state.cursor?.number).toBeLessThan(3n)
    gone = undefined
    await index.sync()
    expect(slot(index)).toBe(third)
    expect(index.state.policyInstances.size).toBe(3)
  })

  test('a row that a slot or an instance needs was missed: everything is read again', async () => {
    for (const type of ['PolicyTemplateRegistered', 'PolicyInstanceDeployed']) {
      const chain = createPolicyChain()
      const [id] = chain.move(alice)
      const events = await chain.events(chain.node())
      let reads = 0
      const lossy: ChainEvents = {
        ...events,
        getEvents: async (query, io) => {
          reads++
          const found = await events.getEvents(query, io)
          return reads > 1 ? found : found.filter((event) => event.type !== type)
        },
      }
      const index = await indexRegistry({ events: lossy, fromBlock: 0n, confirmations: 0 })
      expect(reads).toBe(2)
      expect(slot(index)).toBe(id)
    }
  })

  test('enclaves that became required are compared too', async () => {
    const chain = createPolicyChain()
    const events = await chain.events(chain.node())
    const required: ChainEvents = {
      ...events,
      getSlotValues: async (query, io) => ({
        ...(await (events.getSlotValues as NonNullable<ChainEvents['getSlotValues']>)(query, io)),
        enclaveRequired: true,
      }),
    }
    await expect(
      indexRegistry({ events: required, fromBlock: 0n, confirmations: 0 }),
    ).rejects.toMatchObject({ code: 'RPC_INCONSISTENT' })
    chain.mine([logOf('EnclaveRequirementChanged', { required: true })])
    const index = await indexRegistry({ events: required, fromBlock: 0n, confirmations: 0 })
    expect(index.state.enclaveRequired).toEqual([{ block: 2n, required: true }])
  })

  test('keeps few announcements of one account, and the first ones whoever crowds', async () => {
    const chain = createPolicyChain()
    const hash: Hex = `0x${'77'.repeat(32)}`
    const announce = (n: number, locator: Hex) =>
      logOf('ArtifactAnnounced', { hash, namespace: 4, announcer: account(n), locator })
    chain.mine([announce(1, '0x01')])
    chain.mine(Array.from({ length: 40 }, (_, i) => announce(2, `0x02${(i + 16).toString(16)}`)))
    chain.mine(Array.from({ length: 300 }, (_, i) => announce(1_000 + i, '0x03')))
    chain.mine([announce(1, '0x05')])
    const index = await indexRegistry({
      ...{ events: await chain.events(chain.node()), fromBlock: 0n, confirmations: 0 },
    })
    const kept = index.state.locators.get(hash) ?? []
    expect(kept).toHaveLength(MAX_LOCATORS)
    const of = (n: number) =>
      kept.filter(({ announcer }) => Number(announcer) === n).map(({ locator }) => locator)
    expect(of(1)).toEqual(['0x05'])
    expect(of(2)).toHaveLength(MAX_LOCATORS_PER_ANNOUNCER)
    expect(of(2).at(-1)).toBe('0x0237')
  })

  test('a reorganization 46 blocks deep is taken back, and nothing else', async () => {
    const chain = createPolicyChain()
    const [kept] = chain.move(alice)
    while (chain.height() < 60) chain.mine()
    chain.move(alice)
    while (chain.height() < 100) chain.mine()
    const events = await chain.events(chain.node())
    const index = await indexRegistry({ events, fromBlock: 0n, step: 10n, confirmations: 0 })
    chain.reorganize(46)
    expect(slot(index)).not.toBe(kept)
    chain.mine()
    const [moved] = chain.move(account(0xb0b))
    while (chain.height() < 101) chain.mine()
    const { reorganizedTo, cursor } = await index.sync()
    expect(reorganizedTo).toBeLessThanOrEqual(54n)
    expect(reorganizedTo).toBeGreaterThan(40n)
    expect(cursor).toBe(101n)
    expect(slot(index)).toBe(kept)
    expect(slot(index, account(0xb0b))).toBe(moved)
    expect(index.state.policyInstances.size).toBe(2)
  })

  test('a slot that moves 20,000 times costs as much for each move', async () => {
    const chain = createPolicyChain()
    const ids = [chain.move(alice), chain.move(alice)].flat()
    const events = await chain.events(chain.node())
    const young = await events.getEvents({ fromBlock: 0n, toBlock: 3n })
    const moves = Array.from({ length: 20_000 }, (_, i) => ({
      ...(young.at(-1) as ChainEvent),
      previous: ids[(i + 1) % 2],
      current: ids[i % 2],
      blockNumber: BigInt(4 + i),
      blockHash: toHex(4 + i, { size: 32 }),
    })) as ChainEvent[]
    const at = (number: bigint) => ({ number, hash: toHex(number, { size: 32 }), timestamp: 0n })
    const timeOf = async (count: number): Promise<number> => {
      const held = [...young, ...moves.slice(0, count)]
      const long: ChainEvents = {
        chainId: events.chainId,
        getEvents: async ({ fromBlock, toBlock }) =>
          held.filter((one) => one.blockNumber >= fromBlock && one.blockNumber <= toBlock),
        getBlock: async (number) => at(number),
        getLatestBlock: async () => at(20_010n),
        getFinalizedBlock: async () => at(20_010n),
      }
      const start = performance.now()
      const index = await indexRegistry({ events: long, fromBlock: 0n })
      const spent = performance.now() - start
      expect(slot(index)).toBe(ids[(count - 1) % 2])
      return spent
    }
    await timeOf(1_000)
    const ratios: number[] = []
    // The best of a few, since whatever else runs makes one of the two slower.
    for (let time = 0; time < 5; time++) {
      const some = await timeOf(5_000)
      ratios.push((await timeOf(20_000)) / some)
    }
    // Four times as many moves; with their square it would be sixteen times as long.
    expect(Math.min(...ratios)).toBeLessThan(10)
  })

  test('syncs at once take turns', async () => {
    const chain = createPolicyChain()
    const events = await chain.events(chain.node())
    const index = await indexRegistry({ events, fromBlock: 0n, confirmations: 0 })
    const [id] = chain.move(alice)
    const [a, b] = await Promise.all([index.sync(), index.sync()])
    expect([a.applied, b.applied]).toEqual([2, 0])
    expect(slot(index)).toBe(id)
  })
})

describe('a watcher', () => {
  const watch = async (
    chain: ReturnType<typeof createPolicyChain>,
    handler: RpcHandler,
    changes: Partial<Parameters<typeof watchPolicyEvents>[0]> = {},
  ) => {
    const seen: string[] = []
    const undone: bigint[] = []
    const errors: unknown[] = []
    const unwatch = watchPolicyEvents({
      ...{ events: await chain.events(handler), pollingInterval: 1, confirmations: 0 },
      fromBlock: BigInt(chain.height()) + 1n,
      types: ['CurrentPolicyInstanceSet'],
      onEvents: (list) => seen.push(...list.map((one) => `${one.blockNumber} ${one.blockHash}`)),
      onReorganization: (block) => undone.push(block),
      onError: (error) => errors.push(error),
      ...changes,
    })
    return { seen, undone, errors, unwatch }
  }
  const name = (chain: ReturnType<typeof createPolicyChain>, block: number): string =>
    `${block} ${chain.blocks[block]?.hash}`

  test('delivers once, and waits for a node that is behind', async () => {
    const chain = createPolicyChain()
    let node = chain.node()
    const { seen, undone, errors, unwatch } = await watch(chain, (call) => node(call))
    chain.move(alice)
    await until(() => seen.length === 1)
    chain.mine()
    chain.mine()
    await pause()
    node = chain.node({ lag: 3 })
    await pause()
    node = chain.node()
    await pause()
    unwatch()
    expect(seen).toEqual([name(chain, 2)])
    expect(undone).toEqual([])
    expect(errors).toEqual([])
  })

  test('a reorganization between logs and blocks leaves no orphan', async () => {
    const chain = createPolicyChain()
    const handler = chain.node()
    let armed = true
    const { seen, errors, unwatch } = await watch(chain, (call) => {
      const answer = handler(call)
      if (call.method === 'eth_getLogs' && armed) {
        armed = false
        chain.reorganize(2)
        chain.mine()
        chain.move(alice)
      }
      return answer
    })
    chain.move(alice)
    chain.mine()
    await until(() => seen.length > 0)
    await pause()
    unwatch()
    expect(seen).toEqual([name(chain, 3)])
    expect(errors).toMatchObject([{ code: 'RPC_INCONSISTENT' }])
  })

  test('undoes what was delivered and is on no branch any more', async () => {
    const chain = createPolicyChain()
    const { seen, undone, unwatch } = await watch(chain, chain.node())
    chain.move(alice)
    await until(() => seen.length === 1)
    const orphan = name(chain, 2)
    chain.reorganize(1)
    chain.mine()
    chain.move(alice)
    await until(() => seen.length === 2)
    unwatch()
    expect(seen).toEqual([orphan, name(chain, 3)])
    expect(undone).toEqual([1n])
  })

  test('error: events whose handler failed come again', async () => {
    const chain = createPolicyChain()
    const delivered: bigint[] = []
    let failures = 2
    const { errors, unwatch } = await watch(chain, chain.node(), {
      onEvents: async (list) => {
        await pause(1)
        if (failures-- > 0) throw new TypeError('database is locked')
        delivered.push(...list.map(({ blockNumber }) => blockNumber))
      },
    })
    chain.move(alice)
    chain.move(alice)
    await until(() => delivered.length >= 2)
    await pause()
    unwatch()
    expect(delivered).toEqual([2n, 3n])
    expect(errors).toHaveLength(2)
  })

  test('stays two blocks behind where nothing is said, and refuses nonsense', async () => {
    const chain = createPolicyChain()
    const { seen, unwatch } = await watch(chain, chain.node(), { confirmations: undefined })
    chain.move(alice)
    chain.mine()
    await pause()
    expect(seen).toEqual([])
    chain.mine()
    await until(() => seen.length === 1)
    unwatch()
    for (const confirmations of [-1, 1.5, Number.NaN]) {
      await expect(watch(chain, chain.node(), { confirmations })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })
})

function pause(milliseconds = 30): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5_000
  while (!condition()) {
    if (Date.now() > end) throw new TypeError('it did not happen')
    await pause(2)
  }
}
