import { describe, expect, test } from 'vitest'
import { createFakeChain } from '../../../test/statetree/fakeChain.js'
import { chainConstants, chains } from '../../core/chains.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import { createStateTree } from '../stateTree.js'
import { memoryStore } from '../store/memoryStore.js'
import { type CommitParameters, commitParameters } from './parameters.js'
import { type CommitPipeline, openCommitPipeline } from './pipeline.js'

const deployed = { challengeWindow: 50_400n, taskResponseWindow: 200n }

function open(events: ChainEvents, parameters?: CommitParameters): Promise<CommitPipeline> {
  return openCommitPipeline({ tree: createStateTree({ store: memoryStore() }), events, parameters })
}

describe('commitParameters', () => {
  test.each(Object.keys(chains).map(Number))(
    'chain %i keeps bytes as long as challenges last',
    (chainId) => {
      const row = chainConstants(chainId)
      const { challengeWindow, taskResponseWindow, safetyMargin, keepBlocks, finalityDelay } =
        commitParameters({ chainId })
      expect({ challengeWindow, taskResponseWindow, safetyMargin, finalityDelay }).toEqual({
        challengeWindow: row.challengeWindow,
        taskResponseWindow: row.taskResponseWindow,
        safetyMargin: row.safetyMargin,
        finalityDelay: row.finalityDelay,
      })
      expect(Number(keepBlocks) * row.blockSeconds).toBeGreaterThanOrEqual(7 * 86_400)
    },
  )

  test('windows of the contracts replace those of the table', () => {
    const windows = { challengeWindow: 7n, taskResponseWindow: 9n }
    expect(commitParameters({ chainId: 1, windows })).toMatchObject(windows)
    expect(commitParameters({ chainId: 1, windows, challengeWindow: undefined })).toMatchObject(
      windows,
    )
  })

  test('less than the contracts have is refused, more is not', () => {
    for (const parameter of ['challengeWindow', 'taskResponseWindow'] as const) {
      const required = deployed[parameter]
      expect(() =>
        commitParameters({ chainId: 1, windows: deployed, [parameter]: required - 1n }),
      ).toThrow(expect.objectContaining({ code: 'RETENTION_TOO_SHORT', parameter, required }))
      const more = { [parameter]: required + 1n }
      expect(commitParameters({ chainId: 1, windows: deployed, ...more })).toMatchObject(more)
    }
  })

  test('values out of range are refused', () => {
    const bad: Partial<Record<keyof CommitParameters, unknown>>[] = [
      { window: 0n },
      { window: 120 },
      { finalityDelay: -1n },
      { finalityDelay: 3_361n },
      { window: 1_800n, finalityDelay: 1n },
      { keepBlocks: 1.5 },
      { safetyMargin: -1n },
      { challengeWindow: '100' },
      { heartbeatWindows: null },
      { maxCommitBytesPerWindow: 0 },
      { maxDeferQueueBytes: Number.NaN },
    ]
    for (const change of bad) {
      expect(() => commitParameters({ chainId: 1, ...(change as object) })).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT' }),
      )
    }
    expect(commitParameters({ chainId: 1, finalityDelay: 3_360n }).finalityDelay).toBe(3_360n)
  })

  test('an unknown chain is refused', () => {
    expect(() => commitParameters({ chainId: 5 })).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_CHAIN' }),
    )
  })
})

describe('openCommitPipeline', () => {
  test('takes the windows of the deployed contracts', async () => {
    const events = createFakeChain({ windows: deployed }).view()
    expect((await open(events)).parameters).toMatchObject(deployed)
  })

  test('takes those of the table where there are no contracts to ask', async () => {
    const { getWindows: _, ...blind } = createFakeChain().view()
    for (const events of [blind, { ...blind, getWindows: async () => null }]) {
      expect((await open(events)).parameters).toEqual(commitParameters({ chainId: 31_337 }))
      const short = commitParameters({ chainId: 31_337, challengeWindow: 999n })
      await expect(open(events, short)).rejects.toMatchObject({
        code: 'RETENTION_TOO_SHORT',
        required: 1_000n,
      })
    }
  })

  test('refuses parameters that delete bytes while responses can be challenged', async () => {
    const events = createFakeChain({ windows: deployed }).view()
    const parameters = commitParameters({ chainId: 31_337 })
    await expect(open(events, parameters)).rejects.toMatchObject({
      code: 'RETENTION_TOO_SHORT',
      parameter: 'challengeWindow',
    })
    await expect(open(events, { ...parameters, ...deployed, window: 0n })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    expect((await open(events, { ...parameters, ...deployed })).parameters).toMatchObject(deployed)
  })

  test('does not open where the contracts cannot be asked', async () => {
    const events = createFakeChain().view()
    const away = async (): Promise<never> => {
      throw new TypeError('the node is away')
    }
    await expect(open({ ...events, getWindows: away })).rejects.toThrow('the node is away')
  })

  test('a chain of one’s own needs parameters of its own', async () => {
    const { getWindows: _, ...events } = createFakeChain({ chainId: 424_242n }).view()
    await expect(open(events)).rejects.toMatchObject({ code: 'UNKNOWN_CHAIN' })
    const parameters = commitParameters({ chainId: 1, challengeWindow: 3n })
    expect((await open(events, parameters)).parameters).toEqual(parameters)
  })
})
