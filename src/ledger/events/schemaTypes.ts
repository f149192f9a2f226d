/** What checks the form of payloads. The schemas themselves are behind an entry of their own. */
import type { EventPayload } from './event.js'

/** Checks payloads against the schema version that they name. */
export type EventSchemas = {
  /** Every `type/version` that there is, sorted. */
  readonly versions: readonly string[]
  /**
   * Never throws. `known: false` where there is no such version; `problem` says what is wrong with the
   * payload, `undefined` where nothing is.
   */
  check(payload: EventPayload): { known: boolean; problem: string | undefined }
}
