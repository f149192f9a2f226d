/**
 * Tells callers of their tasks by requests of the gateway's own. What is to be told is in the store before
 * anybody is told of the change; an attempt is claimed, made once, and comes again later where it failed. A
 * gateway that dies in between leaves it to whoever claims it next, so the same may be told twice: it then
 * has the same name.
 */
import { signWebhook } from '../../../gateway/webhook.js'
import { withDeadline } from '../../../internal/deadline.js'
import { pause } from '../../../internal/pause.js'
import type { HoldsKey } from '../callers.js'
import type { GatewayEvent } from '../events.js'
import { writeChange } from '../live/frames.js'
import { type GatewayStore, isDecided } from '../store/store.js'
import type { ClaimedDelivery, DeliveryOutcome } from '../store/webhooks.js'
import type { Answers } from '../waiting.js'
import { writeTaskStatus } from '../wire.js'
import { createForeign, type Foreign, judgeKey } from './keys.js'
import { createPlaces } from './places.js'
import { leadsTo } from './urls.js'

/** Reaches addresses that strangers name: it has to keep to public ones, and to follow nothing. */
export type WebhookFetch = (url: string, init: RequestInit) => Promise<Response>

/** What deliveries are made with. */
export type DeliveringParameters = {
  store: GatewayStore
  answers: Answers
  holds: HoldsKey
  /** Milliseconds that a webhook outlives its key at all gateways. */
  keyGrace: number
  fetch: WebhookFetch
  /** Ports that are connected to, whatever was registered before. */
  ports: readonly number[]
  /** Attempts at a time. */
  concurrent: number
  /** Attempts at a time for one caller whose receiver answers; one that does not has one. */
  perCaller: number
  /** Milliseconds between looks for what is due. */
  pollInterval: number
  now: () => number
  onEvent: (event: GatewayEvent) => void
}

/** Milliseconds before the first attempt after a failed one; doubled each time, up to the last. */
const [FIRST_WAIT, LAST_WAIT] = [1_000, 3_600_000]
/** Milliseconds after which nothing is told any more. */
const LIFE = 86_400_000
/** Milliseconds that a claim outlasts an attempt. */
const MARGIN = 30_000
/** Milliseconds of the longest attempt. */
const LONGEST = 30_000

/** Delivers until the signal fires, then ends what is under way. Never throws. */
export async function deliver(
  parameters: DeliveringParameters,
  signal: AbortSignal,
): Promise<void> {
  const { store, concurrent, perCaller, pollInterval, onEvent } = parameters
  const places = createPlaces({ concurrent, perCaller })
  const foreign = createForeign()
  // A signal for each attempt: one for all would have a listener for each.
  const running = new Map<Promise<void>, AbortController>()
  const abortAll = (): void => {
    for (const own of running.values()) own.abort()
  }
  signal.addEventListener('abort', abortAll, { once: true })
  const start = (delivery: ClaimedDelivery): void => {
    const own = new AbortController()
    if (signal.aborted) own.abort()
    const { caller } = delivery
    places.take(caller)
    const work = attempt(delivery, { ...parameters, foreign }, own.signal).then((answered) => {
      running.delete(work)
      places.give(caller, answered)
    })
    running.set(work, own)
  }
  const look = async (): Promise<boolean> => {
    const { limit, busy } = places.next()
    if (limit === 0) return false
    const left = [...busy, ...foreign.callers()]
    const claimed = await store.webhooks.claim({ lease: LONGEST + MARGIN, limit, busy: left })
    for (const delivery of claimed) start(delivery)
    return claimed.length > 0
  }
  while (!signal.aborted) {
    let more = false
    try {
      more = await look()
    } catch (error) {
      onEvent({ type: 'store.failed', error })
    }
    if (!more) await pause(pollInterval, signal)
  }
  await Promise.all(running.keys())
  signal.removeEventListener('abort', abortAll)
}

/** One attempt, and what became of it: whether the receiver answered. Never throws. */
async function attempt(
  delivery: ClaimedDelivery,
  parameters: DeliveringParameters & { foreign: Foreign },
  signal: AbortSignal,
): Promise<boolean> {
  const { store, holds, keyGrace, onEvent, now, ports } = parameters
  const { taskId, caller } = delivery
  try {
    const parts = { store: store.webhooks, holds, keyGrace, now, onEvent }
    const key = await judgeKey(delivery, parts, signal)
    if (key === 'ended') return true
    if (key === 'doubted') {
      // A gateway that knows the key may tell it meanwhile.
      parameters.foreign.add(caller)
      await store.webhooks.end(delivery, { after: 0, untried: true })
      return true
    }
    const leads = leadsTo(delivery.webhook.url, ports)
    const answered = leads ? await send(delivery, parameters, signal) : undefined
    // It says itself that it was not told: nothing is changed, and the claim ends.
    if (signal.aborted && !isTaken(answered)) {
      await store.webhooks.end(delivery, { after: 0, untried: true })
      return false
    }
    const outcome = leads ? judge(delivery, answered, now()) : 'failed'
    await store.webhooks.end(delivery, outcome)
    const told = typeof outcome === 'string' ? outcome : 'retried'
    onEvent({ type: 'webhook.attempt', taskId, caller, outcome: told, status: answered })
    return answered !== undefined
  } catch (error) {
    onEvent({ type: 'store.failed', error })
    return false
  }
}

/** The status of the answer; `undefined` where there was none. */
async function send(
  delivery: ClaimedDelivery,
  { store, answers, fetch }: DeliveringParameters,
  signal: AbortSignal,
): Promise<number | undefined> {
  const body = await writeDelivery(delivery, { store, answers })
  // The task was pruned: there is nothing left to tell.
  if (body === undefined) return GONE
  const { webhook, taskId, state } = delivery
  const timeout = Math.min(webhook.timeout, LONGEST)
  try {
    return await withDeadline('a webhook', { signal, timeout }, async (inner) => {
      const response = await fetch(webhook.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'newton-policy-gateway',
          'x-newton-delivery': `${taskId}:${state}`,
          'x-newton-signature': await signWebhook(body, webhook.secret),
        },
        body,
        redirect: 'manual',
        signal: inner,
      })
      // What a stranger answers is of no interest, however long it is.
      await response.body?.cancel()
      return response.status
    })
  } catch {
    return undefined
  }
}

const GONE = 410

function isTaken(status: number | undefined): boolean {
  return status !== undefined && status >= 200 && status < 300
}

function judge(
  { attempt: claims, untried, createdAt, webhook }: ClaimedDelivery,
  status: number | undefined,
  at: number,
): DeliveryOutcome {
  const made = claims - untried
  if (isTaken(status)) return 'delivered'
  const after = Math.min(FIRST_WAIT * 2 ** (made - 1), LAST_WAIT)
  const over = made > webhook.retries || at + after > createdAt + LIFE
  return status === GONE || over ? 'failed' : { after }
}

/** What is told: the same bytes in each attempt. */
async function writeDelivery(
  { taskId, state, createdAt }: ClaimedDelivery,
  { store, answers }: Pick<DeliveringParameters, 'store' | 'answers'>,
): Promise<string | undefined> {
  const task = await store.find(taskId)
  if (task === undefined) return undefined
  // The task may have gone on: what is told is the change that was to be told.
  const then = { ...task, state, failure: state === 'failed' ? task.failure : undefined }
  const first = state === 'signed' && isDecided(then)
  const answer = first ? await answers.find(taskId) : undefined
  const status = writeTaskStatus({ taskId, state, failure: then.failure, answer })
  return writeChange({ task: then, status, first, timestamp: createdAt })
}
