/** A client's policy in one transaction: sent by its owner, by itself, or by whom the owner signed for. */

import type { Address, Hex } from 'viem'
import * as PolicyDeployer from '../../../core/abi/policyDeployerAbi.js'
import { type ReadClient, type WriteClient, withClient, writerOf } from '../../chain/client.js'
import { functionOf } from '../../chain/slices.js'
import { checkDeployment } from '../../preflight/deployments/deployments.js'
import { movesDataOnly, prepareAuthorization } from '../../rows/policyDeployment.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import {
  artifactsOfPolicy,
  artifactsOfPolicyData,
  type Pushed,
  type PushOptions,
  pushAll,
  readyToPush,
} from '../sending/pushing.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncOptions,
  type SyncResult,
  type Write,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'
import { keepsAccepted, revokeAfterMove, type SlotRevocation } from '../slotRevocation.js'
import {
  checkOf,
  type DeployPolicyInput,
  deployerOf,
  filled,
  idsOf,
  prepared,
  type ReadyDeployPolicyInput,
} from './parameters.js'

/** What a deployment emits. */
export type PolicyDeployedEvent = {
  client: Address
  /** For whom: the sender, or the owner who signed. */
  account: Address
  policyInstanceId: Hex
  policyDataInstanceIds: readonly Hex[]
}

/** Result of a simulated deployment. */
export type PolicyDeployedResult = {
  policyInstanceId: Hex
  policyDataInstanceIds: readonly Hex[]
}

const deploy: WriteTriple<ReadyDeployPolicyInput, PolicyDeployedEvent, PolicyDeployedResult> =
  defineWrite<ReadyDeployPolicyInput, PolicyDeployedEvent, PolicyDeployedResult>({
    name: 'deployPolicy',
    prepare: (client, parameters) => {
      const { argument } = prepared(client, parameters)
      const { authorization } = parameters
      const address = deployerOf(client, parameters)
      return authorization === undefined
        ? { address, ...functionOf(PolicyDeployer.deploy), args: [argument] }
        : {
            address,
            ...functionOf(PolicyDeployer.deploySigned),
            args: [argument, prepareAuthorization(authorization)],
          }
    },
    ids: (client, parameters) => idsOf(prepared(client, parameters)),
    preflight: (client, parameters) => checkDeployment(client, checkOf(client, parameters)),
    emits: PolicyDeployer.PolicyDeployed,
    event: (args) => args as PolicyDeployedEvent,
    result: (value) => {
      const [policyInstanceId, policyDataInstanceIds] = value as [Hex, readonly Hex[]]
      return { policyInstanceId, policyDataInstanceIds }
    },
  })

/**
 * Deploys a client's policy in one transaction, all of it or nothing: templates that are missing are
 * registered, instances that are missing deployed, the data slots moved, then the policy slot. For
 * the sender, who is the client's owner or the client itself; with `authorization`, for the owner
 * who signed. Where a slot holds something else than `replaces`, nothing happens.
 *
 * A new data instance under the policy that is there already ends nothing that was allowed before:
 * {@link deployPolicySync} also revokes it.
 *
 * @returns The transaction hash.
 * @throws {InvalidInputError} naming a malformed parameter.
 * @throws {PreflightError} listing every check, when it would fail.
 * @throws {ContractRevertError} when the contract refuses it.
 * @example
 * ```ts
 * const { policyInstanceId } = await deployPolicySync(walletClient, {
 *   addresses,
 *   client: vault,
 *   policyDataInstances: [{ templateId: dataTemplateId, expireAfter: 600n }],
 *   policyInstance: { templateId, params: { limit: 5 }, expireAfter: 600n },
 * })
 * ```
 */
export const deployPolicy: WriteAction<DeployPolicyInput> = async (
  client: ReadClient,
  parameters: DeployPolicyInput & WriteOptions,
) => completed(client, parameters, (bound, ready) => deploy.send(bound, ready))

/**
 * Like {@link deployPolicy}, and waits for the receipt and its event. Where data slots that were
 * filled moved and the policy slot did not, it then revokes the client's responses of reference
 * blocks before, unless `keepAccepted` is set.
 *
 * @returns The event, and `revocation`: what was revoked, or `null`.
 * @throws {RevocationFailedError} when the deployment is there and the revocation is not.
 */
export const deployPolicySync: Write<
  DeployPolicyInput & WriteOptions & SyncOptions & PushOptions,
  SyncResult<PolicyDeployedEvent> & { revocation: SlotRevocation | null } & Pushed
> = async (
  client: ReadClient,
  { push, ...parameters }: DeployPolicyInput & WriteOptions & SyncOptions & PushOptions,
) =>
  completed(client, parameters, async (bound, ready) => {
    const parts = prepared(bound, ready)
    const { policyTemplate, dataTemplates } = parts
    const toPush = readyToPush(push, [
      ...(policyTemplate === undefined ? [] : artifactsOfPolicy(policyTemplate.input)),
      ...dataTemplates.flatMap(({ input }) => artifactsOfPolicyData(input)),
    ])
    const revoking = movesDataOnly(parts) && !keepsAccepted(bound, parameters)
    const done = await deploy.sync(bound, ready)
    const revocation = revoking ? await revokeAfterMove(bound, parameters, done) : null
    if (push === undefined) return { ...done, revocation }
    return { ...done, revocation, pushed: await pushAll(toPush, push, parameters) }
  })

/** Simulates {@link deployPolicy} and returns the ids and the transaction. */
export const simulateDeployPolicy: SimulateAction<DeployPolicyInput, PolicyDeployedResult> = async (
  client: ReadClient,
  parameters: DeployPolicyInput & WriteOptions,
) => completed(client, parameters, (bound, ready) => deploy.simulate(bound, ready))

/** Checks, ids and transaction of {@link deployPolicy}, without signing. */
export const dryRunDeployPolicy: DryRunAction<DeployPolicyInput> = async (
  client: ReadClient,
  parameters: DeployPolicyInput & WriteOptions,
) => completed(client, parameters, (bound, ready) => deploy.dryRun(bound, ready))

/** Works with the account and the chain of the call, and with what every slot holds before. */
async function completed<parameters extends DeployPolicyInput & WriteOptions, value>(
  client: ReadClient,
  parameters: parameters,
  work: (client: WriteClient, ready: parameters & ReadyDeployPolicyInput) => Promise<value>,
): Promise<value> {
  const writer = writerOf('deployPolicy', client, parameters)
  return withClient('deployPolicy', { client: writer, options: parameters }, async (bound) =>
    work(bound, await filled(bound, parameters)),
  )
}
