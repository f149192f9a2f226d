import { describe, expect, test } from 'vitest'
import { limitEvaluator, transferTask } from '../../../test/enclave/fixtures.js'
import { fromHex } from '../../internal/bytes.js'
import {
  type ChainClient,
  type ChainEvent,
  defineEnclaveApp,
  defineRequest,
  type EnclaveApp,
  type EnclaveContext,
  type RequestRoute,
} from '../app/app.js'
import { appRefusalUserData, appUserData, decodeReply, encodeCall } from '../app/call.js'
import { type AppEnclaveParameters, createAppEnclave } from '../app/enclave.js'
import {
  AppCallError,
  AppRefusalError,
  AppSequenceError,
  TransactionRejectedError,
} from '../app/errors.js'
import { createAttestor, createKeyManager } from '../app/keyManager.js'
import { computeTaskUserData } from '../evaluate/messages/result.js'
import {
  defineEvaluationService,
  type EvaluatedTransaction,
  evaluatedTransactionCodec,
  type TaskEvent,
  taskEventCodec,
} from '../evaluationService.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import { hpkeSeal } from '../secrets/hpke.js'
import { createSimulator } from '../simulator/index.js'
import { type Codec, uint64Codec } from '../store/codec.js'
import { type KvStore, memoryKv } from '../store/kv.js'
import { createTypedStore, defineKey } from '../store/typedStore.js'
import { EnclaveTransportError } from '../wire/errors.js'
import { type AppHostEvent, createAppHost } from './host.js'

const simulator = createSimulator({ image: [{ name: 'app', bytes: Uint8Array.of(1) }] })
const attestor = createAttestor(simulator.nsm)
const keys = createKeyManager({
  masterSecret: new Uint8Array(32).fill(3),
  pcr0: fromHex(simulator.measurements.pcrs[0]),
})
const total = defineKey('total', uint64Codec)

type Routes = { add: RequestRoute<bigint, bigint> }
type Counter = EnclaveApp<bigint, Routes, bigint>

/** Adds what events say to a sealed total and submits the new total. */
function counter(
  options: {
    before?: (input: bigint, context: EnclaveContext) => void | Promise<void>
    deploys?: string
  } = {},
): Counter {
  const { deploys } = options
  return defineEnclaveApp<bigint, Routes, bigint>({
    name: 'counter',
    requests: {
      add: defineRequest({
        input: uint64Codec,
        output: uint64Codec,
        handle: async (input, context) => {
          await options.before?.(input, context)
          const next = ((await context.store.get(total)) ?? 0n) + input
          context.store.set(total, next)
          return next
        },
      }),
    },
    events: {
      added: {
        matches: (event) => event !== 999n,
        build: ({ event }) => ({ type: 'add', input: event }),
        transaction: ([answer]) => answer?.output,
        // The contract takes answers in order: a refusal is one too.
        refused: ({ type }) => (type === 'refused' ? 1_000n : 2_000n),
      },
    },
    deploy:
      deploys === undefined ? undefined : async () => ({ transaction: 42n, contract: deploys }),
  })
}

/** A contract that takes each answer once, in order, and says how many it has. */
function testChain(
  amounts: readonly bigint[],
  options: {
    failSubmits?: number
    order?: (events: ChainEvent<bigint>[]) => ChainEvent<bigint>[]
  } = {},
): ChainClient<bigint, bigint, string> & { landed: bigint[]; keys: string[] } {
  let failures = options.failSubmits ?? 0
  const events = amounts.map((event, index) => ({
    cursor: String(index + 1),
    contract: '0xc1',
    sequence: BigInt(index + 1),
    id: `e${index}`,
    event,
  }))
  const receipts = new Map<string, string>()
  const chain = {
    landed: [] as bigint[],
    keys: [] as string[],
    events: async function* ({ from, signal }: { from: string | undefined; signal: AbortSignal }) {
      // At least once: it starts one earlier than asked.
      const first = Math.max(0, Number(from ?? '0') - 1)
      for (const event of options.order?.(events) ?? events.slice(first)) yield event
      await new Promise<void>((resolve) =>
        signal.addEventListener('abort', () => resolve(), { once: true }),
      )
    },
    submit: async (transaction: bigint, { idempotencyKey }: { idempotencyKey: string }) => {
      if (failures-- > 0) throw new TypeError('the node is down')
      const before = receipts.get(idempotencyKey)
      if (before !== undefined) return before
      chain.landed.push(transaction)
      chain.keys.push(idempotencyKey)
      receipts.set(idempotencyKey, `receipt ${idempotencyKey}`)
      return `receipt ${idempotencyKey}`
    },
    sequence: async () => ({ sequence: BigInt(chain.landed.length) }),
  }
  return chain
}

