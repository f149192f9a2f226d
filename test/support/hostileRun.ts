/** Follows a hostile walk with an index, a watcher and a challenger, and compares all with an honest replay. */
import { expect } from 'vitest'
import type { ChainEvent } from '../../src/core/interfaces/chainEvents.js'
import { isPolicySdkError } from '../../src/errors/base.js'
import { indexRegistry, memoryIndexStore, watchPolicyEvents } from '../../src/registry/index.js'
import { joinChallenger } from './hostileChallenger.js'
import { createHostileWalk, walkers } from './hostileWalk.js'

const nameOf = ({ blockNumber, blockHash, logIndex, type }: ChainEvent): string =>
  `${blockNumber} ${blockHash} ${logIndex} ${type}`

/**
 * Runs so many steps from a seed. Whatever fails on the way must be an error of this package.
 *
 * With `lies` only the index is compared: it finds what is left out by the contracts, the others cannot.
 */
export async function runHostileWalk(walk: { seed: number; steps: number; lies?: boolean }) {
  const { seed, steps, lies = false } = walk
  const hostile = createHostileWalk({ seed, lies, blocks: 110 })
  const { chain, handler, step, calm, dice } = hostile
  // What is older than the walk is of no interest to a watcher.
  const start = BigInt(chain.height())
  const events = await chain.events(handler)
  const store = memoryIndexStore()
  const challenger = await joinChallenger(hostile, events)
  const counts = { failed: 0, reorganized: 0, delivered: 0, challenged: 0, reopened: 0 }
  const assertOurs = (error: unknown): void => {
    counts.failed++
    expect(isPolicySdkError(error), String(error)).toBe(true)
  }
  const seen: ChainEvent[] = []
  let stumble = 0
  const unwatch = watchPolicyEvents({
    events,
    fromBlock: start,
    pollingInterval: 0,
    onEvents: (found) => {
      // A handler that fails now and then gets its events again.
      if (++stumble % 17 === 0) throw new Error('the handler stumbled')
      seen.push(...found)
      counts.delivered += found.length
    },
    onReorganization: (block) => {
      counts.reorganized++
      while ((seen.at(-1)?.blockNumber ?? -1n) > block) seen.pop()
    },
    onError: (error) => {
      if ((error as Error).message !== 'the handler stumbled') assertOurs(error)
    },
  })
  const open = async () => {
    for (;;) {
      const opened = await indexRegistry({ events, fromBlock: 0n, store }).catch(assertOurs)
      if (opened !== undefined) return opened
    }
  }
  let index = await open()
  try {
    for (let i = 0; i < steps; i++) {
      step()
      await index.sync().catch(assertOurs)
      if (dice(8) === 0) challenger.accept()
      if (!lies) await challenger.poll().catch(assertOurs)
      // A restart goes on from the store.
      if (i % 97 === 96) {
        challenger.restart()
        await index.close()
        index = await open()
      }
      await new Promise((resolve) => setTimeout(resolve, 0))
    }
    calm()
    if (!lies) Object.assign(counts, await challenger.assertAsReplayed())
    await index.sync()
    await index.sync()
    const end = chain.height() - 2
    expect(index.state.cursor?.number).toBe(BigInt(end))
    for (const client of walkers) {
      for (let block = 0; block <= end; block++) {
        const slot = index.policySlotAt({ client, block: BigInt(block) })
        expect(slot, `${client} at ${block}`).toBe(chain.slotAt(client, block))
      }
    }
    const honest = await indexRegistry({ events, fromBlock: 0n })
    for (const rows of ['policyTemplates', 'policyInstances', 'policySlots'] as const) {
      expect([...index.state[rows]].sort(), rows).toEqual([...honest.state[rows]].sort())
    }
    if (lies) return counts
    const all = await events.getEvents({ fromBlock: start, toBlock: BigInt(end) })
    const expected = all.map(nameOf)
    for (let tries = 0; tries < 2_000 && seen.length < expected.length; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(seen.map(nameOf)).toEqual(expected)
  } finally {
    unwatch()
    await index.close()
  }
  return counts
}
