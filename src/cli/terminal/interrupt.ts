/** Ctrl-C: heard before each step that cannot be taken back, and the end of whatever is under way. */
import type { LocalAccount } from 'viem/accounts'

/** Milliseconds that work has to clean up after itself before the command ends without it. */
const GRACE = 2_000

/** What an interrupted command ends with. */
export function interruption(): DOMException {
  return new DOMException('interrupted', 'AbortError')
}

/**
 * Lets a signal be heard that came while the event loop was busy.
 *
 * @throws the signal's reason where it fired.
 */
export async function heed(signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return
  signal.throwIfAborted()
  // The first turn may belong to the round of the loop that is under way: the second has polled again.
  for (let turn = 0; turn < 2; turn++) await new Promise((done) => setImmediate(done))
  signal.throwIfAborted()
}

/**
 * The result of some work, or the interruption. Work that is under way has {@link GRACE} to end by itself.
 *
 * @throws what the work throws, or the signal's reason.
 */
export async function interruptible<result>(
  work: Promise<result>,
  signal: AbortSignal,
): Promise<result> {
  const ended = new Promise<never>((_, reject) => {
    const end = (): void => {
      const late = setTimeout(() => reject(signal.reason), GRACE)
      const settled = (): void => {
        clearTimeout(late)
        reject(signal.reason)
      }
      work.then(settled, settled)
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  // The race may be over before it is rejected.
  ended.catch(() => undefined)
  return Promise.race([work, ended])
}

/** An account that signs nothing once the signal has fired. */
export function heedingAccount<account extends LocalAccount>(
  account: account,
  signal: AbortSignal | undefined,
): account {
  const guarded = <input extends unknown[], result>(
    sign: ((...input: input) => Promise<result>) | undefined,
  ) =>
    sign &&
    (async (...input: input): Promise<result> => {
      await heed(signal)
      return sign(...input)
    })
  return {
    ...account,
    sign: guarded(account.sign),
    signAuthorization: guarded(account.signAuthorization),
    signMessage: guarded(account.signMessage),
    signTransaction: guarded(account.signTransaction as (...input: unknown[]) => Promise<unknown>),
    signTypedData: guarded(account.signTypedData as (...input: unknown[]) => Promise<unknown>),
  } as account
}
