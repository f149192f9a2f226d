/**
 * The conformance suite of data-availability backends, for any test runner.
 *
 * Every adapter of this package passes it, and an adapter of your own should.
 */
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaClient, DaProgress } from '../../core/interfaces/daClient.js'
import { type DaLocator, decodeLocator, encodeLocator } from '../../core/locator.js'
import { BaseError, isPolicySdkError } from '../../errors/base.js'
import { bytesEqual } from '../../internal/bytes.js'

/** One check of a suite. `run` rejects with {@link ConformanceError} when it fails. */
export type ConformanceCase = { readonly name: string; run(): Promise<void> }

/** A backend does not keep the contract of `DaClient`. */
export class ConformanceError extends BaseError {
  override readonly name = 'ConformanceError'
  override readonly code = 'DA_CONFORMANCE'
}

/** Options of {@link daConformance}. */
export type DaConformanceOptions = {
  /** Makes a fresh backend; called once for each case. */
  create: () => DaClient | Promise<DaClient>
  /** Called with the backend after each case. */
  dispose?: ((client: DaClient) => void | Promise<void>) | undefined
  /**
   * Changes a byte of what the backend holds under a hash, behind its back. With it the suite sees
   * whether `getWithVerification` hashes what it read, which nothing else can show of a store whose
   * key is the hash.
   */
  corrupt?: ((client: DaClient, hash: Hex) => void | Promise<void>) | undefined
  /** Sizes of the artifacts that are stored, in bytes. @default [1, 31, 32, 33, 1_000, 70_000] */
  sizes?: readonly number[] | undefined
}

/**
 * Lists the checks that every `DaClient` must pass.
 *
 * @example
 * ```ts
 * import { daConformance } from '@newton/policy-sdk/da/conformance'
 * import { memoryDa } from '@newton/policy-sdk/da'
 *
 * for (const { run } of daConformance({ create: () => memoryDa() })) await run()
 * // with vitest: test(name, run)
 * ```
 */
export function daConformance(options: DaConformanceOptions): ConformanceCase[] {
  const { create, dispose, corrupt, sizes = [1, 31, 32, 33, 1_000, 70_000] } = options
  const cases: ConformanceCase[] = []
  const add = (name: string, body: (client: DaClient) => Promise<void>): void => {
    cases.push({
      name,
      async run() {
        const client = await create()
        try {
          await body(client)
        } finally {
          await dispose?.(client)
        }
      },
    })
  }

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
  })
  add('gives locators that survive the chain', async (client) => {
    const { locator } = await client.put(sampleBytes(10, 2))
    const encoded = encodeLocator(locator)
    require(encodeLocator(decodeLocator(encoded)) === encoded, 'the locator changes when encoded')
    require(client.supports?.(decodeLocator(encoded)) ?? true, 'its own locator is not supported')
  })
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
  }
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
    const second = await client.getWithVerification(locator, artifactHash)
    require(bytesEqual(second, original), 'a change of the output changed what is held')
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
  add('reports progress that only grows', async (client) => {
    const bytes = sampleBytes(30_000, 13)
    const { locator, artifactHash } = await client.put(bytes)
    const seen: DaProgress[] = []
    await client.getWithVerification(locator, artifactHash, {
      onProgress: (progress) => seen.push({ ...progress }),
    })
    require(seen.every(
      ({ loaded }, index) => index === 0 || loaded >= (seen[index - 1] as DaProgress).loaded,
    ), 'progress went backwards')
  })
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
  return cases
}

function require(condition: boolean, reason: string): void {
  if (!condition) throw new ConformanceError(`The contract is broken: ${reason}.`)
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  let value: unknown
  try {
    value = await call
  } catch (error) {
    return error
  }
  throw new ConformanceError(`The call succeeded with ${typeof value} where it must fail.`)
}

// Deterministic bytes without long runs, different for every seed.
function sampleBytes(length: number, seed: number): Uint8Array {
  const out = new Uint8Array(length)
  let state = (seed * 2_654_435_761 + 1) >>> 0
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    out[i] = state >>> 24
  }
  return out
}
