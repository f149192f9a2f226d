/** A real process, killed while it works. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import {
  type AppHostEvent,
  type ChainClient,
  connectAppEnclave,
  createAppHost,
  createTypedStore,
  uint64Codec,
} from '../../src/enclave/index.js'
import { childProcessTransport, lmdbKv } from '../../src/enclave/node/index.js'
import { childScript } from '../support/childScript.js'
import { counterApp } from './counterApp.js'

test('an enclave process killed again and again: every event is answered once, in order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'killed-'))
  const script = await childScript(new URL('appChild.ts', import.meta.url))
  const transport = childProcessTransport({
    command: process.execPath,
    args: [script.path],
    env: { ...process.env, ENCLAVE_STORE: join(folder, 'enclave'), ENCLAVE_DELAY: '60' },
  })
  const amounts = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]
  const landed: bigint[] = []
  const chain: ChainClient<bigint, bigint, void> = {
    events: async function* ({ signal }) {
      for (const [index, event] of amounts.entries()) {
        yield {
          cursor: String(index),
          contract: 'counter',
          sequence: BigInt(index + 1),
          id: String(index),
          event,
        }
      }
      await new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve(), { once: true }),
      )
    },
    submit: async (transaction) => {
      landed.push(transaction)
    },
    sequence: async () => ({ sequence: BigInt(landed.length) }),
  }
  const enclave = connectAppEnclave({ transport, retries: 0, limits: { connectTimeout: 30_000 } })
  const seen: AppHostEvent[] = []
  const host = createAppHost({
    app: counterApp(),
    chain,
    enclave: enclave.call,
    store: createTypedStore(await lmdbKv({ path: join(folder, 'host') })),
    eventCodec: uint64Codec,
    transactionCodec: uint64Codec,
    retryDelay: () => 20,
    onEvent: (event) => seen.push(event),
  })
  const done = new AbortController()
  const running = host.run({ signal: done.signal })
  let kills = 0
  for (let at = 1; landed.length < amounts.length; ) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    // In the middle of a handler, twice.
    if (landed.length >= at && kills < 2) {
      at += 3
      await new Promise((resolve) => setTimeout(resolve, 20))
      transport.kill()
      kills++
    }
  }
  done.abort()
  await running
  await enclave.close()
  transport.kill()
  script.remove()
  expect(landed).toEqual([1n, 3n, 6n, 10n, 15n, 21n, 28n, 36n])
  const failures = seen.filter(({ type }) => type === 'failed')
  expect(failures.length).toBeGreaterThan(0)
  for (const failure of failures)
    expect(failure).toMatchObject({ step: 'handle', code: 'ENCLAVE_TRANSPORT' })
}, 90_000)
