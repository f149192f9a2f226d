import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import { allOf, createSteps } from '../../src/cli/commands/provenance/reading.js'
import { createProvenanceIndex } from '../../src/provenance/index.js'

test('behavior: how old an index is depends on the chain alone, and on no server of a stranger', async () => {
  const calls = { follow: 0, load: 0 }
  let ended: (() => void) | undefined
  const steps = createSteps({
    follow: async () => {
      calls.follow += 1
      if (calls.follow === 4) throw new TypeError('the node is gone')
    },
    load: () => {
      calls.load += 1
      return new Promise((resolve, reject) => {
        ended = calls.load === 1 ? resolve : () => reject(new TypeError('it ended'))
      })
    },
  })
  expect(steps.asOf()).toBeUndefined()
  await steps.step()
  expect(steps.asOf()).toBeGreaterThan(0)
  await steps.step()
  await steps.step()
  // One reading of what strangers name at a time, however long it takes.
  expect(calls).toEqual({ follow: 3, load: 1 })
  const before = steps.asOf()
  await expect(steps.step()).rejects.toThrow('the node is gone')
  expect(steps.asOf()).toBe(before)
  for (const load of [2, 3]) {
    ended?.()
    await new Promise((resolve) => setTimeout(resolve, 0))
    await steps.step()
    expect(calls.load).toBe(load)
  }
})

test('behavior: claims about hashes of nothing hide no plugin, and all are listed', () => {
  const index = createProvenanceIndex()
  const hash = (at: number, end: string): Hex => `0x${at.toString(16).padStart(62, '0')}${end}`
  const place = { blockNumber: 1n, logIndex: 0, timestamp: 1n }
  for (let at = 0; at < 2_500; at++) {
    const [wasmHash, nothing] = [hash(at, 'ff'), hash(at, '00')]
    index.apply(
      [
        { type: 'PluginRegistered', wasmHash, templateId: wasmHash, author: undefined, ...place },
        {
          ...{ type: 'ClaimSubmitted', wasmHash: nothing, verifier: `0x${'12'.repeat(20)}` },
          ...{ result: 'match', buildInfoHash: nothing, evidenceUri: '', ...place },
        },
      ].map((event, i) => ({ ...event, transactionHash: hash(at, `0${i}`) })) as never,
    )
  }
  const all = allOf(index).map(({ wasmHash }) => wasmHash)
  expect([all.length, all.every((wasmHash) => wasmHash.endsWith('ff'))]).toEqual([2_500, true])
  expect(index.list({ claimed: true, limit: 2 })).toHaveLength(2)
  expect(index.list({ claimed: true, limit: 1 })[0]?.wasmHash).toBe(hash(0, '00'))
  expect(() => index.list({ claimed: 'no' as never })).toThrow(/claimed/)
})
