import type { Hex } from 'viem'
import { expect, test } from 'vitest'
import { utf8 } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { createPrewarmer, type PrewarmParts, recentRuns } from './prewarming.js'

const hash = (name: string): Hex => keccakHex(utf8(name))
const names = new Map<Hex, string>()
const named = (name: string): Hex => {
  names.set(hash(name), name)
  return hash(name)
}

function create(change: Partial<PrewarmParts> = {}) {
  const calls: { plugins: (string | undefined)[]; keep: boolean; sparing: readonly Hex[] }[] = []
  const state = { current: ['a', 'b'], failures: 0, hold: Promise.resolve() }
  const recent = recentRuns()
  const prewarmer = createPrewarmer({
    recent,
    prewarm: async (plugins, { keep = false, sparing = [], timeout, signal } = {}) => {
      expect([timeout, signal instanceof AbortSignal]).toEqual([30_000, true])
      calls.push({ plugins: plugins.map((one) => names.get(one.wasmHash)), keep, sparing })
      await state.hold
      return plugins.map(({ wasmHash }) => ({ wasmHash, result: 'success' as const }))
    },
    artifacts: { getArtifact: async () => new Uint8Array() },
    always: () => [named('always')],
    current: () => state.current.map(named),
    onFailure: () => {
      state.failures++
    },
    log: () => undefined,
    ...change,
  })
  return { calls, state, recent, prewarmer }
}

test('behavior: what is always wanted comes first and stays, then what slots name', async () => {
  const { calls, state, recent, prewarmer } = create()
  state.current = ['b', 'always', 'a']
  recent.onEvent({ type: 'plugin.ran', wasmHash: hash('busy') })
  recent.onEvent({ type: 'plugin.compiled', wasmHash: hash('compiled') })
  prewarmer.start()
  await expect
    .poll(() => calls)
    .toEqual([
      { plugins: ['always'], keep: true, sparing: [hash('busy')] },
      { plugins: ['b', 'a'], keep: false, sparing: [hash('busy')] },
    ])
  await prewarmer.close()
})

test('behavior: commits that come meanwhile are one more round, and none after its end', async () => {
  const { calls, state, prewarmer } = create({ always: () => [] })
  let go = (): void => undefined
  state.hold = new Promise((resolve) => {
    go = resolve
  })
  for (let i = 0; i < 5; i++) prewarmer.start()
  await expect.poll(() => calls.length).toBe(1)
  state.current = ['c']
  for (let i = 0; i < 5; i++) prewarmer.start()
  go()
  await expect.poll(() => calls.length).toBe(4)
  expect(calls.map(({ plugins }) => plugins)).toEqual([[], ['a', 'b'], [], ['c']])
  await prewarmer.close()
  prewarmer.start()
  expect(calls.length).toBe(4)
})

test('error: what fails is counted, one by one and as a whole', async () => {
  const failing = create({
    prewarm: async (plugins) =>
      plugins.map(({ wasmHash }) => ({ wasmHash, result: 'fail', error: new Error('no') })),
  })
  failing.prewarmer.start()
  await expect.poll(() => failing.state.failures).toBe(3)
  const broken = create({ prewarm: () => Promise.reject(new Error('closed')) })
  broken.prewarmer.start()
  await expect.poll(() => broken.state.failures).toBe(1)
  const none = create({ prewarm: undefined })
  none.prewarmer.start()
  for (const { prewarmer } of [failing, broken, none]) await prewarmer.close()
})

test('behavior: a run counts for an hour', () => {
  let now = 0
  const recent = recentRuns(() => now)
  for (const name of ['a', 'b']) recent.onEvent({ type: 'plugin.ran', wasmHash: hash(name) })
  now = 3_599_999
  recent.onEvent({ type: 'plugin.ran', wasmHash: hash('a') })
  expect(recent.within()).toEqual([hash('b'), hash('a')])
  now++
  expect(recent.within()).toEqual([hash('a')])
  for (let i = 0; i < 5_000; i++) recent.onEvent({ type: 'plugin.ran', wasmHash: hash(`${i}`) })
  expect(recent.within().length).toBe(4_096)
})
