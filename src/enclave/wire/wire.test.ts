import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { concat } from '../../internal/bytes.js'
import { createStreamPair } from '../transport/memory.js'
import {
  errorBody,
  greetingBody,
  readBody,
  readErrorBody,
  readGreeting,
  writeBody,
} from './body.js'
import { createWireClient, type WireClient, type WireClientOptions } from './client.js'
import type { EnclaveProtocolError } from './errors.js'
import { createFrameDecoder, encodeFrame, type Frame, frameTypes } from './frame.js'
import { type ServeOptions, serveConnection } from './server.js'
import type { ByteStream, EnclaveTransport } from './stream.js'

const frame = (partial: Partial<Frame>): Frame => ({
  type: frameTypes.REQUEST,
  requestId: 1,
  deadline: 0,
  body: new Uint8Array(0),
  ...partial,
})
const body = (method: string, more: object = {}): Uint8Array => writeBody({ method, ...more })
const greeting = { versions: [1], maxFrame: 4_194_304, maxInflight: 32, implementation: 'test' }

/** The peer's end of a connection, driven frame by frame. */
function rawPeer(stream: ByteStream): {
  send(...frames: Partial<Frame>[]): Promise<void>
  bytes(bytes: Uint8Array): Promise<void>
  next(): Promise<Frame>
  /** Resolves when the other side has dropped the connection. */
  gone(): Promise<void>
  stream: ByteStream
} {
  const decoder = createFrameDecoder()
  const queue: Frame[] = []
  const iterator = stream.incoming[Symbol.asyncIterator]()
  const pull = async (): Promise<boolean> => {
    const { done, value } = await iterator.next().catch(() => ({ done: true, value: undefined }))
    if (done === true || value === undefined) return false
    queue.push(...decoder.push(value))
    return true
  }
  return {
    stream,
    send: async (...frames) =>
      stream.write(concat(...frames.map((partial) => encodeFrame(frame(partial))))),
    bytes: (bytes) => stream.write(bytes),
    next: async () => {
      while (queue.length === 0) if (!(await pull())) throw new Error('the connection ended')
      return queue.shift() as Frame
    },
    gone: async () => {
      while (await pull());
    },
  }
}

function server(options: Partial<ServeOptions> = {}): {
  peer: ReturnType<typeof rawPeer>
  end: Promise<unknown>
} {
  const [near, far] = createStreamPair()
  let ended: (cause: unknown) => void = () => undefined
  const end = new Promise<unknown>((resolve) => {
    ended = resolve
  })
  serveConnection(far, {
    handler: async ({ method }) => ({ echo: method }),
    onEnd: (cause) => ended(cause),
    ...options,
  })
  return { peer: rawPeer(near), end }
}

async function greeted(options: Partial<ServeOptions> = {}): Promise<ReturnType<typeof server>> {
  const running = server(options)
  await running.peer.send({ type: frameTypes.HELLO, requestId: 0, body: greetingBody(greeting) })
  expect((await running.peer.next()).type).toBe(frameTypes.HELLO_ACK)
  return running
}

/** A client whose enclave is driven by the test. Each connection gives a new peer. */
function client(options: Partial<WireClientOptions> = {}): {
  client: WireClient
  peers: ReturnType<typeof rawPeer>[]
  accept(): Promise<ReturnType<typeof rawPeer>>
} {
  const peers: ReturnType<typeof rawPeer>[] = []
  let wake: (() => void) | undefined
  const transport: EnclaveTransport = {
    name: 'test',
    connect: async () => {
      const [near, far] = createStreamPair()
      peers.push(rawPeer(far))
      wake?.()
      return near
    },
  }
  let taken = 0
  const made = createWireClient({ transport, random: () => 0, ...options })
  return {
    client: made,
    peers,
    accept: async () => {
      while (peers.length <= taken) await new Promise<void>((resolve) => (wake = resolve))
      const peer = peers[taken++] as ReturnType<typeof rawPeer>
      expect((await peer.next()).type).toBe(frameTypes.HELLO)
      await peer.send({ type: frameTypes.HELLO_ACK, requestId: 0, body: greetingBody(greeting) })
      return peer
    },
  }
}

