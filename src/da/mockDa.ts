/**
 * A store in memory that misbehaves on a script: as strict as a real one when it works, and
 * deterministic for a seed when it does not.
 */

import type { Hex } from 'viem'
import type { DaClient, DaReceipt } from '../core/interfaces/daClient.js'
import { InvalidInputError } from '../errors/common.js'
import { copyBytes } from '../internal/bytes.js'
import { assertOptions } from '../internal/options.js'
import { sleep } from '../internal/pause.js'
import { createDaAdapter, type DaCall, type DaHooks, requireArtifactHash } from './adapter.js'
import {
  DaBodyLengthError,
  DaExpiredError,
  DaNotFoundError,
  DaOutcomeUnknownError,
  DaPayloadTooLargeError,
  DaRateLimitedError,
  DaUnavailableError,
} from './errors.js'
import { atLeastOne, hookRules } from './internal/optionRules.js'
import { mulberry32 } from './internal/random.js'

/** Ways in which a call can go wrong. */
export const mockFaultKinds = [
  'unavailable',
  'slow',
  'truncated',
  'corrupted',
  'wrongBytes',
  'expired',
  'rateLimited',
  'outcomeUnknown',
] as const

/** One way in which a call can go wrong. */
export type MockFaultKind = (typeof mockFaultKinds)[number]

/** A fault of a script. */
export type MockFault = {
  kind: MockFaultKind
  /** Calls it applies to. @default 'get' */
  on?: 'get' | 'put' | 'head' | 'any' | undefined
  /** How many calls it lasts. @default 1 */
  times?: number | undefined
  /** Chance that it strikes a call it applies to, 0 to 1; a call it spares is not counted. @default 1 */
  probability?: number | undefined
  /** Milliseconds, for `slow`. @default 1_000 */
  delay?: number | undefined
}

/** Options of {@link mockDa}. */
export type MockDaOptions = DaHooks & {
  /** Name in locators. @default 'mock' */
  name?: string | undefined
  /** Milliseconds each call takes, or a range. @default 0 */
  latency?: number | readonly [number, number] | undefined
  /** Faults, used up in order by the calls they apply to. */
  failures?: readonly MockFault[] | undefined
  /** Start of the random sequence. @default 1 */
  seed?: number | undefined
  /** Most bytes of one artifact. @default 16_252_897, EigenDA's limit */
  maxBytes?: number | undefined
  /** Seconds until stored bytes are dropped; never when left out. */
  expiresIn?: number | undefined
}

/** A {@link mockDa} with its controls. */
export type MockDa = DaClient & {
  /** Appends faults to the script. */
  fail(...faults: readonly MockFault[]): void
  /** Number of writes that were carried out, each of which a real store would charge for. */
  payments(hash?: Hex): number
  /** Number of calls so far. */
  calls(): { get: number; put: number; head: number }
  /** Bytes held by hash, also expired ones. */
  held(): ReadonlyMap<Hex, Uint8Array>
}

/**
 * Creates a store that fails on a script.
 *
 * @example
 * ```ts
 * import { mockDa } from '@newton/policy-sdk/da'
 *
 * const da = mockDa({ failures: [{ kind: 'unavailable', on: 'get' }] })
 * const receipt = await da.put(new TextEncoder().encode('{}'))
 * await da.get(receipt.locator, { artifactHash: receipt.artifactHash }).catch((error) => error.code) // 'DA_UNAVAILABLE'
 * ```
 */