function enclaveOf(
  app: Counter,
  kv: KvStore = memoryKv(),
  more: Partial<AppEnclaveParameters<bigint, Routes, bigint>> = {},
): (bytes: Uint8Array) => Promise<Uint8Array> {
  return createAppEnclave({
    app,
    attestor,
    keys,
    store: createTypedStore(kv),
    chain: 'trust-host',
    rollback: 'trust-host',
    transactionCodec: uint64Codec,
    ...more,
  }).call
}

const event = (
  sequence: bigint,
  input: bigint,
  chainSequence = 0n,
  contract = '0xc1',
): Uint8Array =>
  encodeCall({
    kind: 'event',
    contract,
    sequence,
    chainSequence,
    proof: undefined,
    calls: [{ type: 'add', input: uint64Codec.encode(input) }],
  })
const output = (reply: Uint8Array): bigint =>
  uint64Codec.decode(decodeReply(reply).outputs[0]?.output as Uint8Array)
const refusal = (reply: Uint8Array): string => {
  try {
    decodeReply(reply)
    return 'accepted'
  } catch (cause) {
    return (cause as { reason: string }).reason
  }
}

async function follow(
  host: { run(options: { signal: AbortSignal }): Promise<void> },
  until: () => boolean | Promise<boolean>,
): Promise<void> {
  const controller = new AbortController()
  const running = host.run({ signal: controller.signal })
  const deadline = Date.now() + 10_000
  while (!(await until()) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 2))
  controller.abort()
  await running
}

