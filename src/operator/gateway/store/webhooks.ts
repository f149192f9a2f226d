/**
 * What a gateway remembers of callers that are told by a request of the gateway's own: where they are told,
 * and what is left to tell. A delivery is kept in one step with the change that it tells of.
 */
import type { Hex } from 'viem'
import type { TaskState } from './states.js'

/** Where a caller is told. */
export type StoredWebhook = {
  url: string
  /** What deliveries are signed with. */
  secret: string
  /** Milliseconds for one attempt. */
  timeout: number
  /** Attempts after the first. */
  retries: number
  /** Faults of failures that are told; all where it is left out. */
  failures: readonly string[] | undefined
  /** Hash of the key that registered it; left out where the check of callers cannot say what became of one. */
  keyHash: Hex | undefined
  /** Unix milliseconds. */
  registeredAt: number
  /** Unix milliseconds since when no gateway found its key among the caller's; left out where one did last. */
  doubtedAt?: number | undefined
}

/**
 * How much stores keep of webhooks, so that what is looked through for what is due stays small: webhooks of
 * all callers, and deliveries of each that wait. A delivery beyond that is kept as failed.
 */
export const webhookBounds = { webhooks: 1_024, waitingPerCaller: 1_024 } as const

/** One thing to tell, held by whoever claimed it. */
export type ClaimedDelivery = {
  taskId: Hex
  /** The state that is told: with the task it names the delivery. */
  state: TaskState
  caller: string
  /** The number of this claim, from 1: a later one takes the delivery over. */
  attempt: number
  /** Claims before this one that were given back without an attempt. */
  untried: number
  /** Unix milliseconds. */
  createdAt: number
  webhook: StoredWebhook
}

/** What became of an attempt: it is over, or comes again after some milliseconds; `untried`: none was made. */
export type DeliveryOutcome =
  | 'delivered'
  | 'failed'
  | { after: number; untried?: boolean | undefined }

/**
 * Keeps webhooks and deliveries. What is no webhook, no caller (1 to 256 characters, no NUL) and no delivery is
 * refused with `INVALID_INPUT`, alike by all stores of this package.
 */
export interface WebhookStore {
  /**
   * Keeps a caller's webhook in the place of the one before. `true`: there was one. `full`: there was none, and
   * there are {@link webhookBounds} of them.
   */
  set(caller: string, webhook: StoredWebhook): Promise<boolean | 'full'>
  /**
   * Keeps since when a webhook is doubted, where its key still is this one: the first time stays, until
   * `undefined` ends it. Returns what is kept then; `undefined` also where there is no such webhook.
   */
  doubt(
    caller: string,
    parameters: { keyHash: Hex | undefined; at: number | undefined },
  ): Promise<number | undefined>
  find(caller: string): Promise<StoredWebhook | undefined>
  /**
   * Forgets a caller's webhook, and what was to be told there. With `only`: where that is the hash of its key
   * still, `undefined` one without a hash. `false`: there was none.
   */
  remove(caller: string, only?: { keyHash: Hex | undefined }): Promise<boolean>
  /** Takes what is due: of each caller that is not `busy` the oldest one, for `lease` milliseconds. */
  claim(parameters: {
    lease: number
    limit: number
    busy: readonly string[]
  }): Promise<readonly ClaimedDelivery[]>
  /** Keeps what became of an attempt, unless a later one has the delivery by now. */
  end(delivery: ClaimedDelivery, outcome: DeliveryOutcome): Promise<void>
  /** Deliveries that wait, and that nobody took in the end. */
  count(): Promise<{ waiting: number; failed: number }>
}

/** States that a webhook is told. */
export const toldStates: ReadonlySet<TaskState> = new Set([
  'signed',
  'failed',
  'final',
  'superseded',
])
