/** What a client made of several knows of its members: names, retention, and the time each has. */
import type { Hex } from 'viem'
import type { DaClient, DaOptions, DaReceipt, DaRetention } from '../../core/interfaces/daClient.js'
import type { DaLocator } from '../../core/locator.js'
import { encodeLocator } from '../../core/locator.js'
import { InvalidInputError, TimeoutError } from '../../errors/common.js'
import { withDeadline } from '../../internal/deadline.js'
import { assertMembers, MAX_TIMER } from '../../internal/options.js'
import { sleep } from '../../internal/pause.js'
import { DaIntegrityError, DaOutcomeUnknownError, DaProtocolError } from '../errors.js'
import { assertDaClients } from '../internal/clients.js'
import { paidIn } from '../internal/paid.js'

/** Milliseconds for a write to a member that says nothing of its own. */
const LONGEST_PUT = 900_000

/** Part of a member's time that a call waits longer, so that a member's own end says more. */
const PATIENCE = 0.1
const MOST_PATIENCE = 250
/** A member's own timer starts later than that of the call, on a busy machine by tens of milliseconds. */
const LEAST_PATIENCE = 50

/** Refuses a list without members, or with something else in it. */
export function requireClients(clients: readonly DaClient[]): void {
  if (!Array.isArray(clients) || clients.length === 0) {
    throw new InvalidInputError({ field: 'clients', reason: 'expected at least one backend' })
  }
  assertDaClients('clients', clients)
}

/** Refuses a number of milliseconds that is none. */
export function requireMilliseconds(field: string, value: number | undefined): void {
  if (value === undefined || (typeof value === 'number' && value >= 0 && value <= MAX_TIMER)) return
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

/** Whether a client says that it reads such locators; one that fails at it does not. */
export function canRead(client: DaClient, locator: DaLocator, unsaid = true): boolean {
  try {
    return client.supports?.(locator) ?? unsaid
  } catch {
    return false
  }
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
  {
    bytes,
    hash,
    source,
    timeout,
  }: { bytes: Uint8Array; hash: Hex | undefined; source: string; timeout: number | undefined },
  io: DaOptions,
): Promise<DaReceipt> {
  const own = timeout === undefined ? {} : { timeout }
  const { signal } = io
  let running: Promise<DaReceipt> | undefined
  try {
    const receipt = await withDeadline(
      `${source} da.put`,
      { signal, timeout: longer(timeout ?? LONGEST_PUT, mayBePaid(client) ? LEAST_PATIENCE : 0) },
      async (inner) => {
        running = client.put(bytes, {
          onProgress: io.onProgress,
          ...(io.mayPayTwice ? { mayPayTwice: true } : {}),
          ...own,
          signal: inner,
        })
        return running
      },
    )
    return believed(receipt, { hash, source, isPaid: mayBePaid(client) })
  } catch (error) {
    if (signal?.aborted && running && mayBePaid(client)) throw await lastWord(running, error)
    if (signal?.aborted || !(error instanceof TimeoutError) || !mayBePaid(client)) throw error
    const reason = `no answer within ${timeout ?? LONGEST_PUT} ms`
    throw new DaOutcomeUnknownError({ source, reason }, { cause: error })
  }
}

/** What a member says of a payment just after its caller gave up; else the error that there is. */
async function lastWord(running: Promise<unknown>, error: unknown): Promise<unknown> {
  const over = new AbortController()
  const said = running.then(
    () => error,
    (own) => (paidIn(own) === undefined ? error : own),
  )
  const silence = sleep(LEAST_PATIENCE, over.signal).catch(() => undefined)
  const word = await Promise.race([said, silence.then(() => error)])
  over.abort()
  return word
}

/** A time a little longer than a member's own, which may cost: what it says of that must come first. */
export function longer(timeout: number, least: number = LEAST_PATIENCE): number {
  return timeout + Math.min(MOST_PATIENCE, Math.max(least, timeout * PATIENCE))
}

/** What is no receipt of these bytes is no copy, and may have been paid for all the same. */
function believed(
  receipt: DaReceipt,
  { hash, source, isPaid }: { hash: Hex | undefined; source: string; isPaid: boolean },
): DaReceipt {
  try {
    assertMembers('receipt', receipt, ['locator', 'artifactHash'])
    encodeLocator(receipt.locator)
  } catch (cause) {
    const reason = 'it answered a write with no receipt'
    if (isPaid) throw new DaOutcomeUnknownError({ source, reason }, { cause })
    throw new DaProtocolError({ source, reason }, { cause })
  }
  const { artifactHash: actual } = receipt
  if (hash === undefined || String(actual).toLowerCase() === hash) return receipt
  const reason = 'the receipt names another artifact'
  if (isPaid) throw new DaOutcomeUnknownError({ source, reason })
  throw new DaIntegrityError({ source, expected: hash, actual, reason })
}
