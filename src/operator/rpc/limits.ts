/** How much one caller may ask for, and all together. What is over is refused at once, never queued. */
import { InvalidInputError } from '../../errors/common.js'
import { assertKnown, assertObject, MAX_TIMER } from '../../internal/options.js'
import { OperatorRpcError, type Refuser } from './errors.js'

/** Bounds of a server. */
export type RpcLimits = {
  /** Calls a second of one caller, averaged. @default 200 */
  perSecond?: number | undefined
  /** Calls that one caller may make at once after a pause. @default 400 */
  burst?: number | undefined
  /** Calls of one caller that run at a time. @default 64 */
  concurrent?: number | undefined
  /** Calls of all callers that run at a time, those not yet authenticated included. @default 256 */
  concurrentInAll?: number | undefined
  /** Calls that are remembered until they expire. @default 262_144 */
  nonces?: number | undefined
  /** Milliseconds for one call. @default 15_000 */
  timeout?: number | undefined
  /** Bytes of a body. @default 1 MiB */
  bodyBytes?: number | undefined
  /** Bytes of all bodies that are being read at a time; as many as they announce. @default 64 MiB */
  bodyBytesInAll?: number | undefined
}

/** Bounds with their defaults. */
export function resolveLimits(limits: RpcLimits = {}): { [name in keyof RpcLimits]-?: number } {
  const resolved = resolveBounds<RpcLimits>('limits', limits, {
    perSecond: 200,
    burst: 400,
    concurrent: 64,
    concurrentInAll: 256,
    nonces: 262_144,
    timeout: 15_000,
    bodyBytes: 1_048_576,
    bodyBytesInAll: 64 * 1_048_576,
  })
  if (resolved.timeout > MAX_TIMER) {
    const reason = `expected at most ${MAX_TIMER} milliseconds`
    throw new InvalidInputError({ field: 'limits.timeout', reason })
  }
  return resolved
}

/**
 * Bounds that were given, and defaults of the others.
 *
 * @throws {InvalidInputError} for a name that is none, which would bound nothing, and for what is no positive number.
 */
export function resolveBounds<bounds extends { [name in keyof bounds]?: number | undefined }>(
  field: string,
  given: bounds,
  defaults: { readonly [name in keyof bounds]-?: number },
): { [name in keyof bounds]-?: number } {
  assertObject(field, given)
  assertKnown(field, given, Object.keys(defaults))
  const resolved: { [name in keyof bounds]-?: number } = { ...defaults }
  for (const name of Object.keys(defaults) as (keyof bounds & string)[]) {
    const value = given[name] ?? defaults[name]
    if (!Number.isFinite(value) || value <= 0) {
      throw new InvalidInputError({
        field: `${field}.${name}`,
        reason: 'expected a positive number',
      })
    }
    resolved[name] = value
  }
  return resolved
}

/** Counts calls. */
export type RpcMeter = {
  /** Takes a place among all calls, or throws. Returns what gives it back. */
  enter(): () => void
  /** Takes a place among the caller's, or throws. Returns what gives it back. */
  admit(caller: string): () => void
  /** Takes room for a body, or throws. Returns what gives it back. */
  hold(bytes: number): () => void
  /** Remembers a call; `other content` where its nonce was used for another one. */
  remember(call: {
    caller: string
    nonce: string
    content: string
    expiresAt: bigint
  }): 'new' | 'again' | 'other content'
}

type Account = Tokens & { running: number }

/** What may be taken at once, as of a time in milliseconds. */
export type Tokens = { tokens: number; at: number }

/** Adds what was earned since the last look, up to `burst`. A clock that goes back earns nothing. */
export function refill(
  account: Tokens,
  limits: { burst: number; perSecond: number },
  at: number,
): void {
  const earned = ((at - account.at) * limits.perSecond) / 1_000
  account.tokens = Math.min(limits.burst, account.tokens + Math.max(0, earned))
  account.at = at
}

/** Creates a meter. `now` is in milliseconds; `by` is who refuses what is over. */
export function createMeter(
  limits: ReturnType<typeof resolveLimits>,
  now: () => number,
  by?: Refuser,
): RpcMeter {
  const overloaded = (detail: string, retryAfter: number): OperatorRpcError =>
    new OperatorRpcError({ fault: 'OVERLOADED', detail, retryAfter, by })
  const accounts = new Map<string, Account>()
  const nonces = new Map<string, { content: string; expiresAt: number }>()
  let running = 0
  let held = 0
  let swept = now()

  const sweep = (): void => {
    swept = now()
    for (const [name, { expiresAt }] of nonces) if (expiresAt < swept) nonces.delete(name)
  }
  return {
    enter() {
      if (running >= limits.concurrentInAll) {
        throw overloaded('too many calls run at a time', 250)
      }
      running++
      return once(() => {
        running--
      })
    },
    admit(caller) {
      const at = now()
      const account = accounts.get(caller) ?? { tokens: limits.burst, at, running: 0 }
      accounts.set(caller, account)
      refill(account, limits, at)
      if (account.running >= limits.concurrent) {
        throw overloaded('too many calls of this caller run at a time', 250)
      }
      if (account.tokens < 1) {
        const wait = Math.ceil(((1 - account.tokens) * 1_000) / limits.perSecond)
        throw overloaded('this caller calls too often', wait)
      }
      account.tokens -= 1
      account.running++
      return once(() => {
        account.running--
      })
    },
    hold(bytes) {
      // One always fits, whatever the bounds are.
      if (held > 0 && held + bytes > limits.bodyBytesInAll) {
        throw overloaded('too many bodies are read at a time', 250)
      }
      held += bytes
      return once(() => {
        held -= bytes
      })
    },
    remember({ caller, nonce, content, expiresAt }) {
      const name = `${caller} ${nonce}`
      const before = nonces.get(name)
      if (before !== undefined) return before.content === content ? 'again' : 'other content'
      if (nonces.size >= limits.nonces || now() - swept > 10_000) sweep()
      if (nonces.size >= limits.nonces) throw overloaded('too many calls are remembered', 1_000)
      nonces.set(name, { content, expiresAt: Number(expiresAt) * 1_000 })
      return 'new'
    },
  }
}

function once(work: () => void): () => void {
  let done = false
  return () => {
    if (done) return
    done = true
    work()
  }
}
