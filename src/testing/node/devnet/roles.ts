/** The other roles of a development network, each started as its process starts it. */
import { join } from 'node:path'
import type { Hex, LocalAccount } from 'viem'
import {
  challengerSettings,
  completeSettings,
  gatewaySettings,
  type RunningChallenger,
  type RunningGateway,
  type RunningReplica,
  type RunningRole,
  replicaSettings,
  startChallenger,
  startGateway,
  startReplica,
} from '../../../operator/node/index.js'
import { AnvilError } from '../anvil.js'
import type { StartedLedger } from './ledger.js'
import type { Seat } from './operators.js'
import type { SharedSettings } from './settings.js'

/** What the roles around the operators are started with. */
export type RolesParameters = {
  settings: SharedSettings
  seats: readonly Seat[]
  pcr0Commitment: Hex
  directory: string
  gateway: LocalAccount
  challenger: LocalAccount
  ledger: StartedLedger | undefined
  /** Whether the gateway's tasks outlive it. */
  keepTasks: boolean
}

/** Starts a gateway that takes any caller and lands answers by its own account. */
export function startDevnetGateway(parameters: RolesParameters): Promise<RunningGateway> {
  const { settings, seats, pcr0Commitment, directory } = parameters
  const { 'da.directory': _, ...chain } = settings
  return startGateway({
    account: parameters.gateway,
    settings: completeSettings(gatewaySettings, {
      ...{ ...chain, ...parameters.ledger?.settingsOf('gateway') },
      'data.directory': join(directory, 'gateway'),
      'listen.port': 0,
      operators: urlsOf(seats),
      'database.memory': !parameters.keepTasks,
      'callers.anyone': true,
      'callers.auditors': ['anyone'],
      'enclave.pcr0_commitment': pcr0Commitment,
      // On a chain that mines nothing by itself, what is accepted must not name the newest block.
      reference_delay: 1,
    }),
  })
}

/** Starts a challenger, which asks the gateway for what travels with responses. */
export function startDevnetChallenger(
  parameters: RolesParameters & { gatewayUrl: string },
): Promise<RunningChallenger> {
  const { settings, directory, gatewayUrl } = parameters
  return startChallenger({
    account: parameters.challenger,
    settings: completeSettings(challengerSettings, {
      ...{ ...settings, ...parameters.ledger?.settingsOf('challenger') },
      'data.directory': join(directory, 'challenger'),
      'listen.port': 0,
      'gateway.url': gatewayUrl,
      'file.finality_depth': 4,
    }),
  })
}

/** Starts a replica that others may bootstrap from. */
export function startDevnetReplica(parameters: RolesParameters): Promise<RunningReplica> {
  const { settings, seats, directory } = parameters
  return startReplica({
    settings: completeSettings(replicaSettings, {
      ...settings,
      'data.directory': join(directory, 'replica'),
      'listen.port': 0,
      operators: urlsOf(seats),
      serve: true,
    }),
  })
}

function urlsOf(seats: readonly Seat[]): Readonly<Record<string, string>> {
  return Object.fromEntries(seats.map(({ address, url }) => [address, url]))
}

/** Milliseconds for a role to be ready: several start at once on one machine. */
const PATIENCE = 60_000

/** Waits until a role says that it can do its work. */
export async function untilReady(role: RunningRole): Promise<void> {
  const until = Date.now() + PATIENCE
  for (;;) {
    const lacks = await role.ready()
    if (lacks.length === 0) return
    if (Date.now() > until) {
      throw new AnvilError(`The ${role.role} at ${role.url} did not become ready.`, {
        details: lacks.join('; '),
      })
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
