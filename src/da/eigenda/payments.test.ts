/** What was paid for and cannot be checked: paid for again once at most, and never hidden. */
import { expect, test } from 'vitest'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaLocator } from '../../core/locator.js'
import { fromHex, utf8 } from '../../internal/bytes.js'
import { sleep } from '../../internal/pause.js'
import { createFakeEigenDaProxy } from '../../testing/eigenDaProxy/fakeProxy.js'
import { fallback } from '../combined/fallback.js'
import { replicated } from '../combined/replicated.js'
import { memoryDa } from '../memoryDa.js'
import { decodeEigenDaCommitment, encodeEigenDaCommitment } from './cert/cert.js'
import { eigenDa } from './eigenDa.js'
import { memoryPayments, type Payment, type PaymentRecord } from './payments.js'

const minute = 60_000
type Answer = '503' | 'missing' | 'hang' | 'well'

/** A proxy whose reads answer as `state` says, and a clock. */
function world(more: { payments?: PaymentRecord } = {}) {
  const state: { reads: Answer; now: number } = { reads: 'well', now: 1_700_000_000_000 }
  const proxy = createFakeEigenDaProxy()
  const fetch = async (input: string, init: RequestInit): Promise<Response> => {
    if (!input.includes('/get/') || state.reads === 'well') return proxy.fetch(input, init)
    if (state.reads === 'hang')
      return new Promise((_, reject) =>
        init.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
      )
    return state.reads === '503'
      ? new Response('no', { status: 503 })
      : new Response('blob not found', { status: 500 })
  }
  const retry = { reads: 1, writes: 1, baseDelay: 1, maxDelay: 1 }
  const payments = more.payments ?? memoryPayments()
  const options = { url: 'http://proxy.test', fetch, retry, payments, now: () => state.now }
  return { state, proxy, options, da: eigenDa(options) }
}

const failure = (work: Promise<unknown>): Promise<{ locator?: DaLocator; code?: string }> =>
  work.then(
    () => expect.fail('it was written'),
    (error) => error,
  )

test('behavior: a blob that is not there twice, ten minutes apart, is paid for again', async () => {
  const { state, proxy, da } = world()
  state.reads = 'missing'
  const unknown = { code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } }
  for (const at of [0, 1, 9]) {
    state.now = 1_700_000_000_000 + at * minute
    expect(await failure(da.put(utf8('x')))).toMatchObject(unknown)
  }
  expect(proxy.dispersals()).toBe(1)
  // Found at last: nothing is paid for.
  state.reads = 'well'
  state.now += minute
  await da.put(utf8('x'))
  expect(proxy.dispersals()).toBe(1)

  state.reads = 'missing'
  const first = await failure(da.put(utf8('y')))
  state.now += 10 * minute
  const second = await failure(da.put(utf8('y')))
  expect(second).toMatchObject(unknown)
  expect(second.locator).not.toEqual(first.locator)
  expect(proxy.dispersals(utf8('y'))).toBe(2)
  state.reads = 'well'
  expect((await da.put(utf8('y'))).locator).toEqual(second.locator)
})

test('behavior: that it is not there is remembered over a restart, and by the age of the blob too', async () => {
  const { state, proxy, options } = world()
  const currentBlock = async () => 0n
  state.reads = 'missing'
  await failure(eigenDa({ ...options, currentBlock }).put(utf8('x')))
  expect(await options.payments.read()).toMatchObject([{ missingAt: state.now }])
  const text = JSON.stringify(await options.payments.read())
  const kept: PaymentRecord = {
    read: async () => JSON.parse(text) as Payment[],
    write: async () => undefined,
  }
  state.now += 10 * minute
  await failure(eigenDa({ ...options, currentBlock, payments: kept }).put(utf8('x')))
  expect(proxy.dispersals()).toBe(2)
})

test.each(['503', 'missing', 'hang'] as const)(
  'behavior: with mayPayTwice a payment whose reads answer %s stops no write, and one that is there is used',
  async (reads) => {
    const { state, proxy, da } = world()
    state.reads = reads
    const first = await failure(da.put(utf8('x'), { timeout: 200 }))
    expect(first.locator).toBeDefined()
    const again = { mayPayTwice: true, timeout: 400 }
    const second = await failure(fallback([da]).put(utf8('x'), again))
    expect(second.locator).not.toEqual(first.locator)
    expect(proxy.dispersals()).toBe(2)
    state.reads = 'well'
    expect((await da.renew(second.locator as DaLocator, utf8('x'), again)).locator).toEqual(
      second.locator,
    )
    expect(proxy.dispersals()).toBe(2)
  },
)

