/** What a gateway is given to tell callers by requests of its own. */
import { InvalidInputError } from '../../../errors/common.js'
import { assertOptions } from '../../../internal/options.js'
import type { CallerCheck } from '../callers.js'
import { type DeliveringParameters, deliver, type WebhookFetch } from './delivering.js'
import { assertPorts } from './urls.js'

/** Options of a gateway that sends webhooks. */
export type WebhookOptions = {
  fetch: WebhookFetch
  /** Ports that callers may name, 64 at most. @default [443, 8443] */
  ports?: readonly number[] | undefined
  /** Attempts at a time. @default 16 */
  concurrent?: number | undefined
  /** Attempts at a time for one caller whose receiver answers; for others it is one. @default 4 */
  perCaller?: number | undefined
  /** Milliseconds between looks for what is due. @default 500 */
  pollInterval?: number | undefined
  /**
   * Milliseconds after which a webhook ends whose key no gateway of the store knows: as long as it takes to give
   * keys to all of them. Nothing is told there meanwhile by those that do not know it. @default 3_600_000
   */
  keyGrace?: number | undefined
}

/** Default of {@link WebhookOptions.keyGrace}. */
export const KEY_GRACE = 3_600_000

/** Refuses options that are none, and callers whose webhooks would tell others. */
export function assertWebhooks({
  webhooks,
  callers,
}: {
  webhooks?: WebhookOptions | undefined
  callers: CallerCheck
}): void {
  if (webhooks === undefined) return
  assertOptions(
    webhooks,
    {
      ...{ fetch: 'function', concurrent: { least: 1 }, perCaller: { least: 1 } },
      ...{ pollInterval: 'milliseconds', keyGrace: 'milliseconds', ports: 'list' },
    },
    { field: 'webhooks', required: ['fetch'] },
  )
  if (webhooks.ports !== undefined) assertPorts('webhooks.ports', webhooks.ports)
  if (callers.anybody === true) {
    // One name for all: a stranger would be told the tasks of everybody.
    const reason = 'callers that let anybody in have none: give `apiKeyCallers`, or leave it out'
    throw new InvalidInputError({ field: 'webhooks', reason })
  }
  if (typeof callers.holds !== 'function') {
    // Around `apiKeyCallers` or `anyCaller`, a function of one's own loses what they say of themselves.
    throw new InvalidInputError({
      field: 'callers.holds',
      reason: 'webhooks need it, to end with the key that registered them, and this check has none',
      hint: 'Around `apiKeyCallers`: Object.assign(own, { holds: keys.holds }). Or leave `webhooks` out.',
    })
  }
}

/** Delivers where it is asked for. */
export function deliverTo(
  webhooks: WebhookOptions | undefined,
  {
    signal,
    ...parts
  }: Pick<
    DeliveringParameters,
    'store' | 'answers' | 'holds' | 'keyGrace' | 'ports' | 'now' | 'onEvent'
  > & {
    signal: AbortSignal
  },
): Promise<void> | undefined {
  if (webhooks === undefined) return undefined
  const { fetch, concurrent = 16, perCaller = 4, pollInterval = 500 } = webhooks
  return deliver({ ...parts, fetch, concurrent, perCaller, pollInterval }, signal)
}
