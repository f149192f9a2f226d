import { describe, expect, test } from 'vitest'
import { concat } from '../../internal/bytes.js'
import { createStreamPair } from '../transport/memory.js'
import { greetingBody, readErrorBody, writeBody } from './body.js'
import { createWireClient } from './client.js'
import { EnclaveProtocolError } from './errors.js'
import { createFrameDecoder, encodeFrame, type Frame, frameTypes } from './frame.js'
import { defaultServerLimits, readLimits, type ServerLimits } from './limits.js'
import { createConnectionPool } from './pool.js'
import { type ServeOptions, serveConnection } from './server.js'
import type { ByteStream } from './stream.js'

const greeting = { versions: [1], maxFrame: 4_194_304, maxInflight: 32, implementation: 'test' }
const frame = (partial: Partial<Frame>): Uint8Array =>
  encodeFrame({
    type: frameTypes.REQUEST,
    requestId: 1,
    deadline: 0,
    body: new Uint8Array(0),
    ...partial,
  })
const hello = frame({ type: frameTypes.HELLO, requestId: 0, body: greetingBody(greeting) })
const request = (requestId: number, more: object = {}): Uint8Array =>
  frame({ requestId, body: writeBody({ method: 'm', ...more }) })
/** A frame whose body has begun and does not end. */
const begun = (bytes: number, length = 4_194_304): Uint8Array => {
  const header = frame({ requestId: 1 }).slice()
  new DataView(header.buffer).setUint32(16, length)
  return concat(header, new Uint8Array(bytes))
}
const pause = (milliseconds = 5): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

/** A server of several connections, and peers that read or do not. */
function server(limits: Partial<ServerLimits>, options: Partial<ServeOptions> = {}) {
  const pool = createConnectionPool({ ...defaultServerLimits, ...limits })
  return {
    connect: () => {
      const [near, far] = createStreamPair()
      const ended: { cause: unknown; done: boolean } = { cause: undefined, done: false }
      serveConnection(far, {
        handler: async () => ({ ok: true }),
        ...options,
        limits,
        pool,
        onEnd: (cause) => Object.assign(ended, { cause, done: true }),
      })
      return { stream: near, ended, ...reader(near) }
    },
  }
}

function reader(stream: ByteStream): { next(): Promise<Frame | undefined> } {
  const decoder = createFrameDecoder()
  const queue: Frame[] = []
  const iterator = stream.incoming[Symbol.asyncIterator]()
  return {
    next: async () => {
      while (queue.length === 0) {
        const { done, value } = await iterator
          .next()
          .catch(() => ({ done: true, value: undefined }))
        if (done === true || value === undefined) return undefined
        queue.push(...decoder.push(value))
      }
      return queue.shift()
    },
  }
}

const fault = (ended: { cause: unknown }): unknown => (ended.cause as EnclaveProtocolError)?.fault

describe('limits', () => {
  test('are validated, not compared', () => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '5']) {
      expect(() => readLimits({ maxFrame: value as number }, defaultServerLimits)).toThrow(
        expect.objectContaining({ code: 'INVALID_INPUT', field: 'limits.maxFrame' }),
      )
    }
    expect(readLimits({ maxFrame: undefined as never }, defaultServerLimits)).toEqual(
      defaultServerLimits,
    )
    const transport = { name: 't', connect: async () => Promise.reject(new TypeError('no')) }
    expect(() => createWireClient({ transport, limits: { maxInflight: -1 } })).toThrow(
      'maxInflight',
    )
  })
})