const ask = (
  c: WireClient,
  method = 'm',
  more: { idempotent?: boolean; signal?: AbortSignal; timeout?: number } = {},
): Promise<unknown> => c.request({ method, body: {}, idempotent: more.idempotent ?? false }, more)

afterEach(() => vi.useRealTimers())

describe('rule 1: frames are checked before anything is allocated', () => {
  const whole = encodeFrame(frame({ body: body('x') }))
  test.each([
    ['magic', (b: Uint8Array) => b.fill(0x41, 0, 1)],
    ['version', (b: Uint8Array) => b.fill(2, 4, 5)],
    ['type', (b: Uint8Array) => b.fill(0, 5, 6)],
    ['type', (b: Uint8Array) => b.fill(14, 5, 6)],
    ['flags', (b: Uint8Array) => b.fill(1, 7, 8)],
    ['frame-too-large', (b: Uint8Array) => b.fill(0xff, 16, 20)],
  ] as const)('%s, from the header alone', async (fault, change) => {
    const bytes = change(whole.slice()).subarray(0, 20)
    const decoder = createFrameDecoder()
    expect(() => decoder.push(bytes)).toThrow(
      expect.objectContaining({ code: 'ENCLAVE_PROTOCOL', fault }),
    )
    // Never resynchronised: even a good frame is not read any more.
    expect(() => decoder.push(whole)).toThrow(expect.objectContaining({ fault }))
    const { peer, end } = await greeted()
    await peer.bytes(bytes)
    expect(((await end) as EnclaveProtocolError).fault).toBe(fault)
  })

  test('a promised 4 GiB costs nothing', () => {
    const header = whole.slice(0, 20)
    new DataView(header.buffer).setUint32(16, 0xffff_ffff)
    const before = process.memoryUsage().arrayBuffers
    const decoder = createFrameDecoder({ maxFrame: 0xffff_ffff })
    expect(decoder.push(header)).toEqual([])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000)
  })

  test('a header that does not end, and a body that does not end, each in its own time', async () => {
    const limits = { headerTimeout: 30, bodyTimeout: 60 }
    const slowHeader = await greeted({ limits })
    await slowHeader.peer.bytes(whole.subarray(0, 5))
    expect(((await slowHeader.end) as EnclaveProtocolError).fault).toBe('header-timeout')
    const slowBody = await greeted({ limits })
    await slowBody.peer.bytes(whole.subarray(0, 21))
    expect(((await slowBody.end) as EnclaveProtocolError).fault).toBe('body-timeout')
  })

  test('a byte now and then does not keep a header alive', async () => {
    const { peer, end } = await greeted({ limits: { headerTimeout: 60 } })
    let index = 0
    const drip = setInterval(
      () => void peer.bytes(whole.subarray(index, ++index)).catch(() => undefined),
      20,
    )
    expect(((await end) as EnclaveProtocolError).fault).toBe('header-timeout')
    clearInterval(drip)
  })
})

