import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { account, createPolicyChain } from '../../../test/registry/policyChain.js'
import { indexRegistry } from '../events/indexer/indexer.js'
import { lmdbIndexStore } from './index.js'

let path: string
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'index-'))
})
afterEach(() => rm(path, { recursive: true, force: true }))

const alice = account(0xa11ce)

describe('lmdbIndexStore', () => {
  test('default: an index goes on where it was, over a reorganization too', async () => {
    const chain = createPolicyChain()
    const events = await chain.events(chain.node())
    const options = { events, fromBlock: 0n, confirmations: 0, store: lmdbIndexStore({ path }) }
    for (let run = 0; run < 4; run++) {
      chain.move(alice)
      chain.mine()
      if (run === 2) chain.reorganize(2)
      chain.move(alice, account(run + 1))
      const index = await indexRegistry(options)
      const fresh = await indexRegistry({ ...options, store: undefined })
      expect(index.state.cursor).toEqual(fresh.state.cursor)
      for (let block = 0n; block <= (fresh.state.cursor?.number ?? 0n); block++) {
        for (const client of [alice, account(1), account(2), account(3)]) {
          expect(index.policySlotAt({ client, block })).toBe(fresh.policySlotAt({ client, block }))
        }
      }
      await index.close()
    }
  })

  test('error: STORE_LOCKED for a second handle, until the first is closed', async () => {
    const chain = createPolicyChain()
    const events = await chain.events(chain.node())
    const first = await indexRegistry({ events, fromBlock: 0n, store: lmdbIndexStore({ path }) })
    await expect(
      indexRegistry({ events, fromBlock: 0n, store: lmdbIndexStore({ path }) }),
    ).rejects.toMatchObject({ code: 'STORE_LOCKED', pid: process.pid })
    await first.close()
    const second = await indexRegistry({ events, fromBlock: 0n, store: lmdbIndexStore({ path }) })
    await second.close()
  })
})