/** A record one of whose calls never ends. */
function hanging(call: 'read' | 'write', at: number) {
  const memory = memoryPayments()
  const count = { read: 0, write: 0 }
  let settle = (): void => undefined
  const wait = async (name: 'read' | 'write'): Promise<void> => {
    count[name] += 1
    if (name === call && count[name] === at)
      await new Promise<void>((resolve) => {
        settle = resolve
      })
  }
  const record: PaymentRecord = {
    async read() {
      await wait('read')
      return memory.read()
    },
    async write(payments) {
      await wait('write')
      await memory.write(payments)
    },
  }
  return { record, memory, settle: () => settle() }
}

test.each([
  ['read', 1],
  ['write', 1],
] as const)(
  'error: DA_UNAVAILABLE where %s %i of the record hangs before anything was sent; other backends and later writes go on',
  async (call, at) => {
    const { record } = hanging(call, at)
    const { proxy, da } = world({ payments: record })
    const error = await failure(da.put(utf8('x'), { timeout: 100 }))
    expect(error).toMatchObject({ code: 'DA_UNAVAILABLE', retryable: true })
    expect(proxy.dispersals()).toBe(0)
    expect((await da.put(utf8('x'))).artifactHash).toBe(computeArtifactHash(utf8('x')))
    expect(proxy.dispersals()).toBe(1)

    const other = world({ payments: hanging(call, at).record })
    const both = fallback([other.da, memoryDa()])
    expect((await both.put(utf8('x'), { timeout: 100 }).catch((e) => e)).code).not.toBe(
      'DA_OUTCOME_UNKNOWN',
    )
    expect(other.proxy.dispersals()).toBe(0)
  },
)

test.each([2, 3])(
  'behavior: write %i of the record hangs: what was paid is told, other writes go on, and the late write undoes nothing',
  async (at) => {
    const { record, memory, settle } = hanging('write', at)
    const { state, proxy, da } = world({ payments: record })
    state.reads = at === 2 ? '503' : 'well'
    const paid = { code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } }
    const first = await failure(da.put(utf8('x'), { timeout: 100 }))
    expect(first).toMatchObject(paid)
    state.reads = '503'
    const next = await failure(da.put(utf8('y')))
    expect(next).toMatchObject(paid)
    settle()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await memory.read()).map(({ commitment }) => commitment)).toContain(
      (next.locator as unknown as { commitments: string[] }).commitments[0],
    )
    state.reads = 'well'
    await da.put(utf8('x'))
    expect((await da.put(utf8('y'))).locator).toEqual(next.locator)
    expect(proxy.dispersals(utf8('y'))).toBe(1)
  },
)

test('behavior: a record that fails later hides nothing that was paid for', async () => {
  const memory = memoryPayments()
  const how: { fails: undefined | (() => Promise<never>) } = { fails: undefined }
  const record: PaymentRecord = {
    read: () => memory.read(),
    write: (payments) => how.fails?.() ?? memory.write(payments),
  }
  const { state, proxy, da } = world({ payments: record })
  state.reads = '503'
  const { locator } = await failure(da.put(utf8('x')))
  for (const fails of [
    () => Promise.reject(new Error('disk')),
    () => {
      throw new Error('at once')
    },
    () => new Promise<never>(() => undefined),
  ]) {
    how.fails = fails
    const error = await failure(da.put(utf8('x'), { timeout: 100 }))
    expect(error).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', locator })
    expect(await failure(da.put(utf8('y'), { timeout: 100 }))).toMatchObject({
      code: 'DA_UNAVAILABLE',
      retryable: true,
    })
  }
  expect(proxy.dispersals()).toBe(1)
})

test('error: what was paid for is said to one who gave up; one who lost nothing gets the reason', async () => {
  const { state, da } = world()
  const reason = new Error('enough')
  for (const [name, client] of Object.entries({
    da,
    fallback: fallback([da, memoryDa()]),
    replicated: replicated([da, memoryDa()]),
  })) {
    state.reads = 'hang'
    const signal = AbortSignal.timeout(100)
    expect(await failure(client.put(utf8(name), { signal })), name).toMatchObject({
      code: 'DA_OUTCOME_UNKNOWN',
      locator: { kind: 'eigenDa' },
      cause: { name: 'TimeoutError' },
    })
    const left = client.put(utf8(`${name} z`), { signal: AbortSignal.abort(reason) })
    expect(await failure(left), name).toBe(reason)
  }
})

