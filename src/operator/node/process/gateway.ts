/** A gateway as a process. */
import { join } from 'node:path'
import type { Address, LocalAccount } from 'viem'
import { guardedFetch } from '../../../da/node/index.js'
import { createResponseSink } from '../../../registry/index.js'
import { anyCaller, apiKeyCallers, type CallerCheck } from '../../gateway/callers.js'
import { createGateway, type Gateway } from '../../gateway/gateway.js'
import { memoryGatewayStore } from '../../gateway/store/memoryStore.js'
import type { GatewayStore } from '../../gateway/store/store.js'
import { type GatewayWatch, watchGateway } from '../../gateway/watch.js'
import { provenClients } from '../../identity/proving.js'
import { startLoop } from '../../roles/loop.js'
import { createOperatorClient } from '../../rpc/client.js'
import { listenGateway } from '../gatewayServer.js'
import { pgliteGatewayStore, postgresGatewayStore } from '../postgres.js'
import type { SettingsOf } from '../settings/read.js'
import type { gatewaySettings, KeySetting } from '../settings/roles.js'
import { followIndex, type OpenedChain, openChain } from './chain.js'
import { type OpenedLedger, openLedgerHook } from './ledger.js'
import {
  type Closers,
  claimDirectory,
  closing,
  describeError,
  type LogHook,
  listenAddress,
  opening,
  processMetrics,
  type RunningRole,
} from './running.js'
import { isValidContractSignature } from './secrets.js'

/** Settings of a gateway; its keys are opened by whoever starts it. */
export type GatewaySettings = Omit<SettingsOf<typeof gatewaySettings>, KeySetting>

/** A gateway that runs. */
export type RunningGateway = RunningRole & {
  readonly role: 'gateway'
  readonly gateway: Gateway
}

/**
 * Starts a gateway from its settings.
 *
 * @throws {DirectoryLockedError} where another process has the data directory.
 * @example
 * ```ts
 * import { gatewaySettings, readSettings, startGateway } from '@newton/policy-sdk/operator/node'
 *
 * const settings = await readSettings(gatewaySettings, { file: 'gateway.toml' })
 * const gateway = await startGateway({ settings, account })
 * await gateway.close()
 * ```
 */
export function startGateway(parameters: {
  settings: GatewaySettings
  /** Signs calls to operators, and pays for what is landed. */
  account: LocalAccount
  log?: LogHook | undefined
}): Promise<RunningGateway> {
  const { settings, account } = parameters
  const log = parameters.log ?? (() => undefined)
  return opening(log, async (closers) => {
    const directory = settings['data.directory']
    await claimDirectory(directory, 'gateway', closers)
    const chain = await openChain(settings)
    const index = await followIndex(chain, {
      ...{ directory, closers, log },
      confirmations: settings['chain.confirmations'],
    })
    const store = await openStore(settings, { chain, log })
    closers.add(store.close)
    const watch = watchGateway({
      ...{ store, registry: chain.reader },
      operators: Object.keys(settings.operators) as Address[],
      onEvent: (event) => {
        if (event.type === 'store.failed' || event.type === 'landing.failed') {
          log({ level: 'error', event: event.type, ...describeError(event.error) })
        } else if (event.type === 'operator.fault') {
          const { operator, fault, detail, taskId } = event
          log({ level: 'warn', event: event.type, operator, fault, detail, taskId })
        } else if (event.type === 'webhook.registration') {
          log({ level: 'info', event: event.type, caller: event.caller, outcome: event.outcome })
        }
      },
    })
    const { reader } = index
    const ledger = await openLedgerHook(settings, {
      ...{ directory, closers, log, registry: reader, interval: chain.interval },
      // Operators record the registrations that an evaluation needs; theirs may be on the way.
      patience: 60_000,
    })
    const gateway = openGateway({ settings, account, chain, store, watch, reader, ledger })
    const metrics = async (): Promise<string> =>
      (await watch.metrics()) + (ledger?.metrics() ?? '') + (await processMetrics(directory))
    const server = await listenGateway({
      ...{ gateway, metrics, ready: watch.ready, sockets: settings.sockets },
      ...listenAddress(settings),
    })
    forgetOldTasks({ store, log, closers, keep: settings.keep_hours * HOUR })
    // Before the store: what is worked on is handed back to it.
    closers.add(gateway.close)
    log({ level: 'info', event: 'gateway.listening', url: server.url })
    const close = closing(server, closers)
    return { role: 'gateway', url: server.url, gateway, ready: watch.ready, metrics, close }
  })
}

