import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** What went wrong at a place that keeps anchors. */
export type AnchorFault = 'unreachable' | 'answer' | 'unverified'

const help: Record<AnchorFault, string> = {
  unreachable: 'Try again: what landed meanwhile is anchored, and a second anchor does no harm.',
  answer: 'See whether the URL is that of the service, and whether it takes what was sent.',
  unverified: 'Look whether the key is that of the shard at this URL. The answer is no anchor.',
}

/** A place outside the ledger did not take a checkpoint, or did not prove that it did. */
export class AnchorRefusedError extends BaseError {
  override readonly name = 'AnchorRefusedError'
  override readonly code = 'LEDGER_ANCHOR_REFUSED'
  /** Why. */
  readonly fault: AnchorFault
  /** Where. */
  readonly url: string

  constructor(
    { url, fault, detail }: { url: string; fault: AnchorFault; detail: string },
    options: BaseErrorOptions = {},
  ) {
    super(`\`${url}\` did not anchor the checkpoint: ${detail}.`, {
      retryable: fault === 'unreachable',
      metaMessages: [help[fault]],
      ...options,
    })
    this.fault = fault
    this.url = url
  }
}