test('behavior: bytes that are never seen are paid for at pauses that double to a day, by any process', async () => {
  for (const reads of ['missing', 'wrong'] as const) {
    const memory = memoryPayments()
    const { state, proxy, options } = world({ payments: memory })
    state.reads = reads === 'missing' ? 'missing' : 'well'
    const fetch = async (input: string, init: RequestInit): Promise<Response> => {
      const answer = await options.fetch(input, init)
      if (!input.includes('/get/') || reads === 'missing') return answer
      return new Response(
        (await answer.bytes()).map((byte, index) => (index > 40 ? byte ^ 1 : byte)),
      )
    }
    const paidAt: number[] = []
    // Someone tries each five minutes for ten days, half of the time in a process of its own.
    for (let at = 0; at < 10 * 24 * 60; at += 5) {
      state.now = 1_700_000_000_000 + at * minute
      const payments = at % 10 === 0 ? memory : { read: memory.read, write: memory.write }
      const before = proxy.dispersals()
      await failure(eigenDa({ ...options, fetch, payments }).put(utf8('x')))
      if (proxy.dispersals() > before) paidAt.push(at)
    }
    expect(paidAt.length, reads).toBeLessThanOrEqual(19)
    const pauses = paidAt.slice(1).map((at, index) => at - (paidAt[index] as number))
    for (const [index, pause] of pauses.slice(2).entries())
      expect(pause, reads).toBeGreaterThanOrEqual(
        Math.min(1.5 * (pauses[index + 1] as number), 1_400),
      )
  }
})

test.each([-40, -1, 0.5, 40].map((days) => [days] as const))(
  'behavior: what a clock noted that was wrong by %d days is not handed out as newer than it is',
  async (days) => {
    const { state, proxy, options } = world()
    const day = 86_400_000
    const real = state.now
    state.now = real + days * day
    state.reads = 'missing'
    await failure(eigenDa(options).put(utf8('x')))
    state.reads = 'well'
    for (const after of [0, 0.4, 2, 13]) {
      state.now = real + after * day
      const copy = memoryPayments()
      await copy.write(await options.payments.read())
      const before = proxy.dispersals()
      const { expiresAt = 0 } = await eigenDa({ ...options, payments: copy }).put(utf8('x'))
      const isNew = proxy.dispersals() > before
      const latest = (isNew ? state.now : real + 3_600_000) / 1_000 + 14 * 86_400
      expect(expiresAt, `${after} days after`).toBeLessThanOrEqual(latest)
    }
  },
)

/** A proxy whose answers to writes are of a block. */
function aged(block: { is: number }) {
  const at = world()
  const fetch = async (input: string, init: RequestInit): Promise<Response> => {
    const answer = await at.options.fetch(input, init)
    if (!input.includes('/put?')) return answer
    const cert = decodeEigenDaCommitment(new Uint8Array(await answer.arrayBuffer()))
    cert.batchHeader.referenceBlockNumber = block.is
    return new Response(fromHex(encodeEigenDaCommitment(cert)) as BodyInit)
  }
  return { ...at, options: { ...at.options, fetch, afterPut: 'nothing' as const } }
}

test('behavior: a receipt says when the block of the certificate ends, where that is before', async () => {
  const head = 1_000_000
  const day = 86_400
  const block = { is: head }
  const { state, options } = aged(block)
  const at = state.now / 1_000
  const currentBlock = async () => BigInt(head)
  const expiries: [number, object, number][] = [
    [head, { currentBlock }, at + 14 * day],
    [head - 300, { currentBlock }, at + 14 * day - 3_600],
    [head - 13 * 7_200, { currentBlock }, at + day],
    [head - 20 * 7_200, { currentBlock }, at - 6 * day],
    // A block to come, a node that fails and one that is not asked say nothing.
    [head + 5_000, { currentBlock }, at + 14 * day],
    [head - 300, { currentBlock: async () => Promise.reject(new TypeError('no')) }, at + 14 * day],
    [head - 300, { currentBlock: async () => 5 as never }, at + 14 * day],
    [head - 300, {}, at + 14 * day],
  ]
  for (const [is, more, expiresAt] of expiries) {
    block.is = is
    expect((await eigenDa({ ...options, ...more }).put(utf8('x'))).expiresAt).toBe(expiresAt)
  }
})