const HOUR = 3_600_000

/** Tasks that ended long ago are forgotten, each hour. */
function forgetOldTasks(parts: {
  store: GatewayStore
  log: LogHook
  closers: Closers
  /** Milliseconds. */
  keep: number
}): void {
  const { store, log, closers, keep } = parts
  const loop = startLoop({
    interval: HOUR,
    now: Date.now,
    onError: (error) => log({ level: 'warn', event: 'store.prune', ...describeError(error) }),
    work: async () => {
      await store.prune({ before: Date.now() - keep })
      return undefined
    },
  })
  closers.add(loop.close)
}

function openGateway(parts: {
  settings: GatewaySettings
  account: LocalAccount
  chain: OpenedChain
  store: GatewayStore
  watch: GatewayWatch
  reader: OpenedChain['reader']
  ledger: OpenedLedger | undefined
}): Gateway {
  const { settings, account, chain, store, watch, reader, ledger } = parts
  const { chainId, policyRegistry } = chain.reader
  const clients = Object.entries(settings.operators).map(([operator, url]) =>
    createOperatorClient({
      operator: operator as Address,
      url: `${url}/rpc`,
      ...{ account, chainId, policyRegistry, timeout: 20_000 },
    }),
  )
  const { tables } = chain
  const operators = provenClients({ clients, registry: chain.reader, tables })
  const delay = settings.reference_delay
  return createGateway({
    ...{ registry: reader, tables, operators, store, onEvent: watch.onEvent },
    callers: callersOf(settings),
    auditors: settings['callers.auditors'],
    pcr0Commitment: settings['enclave.pcr0_commitment'],
    landingInterval: chain.interval,
    isValidContractSignature: (call) => isValidContractSignature(chain, call),
    ledger: ledger?.recorder,
    lease: settings.lease_seconds * 1_000,
    // Whoever comes is one caller there: the webhook of one would be that of all.
    ...(settings.webhooks && !settings['callers.anyone']
      ? { webhooks: { fetch: guardedFetch(), ports: settings.webhook_ports } }
      : {}),
    ...(delay === undefined ? {} : { referenceDelay: BigInt(delay) }),
    ...(settings.land
      ? {
          sink: createResponseSink({
            client: chain.wallet(account),
            addresses: chain.addresses,
            finality: settings['chain.finality'],
          }),
        }
      : {}),
  })
}

function callersOf(settings: GatewaySettings): CallerCheck {
  if (settings['callers.anyone']) return anyCaller()
  const keys = Object.entries(settings['callers.keys'])
  return apiKeyCallers(Object.fromEntries(keys.map(([caller, hash]) => [caller, [hash]])))
}

async function openStore(
  settings: GatewaySettings,
  { chain, log }: { chain: OpenedChain; log: LogHook },
): Promise<GatewayStore> {
  const { chainId, policyRegistry } = chain.reader
  const domain = { chainId, policyRegistry }
  if (settings['database.memory']) return memoryGatewayStore()
  const url = settings['database.url']
  if (url === undefined) {
    return pgliteGatewayStore({ directory: join(settings['data.directory'], 'tasks'), ...domain })
  }
  return postgresGatewayStore({
    ...{ url, ...domain },
    onError: (error) => log({ level: 'warn', event: 'store.connection', ...describeError(error) }),
  })
}