describe('rule 2: the greeting', () => {
  test('an unknown version is answered, then closed', async () => {
    const { peer, end } = server()
    await peer.send({
      type: frameTypes.HELLO,
      requestId: 0,
      body: greetingBody({ ...greeting, versions: [2, 3] }),
    })
    const answer = await peer.next()
    expect(answer.type).toBe(frameTypes.ERROR)
    expect(readErrorBody(answer.body).code).toBe('UNSUPPORTED_VERSION')
    expect(((await end) as EnclaveProtocolError).fault).toBe('version')
  })

  test('a request before it, a second one, and none at all', async () => {
    const early = server()
    await early.peer.send({ body: body('x') })
    expect(((await early.end) as EnclaveProtocolError).fault).toBe('hello')
    const twice = await greeted()
    await twice.peer.send({ type: frameTypes.HELLO, requestId: 0, body: greetingBody(greeting) })
    expect(((await twice.end) as EnclaveProtocolError).fault).toBe('hello')
    const silent = server({ limits: { connectTimeout: 20 } })
    expect(((await silent.end) as EnclaveProtocolError).fault).toBe('hello')
  })

  test('the client refuses another version and a wrong first frame', async () => {
    for (const answer of [
      { type: frameTypes.HELLO_ACK, body: greetingBody({ ...greeting, versions: [9] }) },
      { type: frameTypes.PONG, body: new Uint8Array(0) },
    ]) {
      const { client: c, peers } = client({ retries: 0 })
      const asked = ask(c)
      asked.catch(() => undefined)
      while (peers.length === 0) await new Promise((resolve) => setTimeout(resolve, 1))
      await peers[0]?.send({ requestId: 0, ...answer })
      await expect(asked).rejects.toMatchObject({ code: 'ENCLAVE_PROTOCOL' })
    }
  })

  test('a peer that never answers is a typed error', async () => {
    const { client: c } = client({ retries: 0, limits: { connectTimeout: 30 } })
    await expect(ask(c)).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT', retryable: true })
  })

  test('the smaller frame limit counts for both', async () => {
    const [near, far] = createStreamPair()
    serveConnection(far, {
      handler: async () => ({ big: new Uint8Array(5000) }),
      limits: { maxFrame: 1024 },
    })
    const c = createWireClient({ transport: { name: 't', connect: async () => near }, retries: 0 })
    await expect(ask(c)).rejects.toMatchObject({ remoteCode: 'RESPONSE_TOO_LARGE' })
    await expect(
      c.request({ method: 'm', body: { big: new Uint8Array(5000) }, idempotent: false }),
    ).rejects.toMatchObject({
      code: 'ENCLAVE_PROTOCOL',
      fault: 'frame-too-large',
    })
  })
})

