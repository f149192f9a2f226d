/** The checks of a backend that answers. */
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient, DaProgress } from '../../core/interfaces/daClient.js'
import { type DaLocator, decodeLocator, encodeLocator } from '../../core/locator.js'
import { isPolicySdkError } from '../../errors/base.js'
import { bytesEqual } from '../../internal/bytes.js'
import { failure, require, sampleBytes } from './contract.js'

/** Adds a case to the suite. */
export type AddCase<client> = (name: string, body: (client: client) => Promise<void>) => void

/** What is put comes back, under its hash and under no other. */
export function addIdentity<client extends DaClient>(
  add: AddCase<client>,
  { sizes }: { sizes: readonly number[] },
): void {
  for (const size of sizes) {
    add(`returns the ${size} bytes that were put`, async (client) => {
      const bytes = sampleBytes(size, size)
      const receipt = await client.put(bytes)
      require(bytesEqual(
        await client.getWithVerification(receipt.locator, receipt.artifactHash),
        bytes,
      ), 'other bytes came back')
      require(bytesEqual(
        await client.get(receipt.locator, { artifactHash: receipt.artifactHash }),
        bytes,
      ), '`get` returned other bytes')
    })
  }
  add('names what was put', async (client) => {
    const bytes = sampleBytes(100, 1)
    const receipt = await client.put(bytes)
    require(receipt.artifactHash ===
      computeArtifactHash(bytes), 'the receipt names another artifact')
    require(receipt.byteLength === 100, 'the receipt gives another length')
    require(Array.isArray(receipt.evidence.checks), 'the receipt has no list of checks')
    require((client.retention.kind === 'expires') ===
      (receipt.expiresAt !==
        undefined), 'a receipt says when it expires if and only if the backend expires')
    const { retention } = client
    require(retention.kind === 'permanent' ||
      (Number.isSafeInteger(retention.seconds) &&
        retention.seconds > 0), 'the retention is no number of seconds')
    // Renewals go by it: what is no time, or one in milliseconds, is an expiry that never comes.
    require(receipt.expiresAt === undefined ||
      (Number.isSafeInteger(receipt.expiresAt) &&
        receipt.expiresAt < 100_000_000_000), 'the expiry is no time in Unix seconds')
  })
  add('gives locators that survive the chain', async (client) => {
    const { locator } = await client.put(sampleBytes(10, 2))
    const encoded = encodeLocator(locator)
    require(encodeLocator(decodeLocator(encoded)) === encoded, 'the locator changes when encoded')
    require(client.supports?.(decodeLocator(encoded)) ?? true, 'its own locator is not supported')
  })
}

/** Nothing but the artifact comes out of a read, whatever is held. */
export function addHashing<client extends DaClient>(
  add: AddCase<client>,
  corrupt: ((client: client, hash: Hex) => void | Promise<void>) | undefined,
): void {
  add('refuses bytes of another hash', async (client) => {
    const { locator } = await client.put(sampleBytes(64, 3))
    await client.put(sampleBytes(64, 4))
    const error = await failure(
      client.getWithVerification(locator, computeArtifactHash(sampleBytes(64, 5))),
    )
    require(isPolicySdkError(error), 'it did not fail with a typed error')
  })
  if (corrupt) {
    add('refuses bytes that were damaged where they are held', async (client) => {
      const { locator, artifactHash } = await client.put(sampleBytes(64, 17))
      await corrupt(client, artifactHash)
      const error = await failure(client.getWithVerification(locator, artifactHash))
      require(isPolicySdkError(error), 'it did not fail with a typed error')
    })
    add('refuses bytes that were damaged after they were read', async (client) => {
      const { locator, artifactHash } = await client.put(sampleBytes(64, 20))
      for (let read = 0; read < 2; read++) await client.getWithVerification(locator, artifactHash)
      await corrupt(client, artifactHash)
      const error = await failure(client.getWithVerification(locator, artifactHash))
      require(isPolicySdkError(error), 'it did not fail with a typed error')
    })
  }
  add('refuses other bytes from its own `get`', async (client) => {
    const bytes = sampleBytes(64, 18)
    const { locator, artifactHash } = await client.put(bytes)
    // One that hashes its first read alone is found by the second.
    await client.getWithVerification(locator, artifactHash)
    if (!Reflect.set(client, 'get', async () => sampleBytes(64, 19))) return
    let read: Uint8Array
    try {
      read = await client.getWithVerification(locator, artifactHash)
    } catch (error) {
      require(isPolicySdkError(error), 'it did not fail with a typed error')
      return
    }
    require(bytesEqual(read, bytes), '`getWithVerification` returned bytes of another hash')
  })
}

