/** The checks of calls that are under way at once, of what they leave behind, and of how they fail. */
import type { Hex } from 'viem'
import type { DaClient, DaOptions } from '../../core/interfaces/daClient.js'
import { isPolicySdkError } from '../../errors/base.js'
import { bytesEqual } from '../../internal/bytes.js'
import type { AddCase } from './cases.js'
import { failure, require, sampleBytes } from './contract.js'

/** Each kind of read that gives bytes. */
const readsOf = (client: DaClient) => [
  (locator: Parameters<DaClient['get']>[0], artifactHash: Hex, io: DaOptions = {}) =>
    client.get(locator, { ...io, artifactHash }),
  (locator: Parameters<DaClient['get']>[0], artifactHash: Hex, io: DaOptions = {}) =>
    client.getWithVerification(locator, artifactHash, io),
]

/** Calls for one artifact at once: nobody has another caller's bytes, end or failure. */
export function addTogether<client extends DaClient>(add: AddCase<client>): void {
  add('gives each of several readers at once bytes of its own', async (client) => {
    const original = sampleBytes(300, 30)
    const { locator, artifactHash } = await client.put(original)
    const calls = [...readsOf(client), ...readsOf(client)]
    // Which of them began the work that others join is not known here: each is the first once.
    for (let first = 0; first < calls.length; first++) {
      const read = await Promise.all(calls.map((call) => call(locator, artifactHash)))
      const [own] = read.splice(first, 1) as [Uint8Array]
      own.fill(0)
      require(read.every((bytes) =>
        bytesEqual(bytes, original),
      ), 'a change of what one reader was given changed what another one was given')
      giveAway(own)
      require(read.every((bytes) =>
        bytesEqual(bytes, original),
      ), 'the bytes of two readers lie in one buffer: handing it on takes both')
    }
  })
  add('goes on for a reader when another one leaves', async (client) => {
    const original = sampleBytes(300, 31)
    const { locator, artifactHash } = await client.put(original)
    for (const read of readsOf(client)) {
      const controller = new AbortController()
      const leaving = read(locator, artifactHash, { signal: controller.signal })
      const staying = read(locator, artifactHash)
      controller.abort(new DOMException('left', 'AbortError'))
      await leaving.catch(() => undefined)
      const bytes = await staying.catch(() => undefined)
      require(bytes !== undefined &&
        bytesEqual(bytes, original), 'a reader failed because another one left')
    }
  })
  add('takes the same bytes several times at once', async (client) => {
    const bytes = sampleBytes(300, 32)
    const writes = await Promise.allSettled([1, 2, 3].map(() => client.put(bytes)))
    for (const write of writes) {
      if (write.status === 'rejected') require(false, `a write failed: ${String(write.reason)}`)
      else
        require(bytesEqual(
          await client.getWithVerification(write.value.locator, write.value.artifactHash),
          bytes,
        ), 'other bytes came back')
    }
  })
}

/** What a call leaves with its caller, and which hashes it takes. */
export function addManners<client extends DaClient>(add: AddCase<client>): void {
  add('leaves nothing on a caller’s signal', async (client) => {
    const { signal, left } = watchedSignal()
    const { locator, artifactHash } = await client.put(sampleBytes(300, 33), { signal })
    for (const read of readsOf(client)) await read(locator, artifactHash, { signal })
    if (client.head) await client.head(locator, { signal, artifactHash })
    // What is let go of after the answer is let go of soon.
    for (let turn = 0; left() > 0 && turn < 50; turn++)
      await new Promise((resolve) => setTimeout(resolve, 2))
    require(left() === 0, `${left()} listeners stay on the signal of a caller whose calls ended`)
  })
  add('takes a hash in capitals', async (client) => {
    const bytes = sampleBytes(300, 34)
    const { locator, artifactHash } = await client.put(bytes)
    const capitals: Hex = `0x${artifactHash.slice(2).toUpperCase()}`
    for (const read of readsOf(client)) {
      const given = await read(locator, capitals).catch(() => undefined)
      require(given !== undefined &&
        bytesEqual(given, bytes), 'a hash in capitals is no hash to it')
    }
  })
  add('gives receipts that expire within its retention', async (client) => {
    const { retention } = client
    const { expiresAt } = await client.put(sampleBytes(300, 35))
    if (retention.kind !== 'expires' || expiresAt === undefined) return
    const now = Date.now() / 1_000
    require(expiresAt > now, 'what was just put is said to have expired')
    require(expiresAt <=
      now + retention.seconds + CLOCK_TOLERANCE, 'it expires after its retention')
  })
}

/** Seconds that a clock of the backend may be ahead. */
const CLOCK_TOLERANCE = 3_600

/** Failures of what stands behind a backend, as its callers see them. */
export function addRefused<client extends DaClient>(
  add: AddCase<client>,
  refuse: (client: client) => void | Promise<void>,
): void {
  add('fails with typed errors where what is behind it fails', async (client) => {
    const bytes = sampleBytes(64, 36)
    const { locator, artifactHash } = await client.put(bytes)
    await refuse(client)
    const calls: [name: string, call: () => Promise<unknown>][] = [
      ['put', () => client.put(sampleBytes(64, 37))],
      ['get', () => client.get(locator, { artifactHash })],
      ['getWithVerification', () => client.getWithVerification(locator, artifactHash)],
    ]
    if (client.renew) calls.push(['renew', async () => client.renew?.(locator, bytes)])
    for (const [name, call] of calls)
      require(isPolicySdkError(
        await failure(call()),
      ), `\`${name}\` did not fail with a typed error`)
  })
}

/** Gives a buffer to nobody, as a message to a worker does. Some buffers cannot be given. */
function giveAway(bytes: Uint8Array): void {
  try {
    structuredClone(bytes.buffer, { transfer: [bytes.buffer as ArrayBuffer] })
  } catch {
    // Then nobody can take it from another reader either.
  }
}

/** A signal that counts who still listens to it. */
function watchedSignal(): { signal: AbortSignal; left: () => number } {
  const { signal } = new AbortController()
  const listening = new Set<unknown>()
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  const watched: Pick<AbortSignal, 'addEventListener' | 'removeEventListener'> = {
    addEventListener(type: string, listener: EventListener, options?: AddEventListenerOptions) {
      listening.add(listener)
      // A listener may go with another signal.
      if (typeof options === 'object')
        options.signal?.addEventListener('abort', () => listening.delete(listener), { once: true })
      add(type, listener, options)
    },
    removeEventListener(type: string, listener: EventListener, options?: EventListenerOptions) {
      listening.delete(listener)
      remove(type, listener, options)
    },
  }
  return { signal: Object.assign(signal, watched), left: () => listening.size }
}