test('behavior: one who leaves while the newest block is asked for has not lost the payment', async () => {
  const { proxy, options } = aged({ is: 1 })
  const leaving = new AbortController()
  const currentBlock = async () => {
    leaving.abort(new Error('gone'))
    return 5n
  }
  const da = eigenDa({ ...options, currentBlock })
  const left = await failure(da.put(utf8('x'), { signal: leaving.signal }))
  expect(left).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } })
  expect((await da.put(utf8('x'))).locator).toEqual(left.locator)
  expect(proxy.dispersals()).toBe(1)
})

test('behavior: writes of the same bytes at once are paid for once, on whatever terms', async () => {
  const { proxy, da, options } = world()
  const other = eigenDa(options)
  const { locator } = await da.put(utf8('x'))
  const [first] = (locator as { commitments: readonly `0x${string}`[] }).commitments
  expect(first).toBeDefined()
  const ways = {
    put: (client: typeof da) => client.put(utf8('x')),
    again: (client: typeof da) => client.put(utf8('x'), { mayPayTwice: true }),
    renew: (client: typeof da) => client.renew(locator, utf8('x')),
    renewAgain: (client: typeof da) => client.renew(locator, utf8('x'), { mayPayTwice: true }),
  }
  for (const [one, write] of Object.entries(ways)) {
    for (const [two, also] of Object.entries(ways)) {
      const before = proxy.dispersals()
      const [a, b] = await Promise.all([write(da), also(other)])
      expect(proxy.dispersals() - before, `${one} and ${two}`).toBe(1)
      expect(a.locator).toEqual(b.locator)
    }
  }
  // One who leaves takes the payment from nobody.
  const before = proxy.dispersals()
  const leaving = new AbortController()
  const left = da.put(utf8('x'), { signal: leaving.signal }).catch((error) => error)
  const stays = da.renew(locator, utf8('x'))
  leaving.abort(new Error('gone'))
  await left
  expect((await stays).artifactHash).toBe(computeArtifactHash(utf8('x')))
  expect(proxy.dispersals() - before).toBe(1)
})

test('behavior: the proxy is asked once what it is, and one who leaves takes the answer from nobody', async () => {
  const { proxy, options } = world()
  let asked = 0
  const fetch = async (input: string, init: RequestInit): Promise<Response> => {
    if (!input.endsWith('/config')) return proxy.fetch(input, init)
    asked += 1
    await sleep(20, init.signal as AbortSignal)
    return proxy.fetch(input, init)
  }
  const da = eigenDa({ ...options, fetch })
  const leaving = new AbortController()
  const left = da.config({ signal: leaving.signal }).catch((error) => error)
  const stays = da.config()
  leaving.abort(new Error('gone'))
  expect(await left).toMatchObject({ message: 'gone' })
  expect(await stays).toMatchObject({ readOnly: false })
  await da.put(utf8('x'))
  expect(asked).toBe(1)
})

test('behavior: a proxy that does not say what it is is written to all the same', async () => {
  const { proxy, options } = world()
  const fetch = async (input: string, init: RequestInit): Promise<Response> =>
    input.endsWith('/config')
      ? new Promise((_, reject) =>
          init.signal?.addEventListener('abort', () => reject(init.signal?.reason)),
        )
      : proxy.fetch(input, init)
  await eigenDa({ ...options, fetch }).put(utf8('x'), { timeout: 2_000 })
  expect(proxy.dispersals()).toBe(1)
})

test.each([
  ['a page', () => new Response('<html>')],
  ['nothing', () => new Response('')],
  ['another success', () => new Response('x', { status: 201 })],
  ['half a certificate', (bytes: Uint8Array) => new Response(bytes.slice(0, 50) as BodyInit)],
])(
  'behavior: after a write that was answered with %s no other backend is paid',
  async (_, answer) => {
    const { proxy, da, options } = world()
    const fetch = async (input: string, init: RequestInit): Promise<Response> => {
      const given = await proxy.fetch(input, init)
      return input.includes('/put?') ? answer(new Uint8Array(await given.arrayBuffer())) : given
    }
    const one = eigenDa({ ...options, fetch, payments: memoryPayments() })
    const other = { ...da, kind: 'other' }
    const failed = await failure(fallback([one, other]).put(utf8('x')))
    expect(failed).toMatchObject({ code: 'DA_OUTCOME_UNKNOWN', commitments: [] })
    expect(proxy.dispersals()).toBe(1)
  },
)