/** Bytes are the caller's or the backend's, and calls do not meet. */
export function addCopies<client extends DaClient>(
  add: AddCase<client>,
  create: () => client | Promise<client>,
): void {
  add('fails with a typed error for what it does not hold', async (client) => {
    const { locator } = await (await create()).put(sampleBytes(64, 6))
    const error = await failure(
      client.getWithVerification(locator, computeArtifactHash(sampleBytes(64, 7))),
    )
    require(isPolicySdkError(error), 'it did not fail with a typed error')
  })
  add('keeps its bytes apart from the caller’s', async (client) => {
    const bytes = sampleBytes(50, 8)
    const { locator, artifactHash } = await client.put(bytes)
    const original = bytes.slice()
    bytes.fill(0)
    const first = await client.getWithVerification(locator, artifactHash)
    require(bytesEqual(first, original), 'a change of the input after `put` changed what is held')
    first.fill(0)
    const second = await client.get(locator, { artifactHash })
    require(bytesEqual(second, original), 'a change of the output changed what is held')
    second.fill(0)
    const third = await client.getWithVerification(locator, artifactHash)
    require(bytesEqual(third, original), 'a change of what `get` returned changed what is held')
    const fourth = await client.get(locator, { artifactHash })
    require(bytesEqual(fourth, original), 'a change of what `get` returned changed what it returns')
  })
  add('takes the bytes as they are when `put` is called', async (client) => {
    const bytes = sampleBytes(60_000, 27)
    const original = bytes.slice()
    const writing = client.put(bytes)
    bytes.fill(0)
    const { locator, artifactHash } = await writing
    require(artifactHash ===
      computeArtifactHash(original), 'a change of the input during `put` changed the receipt')
    require(bytesEqual(
      await client.getWithVerification(locator, artifactHash),
      original,
    ), 'a change of the input during `put` changed what is held')
  })
  add('takes the same bytes twice', async (client) => {
    const bytes = sampleBytes(40, 9)
    const first = await client.put(bytes)
    const second = await client.put(bytes)
    for (const { locator } of [first, second]) {
      require(bytesEqual(
        await client.getWithVerification(locator, first.artifactHash),
        bytes,
      ), 'other bytes came back')
    }
  })
  add('serves several calls at once', async (client) => {
    const samples = Array.from({ length: 8 }, (_, index) => sampleBytes(200 + index, 20 + index))
    const receipts = await Promise.all(samples.map((bytes) => client.put(bytes)))
    const read = await Promise.all(
      receipts.map(({ locator, artifactHash }) =>
        client.getWithVerification(locator, artifactHash),
      ),
    )
    require(read.every((bytes, index) =>
      bytesEqual(bytes, samples[index] as Uint8Array),
    ), 'answers were mixed up')
  })
}

/** Arguments, signals, progress, and the calls that a backend may leave out. */
export function addCalls<client extends DaClient>(add: AddCase<client>): void {
  add('refuses malformed arguments', async (client) => {
    const { locator } = await client.put(sampleBytes(10, 10))
    const calls: (() => Promise<unknown>)[] = [
      () => client.put(new Uint8Array(0)),
      () => client.put('text' as never),
      () => client.put(undefined as never),
      () => client.getWithVerification(locator, '0x12'),
      () => client.getWithVerification(locator, `0x${'00'.repeat(32)}`),
      () => client.getWithVerification(locator, undefined as never),
    ]
    for (const call of calls) {
      const error = await failure(call())
      require(isPolicySdkError(error) &&
        error.code === 'INVALID_INPUT', `expected InvalidInputError, got ${String(error)}`)
    }
  })
  add('refuses locators of kinds it does not know', async (client) => {
    const locator: DaLocator = { kind: 'unknown', kindByte: 0x7f, content: '0x' }
    require(!(client.supports?.(locator) ?? false), 'it claims to support an unknown kind')
    const error = await failure(
      client.getWithVerification(locator, computeArtifactHash(sampleBytes(3, 3))),
    )
    require(isPolicySdkError(error), 'it did not fail with a typed error')
  })
  add('stops at once for a caller who left', async (client) => {
    const { locator, artifactHash } = await client.put(sampleBytes(10, 11))
    const reason = new DOMException('left', 'AbortError')
    const signal = AbortSignal.abort(reason)
    for (const call of [
      () => client.put(sampleBytes(11, 12), { signal }),
      () => client.get(locator, { signal, artifactHash }),
      () => client.getWithVerification(locator, artifactHash, { signal }),
    ]) {
      require((await failure(call())) === reason, 'the rejection is not the signal’s reason')
    }
  })
  addProgress(add)
  add('says what it holds, where it can', async (client) => {
    if (!client.head) return
    const { locator, artifactHash } = await client.put(sampleBytes(10, 14))
    const held = await client.head(locator, { artifactHash })
    require(held.status === 'available' ||
      held.status === 'unknown', `held bytes are ${held.status}`)
    const absent: Hex = computeArtifactHash(sampleBytes(10, 15))
    if (locator.kind === 'keccakStore' || locator.kind === 'eigenDaArchive') {
      const missing = await client.head(locator, { artifactHash: absent })
      require(missing.status !== 'available', 'bytes that were never put are available')
    }
  })
  add('renews what it holds, where it can', async (client) => {
    if (!client.renew) return
    const bytes = sampleBytes(500, 16)
    const first = await client.put(bytes)
    const second = await client.renew(first.locator, bytes)
    require(second.artifactHash === first.artifactHash, 'renewal names another artifact')
    require(bytesEqual(
      await client.getWithVerification(second.locator, first.artifactHash),
      bytes,
    ), 'renewal gives other bytes')
  })
}

function addProgress<client extends DaClient>(add: AddCase<client>): void {
  add('reports progress that only grows, to the end', async (client) => {
    const bytes = sampleBytes(30_000, 13)
    const seen: DaProgress[] = []
    const check = (what: string): void => {
      require(seen.length > 0, `${what} reported no progress`)
      require(seen.every(
        ({ loaded }, index) => index === 0 || loaded >= (seen[index - 1] as DaProgress).loaded,
      ), `progress of ${what} went backwards`)
      require(seen.at(-1)?.loaded ===
        bytes.length, `progress of ${what} ended before all bytes had moved`)
      seen.length = 0
    }
    const onProgress = (progress: DaProgress): void => void seen.push({ ...progress })
    const { locator, artifactHash } = await client.put(bytes, { onProgress })
    check('`put`')
    await client.get(locator, { artifactHash, onProgress })
    check('`get`')
    await client.getWithVerification(locator, artifactHash, { onProgress })
    check('`getWithVerification`')
  })
}