describe('work', () => {
  test('cancelled work holds its place until it ends', async () => {
    let running = 0
    let most = 0
    const ends: (() => void)[] = []
    const { connect } = server(
      { maxInflight: 4 },
      {
        handler: async () => {
          most = Math.max(most, ++running)
          // It does not look at its signal.
          await new Promise<void>((resolve) => ends.push(resolve))
          running--
          return { ok: true }
        },
      },
    )
    const { stream, next } = connect()
    await stream.write(hello)
    expect((await next())?.type).toBe(frameTypes.HELLO_ACK)
    const codes: string[] = []
    for (let id = 1; id <= 200; id++) {
      await stream.write(request(id))
      await stream.write(frame({ type: frameTypes.CANCEL, requestId: id }))
      codes.push(readErrorBody((await next())?.body as Uint8Array).code)
    }
    expect(most).toBe(4)
    expect(codes.slice(0, 4)).toEqual(Array(4).fill('CANCELLED'))
    expect(new Set(codes.slice(4))).toEqual(new Set(['BUSY']))
    for (const end of ends) end()
    await pause()
    await stream.write(request(1_000))
    await pause()
    expect(running).toBe(1)
  })

  test('a deadline answers in time and leaves the place taken', async () => {
    const { connect } = server({ maxInflight: 1 }, { handler: () => new Promise(() => undefined) })
    const { stream, next } = connect()
    await stream.write(hello)
    await next()
    await stream.write(frame({ deadline: 5, body: writeBody({ method: 'm' }) }))
    expect(readErrorBody((await next())?.body as Uint8Array)).toMatchObject({
      code: 'DEADLINE',
      retryable: true,
    })
    await stream.write(request(2))
    expect(readErrorBody((await next())?.body as Uint8Array).code).toBe('BUSY')
  })

  test('counts for all connections together, also after one has ended', async () => {
    const { connect } = server(
      { maxInflight: 4, maxTotalInflight: 6 },
      { handler: () => new Promise(() => undefined) },
    )
    const first = connect()
    await first.stream.write(concat(hello, request(1), request(2), request(3), request(4)))
    await pause()
    first.stream.destroy()
    await pause()
    const second = connect()
    await second.stream.write(concat(hello, request(1), request(2), request(3)))
    expect((await second.next())?.type).toBe(frameTypes.HELLO_ACK)
    const refused = await second.next()
    expect(refused?.requestId).toBe(3)
    expect(readErrorBody(refused?.body as Uint8Array).code).toBe('BUSY')
  })

  test('refusals that are not read are not written either', async () => {
    let taken = 0
    const written: number[] = []
    async function* incoming(): AsyncGenerator<Uint8Array> {
      yield hello
      for (let id = 1; id <= 10_000; id++) {
        taken = id
        yield request(id)
        await Promise.resolve()
      }
    }
    const stream: ByteStream = {
      incoming: incoming(),
      // The greeting goes through, then nobody reads.
      write: (bytes) => {
        written.push(bytes.length)
        return written.length === 1 ? Promise.resolve() : new Promise(() => undefined)
      },
      end: async () => undefined,
      destroy: () => undefined,
    }
    serveConnection(stream, {
      handler: () => new Promise(() => undefined),
      limits: { maxInflight: 1 },
    })
    await pause(50)
    expect(taken).toBeLessThan(10)
  })
})