describe('rule 3: request ids and places', () => {
  test('id 0, and an id in use, close the connection', async () => {
    const zero = await greeted()
    await zero.peer.send({ requestId: 0, body: body('x') })
    expect(((await zero.end) as EnclaveProtocolError).fault).toBe('request-id')
    const twice = await greeted({ handler: () => new Promise(() => undefined) })
    await twice.peer.send({ requestId: 7, body: body('x') }, { requestId: 7, body: body('x') })
    expect(((await twice.end) as EnclaveProtocolError).fault).toBe('request-id')
  })

  test.each([frameTypes.RESPONSE, frameTypes.ERROR])(
    'an answer (%i) to no request fails everything in flight',
    async (type) => {
      const { client: c, accept } = client({ retries: 0 })
      const asked = [ask(c), ask(c)]
      for (const one of asked) one.catch(() => undefined)
      const peer = await accept()
      await peer.next()
      await peer.next()
      await peer.send({
        type,
        requestId: 4242,
        body:
          type === frameTypes.ERROR ? errorBody({ code: 'BUSY', retryable: true }) : writeBody({}),
      })
      for (const one of asked)
        await expect(one).rejects.toMatchObject({
          code: 'ENCLAVE_PROTOCOL',
          fault: 'unknown-response',
        })
      await peer.gone()
    },
  )

  test('a second answer to the same request is one too many', async () => {
    const { client: c, accept } = client({ retries: 0 })
    const first = ask(c, 'a')
    const second = ask(c, 'b')
    second.catch(() => undefined)
    const peer = await accept()
    const { requestId } = await peer.next()
    await peer.send(
      { type: frameTypes.RESPONSE, requestId, body: writeBody({}) },
      { type: frameTypes.RESPONSE, requestId, body: writeBody({}) },
    )
    await first
    await expect(second).rejects.toMatchObject({ fault: 'unknown-response' })
  })

  test('beyond the places callers wait, beyond the queue they are told', async () => {
    const { client: c, accept } = client({ limits: { maxInflight: 2 }, maxQueue: 1 })
    const asked = ['a', 'b', 'c'].map((method) => ask(c, method))
    const peer = await accept()
    const frames = [await peer.next(), await peer.next()]
    expect(c.inflight()).toBe(2)
    await expect(ask(c, 'd')).rejects.toMatchObject({ code: 'ENCLAVE_BUSY', retryable: true })
    await peer.send({
      type: frameTypes.RESPONSE,
      requestId: frames[0]?.requestId as number,
      body: writeBody({ n: 1 }),
    })
    const third = await peer.next()
    expect(readBody(third.body).get('method')).toBe('c')
    for (const requestId of [frames[1]?.requestId, third.requestId]) {
      await peer.send({
        type: frameTypes.RESPONSE,
        requestId: requestId as number,
        body: writeBody({}),
      })
    }
    await Promise.all(asked)
  })

  test('the enclave refuses more than its places', async () => {
    const { peer } = await greeted({
      handler: () => new Promise(() => undefined),
      limits: { maxInflight: 1 },
    })
    await peer.send({ requestId: 1, body: body('x') }, { requestId: 2, body: body('x') })
    const answer = await peer.next()
    expect(answer).toMatchObject({ type: frameTypes.ERROR, requestId: 2 })
    expect(readErrorBody(answer.body)).toMatchObject({ code: 'BUSY', retryable: true })
  })

  test('a caller that gives up in the queue takes no place', async () => {
    const { client: c, accept } = client({ limits: { maxInflight: 1 } })
    const first = ask(c, 'first')
    const peer = await accept()
    const { requestId } = await peer.next()
    const controller = new AbortController()
    const waiting = ask(c, 'gone', { signal: controller.signal })
    const last = ask(c, 'last')
    await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await peer.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({}) })
    await first
    const next = await peer.next()
    expect(readBody(next.body).get('method')).toBe('last')
    await peer.send({ type: frameTypes.RESPONSE, requestId: next.requestId, body: writeBody({}) })
    await last
  })
})

describe('rule 4: deadlines and cancelling', () => {
  test('an abort sends CANCEL; the late answer is dropped for that id, once', async () => {
    const { client: c, accept } = client({ retries: 0 })
    const controller = new AbortController()
    const asked = ask(c, 'slow', { signal: controller.signal })
    const peer = await accept()
    const { requestId } = await peer.next()
    controller.abort(new Error('enough'))
    await expect(asked).rejects.toThrow('enough')
    expect(await peer.next()).toMatchObject({ type: frameTypes.CANCEL, requestId })
    await peer.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({}) })
    const other = ask(c, 'other')
    const second = await peer.next()
    expect(second.requestId).not.toBe(requestId)
    await peer.send({
      type: frameTypes.RESPONSE,
      requestId: second.requestId,
      body: writeBody({ ok: true }),
    })
    await other
    const third = ask(c, 'third')
    third.catch(() => undefined)
    await peer.next()
    await peer.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({}) })
    await expect(third).rejects.toMatchObject({ fault: 'unknown-response' })
  })

  test('a timeout is a typed error, travels as the deadline, and stops the work inside', async () => {
    let reason: unknown
    const [near, far] = createStreamPair()
    serveConnection(far, {
      handler: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reason = signal.reason
            reject(signal.reason)
          })
        }),
    })
    const c = createWireClient({ transport: { name: 't', connect: async () => near } })
    await expect(ask(c, 'slow', { timeout: 40 })).rejects.toMatchObject({
      code: expect.stringMatching(/TIMEOUT|ENCLAVE_REMOTE/),
    })
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(reason).toMatchObject({
      code: 'WIRE_REFUSAL',
      remoteCode: expect.stringMatching(/DEADLINE|CANCELLED/),
    })
  })

  test('the enclave keeps its own deadline where the host sends no cancel', async () => {
    const { peer } = await greeted({ handler: () => new Promise(() => undefined) })
    await peer.send({ requestId: 3, deadline: 20, body: body('x') })
    const answer = await peer.next()
    expect(readErrorBody(answer.body)).toMatchObject({ code: 'DEADLINE', retryable: true })
  })

  test('a cancel of an unknown request is no fault', async () => {
    const { peer } = await greeted()
    await peer.send({ type: frameTypes.CANCEL, requestId: 99 }, { requestId: 1, body: body('x') })
    expect((await peer.next()).type).toBe(frameTypes.RESPONSE)
  })
})