describe('the enclave side', () => {
  test('answers in sequence; the document binds app, contract, sequence, request and answer', async () => {
    const call = enclaveOf(counter())
    expect(output(await call(event(1n, 5n)))).toBe(5n)
    const reply = decodeReply(await call(event(2n, 7n)))
    const attestation = await assertNitroAttestation(reply.document, {
      ...simulator.policy,
      freshness: { kind: 'maxAge', maxAge: 60_000 },
      binding: {
        userData: appUserData({
          app: 'counter',
          contract: '0xc1',
          sequence: 2n,
          calls: [{ type: 'add', input: uint64Codec.encode(7n) }],
          outputs: [uint64Codec.encode(12n)],
        }),
        publicKey: 'absent',
      },
    })
    expect(attestation.assurance).toBe('simulator')
  })

  test('the same request again gets the same answer; another one under its sequence is a replay', async () => {
    const call = enclaveOf(counter())
    const first = await call(event(1n, 5n))
    expect(Buffer.compare(await call(event(1n, 5n)), first)).toBe(0)
    expect(refusal(await call(event(1n, 6n)))).toBe('SEQUENCE_REPLAY')
    expect(output(await call(event(2n, 1n)))).toBe(6n)
  })

  test('a gap is refused, and so is a chain that is ahead of the state', async () => {
    const call = enclaveOf(counter())
    expect(refusal(await call(event(2n, 5n)))).toBe('SEQUENCE_GAP')
    expect(refusal(await call(event(1n, 5n, 3n)))).toBe('SEQUENCE_ROLLBACK')
    expect(refusal(await call(event(0n, 5n)))).toBe('SEQUENCE_REPLAY')
  })

  test('two requests at once with one sequence: one passes', async () => {
    const call = enclaveOf(
      counter({ before: () => new Promise((resolve) => setTimeout(resolve, 5)) }),
    )
    const outcomes = await Promise.all([call(event(1n, 5n)), call(event(1n, 6n))])
    expect(outcomes.map(refusal).sort()).toEqual(['SEQUENCE_REPLAY', 'accepted'])
  })

  test('a handler that throws after writing leaves nothing behind and gives its sequence back', async () => {
    let fail = true
    const call = enclaveOf(
      counter({
        before: (_, { store }) => {
          store.set(total, 1000n)
          if (fail) throw new TypeError('hunter2')
          store.set(total, 0n)
        },
      }),
    )
    const reply = await call(event(1n, 5n))
    expect(refusal(reply)).toBe('HANDLER_FAILED')
    expect(new TextDecoder().decode(reply)).not.toContain('hunter2')
    fail = false
    expect(output(await call(event(1n, 5n)))).toBe(5n)
  })

  test("the framework's own keys are not a handler's", async () => {
    const call = enclaveOf(
      counter({
        before: (_, { store }) => store.set(defineKey('@sequence/0xc1', uint64Codec), 77n),
      }),
    )
    expect(refusal(await call(event(1n, 5n)))).toBe('INVALID_INPUT')
  })

  test('the sequence of the chain is proved where a proof is asked for', async () => {
    const call = enclaveOf(counter(), memoryKv(), {
      contract: { address: '0xc1' },
      chain: {
        verifySequence: async ({ claimed, proof }) => {
          if (proof === undefined) throw new TypeError('no proof')
          return claimed
        },
      },
    })
    expect(refusal(await call(event(1n, 5n)))).toBe('ENCLAVE_FAILED')
    expect(() => enclaveOf(counter(), memoryKv(), { chain: undefined as never })).toThrow(
      expect.objectContaining({ field: 'chain' }),
    )
  })

  test('a contract is bound once', async () => {
    const call = enclaveOf(counter())
    expect(decodeReply(await call(encodeCall({ kind: 'bind', contract: '0xc1' }))).ok).toBe(true)
    expect(refusal(await call(encodeCall({ kind: 'bind', contract: '0xc2' })))).toBe('APP_CONTRACT')
    expect(refusal(await call(event(1n, 1n, 0n, '0xc2')))).toBe('APP_CONTRACT')
    expect(output(await call(event(1n, 1n)))).toBe(1n)
  })

  test('bytes of anything are answered with a code', async () => {
    const call = enclaveOf(counter())
    for (const bytes of [
      new Uint8Array(0),
      Uint8Array.of(0xff),
      new Uint8Array(16_384).fill(0x81),
      Uint8Array.of(0xa0),
    ]) {
      expect(refusal(await call(bytes))).toMatch(/^(CBOR_INVALID|MALFORMED)$/)
    }
    const unknown = encodeCall({
      kind: 'user',
      call: { type: 'constructor', input: new Uint8Array(0) },
    })
    expect(refusal(await call(unknown))).toBe('UNKNOWN_REQUEST')
  })
})

describe('stores under contention', () => {
  test('a transaction that loses every time gives up with a typed error', async () => {
    const losing: KvStore = { ...memoryKv(), commit: async () => false }
    const store = createTypedStore(losing)
    await expect(store.transaction((tx) => tx.set(total, 1n))).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      retryable: true,
    })
  })

  test('sequence errors say which and whether to try again', () => {
    const parameters = { contract: 'c', sequence: 5n, committed: 2n }
    expect(new AppSequenceError({ fault: 'gap', ...parameters })).toMatchObject({
      code: 'APP_SEQUENCE',
      retryable: true,
    })
    expect(new AppSequenceError({ fault: 'replay', ...parameters }).retryable).toBe(false)
  })
})

describe('key manager', () => {
  test('opens what is sealed to it; purposes are unrelated; no key shows', async () => {
    const aad = new Uint8Array(32)
    const sealed = await hpkeSeal(fromHex(await keys.publicKey('a')), Uint8Array.of(1, 2), { aad })
    expect(await keys.open('a', { ...sealed, context: { aad } })).toEqual(Uint8Array.of(1, 2))
    await expect(keys.open('b', { ...sealed, context: { aad } })).rejects.toMatchObject({
      code: 'ENVELOPE_OPEN_FAILED',
    })
    expect(await keys.mac('a', aad)).not.toBe(await keys.mac('b', aad))
    expect(await keys.sign('a', aad)).toHaveLength(130)
    expect(await keys.verifyingKey('a')).not.toBe(await keys.verifyingKey('b'))
    expect(Object.values(keys).every((member) => typeof member === 'function')).toBe(true)
  })
})

