/**
 * What stores of webhooks take. Each keeps values in a way of its own, and would say something else of what is
 * none: one keeps it, one rounds it, one fails in the middle of a statement. Looked at before, all say the same.
 */
import { InvalidInputError } from '../../../errors/common.js'
import {
  assertChoice,
  assertCount,
  assertFlag,
  assertKnown,
  assertList,
  assertMilliseconds,
  assertObject,
} from '../../../internal/options.js'
import { taskStates } from './states.js'
import type { StoredWebhook, WebhookStore } from './webhooks.js'

const [MOST_NAME, MOST_URL, MOST_FAULTS] = [256, 2_048, 64]
/** The largest of what tables keep in four bytes. */
const MOST_INTEGER = 2 ** 31 - 1

/** A store that refuses what is no webhook, no caller and no delivery, with `INVALID_INPUT`, and changes nothing. */
export function checkedWebhooks(store: WebhookStore): WebhookStore {
  return {
    ...store,
    set: async (caller, webhook) => {
      assertName('caller', caller)
      return store.set(caller, readStoredWebhook(webhook))
    },
    find: async (caller) => {
      assertName('caller', caller)
      return store.find(caller)
    },
    remove: async (caller, only) => {
      assertName('caller', caller)
      if (only === undefined) return store.remove(caller)
      assertObject('only', only)
      assertKnown('only', only, ['keyHash'])
      assertKeyHash('only.keyHash', only.keyHash)
      return store.remove(caller, { keyHash: only.keyHash })
    },
    doubt: async (caller, parameters) => {
      assertName('caller', caller)
      assertObject('parameters', parameters)
      assertKnown('parameters', parameters, ['keyHash', 'at'])
      const { keyHash, at } = parameters
      assertKeyHash('parameters.keyHash', keyHash)
      if (at !== undefined) assertCount('parameters.at', at, { least: 0 })
      return store.doubt(caller, { keyHash, at })
    },
    claim: async (parameters) => {
      assertObject('parameters', parameters)
      assertKnown('parameters', parameters, ['lease', 'limit', 'busy'])
      const { lease, limit, busy } = parameters
      assertMilliseconds('lease', lease)
      assertCount('limit', limit, { least: 0, most: MOST_INTEGER })
      assertList('busy', busy)
      // What is no name is nobody's: it keeps nobody out.
      return store.claim({ lease, limit, busy: busy.filter(isName) })
    },
    end: async (delivery, outcome) => {
      assertObject('delivery', delivery)
      assertName('delivery.taskId', delivery.taskId)
      assertChoice('delivery.state', delivery.state, taskStates)
      assertCount('delivery.attempt', delivery.attempt, { most: MOST_INTEGER })
      if (typeof outcome === 'object') {
        assertObject('outcome', outcome)
        assertKnown('outcome', outcome, ['after', 'untried'])
        if (outcome.untried !== undefined) assertFlag('outcome.untried', outcome.untried)
        assertMilliseconds('outcome.after', outcome.after)
      } else assertChoice('outcome', outcome, ['delivered', 'failed'])
      return store.end(delivery, outcome)
    },
  }
}

/** A copy of a webhook that is one. @throws {InvalidInputError} naming the member that is none. */
export function readStoredWebhook(given: StoredWebhook): StoredWebhook {
  assertObject('webhook', given)
  const { url, secret, timeout, retries, failures, keyHash, registeredAt, ...rest } = given
  const { doubtedAt, ...more } = rest
  assertKnown('webhook', more, [])
  if (doubtedAt !== undefined) assertCount('webhook.doubtedAt', doubtedAt, { least: 0 })
  if (!isText(url, MOST_URL) || !URL.canParse(url)) throw bad('webhook.url', 'expected a URL')
  if (typeof secret !== 'string' || !/^[\x21-\x7e]{16,256}$/.test(secret)) {
    throw bad('webhook.secret', 'expected 16 to 256 visible ASCII characters')
  }
  assertCount('webhook.timeout', timeout, { most: MOST_INTEGER })
  assertCount('webhook.retries', retries, { least: 0, most: MOST_INTEGER })
  assertKeyHash('webhook.keyHash', keyHash)
  assertCount('webhook.registeredAt', registeredAt, { least: 0 })
  const kept = failures === undefined ? undefined : readFailures(failures)
  const doubted = doubtedAt === undefined ? {} : { doubtedAt }
  return { url, secret, timeout, retries, failures: kept, keyHash, registeredAt, ...doubted }
}

function readFailures(given: readonly string[]): readonly string[] {
  assertList('webhook.failures', given)
  assertCount('webhook.failures.length', given.length, { least: 0, most: MOST_FAULTS })
  return Array.from(given, (name) => {
    // A name of these letters is found as a whole in the text that a table keeps.
    if (typeof name === 'string' && /^[A-Z][A-Z0-9_]{0,63}$/.test(name)) return name
    throw bad('webhook.failures', 'expected names of faults')
  })
}

/** Text that every store keeps as it is: tables take no NUL, and half of a pair of surrogates becomes another sign. */
function isText(value: unknown, most: number): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= most &&
    !/\0|\p{Surrogate}/u.test(value)
  )
}

const isName = (value: unknown): value is string => isText(value, MOST_NAME)

function assertName(field: string, value: unknown): void {
  if (!isName(value)) throw bad(field, `expected a text of 1 to ${MOST_NAME} characters`)
}

function assertKeyHash(field: string, value: unknown): void {
  if (value === undefined || (typeof value === 'string' && /^0x[0-9a-f]{64}$/.test(value))) return
  throw bad(field, 'expected 32 bytes in lower-case hex')
}

function bad(field: string, reason: string): InvalidInputError {
  return new InvalidInputError({ field, reason })
}