describe('rule 5: backpressure', () => {
  test('nothing more is read while a frame is being handled', async () => {
    let release: () => void = () => undefined
    const handled: number[] = []
    const [near, far] = createStreamPair({ highWaterMark: 1000 })
    serveConnection(far, {
      handler: async () => ({}),
      onEnclaveFrame: async (f) => {
        handled.push(f.requestId)
        await new Promise<void>((resolve) => (release = resolve))
      },
    })
    const peer = rawPeer(near)
    await peer.send({ type: frameTypes.HELLO, requestId: 0, body: greetingBody(greeting) })
    await peer.next()
    let written = 0
    const writing = (async () => {
      for (let i = 1; i <= 10; i++) {
        await peer.send({ type: frameTypes.DATA, requestId: i, body: new Uint8Array(900) })
        written = i
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(handled).toEqual([1])
    expect(written).toBeLessThan(5)
    while (handled.length < 10) {
      release()
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    release()
    await writing
    expect(handled).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  test('a peer that does not read makes the sender wait', async () => {
    const stalled: ByteStream = {
      incoming: (async function* () {
        yield encodeFrame(
          frame({
            type: frameTypes.HELLO_ACK,
            requestId: 0,
            body: greetingBody({ ...greeting, maxInflight: 100 }),
          }),
        )
        await new Promise(() => undefined)
      })(),
      write: (() => {
        let first = true
        return () => {
          const now = first
          first = false
          return now ? Promise.resolve() : new Promise<void>(() => undefined)
        }
      })(),
      end: async () => undefined,
      destroy: () => undefined,
    }
    const c = createWireClient({
      transport: { name: 't', connect: async () => stalled },
      retries: 0,
      limits: { maxQueuedBytes: 5000, maxInflight: 100 },
    })
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        c.request(
          { method: 'm', body: { b: new Uint8Array(1000) }, idempotent: false },
          { timeout: 60 },
        ),
      ),
    )
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'TIMEOUT' } })
  })
})

describe('rule 6: any broken frame ends the connection', () => {
  test.each([
    ['not CBOR', Uint8Array.of(0xff)],
    ['not a map', Uint8Array.of(0x01)],
    ['not deterministic', Uint8Array.of(0xa1, 0x61, 0x61, 0x18, 0x01)],
    ['keys out of order', Uint8Array.of(0xa2, 0x61, 0x62, 0x01, 0x61, 0x61, 0x01)],
    ['a key twice', Uint8Array.of(0xa2, 0x61, 0x61, 0x01, 0x61, 0x61, 0x01)],
    ['bytes after it', Uint8Array.of(0xa0, 0x00)],
  ])('a body that is %s', async (_, bytes) => {
    const { peer, end } = await greeted()
    await peer.send({ body: bytes })
    expect(await end).toMatchObject({ code: 'ENCLAVE_PROTOCOL', fault: 'body' })
    const { client: c, accept } = client({ retries: 0 })
    const asked = [ask(c), ask(c)]
    for (const one of asked) one.catch(() => undefined)
    const other = await accept()
    const { requestId } = await other.next()
    await other.send({ type: frameTypes.RESPONSE, requestId, body: bytes })
    const causes = await Promise.all(asked.map((one) => one.catch((cause: unknown) => cause)))
    expect(causes[0]).toMatchObject({ code: 'ENCLAVE_PROTOCOL', fault: 'body' })
    // All of them with the same cause.
    expect(causes[1]).toBe(causes[0])
  })

  test('the next request takes a new connection, later after each failure', async () => {
    const waits: number[] = []
    let attempts = 0
    const c = createWireClient({
      transport: {
        name: 't',
        connect: async () => {
          attempts++
          waits.push(Date.now())
          throw new TypeError('refused')
        },
      },
      retries: 2,
      random: () => 0,
    })
    await expect(ask(c, 'm', { idempotent: true })).rejects.toMatchObject({
      code: 'ENCLAVE_TRANSPORT',
    })
    expect(attempts).toBe(3)
    const gaps = waits.slice(1).map((at, i) => at - (waits[i] as number))
    expect(gaps[0]).toBeGreaterThanOrEqual(45)
    expect(gaps[1]).toBeGreaterThanOrEqual(95)
  })
})

describe('a peer that greets and goes at once', () => {
  test('is given up after the retries, with a pause before each', async () => {
    let connects = 0
    const c = createWireClient({
      transport: {
        name: 't',
        connect: async () => {
          connects++
          const [near, far] = createStreamPair()
          const hello = { type: frameTypes.HELLO_ACK, requestId: 0, body: greetingBody(greeting) }
          const stray = { type: frameTypes.RESPONSE, requestId: 99, body: writeBody({}) }
          await far.write(concat(encodeFrame(frame(hello)), encodeFrame(frame(stray))))
          return near
        },
      },
      retries: 2,
      random: () => 0,
    })
    const started = Date.now()
    await expect(ask(c, 'm', { idempotent: true })).rejects.toMatchObject({
      code: expect.stringMatching(/^ENCLAVE_/),
    })
    expect(connects).toBeLessThanOrEqual(3)
    expect(Date.now() - started).toBeLessThan(2000)
  })
})

describe('rule 7: retries', () => {
  test('an idempotent request whose connection is lost is sent again with another id and the same body', async () => {
    const { client: c, accept } = client()
    const asked = ask(c, 'same', { idempotent: true })
    const first = await accept()
    const one = await first.next()
    first.stream.destroy()
    const second = await accept()
    const two = await second.next()
    expect(two.requestId).not.toBe(one.requestId)
    expect(Buffer.compare(one.body, two.body)).toBe(0)
    await second.send({
      type: frameTypes.RESPONSE,
      requestId: two.requestId,
      body: writeBody({ ok: true }),
    })
    await asked
  })

  test('half an answer is none: an idempotent request is sent again, another one is not', async () => {
    const { client: c, accept } = client()
    const half = async (peer: Awaited<ReturnType<typeof accept>>): Promise<void> => {
      const { requestId } = await peer.next()
      const { type, deadline, body: rest } = frame({ type: frameTypes.RESPONSE })
      const whole = encodeFrame({ type, requestId, deadline, body: rest })
      await peer.bytes(whole.subarray(0, whole.length - 1))
      await peer.stream.end()
    }
    const asked = ask(c, 'same', { idempotent: true })
    await half(await accept())
    const second = await accept()
    const { requestId } = await second.next()
    await second.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({ ok: true }) })
    await asked
    const other = client()
    const once = ask(other.client, 'once')
    await half(await other.accept())
    await expect(once).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT', retryable: true })
  })

  test('a request that is not idempotent, and one that was answered with an error, are not sent again', async () => {
    const { client: c, accept, peers } = client()
    const asked = ask(c, 'once')
    const peer = await accept()
    await peer.next()
    peer.stream.destroy()
    await expect(asked).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT', retryable: true })
    expect(peers).toHaveLength(1)
    const answered = ask(c, 'answered', { idempotent: true })
    const next = await accept()
    const { requestId } = await next.next()
    await next.send({
      type: frameTypes.ERROR,
      requestId,
      body: errorBody({ code: 'EVALUATION_FAILED', retryable: true }),
    })
    await expect(answered).rejects.toMatchObject({
      code: 'ENCLAVE_REMOTE',
      remoteCode: 'EVALUATION_FAILED',
    })
    expect(peers).toHaveLength(2)
  })
})