describe('the host side', () => {
  const hostOf = (
    chain: ReturnType<typeof testChain>,
    enclave: (bytes: Uint8Array) => Promise<Uint8Array>,
    options: { kv?: KvStore; seen?: AppHostEvent[]; app?: Counter } = {},
  ): ReturnType<typeof createAppHost<bigint, Routes, bigint, string>> =>
    createAppHost({
      app: options.app ?? counter(),
      chain,
      enclave,
      store: createTypedStore(options.kv ?? memoryKv()),
      eventCodec: uint64Codec,
      transactionCodec: uint64Codec,
      retryDelay: () => 2,
      onEvent: (happened) => options.seen?.push(happened),
    })

  test('events become answers, in order, each submitted once', async () => {
    const chain = testChain([1n, 2n, 3n, 4n])
    const host = hostOf(chain, enclaveOf(counter()))
    await follow(host, async () => chain.landed.length === 4 && (await host.pending()).outbox === 0)
    expect(chain.landed).toEqual([1n, 3n, 6n, 10n])
    expect(chain.keys).toEqual([1, 2, 3, 4].map((n) => `counter:0xc1:${n}`))
  })

  test('events out of order and repeated are put in order and taken once', async () => {
    const seen: AppHostEvent[] = []
    const chain = testChain([1n, 2n, 3n], {
      order: ([a, b, c]) => [c, a, a, b, c, b] as ChainEvent<bigint>[],
    })
    await follow(hostOf(chain, enclaveOf(counter()), { seen }), () => chain.landed.length === 3)
    expect(chain.landed).toEqual([1n, 3n, 6n])
    expect(seen.filter(({ type }) => type === 'duplicate')).toHaveLength(3)
  })

  test('an event of no kind takes its sequence and submits nothing', async () => {
    const chain = testChain([1n, 999n, 3n])
    await follow(hostOf(chain, enclaveOf(counter())), () => chain.landed.length === 2)
    expect(chain.landed).toEqual([1n, 4n])
  })

  test('a handler that throws three times loses nothing', async () => {
    let failures = 3
    const seen: AppHostEvent[] = []
    const app = counter({
      before: (input) => {
        if (input === 2n && failures-- > 0) throw new TypeError('later')
      },
    })
    const chain = testChain([1n, 2n, 3n])
    await follow(hostOf(chain, enclaveOf(app), { seen }), () => chain.landed.length === 3)
    expect(chain.landed).toEqual([1n, 3n, 6n])
    expect(seen.filter(({ type }) => type === 'failed')).toMatchObject([
      { step: 'handle', sequence: 2n, code: 'HANDLER_FAILED', attempt: 1 },
      { attempt: 2 },
      { attempt: 3 },
    ])
  })

  test('submitting that fails is tried again with the same key', async () => {
    const chain = testChain([1n, 2n], { failSubmits: 4 })
    await follow(hostOf(chain, enclaveOf(counter())), () => chain.landed.length === 2)
    expect(chain.landed).toEqual([1n, 3n])
  })

  test('stopped at every point and started again over the same stores, it loses and repeats nothing', async () => {
    const amounts = Array.from({ length: 6 }, (_, i) => BigInt(i + 1))
    const expected = amounts.map((_, i) => amounts.slice(0, i + 1).reduce((a, b) => a + b))
    for (let stopAfter = 1; stopAfter <= 24; stopAfter++) {
      const chain = testChain(amounts)
      const hostKv = memoryKv()
      const enclaveKv = memoryKv()
      let steps = 0
      const crash = new AbortController()
      const counting =
        <args extends unknown[], result>(
          work: (...args: args) => Promise<result>,
        ): ((...args: args) => Promise<result>) =>
        async (...args) => {
          if (crash.signal.aborted) throw new TypeError('crashed')
          const done = await work(...args)
          // The step has happened, but nobody hears of it.
          if (++steps === stopAfter) crash.abort()
          if (crash.signal.aborted) throw new TypeError('crashed')
          return done
        }
      const first = hostOf(
        {
          ...chain,
          submit: counting(chain.submit),
          sequence: counting(chain.sequence),
        } as typeof chain,
        counting(enclaveOf(counter(), enclaveKv)),
        { kv: { ...hostKv, commit: counting(hostKv.commit) } },
      )
      await first.run({ signal: crash.signal }).catch(() => undefined)
      const second = hostOf(chain, enclaveOf(counter(), enclaveKv), { kv: hostKv })
      await follow(second, () => chain.landed.length === amounts.length)
      expect(chain.landed).toEqual(expected)
    }
  }, 60_000)

  test('an enclave that lost its state is refused where the chain is ahead', async () => {
    const chain = testChain([1n, 2n, 3n])
    const hostKv = memoryKv()
    const seen: AppHostEvent[] = []
    await follow(
      hostOf(chain, enclaveOf(counter()), { kv: hostKv }),
      () => chain.landed.length === 3,
    )
    const fresh = enclaveOf(counter())
    expect(refusal(await fresh(event(4n, 4n, 3n)))).toBe('SEQUENCE_ROLLBACK')
    expect(seen).toEqual([])
  })

  test("a user's request takes the same handlers; deploying binds the contract", async () => {
    const chain = testChain([])
    const app = counter({ deploys: '0xc1' })
    const host = hostOf(chain, enclaveOf(app), { app })
    const { output: sum, document } = await host.request('add', 9n)
    expect(sum).toBe(9n)
    expect(document.length).toBeGreaterThan(1000)
    const { contract } = await host.deploy()
    expect(contract).toBe('0xc1')
    expect((await host.deploy()).contract).toBe('0xc1')
    expect(chain.landed).toEqual([42n])
    await expect(host.bind('0xc2')).rejects.toMatchObject({
      code: 'APP_CALL',
      reason: 'APP_CONTRACT',
    })
  })

  test('starting deploys once, then follows; started again it follows', async () => {
    const app = counter({ deploys: '0xc1' })
    const chain = testChain([5n, 6n])
    const [kv, enclaveKv] = [memoryKv(), memoryKv()]
    for (const expected of [
      [42n, 5n, 11n],
      [42n, 5n, 11n],
    ]) {
      const stop = new AbortController()
      const host = hostOf(
        { ...chain, sequence: async () => ({ sequence: 0n }) },
        enclaveOf(app, enclaveKv),
        { app, kv },
      )
      const { contract, stopped } = await host.start({ signal: stop.signal })
      expect(contract).toBe('0xc1')
      for (let i = 0; i < 500 && chain.landed.length < 3; i++)
        await new Promise((resolve) => setTimeout(resolve, 2))
      stop.abort()
      await stopped
      expect(chain.landed).toEqual(expected)
    }
  })

  test('several requests of one event are answered as one', async () => {
    const app: Counter = {
      ...counter(),
      events: {
        twice: {
          matches: () => true,
          build: ({ event: amount }) => [
            { type: 'add', input: amount },
            { type: 'add', input: amount },
          ],
          transaction: (answers) => answers.at(-1)?.output,
        },
      },
    }
    const chain = testChain([5n])
    await follow(hostOf(chain, enclaveOf(app), { app }), () => chain.landed.length === 1)
    expect(chain.landed).toEqual([10n])
  })
})