export function mockDa(options: MockDaOptions = {}): MockDa {
  assertOptions(options, {
    ...hookRules,
    name: 'text',
    latency: 'any',
    failures: 'list',
    seed: { least: 0 },
    maxBytes: atLeastOne,
    expiresIn: { least: 0 },
  })
  const { name = 'mock', latency = 0, seed = 1, maxBytes = 16_252_897, expiresIn } = options
  const now = options.now ?? Date.now
  const random = mulberry32(seed)
  const held = new Map<Hex, { bytes: Uint8Array; expiresAt: number | undefined }>()
  const payments = new Map<Hex, number>()
  const script: { fault: MockFault; left: number }[] = []
  const calls = { get: 0, put: 0, head: 0 }
  const source = name

  const fail = (...faults: readonly MockFault[]): void => {
    for (const fault of faults) {
      if (!mockFaultKinds.includes(fault.kind)) {
        throw new InvalidInputError({
          field: 'failures',
          reason: `${String(fault.kind)} is no kind of fault`,
        })
      }
      script.push({ fault, left: fault.times ?? 1 })
    }
  }
  fail(...(options.failures ?? []))

  function nextFault(on: 'get' | 'put' | 'head'): MockFault | undefined {
    const entry = script.find(
      ({ fault: { on: at = 'get' }, left }) => left > 0 && (at === on || at === 'any'),
    )
    if (!entry || random() >= (entry.fault.probability ?? 1)) return undefined
    entry.left -= 1
    return entry.fault
  }

  /** The fault left to apply to the outcome, after those that end the call at once. */
  async function enter(on: 'get' | 'put' | 'head', call: DaCall): Promise<MockFault | undefined> {
    calls[on] += 1
    const fault = nextFault(on)
    const [low, high] = typeof latency === 'number' ? [latency, latency] : latency
    await sleep(
      low + (high - low) * random() + (fault?.kind === 'slow' ? (fault.delay ?? 1_000) : 0),
      call.signal,
    )
    if (fault?.kind === 'unavailable') throw new DaUnavailableError({ source, reason: 'scripted' })
    if (fault?.kind === 'rateLimited') throw new DaRateLimitedError({ source, retryAfter: 10 })
    return fault
  }

  const client = createDaAdapter(
    {
      kind: 'mock',
      source,
      retention:
        expiresIn === undefined ? { kind: 'permanent' } : { kind: 'expires', seconds: expiresIn },
      supports: (locator) =>
        locator.kind === 'keccakStore' && (locator.name === '' || locator.name === name),
      async put(bytes, call) {
        if (bytes.length > maxBytes) {
          throw new DaPayloadTooLargeError({ source, byteLength: bytes.length, limit: maxBytes })
        }
        const fault = await enter('put', call)
        const expiresAt = expiresIn === undefined ? undefined : now() + expiresIn * 1_000
        held.set(call.hash, { bytes: copyBytes(bytes), expiresAt })
        payments.set(call.hash, (payments.get(call.hash) ?? 0) + 1)
        if (fault?.kind === 'outcomeUnknown') {
          throw new DaOutcomeUnknownError({ source, reason: 'the answer was lost, as scripted' })
        }
        call.onProgress?.({ loaded: bytes.length, total: bytes.length })
        return {
          locator: { kind: 'keccakStore', name },
          checks: ['keccak256'],
          expiresAt: expiresAt === undefined ? undefined : Math.floor(expiresAt / 1_000),
        }
      },
      async read(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        const fault = await enter('get', call)
        const entry = held.get(hash)
        if (!entry) throw new DaNotFoundError({ source, what: `artifact ${hash}` })
        const expiredAt = fault?.kind === 'expired' ? now() : entry.expiresAt
        if (expiredAt !== undefined && now() >= expiredAt) {
          throw new DaExpiredError({ source, what: `artifact ${hash}`, expiredAt })
        }
        const bytes = damaged(entry.bytes, fault, source, random)
        call.onProgress?.({ loaded: bytes.length, total: entry.bytes.length })
        return bytes
      },
      async head(_locator, call) {
        const hash = requireArtifactHash(source, call.artifactHash)
        await enter('head', call)
        const entry = held.get(hash)
        if (!entry || (entry.expiresAt !== undefined && now() >= entry.expiresAt))
          return { status: 'missing' }
        return {
          status: 'available',
          byteLength: entry.bytes.length,
          expiresAt:
            entry.expiresAt === undefined ? undefined : Math.floor(entry.expiresAt / 1_000),
        }
      },
    },
    options,
  )
  const renew: NonNullable<DaClient['renew']> = (_locator, bytes, io): Promise<DaReceipt> =>
    client.put(bytes, io)
  return Object.assign(client, {
    ...(expiresIn === undefined ? {} : { renew }),
    fail,
    payments: (hash?: Hex) =>
      hash === undefined
        ? [...payments.values()].reduce((sum, count) => sum + count, 0)
        : (payments.get(hash) ?? 0),
    calls: () => ({ ...calls }),
    held: () => new Map([...held].map(([hash, { bytes }]) => [hash, bytes])),
  })
}

function damaged(
  bytes: Uint8Array,
  fault: MockFault | undefined,
  source: string,
  random: () => number,
): Uint8Array {
  const at = Math.floor(random() * bytes.length)
  switch (fault?.kind) {
    case 'truncated':
      // Half of the time the cut shows in the announced length, half of the time it does not.
      if (random() < 0.5) {
        throw new DaBodyLengthError({
          source,
          received: at,
          allowed: bytes.length,
          kind: 'truncated',
        })
      }
      return bytes.slice(0, at)
    case 'corrupted': {
      const copy = copyBytes(bytes)
      copy[at] = (copy[at] as number) ^ (1 << Math.floor(random() * 8))
      return copy
    }
    case 'wrongBytes':
      return new TextEncoder().encode('<html><body>not the artifact</body></html>')
    default:
      return copyBytes(bytes)
  }
}