describe('bytes of all connections together', () => {
  test('frames that do not end cost no more than agreed; who moves is served', async () => {
    const { connect } = server({ maxTotalBytes: 20_000_000, maxConnections: 1_000 })
    const stalled = Array.from({ length: 30 }, () => connect())
    for (const { stream } of stalled) {
      await stream.write(hello)
      void stream.write(begun(4_000_000)).catch(() => undefined)
      await pause(1)
    }
    await pause(50)
    const ended = stalled.filter((one) => one.ended.done)
    expect(ended.length).toBeGreaterThanOrEqual(25)
    for (const one of ended) expect(fault(one.ended)).toBe('budget')
    const honest = connect()
    await honest.stream.write(hello)
    expect((await honest.next())?.type).toBe(frameTypes.HELLO_ACK)
    void honest.stream.write(request(1, { filler: new Uint8Array(3_000_000) }))
    expect((await honest.next())?.type).toBe(frameTypes.RESPONSE)
    expect(honest.ended.done).toBe(false)
  })

  test('a request that does not fit beside those in work is told to come again', async () => {
    const { connect } = server(
      { maxTotalBytes: 1_000_000 },
      { handler: () => new Promise(() => undefined) },
    )
    const { stream, next, ended } = connect()
    await stream.write(hello)
    await next()
    for (const id of [1, 2, 3]) await stream.write(request(id, { filler: new Uint8Array(400_000) }))
    const refused = await next()
    expect(refused?.requestId).toBe(3)
    expect(readErrorBody(refused?.body as Uint8Array)).toMatchObject({
      code: 'BUSY',
      retryable: true,
    })
    expect(ended.done).toBe(false)
  })

  test('before the greeting a frame is small', async () => {
    const { connect } = server({})
    const { stream, ended } = connect()
    await stream.write(begun(10, 5_000))
    await pause()
    expect(fault(ended)).toBe('frame-too-large')
    const [near, far] = createStreamPair()
    const client = createWireClient({
      transport: { name: 't', connect: async () => near },
      retries: 0,
    })
    const asked = client.request({ method: 'm', body: {}, idempotent: true })
    await far.write(begun(10, 5_000))
    await expect(asked).rejects.toMatchObject({ fault: 'frame-too-large' })
  })
})

describe('connections', () => {
  test('one more takes the place of the one that was idle longest', async () => {
    const { connect } = server(
      { maxConnections: 3 },
      { handler: () => new Promise(() => undefined) },
    )
    const [busy, idle, idler] = [connect(), connect(), connect()]
    for (const one of [busy, idle, idler]) {
      await one.stream.write(hello)
      await one.next()
    }
    await busy.stream.write(request(1))
    await idle.stream.write(frame({ type: frameTypes.PING, requestId: 0 }))
    await idle.next()
    const fresh = connect()
    await fresh.stream.write(concat(hello, request(1)))
    expect((await fresh.next())?.type).toBe(frameTypes.HELLO_ACK)
    expect([busy, idle, idler].map(({ ended }) => ended.done)).toEqual([false, false, true])
    expect(fault(idler.ended)).toBe('budget')
  })

  test('where all are busy, one more is refused', async () => {
    const { connect } = server(
      { maxConnections: 2 },
      { handler: () => new Promise(() => undefined) },
    )
    const busy = [connect(), connect()]
    for (const one of busy) await one.stream.write(concat(hello, request(1)))
    await pause()
    const fresh = connect()
    await pause()
    expect(fault(fresh.ended)).toBe('budget')
    expect(busy.map(({ ended }) => ended.done)).toEqual([false, false])
  })

  test('that say nothing and wait for nothing end; that wait do not', async () => {
    const { connect } = server({ idleTimeout: 30 }, { handler: () => new Promise(() => undefined) })
    const [silent, waiting] = [connect(), connect()]
    await silent.stream.write(hello)
    await waiting.stream.write(concat(hello, request(1)))
    await pause(120)
    expect(fault(silent.ended)).toBe('idle')
    expect(waiting.ended.done).toBe(false)
  })
})

describe('decoding', () => {
  test('a frame byte by byte costs time and memory in proportion to its length', () => {
    const cost = (length: number): number => {
      const decoder = createFrameDecoder({ maxFrame: 8_000_000 })
      const header = begun(0, length)
      const started = process.cpuUsage()
      decoder.push(header)
      const one = Uint8Array.of(7)
      let frames: Frame[] = []
      for (let i = 0; i < length; i++) frames = decoder.push(one)
      expect(frames[0]?.body.every((byte) => byte === 7)).toBe(true)
      const { user, system } = process.cpuUsage(started)
      return user + system
    }
    cost(50_000)
    const [small, large] = [cost(200_000), cost(1_600_000)]
    // Eight times the bytes: the square would be sixty-four times the time.
    expect(large / small).toBeLessThan(32)
  }, 60_000)

  test('texts of a peer in an error are cut', () => {
    const error = new EnclaveProtocolError({ fault: 'body', details: 'x'.repeat(1_000_000) })
    expect(error.message.length).toBeLessThan(400)
  })
})
