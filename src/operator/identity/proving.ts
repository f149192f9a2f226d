/** The caller's side: no call goes to a URL before the operator has shown that it is its own. */
import type { Bn254Backend, OperatorTable } from '../../core/bn254/index.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { isPolicySdkError } from '../../errors/base.js'
import { TimeoutError } from '../../errors/common.js'
import { readBounded } from '../../internal/boundedBody.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { createSingleFlight } from '../../internal/singleFlight.js'
import type { OperatorClient } from '../rpc/client.js'
import { OperatorIdentityError, OperatorUnreachableError } from '../rpc/errors.js'
import { MAX_IDENTITY_BYTES, verifyOperatorIdentity } from './identity.js'

/** The operator table in force at a block, with the keys of its operators. */
type TablesWithKeys = {
  tableAt(
    block: bigint,
    options?: IoOptions,
  ): Promise<{ table: OperatorTable; backend?: Bn254Backend | undefined } | null>
}

/** Parameters of {@link provenClients}. */
export type ProvenClientsParameters = {
  clients: readonly OperatorClient[]
  registry: Pick<RegistryReader, 'chainId' | 'policyRegistry' | 'getLatestBlock'>
  tables: TablesWithKeys
  fetch?: typeof globalThis.fetch | undefined
  /** Milliseconds for one identity. @default 5_000 */
  timeout?: number | undefined
  /** Milliseconds. @default Date.now */
  now?: (() => number) | undefined
}

/** Milliseconds after which an identity is asked for again, beside the calls. */
const REFRESH = 300_000
/** Milliseconds after which none is believed any more, and calls wait for a new one. */
const LIFE = 600_000
/** Milliseconds after a refusal for which the same answer is given without asking again. */
const REFUSED = 2_000

/**
 * Clients that prove whom they call: before the first call, and again every few minutes, the operator's
 * `GET /identity` is checked against its key in the operator table. One that does not prove itself is
 * called for nothing.
 *
 * @throws {OperatorIdentityError} {@link OperatorUnreachableError} from the calls of the clients.
 * @example
 * ```ts
 * import { collectTask, provenClients } from '@newton/policy-sdk/operator'
 *
 * const operators = provenClients({ clients, registry, tables })
 * const { certificate } = await collectTask({ task, operators, registry, tables })
 * ```
 */
export function provenClients(parameters: ProvenClientsParameters): OperatorClient[] {
  return parameters.clients.map((client) => provenClient(client, parameters))
}

function provenClient(client: OperatorClient, parameters: ProvenClientsParameters): OperatorClient {
  const now = parameters.now ?? Date.now
  const flights = createSingleFlight<void>(`the identity of ${client.operator}`)
  let proven = Number.NEGATIVE_INFINITY
  let refused: { error: OperatorIdentityError; until: number } | undefined
  const prove = (options: IoOptions): Promise<void> =>
    flights.run('identity', options, async (signal) => {
      const asked = now()
      try {
        await checkIdentity(client, { ...parameters, now }, signal)
        proven = asked
        refused = undefined
      } catch (error) {
        if (error instanceof OperatorIdentityError) {
          proven = Number.NEGATIVE_INFINITY
          refused = { error, until: now() + REFUSED }
        }
        throw error
      }
    })
  return {
    ...client,
    async call(method, params, options = {}) {
      const age = now() - proven
      if (!(age < LIFE)) {
        if (refused !== undefined && now() < refused.until) throw refused.error
        await prove(options)
      } else if (age > REFRESH) prove({}).catch(() => undefined)
      return client.call(method, params, options)
    },
  }
}

/**
 * Asks once who answers at an operator's URL.
 *
 * @throws {OperatorIdentityError} {@link OperatorUnreachableError}
 */
export async function checkIdentity(
  { operator, url }: Pick<OperatorClient, 'operator' | 'url'>,
  parameters: Omit<ProvenClientsParameters, 'clients'>,
  signal: AbortSignal,
): Promise<void> {
  const { registry, tables, now = Date.now, timeout = 5_000 } = parameters
  const base = url.replace(/\/rpc$/, '')
  await withDeadline(`the identity of ${operator}`, { signal, timeout }, async (inner) => {
    const io = { signal: inner }
    const { number } = await registry.getLatestBlock(io)
    const entry = entryOf(await tables.tableAt(number, io), operator)
    if (entry === undefined) throw new OperatorIdentityError({ operator, fault: 'NOT_IN_TABLE' })
    const { status, bytes } = await read(`${base}/identity`, parameters, inner)
    // One that is starting has none yet; one without the route never will.
    if (status >= 500) {
      throw new OperatorUnreachableError({ operator, reason: `it answers ${status}` })
    }
    if (bytes === undefined) throw new OperatorIdentityError({ operator, fault: 'MALFORMED' })
    const { chainId, policyRegistry } = registry
    const verdict = verifyOperatorIdentity(bytes, {
      ...{ chainId, policyRegistry, operator, url: base, ...entry },
      now: now() / 1_000,
    })
    if (verdict.status === 'refused') {
      throw new OperatorIdentityError({ operator, fault: verdict.fault })
    }
  }).catch((error: unknown) => {
    signal.throwIfAborted()
    if (isPolicySdkError(error) && !(error instanceof TimeoutError)) throw error
    const reason = 'it does not say who it is'
    throw new OperatorUnreachableError({ operator, reason }, { cause: error })
  })
}

type Entry = {
  publicKey: Pick<OperatorTable['operators'][number], 'pubkey' | 'pubkeyG2'>
  backend: Bn254Backend | undefined
}

function entryOf(
  inForce: Awaited<ReturnType<TablesWithKeys['tableAt']>>,
  operator: OperatorClient['operator'],
): Entry | undefined {
  const found = inForce?.table.operators[inForce.table.indexOf(operator)]
  if (found === undefined) return undefined
  const { pubkey, pubkeyG2 } = found
  return { publicKey: { pubkey, pubkeyG2 }, backend: inForce?.backend }
}

async function read(
  url: string,
  parameters: Pick<ProvenClientsParameters, 'fetch'>,
  signal: AbortSignal,
): Promise<{ status: number; bytes: Uint8Array | undefined }> {
  const fetch: typeof globalThis.fetch =
    parameters.fetch ?? ((...given) => globalThis.fetch(...given))
  const response = await fetch(url, { signal, redirect: 'error' })
  const bytes = await readBounded(response, MAX_IDENTITY_BYTES)
  return { status: response.status, bytes: response.ok ? bytes : undefined }
}
