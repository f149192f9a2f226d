/** What a client made of several knows of its members: names, retention, and the time each has. */
import type { DaClient, DaOptions, DaReceipt, DaRetention } from '../../core/interfaces/daClient.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { DaOutcomeUnknownError } from '../errors.js'

/** Milliseconds for a write to a member that says nothing of its own. */
const LONGEST_PUT = 900_000

/** Refuses a list without members. */
export function requireClients(clients: readonly DaClient[]): void {
  if (!Array.isArray(clients) || clients.length === 0) {
    throw new InvalidInputError({ field: 'clients', reason: 'expected at least one backend' })
  }
}

/** Refuses a number of milliseconds that is none. */
export function requireMilliseconds(field: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0)) return
  throw new InvalidInputError({ field, reason: `expected milliseconds, got ${String(value)}` })
}

/** Names that tell two backends of one kind apart. */
export function nameClients(clients: readonly DaClient[]): (client: DaClient) => string {
  const names = new Map<DaClient, string>()
  clients.forEach((client, index) => {
    const sameKind = clients.filter(({ kind }) => kind === client.kind).length
    names.set(client, sameKind > 1 ? `${client.kind}#${index}` : client.kind)
  })
  return (client) => names.get(client) ?? client.kind
}

/** The shortest of the members' retentions. */
export function weakestRetention(clients: readonly DaClient[]): DaRetention {
  return clients
    .map(({ retention }) => retention)
    .reduce((a, b) => (secondsOf(a) <= secondsOf(b) ? a : b))
}

/** The longest of the members' retentions. */
export function strongestRetention(clients: readonly DaClient[]): DaRetention {
  return clients
    .map(({ retention }) => retention)
    .reduce((a, b) => (secondsOf(a) >= secondsOf(b) ? a : b))
}

function secondsOf(retention: DaRetention): number {
  return retention.kind === 'permanent' ? Number.POSITIVE_INFINITY : retention.seconds
}

/** Whether a write to the client may cost money: so it is taken unless the client denies it. */
export function mayBePaid(client: DaClient): boolean {
  return client.paid !== false
}

/**
 * Writes to one member within a time of its own, also where the member ignores signal and timeout.
 *
 * @throws {DaOutcomeUnknownError} where the time went by and the write may have been paid.
 * @throws {TimeoutError} where it went by and the write costs nothing.
 */
export async function putWithin(
  client: DaClient,
  { bytes, source, timeout }: { bytes: Uint8Array; source: string; timeout: number | undefined },
  io: DaOptions,
): Promise<DaReceipt> {
  const own = timeout === undefined ? {} : { timeout }
  const { signal } = io
  try {
    return await withDeadline(
      `${source} da.put`,
      { signal, timeout: timeout ?? LONGEST_PUT },
      (inner) => client.put(bytes, { onProgress: io.onProgress, ...own, signal: inner }),
    )
  } catch (error) {
    if (signal?.aborted || !(error instanceof TimeoutError) || !mayBePaid(client)) throw error
    const reason = `no answer within ${timeout ?? LONGEST_PUT} ms`
    throw new DaOutcomeUnknownError({ source, reason }, { cause: error })
  }
}