describe('rule 8: errors', () => {
  test('what is thrown inside leaves as a code; unknown codes read as ENCLAVE_INTERNAL', async () => {
    const { peer } = await greeted({
      handler: async () => {
        throw new TypeError('hunter2')
      },
    })
    await peer.send({ body: body('x') })
    const answer = await peer.next()
    expect(new TextDecoder().decode(answer.body)).not.toContain('hunter2')
    expect(readErrorBody(answer.body)).toEqual({
      code: 'ENCLAVE_INTERNAL',
      reason: undefined,
      retryable: false,
    })
    const odd = writeBody({
      code: 'WHATEVER',
      message: 'x',
      retryable: true,
      details: { reason: 'a <b>text</b>' },
    })
    expect(readErrorBody(odd)).toEqual({
      code: 'ENCLAVE_INTERNAL',
      reason: undefined,
      retryable: true,
    })
  })
})

describe('rule 9: ending in good order, and noticing a crash', () => {
  test('after GOAWAY what is in flight finishes, what is new goes elsewhere', async () => {
    const { client: c, accept } = client()
    const first = ask(c, 'first')
    const peer = await accept()
    const { requestId } = await peer.next()
    await peer.send({ type: frameTypes.GOAWAY, requestId: 0 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const second = ask(c, 'second')
    const other = await accept()
    const next = await other.next()
    expect(readBody(next.body).get('method')).toBe('second')
    await peer.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({}) })
    await first
    await peer.gone()
    await other.send({ type: frameTypes.RESPONSE, requestId: next.requestId, body: writeBody({}) })
    await second
  })

  test('the enclave finishes what is in flight after GOAWAY of the host', async () => {
    let finish: (value: object) => void = () => undefined
    const { peer } = await greeted({
      handler: () => new Promise((resolve) => (finish = resolve as never)),
    })
    await peer.send(
      { requestId: 1, body: body('x') },
      { type: frameTypes.GOAWAY, requestId: 0 },
      { requestId: 2, body: body('y') },
    )
    const refused = await peer.next()
    expect(refused.requestId).toBe(2)
    expect(readErrorBody(refused.body).code).toBe('GOING_AWAY')
    finish({ ok: true })
    expect(await peer.next()).toMatchObject({ type: frameTypes.RESPONSE, requestId: 1 })
    await peer.gone()
  })

  test('two pings without an answer end it', async () => {
    const { client: c, accept } = client({ retries: 0, limits: { pingInterval: 20 } })
    const asked = ask(c)
    asked.catch(() => undefined)
    const peer = await accept()
    await peer.next()
    expect((await peer.next()).type).toBe(frameTypes.PING)
    expect((await peer.next()).type).toBe(frameTypes.PING)
    await expect(asked).rejects.toMatchObject({ code: 'ENCLAVE_TRANSPORT' })
  })

  test('answered pings keep it alive, in both directions', async () => {
    const { client: c, accept } = client({ retries: 0, limits: { pingInterval: 10 } })
    const asked = ask(c)
    const peer = await accept()
    const { requestId } = await peer.next()
    for (let i = 0; i < 5; i++) {
      expect((await peer.next()).type).toBe(frameTypes.PING)
      await peer.send({ type: frameTypes.PONG, requestId: 0 })
    }
    await peer.send({ type: frameTypes.PING, requestId: 0 })
    let seen = await peer.next()
    while (seen.type === frameTypes.PING) {
      await peer.send({ type: frameTypes.PONG, requestId: 0 })
      seen = await peer.next()
    }
    expect(seen.type).toBe(frameTypes.PONG)
    await peer.send({ type: frameTypes.RESPONSE, requestId, body: writeBody({}) })
    await asked
    await c.close()
  })

  test('a closed client refuses', async () => {
    const { client: c } = client()
    await c.close()
    await expect(ask(c)).rejects.toMatchObject({ code: 'ENCLAVE_CLOSED' })
  })
})

