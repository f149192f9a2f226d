/**
 * Finds out who callers are. A check may ask a database or another service and take seconds: how much of that
 * strangers may have at a time is bounded, so that they keep nobody waiting who has a key.
 */
import type { Hex } from 'viem'
import { withDeadline } from '../../../internal/deadline.js'
import { addressGroup } from '../../../internal/privateAddress.js'
import { refuse } from '../../rpc/envelope.js'
import { type CallerCheck, hashCredential } from '../callers.js'
import { createCounts } from './counts.js'

/**
 * Who it is; `undefined` where nobody.
 *
 * @throws {OperatorRpcError} `OVERLOADED` where too many are being asked about.
 * @throws {TimeoutError} where it cannot be found out in time.
 */
export type Identify = (
  authorization: string | null | undefined,
  /** Of the connection, as far as it is known. */
  address?: string | undefined,
) => Promise<string | undefined>

/** Checks at a time: of all, of those that were let in never before, and of these from one address. */
export const checkBounds = { all: 256, strangers: 128, perAddress: 16 } as const
/** Milliseconds to find out who a caller is. */
const PATIENCE = 10_000
/** Credentials that are remembered as let in. */
const REMEMBERED = 4_096

type Pending = { answer: Promise<string | undefined> }

/**
 * Creates it for one check of callers. Equal credentials that come while they are asked about share the answer.
 * Those that were let in before have places that strangers cannot take.
 */
export function createIdentify(callers: CallerCheck): Identify {
  const pending = new Map<Hex, Pending>()
  const remembered = new Set<Hex>()
  const perAddress = createCounts()
  let strangers = 0

  const remember = (key: Hex): void => {
    remembered.delete(key)
    remembered.add(key)
    for (const oldest of remembered) {
      if (remembered.size <= REMEMBERED) break
      remembered.delete(oldest)
    }
  }
  /** Takes a place, or throws. Returns what gives it back. */
  const enter = (key: Hex, group: string | undefined): (() => void) => {
    const known = remembered.has(key)
    const own = group === undefined ? 0 : perAddress.of(group)
    const over = strangers >= checkBounds.strangers || own >= checkBounds.perAddress
    if (pending.size >= checkBounds.all || (!known && over)) {
      const detail = 'too many callers are being asked about'
      throw refuse('OVERLOADED', detail, { by: 'gateway', retryAfter: 1_000 })
    }
    if (known) return () => undefined
    strangers++
    if (group !== undefined) perAddress.add(group, 1)
    return () => {
      strangers--
      if (group !== undefined) perAddress.add(group, -1)
    }
  }
  return async (authorization, address) => {
    const key = hashCredential(authorization)
    const same = pending.get(key)
    if (same !== undefined) return same.answer
    const leave = enter(key, addressGroup(address))
    let given: unknown
    try {
      given = callers(authorization)
    } catch (error) {
      leave()
      throw error
    }
    if (!isThenable(given)) {
      leave()
      return nameIn(given)
    }
    const answer = withDeadline('who a caller is', { timeout: PATIENCE }, async () =>
      nameIn(await given),
    )
    const one: Pending = { answer }
    pending.set(key, one)
    try {
      const caller = await answer
      if (caller === undefined) remembered.delete(key)
      else remember(key)
      return caller
    } finally {
      leave()
      if (pending.get(key) === one) pending.delete(key)
    }
  }
}

/** Only a text is a name: what else a check gives says nothing. */
function nameIn(given: unknown): string | undefined {
  return typeof given === 'string' ? given : undefined
}

function isThenable(given: unknown): given is PromiseLike<unknown> {
  return typeof given === 'object' && given !== null && 'then' in given
}