describe('what cannot be done', () => {
  const failing = (input: bigint, how: () => unknown): Counter =>
    counter({
      before: (given, { store }) => {
        if (given !== input) return
        store.set(total, 1_000_000n)
        throw how()
      },
    })
  const hostOf = (
    app: Counter,
    chain: ReturnType<typeof testChain>,
    options: Partial<Parameters<typeof createAppHost<bigint, Routes, bigint, string>>[0]> = {},
  ): ReturnType<typeof createAppHost<bigint, Routes, bigint, string>> =>
    createAppHost({
      app,
      chain: { ...chain, sequence: async () => ({ sequence: 0n }) },
      enclave: enclaveOf(app),
      store: createTypedStore(memoryKv()),
      eventCodec: uint64Codec,
      transactionCodec: uint64Codec,
      retryDelay: () => 1,
      ...options,
    })

  test("a handler's refusal uses the sequence, keeps nothing, and is attested", async () => {
    const app = failing(13n, () => new AppRefusalError({ reason: 'BAD_BID' }))
    const call = enclaveOf(app)
    expect(output(await call(event(1n, 5n)))).toBe(5n)
    const bytes = await call(event(2n, 13n))
    const reply = decodeReply(bytes)
    expect(reply).toMatchObject({ outputs: [], refusal: { type: 'refused', reason: 'BAD_BID' } })
    await assertNitroAttestation(reply.document, {
      ...simulator.policy,
      freshness: { kind: 'maxAge', maxAge: 60_000 },
      binding: {
        userData: appRefusalUserData({
          app: 'counter',
          contract: '0xc1',
          sequence: 2n,
          calls: [{ type: 'add', input: uint64Codec.encode(13n) }],
          refusal: { type: 'refused', reason: 'BAD_BID' },
        }),
        publicKey: 'absent',
      },
    })
    expect(Buffer.compare(await call(event(2n, 13n)), bytes)).toBe(0)
    expect(output(await call(event(3n, 1n)))).toBe(6n)
    expect(() => new AppRefusalError({ reason: 'not a code' })).toThrow('reason')
  })

  test('garbage among events stops nobody: refused, or skipped when its attempts are over', async () => {
    const refusing = failing(13n, () => new AppRefusalError({ reason: 'BAD_BID' }))
    const throwing = failing(13n, () => new TypeError('a bug'))
    for (const [app, code, attempts] of [
      [refusing, 1_000n, 0],
      [throwing, 2_000n, 4],
    ] as const) {
      const chain = testChain([1n, 13n, 2n, 13n, 3n])
      const seen: AppHostEvent[] = []
      const host = hostOf(app, chain, { handleAttempts: 4, onEvent: (e) => seen.push(e) })
      await follow(host, () => chain.landed.length === 5)
      expect(chain.landed).toEqual([1n, code, 3n, code, 6n])
      expect(seen.filter(({ type }) => type === 'failed')).toHaveLength(attempts * 2)
      expect(await host.deadLetters.list()).toHaveLength(attempts === 0 ? 0 : 2)
    }
  })

  test('what says that it is not retryable is a dead letter at once', async () => {
    const app = failing(13n, () => new AppCallError({ reason: 'NEVER', retryable: false }))
    const chain = testChain([13n, 2n])
    const host = hostOf(app, chain)
    await follow(host, () => chain.landed.length === 2)
    expect(chain.landed).toEqual([2_000n, 2n])
    expect(await host.deadLetters.list()).toMatchObject([
      { step: 'handle', sequence: 1n, code: 'NEVER', attempts: 1, state: 'passed' },
    ])
    const place = { step: 'handle', contract: '0xc1', sequence: 1n } as const
    await expect(host.deadLetters.retry(place)).rejects.toThrow('skipped')
    await host.deadLetters.skip(place)
    expect(await host.deadLetters.list()).toEqual([])
    await expect(host.deadLetters.skip(place)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('held letters wait for an operator, who retries or skips them', async () => {
    let broken = true
    const app = counter({
      before: (given) => {
        if (given === 13n || (given === 7n && broken)) throw new TypeError('a bug')
      },
    })
    const chain = testChain([7n, 13n, 1n])
    const host = hostOf(app, chain, { handleAttempts: 2, deadLetters: 'hold' })
    const controller = new AbortController()
    const running = host.run({ signal: controller.signal })
    const letters = async (count: number): Promise<void> => {
      for (let i = 0; i < 500 && (await host.deadLetters.list()).length < count; i++)
        await new Promise((resolve) => setTimeout(resolve, 2))
    }
    await letters(1)
    expect(chain.landed).toEqual([])
    broken = false
    await host.deadLetters.retry({ step: 'handle', contract: '0xc1', sequence: 1n })
    await letters(1)
    expect(await host.deadLetters.list()).toMatchObject([{ sequence: 2n, state: 'held' }])
    await host.deadLetters.skip(
      { step: 'handle', contract: '0xc1', sequence: 2n },
      { reason: 'BY_OPERATOR' },
    )
    for (let i = 0; i < 500 && chain.landed.length < 3; i++)
      await new Promise((resolve) => setTimeout(resolve, 2))
    controller.abort()
    await running
    expect(chain.landed).toEqual([7n, 2_000n, 8n])
  })

  test('a submission that is rejected is kept, does not stop the next, and can be sent again', async () => {
    const chain = testChain([1n, 2n, 3n])
    let rejects = true
    const submit: typeof chain.submit = async (transaction, options) => {
      if (transaction === 3n && rejects) throw new TransactionRejectedError({ reason: 'reverted' })
      return chain.submit(transaction, options)
    }
    const host = hostOf(counter(), { ...chain, submit })
    await follow(host, () => chain.landed.length === 2)
    expect(chain.landed).toEqual([1n, 6n])
    expect(await host.deadLetters.list()).toMatchObject([
      { step: 'submit', sequence: 2n, code: 'TRANSACTION_REJECTED', attempts: 3, state: 'passed' },
    ])
    rejects = false
    await host.deadLetters.retry({ step: 'submit', contract: '0xc1', sequence: 2n })
    await follow(host, () => chain.landed.length === 3)
    expect(chain.landed).toEqual([1n, 6n, 3n])
    expect(await host.pending()).toEqual({ inbox: 0, outbox: 0, deadLetters: 0 })
  })

  test('an event that cannot be built is skipped; an enclave that is away is waited for', async () => {
    const app: Counter = {
      ...counter(),
      events: {
        added: {
          ...(counter().events['added'] as Counter['events'][string]),
          build: ({ event: amount }) => {
            if (amount === 13n) throw new TypeError('garbage')
            return { type: 'add', input: amount }
          },
        },
      },
    }
    const enclave = enclaveOf(app)
    let away = 60
    const chain = testChain([13n, 2n])
    const host = hostOf(app, chain, {
      handleAttempts: 3,
      enclave: async (bytes) => {
        if (away-- > 0) throw new EnclaveTransportError({ reason: 'connecting failed' })
        return enclave(bytes)
      },
    })
    await follow(host, () => chain.landed.length === 2)
    expect(chain.landed).toEqual([2_000n, 2n])
    expect(await host.deadLetters.list()).toMatchObject([{ sequence: 1n, code: 'EVENT_BUILD' }])
  })

  test('a store that fails for a while, at any of its calls, ends nothing and loses nothing', async () => {
    const unhandled: unknown[] = []
    const onUnhandled = (cause: unknown): void => void unhandled.push(cause)
    process.on('unhandledRejection', onUnhandled)
    for (let from = 0; from < 40; from += 3) {
      const kv = memoryKv()
      let calls = 0
      const shaky =
        <args extends unknown[], result>(
          work: (...args: args) => Promise<result>,
        ): ((...args: args) => Promise<result>) =>
        async (...args) => {
          calls++
          if (calls > from && calls < from + 25) throw new TypeError('EIO')
          return work(...args)
        }
      const store = createTypedStore({
        ...kv,
        get: shaky(kv.get),
        keys: shaky(kv.keys),
        commit: shaky(kv.commit),
      })
      const chain = testChain([1n, 2n, 3n])
      await follow(hostOf(counter(), chain, { store }), () => chain.landed.length === 3)
      expect(chain.landed).toEqual([1n, 3n, 6n])
    }
    process.off('unhandledRejection', onUnhandled)
    expect(unhandled).toEqual([])
  }, 60_000)

  test('sixty users on one key: everybody is answered, no handler runs for ever', async () => {
    let runs = 0
    const host = hostOf(
      counter({
        before: async () => {
          runs++
          await new Promise((resolve) => setTimeout(resolve, 1))
        },
      }),
      testChain([]),
    )
    const answers = await Promise.all(Array.from({ length: 60 }, () => host.request('add', 1n)))
    expect(answers.map((answer) => Number(answer.output)).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 60 }, (_, i) => i + 1),
    )
    expect(runs).toBeLessThanOrEqual(180)
  }, 60_000)

  test("a user's request that is refused is told with its document", async () => {
    const app = failing(13n, () => new AppRefusalError({ reason: 'NO_FUNDS' }))
    const host = hostOf(app, testChain([]))
    const refused = await host.request('add', 13n).catch((cause: unknown) => cause)
    expect(refused).toMatchObject({ code: 'APP_REFUSAL', reason: 'NO_FUNDS' })
    expect((refused as AppRefusalError).document?.length).toBeGreaterThan(1_000)
  })
})

describe('trust that is said aloud', () => {
  const proven = { verifySequence: async () => 0n }

  test('the host binds no contract where its word does not count, before or after deploying', async () => {
    const app = counter({ deploys: '0xc1' })
    const call = enclaveOf(app, memoryKv(), { chain: proven })
    const bind = (contract: string): Uint8Array => encodeCall({ kind: 'bind', contract })
    expect(refusal(await call(bind('0xattacker')))).toBe('APP_CONTRACT')
    expect(refusal(await call(event(1n, 1n)))).toBe('APP_CONTRACT')
    const [deployment, address] = decodeReply(await call(encodeCall({ kind: 'deploy' }))).outputs
    expect(new TextDecoder().decode(address?.output)).toBe('0xc1')
    expect(uint64Codec.decode(deployment?.output as Uint8Array)).toBe(42n)
    expect(refusal(await call(bind('0xattacker')))).toBe('APP_CONTRACT')
    expect(refusal(await call(event(1n, 1n, 0n, '0xattacker')))).toBe('APP_CONTRACT')
    expect(output(await call(event(1n, 1n)))).toBe(1n)
    const named = enclaveOf(counter(), memoryKv(), {
      chain: proven,
      contract: { address: '0xc9' },
    })
    expect(refusal(await named(event(1n, 1n)))).toBe('APP_CONTRACT')
    expect(output(await named(event(1n, 1n, 0n, '0xc9')))).toBe(1n)
  })

  test('neither a contract, nor a store that can be put back, is taken in silence', () => {
    expect(() => enclaveOf(counter(), memoryKv(), { chain: proven })).toThrow(
      expect.objectContaining({ field: 'contract' }),
    )
    expect(() => enclaveOf(counter(), memoryKv(), { rollback: undefined })).toThrow(
      expect.objectContaining({ field: 'store' }),
    )
    expect(() => enclaveOf(counter(), memoryKv(), { rollback: 'yes' as never })).toThrow(
      expect.objectContaining({ field: 'rollback' }),
    )
    const kv: KvStore = { ...memoryKv(), rollbackProtected: true }
    expect(() => enclaveOf(counter(), kv, { rollback: undefined })).not.toThrow()
  })
})

describe('the evaluation service', () => {
  test('tasks of a chain become attested responses', async () => {
    const app = defineEvaluationService({ evaluator: limitEvaluator() })
    const landed: EvaluatedTransaction[] = []
    const chain: ChainClient<TaskEvent, EvaluatedTransaction, void> = {
      events: async function* ({ signal }) {
        for (const [index, value] of [50n, 500n].entries()) {
          yield {
            cursor: String(index),
            contract: '0xtasks',
            sequence: BigInt(index + 1),
            id: String(index),
            event: { task: transferTask(value), referenceTimestamp: 1_790_000_000 },
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
    const enclave = createAppEnclave({
      app,
      attestor,
      keys,
      store: createTypedStore(memoryKv()),
      chain: 'trust-host',
      rollback: 'trust-host',
    })
    const host = createAppHost({
      app,
      chain,
      enclave: enclave.call,
      store: createTypedStore(memoryKv()),
      eventCodec: taskEventCodec,
      transactionCodec: evaluatedTransactionCodec as Codec<EvaluatedTransaction>,
    })
    await follow(host, () => landed.length === 2)
    expect(landed.map(({ response }) => BigInt(response.evaluationResult))).toEqual([1n, 0n])
    for (const { response, document } of landed) {
      await assertNitroAttestation(document, {
        ...simulator.policy,
        freshness: { kind: 'maxAge', maxAge: 60_000 },
        binding: { userData: computeTaskUserData(response), publicKey: 'absent' },
      })
    }
  })
})