describe('rule 10: boundaries mean nothing', () => {
  const frames = [
    frame({ requestId: 1, body: body('a') }),
    frame({ type: frameTypes.PING, requestId: 0 }),
    frame({ requestId: 2, body: body('b', { more: new Uint8Array(40) }) }),
    frame({ type: frameTypes.DATA, requestId: 3, body: Uint8Array.of(9) }),
  ]
  const stream = concat(...frames.map(encodeFrame))

  test('two pieces, split at every byte', () => {
    for (let at = 0; at <= stream.length; at++) {
      const decoder = createFrameDecoder()
      const read = [...decoder.push(stream.subarray(0, at)), ...decoder.push(stream.subarray(at))]
      expect(read).toEqual(frames)
      expect(decoder.waitingFor()).toBe('nothing')
    }
  })

  test('one byte at a time, and any pieces at all', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 }), (sizes) => {
        const decoder = createFrameDecoder()
        const read: Frame[] = []
        let at = 0
        for (const size of [...sizes, stream.length]) {
          read.push(...decoder.push(stream.subarray(at, at + size)))
          at = Math.min(stream.length, at + size)
        }
        expect(read).toEqual(frames)
      }),
    )
    const decoder = createFrameDecoder()
    const read = [...stream].flatMap((byte) => decoder.push(Uint8Array.of(byte)))
    expect(read).toEqual(frames)
  })

  test('an empty body, the largest body, and one byte more', () => {
    const decoder = createFrameDecoder({ maxFrame: 100 })
    expect(decoder.push(encodeFrame(frame({ body: new Uint8Array(0) })))).toHaveLength(1)
    expect(decoder.push(encodeFrame(frame({ body: new Uint8Array(100) })))).toHaveLength(1)
    expect(() => decoder.push(encodeFrame(frame({ body: new Uint8Array(101) })))).toThrow(
      expect.objectContaining({ fault: 'frame-too-large' }),
    )
  })

  test.each([1, 2, 3, 7, 19, 20, 21, 64])(
    'a whole conversation in pieces of %i bytes',
    async (pieceBytes) => {
      const [near, far] = createStreamPair({ pieceBytes })
      serveConnection(far, {
        handler: async ({ method, body: b }) => ({ method, b: b.get('b') as Uint8Array }),
      })
      const c = createWireClient({ transport: { name: 't', connect: async () => near } })
      const b = Uint8Array.from({ length: 300 }, (_, i) => i)
      const answer = await c.request({ method: 'echo', body: { b }, idempotent: false })
      expect(answer.get('b')).toEqual(b)
      await c.close()
    },
  )

  test('an ending in the middle of a frame is no good order', async () => {
    const { peer, end } = await greeted()
    await peer.bytes(stream.subarray(0, 25))
    await peer.stream.end()
    expect(await end).toMatchObject({ code: 'ENCLAVE_TRANSPORT' })
  })
})

describe('anything at all', () => {
  test('16 KiB of anything is answered in under 50 ms of work by ending the connection with a typed error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 20, maxLength: 16_384 }), async (bytes) => {
        const { peer, end } = server({ limits: { headerTimeout: 5 } })
        // Work, not time on the clock: the machine may have other things to do.
        const started = process.cpuUsage()
        await peer.bytes(bytes)
        const cause = (await end) as { code: string }
        expect(process.cpuUsage(started).user).toBeLessThan(50_000)
        expect(cause.code).toBe('ENCLAVE_PROTOCOL')
      }),
      { numRuns: 100 },
    )
  })

  test('bodies of anything are read or refused with a typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
        for (const read of [readBody, readGreeting, readErrorBody]) {
          try {
            read(bytes)
          } catch (cause) {
            expect(cause).toMatchObject({ code: 'ENCLAVE_PROTOCOL' })
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})
