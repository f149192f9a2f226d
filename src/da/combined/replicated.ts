/** Several backends as one that writes to all of them and succeeds when enough took a copy. */

import type { DaClient, DaOptions, DaReceipt } from '../../core/interfaces/daClient.js'
import { InvalidInputError } from '../../errors/common.js'
import { copyBytes } from '../../internal/bytes.js'
import { assertOptions } from '../../internal/options.js'
import { sleep } from '../../internal/pause.js'
import { type DaAttempt, ReplicationError } from '../errors.js'
import { createHealthBoard, type HealthBoard } from '../health.js'
import { artifactHashOf } from '../internal/artifactHash.js'
import { paidIn } from '../internal/paid.js'
import { growingProgress } from '../internal/progress.js'
import type { FallbackOptions } from './fallback.js'
import {
  canRead,
  mayBePaid,
  nameClients,
  putWithin,
  requireClients,
  strongestRetention,
} from './members.js'
import { combinedReads } from './reads.js'

/** Which copies were written, and by whom not. */
export type ReplicationOutcome = {
  readonly receipts: readonly DaReceipt[]
  readonly failures: readonly DaAttempt[]
}

/** A receipt of {@link replicated}: the copies that were written, and the backends that failed. */
export type ReplicatedReceipt = DaReceipt &
  ReplicationOutcome & {
    /** Backends that had not ended yet. Their writes go on. */
    readonly pending: readonly string[]
    /** All copies and failures, once every write has ended. Never rejects. */
    readonly settled: Promise<ReplicationOutcome>
  }

/** Options of {@link replicated}. */
export type ReplicatedOptions = Pick<FallbackOptions, 'hedgeDelay' | 'health'> & {
  /** Copies that must be written. @default all of them */
  quorum?: number | undefined
  /** Whether one of the copies must be in a permanent store. @default false */
  requirePermanent?: boolean | undefined
  /**
   * Milliseconds each backend has for a write. Default: the call's `timeout`, else the backend's own.
   */
  putTimeout?: number | undefined
  /** Milliseconds that the others are waited for once there are enough copies. @default 2_000 */
  quorumGrace?: number | undefined
}

/** A {@link replicated} client. */
export type ReplicatedClient = Omit<DaClient, 'put'> & {
  put(bytes: Uint8Array, options?: DaOptions): Promise<ReplicatedReceipt>
}

/**
 * Writes to all backends at once and succeeds when `quorum` of them did, saying which. The
 * receipt's own locator is that of the first backend in order that succeeded.
 *
 * Backends that have not answered by then are not waited for longer than `quorumGrace`, and not
 * stopped either: `settled` tells how they ended.
 *
 * @throws {ReplicationError} from `put` when fewer succeeded; it carries the receipts there are.
 * @example
 * ```ts
 * import { memoryDa, replicated } from '@newton/policy-sdk/da'
 *
 * const da = replicated([memoryDa({ name: 'a' }), memoryDa({ name: 'b' })], { quorum: 1 })
 * const { receipts, failures } = await da.put(new TextEncoder().encode('{}'))
 * ```
 */
export function replicated(
  clients: readonly DaClient[],
  options: ReplicatedOptions = {},
): ReplicatedClient {
  requireClients(clients)
  assertOptions(options, {
    hedgeDelay: 'milliseconds',
    health: 'object',
    quorum: 'any',
    requirePermanent: 'flag',
    putTimeout: 'milliseconds',
    quorumGrace: 'milliseconds',
  })
  if (new Set(clients).size !== clients.length)
    throw new InvalidInputError({ field: 'clients', reason: 'one of them twice is one copy' })
  const { quorum = clients.length } = options
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > clients.length) {
    throw new InvalidInputError({
      field: 'quorum',
      reason: `expected 1 to ${clients.length}, got ${quorum}`,
    })
  }
  const health = options.health ?? createHealthBoard()
  const nameOf = nameClients(clients)
  return {
    kind: 'replicated',
    retention: strongestRetention(clients),
    paid: clients.some(mayBePaid),
    supports: (locator) => clients.some((client) => canRead(client, locator)),
    ...combinedReads(clients, { ...options, health, nameOf }),
    put: (bytes, io = {}) =>
      putToAll(bytes, io, { clients, options: { ...options, quorum }, health, nameOf }),
  }
}

