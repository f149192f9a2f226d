import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { blockHashReach, blocksToAnswer, chainConstants, chains } from './chains.js'

const configs = new URL('../../contracts/config/', import.meta.url)
const ids = readdirSync(configs)
  .filter((name) => /^\d+\.json$/.test(name))
  .map((name) => Number(name.replace('.json', '')))

describe('chainConstants', () => {
  test.each(ids)('chain %i: the windows are those that the deploy script sets', (id) => {
    const config = JSON.parse(readFileSync(new URL(`${id}.json`, configs), 'utf8'))
    const { challengeWindow, taskResponseWindow, maxExpireAfter, maxStaleness } = chainConstants(id)
    expect({ challengeWindow, taskResponseWindow, maxExpireAfter, maxStaleness }).toEqual({
      challengeWindow: BigInt(config.challengeWindow),
      taskResponseWindow: BigInt(config.taskResponseWindow),
      maxExpireAfter: BigInt(config.maxExpireAfter),
      maxStaleness: config.maxStaleness,
    })
    const { blockSeconds, referenceDelay } = chainConstants(id)
    expect(blockSeconds * 1000).toBe(config.blockMilliseconds)
    expect(referenceDelay).toBe(BigInt(config.referenceDelay))
  })

  test('rule: upgrades wait for the last challenge, and the last challenge for no withdrawal', () => {
    for (const id of ids) {
      const config = JSON.parse(readFileSync(new URL(`${id}.json`, configs), 'utf8'))
      const windows = config.maxExpireAfter + config.challengeWindow
      expect(config.upgradeDelay).toBeGreaterThan(windows)
      expect(config.upgradeDelay).toBeLessThanOrEqual(4 * windows)
      if (!config.mainnet) continue
      const blocks = windows + config.taskResponseWindow
      const seconds = config.maxStaleness + (blocks * config.blockMilliseconds) / 1000
      expect(config.maxStaleness).toBeGreaterThan(0)
      expect(seconds).toBeLessThan(config.withdrawalDelay)
    }
  })

  test('rule: where this is deployed, there are two delays and a minute to answer a task', () => {
    for (const id of ids) {
      const { blockSeconds, referenceDelay, taskResponseWindow } = chainConstants(id)
      const needed = 2n * referenceDelay + BigInt(Math.ceil(60 / blockSeconds))
      expect(needed, `chain ${id}`).toBeLessThanOrEqual(taskResponseWindow)
      // The hash of the reference block is read on chain: EIP-2935 keeps so many.
      expect(2n * taskResponseWindow).toBeLessThanOrEqual(8_191n)
    }
  })

  test('rule: so there are on all other chains of the table, within half the reach of hashes', () => {
    const reaches: Record<string, bigint> = { 42161: 393_168n, 421614: 393_168n }
    for (const [id, row] of Object.entries(chains)) {
      const { taskResponseWindow } = row
      expect(blocksToAnswer(row), `chain ${id}`).toBeLessThanOrEqual(taskResponseWindow)
      expect(2n * taskResponseWindow).toBeLessThanOrEqual(reaches[id] ?? 8_191n)
    }
    expect(blocksToAnswer(chainConstants(42161))).toBe(280n)
  })

  test('hashes reach as far as the contract of EIP-2935, where it is of the chain’s own blocks', () => {
    const [ethereum, arbitrum] = ['0x5f35600143', '0x5f3563A3B1B31D5f52']
    expect(blockHashReach({ arbSys: false, history: ethereum })).toBe(8_191n)
    expect(blockHashReach({ arbSys: true, history: arbitrum })).toBe(393_168n)
    expect(blockHashReach({ arbSys: true, history: ethereum })).toBe(256n)
    for (const arbSys of [true, false]) {
      for (const history of [undefined, '0x']) {
        expect(blockHashReach({ arbSys, history })).toBe(256n)
      }
    }
  })

  test('there are configurations to compare with', () => {
    expect(ids).toEqual(expect.arrayContaining([1, 8453, 31337]))
  })

  test('margins and windows are the same time on chains of another block time', () => {
    for (const [id, row] of Object.entries(chains)) {
      const seconds = (blocks: bigint): number => Number(blocks) * row.blockSeconds
      expect(seconds(row.safetyMargin)).toBe(600)
      if (id !== '31337') expect(seconds(row.challengeWindow)).toBe(7 * 86_400)
      // A commit's timestamp may be an hour behind, two windows of 120 s are kept of it.
      expect(row.finalityDelay).toBeLessThanOrEqual(3_600n - 240n)
    }
    expect(chainConstants(42161).safetyMargin).toBe(2_400n)
    expect(chainConstants(1n)).toMatchObject({ finalityDelay: 1_200n, referenceDelay: 2n })
  })

  test('an unknown chain is an error that names what to do', () => {
    for (const id of [5, 0, -1, 1.5, 2n ** 64n, 'constructor' as never, undefined as never]) {
      expect(() => chainConstants(id)).toThrow(expect.objectContaining({ code: 'UNKNOWN_CHAIN' }))
    }
  })

  test('the table cannot be changed', () => {
    expect(Object.isFrozen(chains)).toBe(true)
    for (const row of Object.values(chains)) expect(Object.isFrozen(row)).toBe(true)
  })
})
