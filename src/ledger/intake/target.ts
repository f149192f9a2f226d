/** The ledger as a sink sees it: in this process, or behind HTTP. */
import type { IoOptions } from '../../internal/deadline.js'
import type { LedgerEvent } from '../events/event.js'
import type { SubmitResult } from '../events/submit.js'

/** What a sink asks of a ledger. */
export type LedgerTarget = {
  submit(body: Uint8Array, options?: IoOptions): Promise<SubmitResult>
  /** `current_hash` of the newest event. `undefined` in an empty ledger. */
  head(options?: IoOptions): Promise<string | undefined>
  /** An event that the ledger has. */
  event(eventId: string, options?: IoOptions): Promise<LedgerEvent | undefined>
}

/** A ledger of this process as the target of a sink. */
export function ledgerTarget(ledger: {
  submit(body: Uint8Array, options?: IoOptions): Promise<SubmitResult>
  head(): { current_hash: string } | undefined
  event(eventId: string): Promise<{ event: LedgerEvent } | undefined>
}): LedgerTarget {
  return {
    submit: (body) => ledger.submit(body),
    head: async () => ledger.head()?.current_hash,
    event: async (eventId) => (await ledger.event(eventId))?.event,
  }
}