type Copies = {
  clients: readonly DaClient[]
  options: ReplicatedOptions & { quorum: number }
  health: HealthBoard
  nameOf: (client: DaClient) => string
}

type Write = { source: string; permanent: boolean } & (
  | { state: 'pending' }
  | { state: 'written'; receipt: DaReceipt }
  | { state: 'failed'; error: unknown }
)

async function putToAll(
  bytes: Uint8Array,
  io: DaOptions,
  { clients, options, health, nameOf }: Copies,
): Promise<ReplicatedReceipt> {
  const { quorum, requirePermanent = false, quorumGrace = 2_000 } = options
  io.signal?.throwIfAborted()
  // Writes may go on after the call, when the caller's array is the caller's again.
  const own = bytes instanceof Uint8Array ? copyBytes(bytes) : bytes
  const hash = artifactHashOf(own)
  const onProgress = growingProgress(io.onProgress)
  const timeout = options.putTimeout ?? io.timeout
  const writes = clients.map(
    (client): Write => ({
      source: nameOf(client),
      permanent: client.retention.kind === 'permanent',
      state: 'pending',
    }),
  )
  // Resolves with every write that ends, for whoever waits at that moment.
  let announce = (): void => undefined
  const ended = clients.map(async (client, index) => {
    const { source, permanent } = writes[index] as Write
    try {
      const receipt = await putWithin(
        client,
        { bytes: own, hash, source, timeout },
        { ...io, onProgress },
      )
      writes[index] = { source, permanent, state: 'written', receipt }
      health.succeeded(source)
    } catch (error) {
      writes[index] = { source, permanent, state: 'failed', error }
      if (!(error instanceof InvalidInputError)) health.failed(source)
    }
    announce()
  })
  const all = Promise.all(ended)
  const enough = (): boolean => {
    const written = writes.filter(({ state }) => state === 'written')
    return written.length >= quorum && (!requirePermanent || written.some((w) => w.permanent))
  }
  const nextEnd = (): Promise<void> =>
    new Promise((resolve) => {
      announce = resolve
    })
  while (!enough() && writes.some(({ state }) => state === 'pending')) await nextEnd()
  if (writes.some(({ state }) => state === 'pending')) await graceFor(all, quorumGrace)
  const outcome = outcomeOf(writes)
  const paid = outcome.failures.find(({ error }) => paidIn(error) !== undefined)
  if (io.signal?.aborted) throw paid?.error ?? io.signal.reason
  const refused = outcome.failures.find(({ error }) => error instanceof InvalidInputError)
  if (refused !== undefined) throw refused.error
  if (!enough()) throw tooFew(outcome, { quorum, requirePermanent })
  return {
    ...(outcome.receipts[0] as DaReceipt),
    ...outcome,
    pending: writes.filter(({ state }) => state === 'pending').map(({ source }) => source),
    settled: all.then(() => outcomeOf(writes)),
  }
}

function outcomeOf(writes: readonly Write[]): ReplicationOutcome {
  return {
    receipts: writes.flatMap((write) => (write.state === 'written' ? [write.receipt] : [])),
    failures: writes.flatMap((write) =>
      write.state === 'failed' ? [{ source: write.source, error: write.error }] : [],
    ),
  }
}

function tooFew(
  { receipts, failures }: ReplicationOutcome,
  { quorum, requirePermanent }: { quorum: number; requirePermanent: boolean },
): ReplicationError {
  const facts = { required: quorum, receipts, attempts: failures }
  if (receipts.length < quorum || !requirePermanent) return new ReplicationError(facts)
  return new ReplicationError(facts, {
    metaMessages: ['No permanent store took a copy, and one is required.'],
  })
}

async function graceFor(all: Promise<unknown>, milliseconds: number): Promise<void> {
  const controller = new AbortController()
  await Promise.race([all, sleep(milliseconds, controller.signal).catch(() => undefined)])
  controller.abort()
}
