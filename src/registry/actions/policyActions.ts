/** All actions under one key of a viem client. */
import type { Account, Address, Chain, Client, Transport } from 'viem'
import { assertKnown, assertObject } from '../../internal/options.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import type { WriteClient } from '../chain/client.js'
import type { importNewtonPolicy } from '../newton/importPolicy.js'
import { getLatestAnchor, isCheckpointAnchored } from '../rows/anchors.js'
import { getAcceptedResponse } from '../rows/quorum/accepted.js'
import * as reads from '../rows/reads.js'
import type * as configuration from './admin/configuration.js'
import type * as admin from './admin/gates.js'
import type * as guards from './admin/guards.js'
import type * as operators from './admin/operators.js'
import type * as upgrades from './admin/upgrades.js'
import type * as verifiers from './admin/verifiers.js'
import type * as anchors from './anchors.js'
import * as clients from './clients.js'
import type * as commits from './commits.js'
import * as dataSlots from './dataSlots.js'
import * as policyDeployments from './deployments/deployments.js'
import * as deploymentSignatures from './deployments/signatures.js'
import * as executions from './executions.js'
import * as instances from './instances.js'
import { laterActions } from './laterActions.js'
import type * as provenance from './provenance.js'
import type * as responses from './responses.js'
import * as revocations from './revocations.js'
import type * as snapshots from './snapshots.js'
import * as templates from './templates.js'
import type * as verdicts from './verdicts.js'

type ReadModule = typeof reads & {
  importNewtonPolicy: typeof importNewtonPolicy
  getAcceptedResponse: typeof getAcceptedResponse
  getLatestAnchor: typeof getLatestAnchor
  isCheckpointAnchored: typeof isCheckpointAnchored
}
type WriteModule = typeof admin &
  typeof anchors &
  typeof clients &
  typeof commits &
  typeof configuration &
  typeof dataSlots &
  typeof deploymentSignatures &
  typeof executions &
  typeof guards &
  typeof instances &
  typeof operators &
  typeof policyDeployments &
  typeof provenance &
  typeof responses &
  typeof revocations &
  typeof snapshots &
  typeof templates &
  typeof upgrades &
  typeof verdicts &
  typeof verifiers

/** The actions of a module without their first parameter; addresses may be left out. */
type Bound<module, more = unknown> = {
  [name in keyof module as module[name] extends (...parameters: never[]) => Promise<unknown>
    ? name
    : never]: module[name] extends (client: never, parameters: infer parameters) => infer result
    ? (parameters: parameters & more) => result
    : never
}

/** Actions of any client. */
export type PolicyReadActions = Bound<ReadModule>

/** Actions that write; `more` is what the client does not have and each call has to give. */
export type PolicyWriteActions<more = unknown> = Bound<WriteModule, more>

type Sender = { account: Account | Address }
type Where = { chain: Chain }

/**
 * What {@link policyActions} adds. What the type of the client lacks, a chain or an account, is
 * required with each call that writes, as in viem's own actions.
 */
export type PolicyActions<client> = {
  policy: PolicyReadActions &
    (client extends WriteClient
      ? PolicyWriteActions
      : client extends Where
        ? PolicyWriteActions<Sender>
        : client extends { account: Account }
          ? PolicyWriteActions<Where>
          : PolicyWriteActions<Sender & Where>)
}

/** Options of {@link policyActions}. */
export type PolicyActionsConfig = {
  /** Addresses used where an action is not given its own. */
  addresses?: PolicyAddressesInput | undefined
}

type AnyAction = (client: unknown, parameters: object) => unknown

/**
 * Adds all actions to a viem client, under the one key `policy`.
 *
 * Every action is also a function of its own, which bundles without the others. What few pages call, the
 * actions of operators and of a network's owner above all, is loaded with its first call.
 *
 * @throws {InvalidInputError} for an option that it does not know.
 * @example
 * ```ts
 * import { createPublicClient, http } from 'viem'
 * import { sepolia } from 'viem/chains'
 * import { policyActions } from '@newton/policy-sdk/registry'
 *
 * const client = createPublicClient({ chain: sepolia, transport: http() }).extend(
 *   policyActions({ addresses: {} }),
 * )
 * client.policy.getPolicyTemplate
 * ```
 */
export function policyActions(
  config: PolicyActionsConfig = {},
): <client extends Client<Transport, Chain | undefined, Account | undefined>>(
  client: client,
) => PolicyActions<client> {
  assertObject('config', config)
  assertKnown('config', config, ['addresses'])
  return <client>(client: client) => {
    const modules: readonly Record<string, unknown>[] = [
      laterActions,
      reads,
      { getAcceptedResponse, getLatestAnchor, isCheckpointAnchored },
      templates,
      instances,
      dataSlots,
      deploymentSignatures,
      executions,
      clients,
      policyDeployments,
      revocations,
    ]
    const policy: Record<string, unknown> = {}
    for (const module of modules) {
      for (const [name, action] of Object.entries(module)) {
        policy[name] = async (parameters: object) =>
          (action as AnyAction)(client, withAddresses(parameters, config))
      }
    }
    return { policy } as PolicyActions<client>
  }
}

// An action's own addresses win, one by one.
function withAddresses(parameters: object, config: PolicyActionsConfig): object {
  assertObject('parameters', parameters)
  const { addresses } = parameters as { addresses?: PolicyAddressesInput | undefined }
  return { ...parameters, addresses: { ...config.addresses, ...addresses } }
}
