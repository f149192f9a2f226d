/** Waits, at most until the signal fires. */
export function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, milliseconds)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })
}

/** Waits, or rejects with the signal's reason. */
export async function sleep(milliseconds: number, signal?: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  if (milliseconds <= 0) return
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, milliseconds)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Work between two turns of the event loop, in bytes read: some ten milliseconds. */
const share = 4 * 1024 * 1024

/**
 * Lets the event loop turn in the midst of long work: timers, renewals and signals would wait for its end.
 *
 * What it returns is told what was done, and waits for a turn each few megabytes.
 *
 * @throws the signal's reason once it has fired.
 */
export function givingWay(signal?: AbortSignal | undefined): (done: number) => Promise<void> {
  let since = 0
  return async (done) => {
    since += done
    if (since >= share) {
      since = 0
      await new Promise<void>((resolve) => setTimeout(resolve, 0))
    }
    signal?.throwIfAborted()
  }
}
