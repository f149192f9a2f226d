import { afterEach, describe, expect, test, vi } from 'vitest'
import * as calls from './laterCalls.js'

const client = {}

afterEach(() => {
  vi.doUnmock('./laterCalls.js')
  vi.resetModules()
})

describe('laterActions', () => {
  test('names every call of its module that is asynchronous, and nothing else', async () => {
    const { laterActions } = await import('./laterActions.js')
    const functions = Object.entries(calls).filter(
      ([name, value]) => typeof value === 'function' && name !== 'computeSnapshotDigest',
    )
    expect(Object.keys(laterActions).sort()).toEqual(functions.map(([name]) => name).sort())
  })

  test('calls what is loaded with the client and the parameters', async () => {
    const asked: unknown[] = []
    vi.doMock('./laterCalls.js', () => ({
      commitStateRoot: async (...parameters: unknown[]) => asked.push(parameters),
    }))
    const { laterActions } = await import('./laterActions.js')
    await laterActions['commitStateRoot']?.(client, { root: 1 })
    expect(asked).toEqual([[client, { root: 1 }]])
  })

  test('a module that does not load is an error of ours, with its cause', async () => {
    vi.doMock('./laterCalls.js', () => {
      throw new TypeError('Failed to fetch dynamically imported module')
    })
    const { laterActions } = await import('./laterActions.js')
    await expect(laterActions['commitStateRoot']?.(client, {})).rejects.toMatchObject({
      code: 'ACTION_NOT_LOADED',
      cause: expect.any(Error),
    })
  })
})
