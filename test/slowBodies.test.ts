/** What a request handler does with a body that stops, is too long, or whose sender goes away. */
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createLedgerHandler,
  createWitness,
  type Ledger,
  memoryCheckpointStore,
  memoryTiles,
  noteSigner,
  witnessSigner,
} from '../src/ledger/index.js'
import { createArtifactIntake, createOperatorRpc } from '../src/operator/index.js'
import { gatewayApp, operatorApp } from '../src/operator/node/index.js'
import { signCall } from '../src/operator/rpc/auth.js'
import { createControlHandler } from '../src/provenance/index.js'
import { createStateTree, memoryStore, snapshotServer } from '../src/statetree/index.js'
import { openTestLedger, schemas, verify } from './ledger/ledgerWorld.js'

type Fetch = (request: Request) => Response | Promise<Response>

const alarms: unknown[] = []
const onError = (error: unknown): void => {
  alarms.push(error)
}
const token = 'a-token-that-cannot-be-guessed-at-all'
const hash = `0x${'ab'.repeat(32)}`
const word = `0x${'cd'.repeat(32)}` as const
let ledger: Ledger
const handlers: Record<string, Fetch> = {}
const [operatorAddress, policyRegistry] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`] as const
/** Of a caller that operators let in: nothing is read of a stranger's body. */
let signed = ''

beforeAll(async () => {
  const store = memoryTiles()
  ledger = await openTestLedger({ store })
  handlers['ledger'] = createLedgerHandler({
    ...{ ledger, store, moduleId: 'eval', schemas, verify, onError },
  })
  const log = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(9) })
  handlers['witness'] = createWitness({
    signer: witnessSigner({ name: 'witness.example/w1', seed: new Uint8Array(32).fill(8) }),
    ...{ logs: [{ keys: [log.key] }], store: memoryCheckpointStore(), onError },
  }).fetch
  const rpc = createOperatorRpc({
    operator: operatorAddress,
    ...{ chainId: 1n, policyRegistry, handlers: {}, allow: () => true },
    onEvent: ({ outcome, error }) => outcome === 'INTERNAL' && onError(error),
  })
  signed = await signCall(
    privateKeyToAccount(generatePrivateKey()),
    {
      ...{
        operator: operatorAddress,
        method: 'newt_fetchPolicyData',
        paramsHash: word,
        nonce: word,
      },
      expiresAt: BigInt(Math.floor(Date.now() / 1_000) + 110),
    },
    { chainId: 1n, policyRegistry },
  )
  const intake = createArtifactIntake({
    ...{ isPending: () => true, isHeld: async () => false, keep: async () => undefined },
  })
  const operator = await operatorApp({ rpc, intake })
  handlers['operator'] = operator.fetch
  handlers['gateway'] = (await gatewayApp({ gateway: { rpc: rpc as never } })).fetch
  handlers['provenance'] = createControlHandler({
    plane: { lease: async () => undefined, renew: async () => false, finish: async () => false },
    workers: { [token]: 'w1' },
  })
  handlers['statetree'] = snapshotServer({ tree: await createStateTree({ store: memoryStore() }) })
})
afterAll(() => ledger?.close())
beforeEach(() => {
  alarms.length = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const posts: [of: string, path: string, method?: string][] = [
  ['ledger', '/api/ledger/event'],
  ['ledger', '/api/ledger/verify'],
  ['ledger', '/mcp'],
  ['witness', '/add-checkpoint'],
  ['operator', '/rpc'],
  ['operator', `/artifacts/4/${hash}`, 'PUT'],
  ['gateway', '/rpc'],
  ['provenance', '/worker/lease'],
  ['statetree', '/v1/read'],
]

function send(
  path: string,
  method: string,
  body: ReadableStream<Uint8Array>,
  signal?: AbortSignal,
) {
  const authorization = path === '/rpc' ? signed : `Bearer ${token}`
  const headers = { 'X-Module-ID': 'eval', authorization }
  const init = { method, headers, body, duplex: 'half', signal: signal ?? null }
  return new Request(`https://host.example${path}`, init as RequestInit)
}

describe.each(posts)('%s %s', (of, path, method = 'POST') => {
  const answer = (body: ReadableStream<Uint8Array>): Promise<Response> =>
    Promise.resolve((handlers[of] as Fetch)(send(path, method, body)))

  test('behavior: a body that stops is 408 after 15 s, and is let go', async () => {
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Uint8Array.of(123)),
      cancel: () => {
        cancelled = true
      },
    })
    let status = 0
    const answered = answer(body).then((response) => {
      status = response.status
    })
    await vi.advanceTimersByTimeAsync(14_900)
    expect(status).toBe(0)
    await vi.advanceTimersByTimeAsync(200)
    await answered
    expect({ status, cancelled, alarms }).toEqual({ status: 408, cancelled: true, alarms: [] })
  })

  test('behavior: a sender that goes away is no alarm', async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Uint8Array.of(123)),
      pull: (controller) => controller.error(new Error('aborted')),
    })
    const { status } = await answer(body)
    expect({ status, alarms }).toEqual({ status: 400, alarms: [] })
  })

  test('behavior: a body that comes whole is read', async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new TextEncoder().encode('{"id":1}'))
        controller.close()
      },
    })
    const { status } = await answer(body)
    expect(status).not.toBe(408)
    expect(status).toBeLessThan(500)
    expect(alarms).toEqual([])
  })
})

test.each(['operator', 'gateway'])('behavior: %s /rpc waits for no stranger’s body', async (of) => {
  let pulled = 0
  const body = new ReadableStream<Uint8Array>(
    {
      pull: () => {
        pulled++
      },
    },
    { highWaterMark: 0 },
  )
  const headers = { authorization: `Bearer ${token}` }
  const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit
  const { status } = await (handlers[of] as Fetch)(new Request('https://host.example/rpc', init))
  expect({ status, pulled, alarms }).toEqual({ status: 401, pulled: 0, alarms: [] })
})

test('behavior: who goes away while the ledger works on it rings no alarm', async () => {
  const gone = new AbortController()
  const slow: Ledger = {
    ...ledger,
    submit: async (_, { signal } = {}) => {
      gone.abort()
      signal?.throwIfAborted()
      throw new Error('unreachable')
    },
  }
  const handler = createLedgerHandler({
    ...{ ledger: slow, store: memoryTiles(), moduleId: 'eval', schemas, onError },
  })
  const body = new Blob(['{}']).stream()
  const { status } = await handler(send('/api/ledger/event', 'POST', body, gone.signal))
  expect({ status, alarms }).toEqual({ status: 400, alarms: [] })
})
