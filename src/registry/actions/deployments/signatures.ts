/** Signing a deployment, so that somebody else sends it, and cancelling what was signed. */

import type { Address, Hex } from 'viem'
import { signTypedData } from 'viem/actions'
import * as PolicyDeployer from '../../../core/abi/policyDeployerAbi.js'
import { bytesToUint } from '../../../internal/bytes.js'
import {
  assertChain,
  type ReadClient,
  request,
  type WriteClient,
  withClient,
  writerOf,
} from '../../chain/client.js'
import { PreflightError } from '../../chain/errors.js'
import type { PreflightCheck } from '../../chain/preflightCheck.js'
import { functionOf } from '../../chain/slices.js'
import { checkDeployment } from '../../preflight/deployments/deployments.js'
import { checkTerms } from '../../preflight/deployments/signatures.js'
import {
  type DeploymentAuthorization,
  type DeploymentTerms,
  type DeploymentTypedData,
  deploymentTypedData,
  type PolicyDeploymentInput,
  prepareTerms,
  type ReadyPolicyDeployment,
} from '../../rows/policyDeployment.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import {
  type DryRunAction,
  defineWrite,
  type SimulateAction,
  type SyncAction,
  type Write,
  type WriteAction,
  type WriteTriple,
} from '../sending/write.js'
import { checkOf, deployerOf, filled, idsOf } from './parameters.js'

/** A deployment to sign. */
export type SignDeploymentInput = PolicyDeploymentInput & {
  /** Who may send it; the zero address is anyone. */
  sponsor: Address
  /** Last second of validity, Unix time. */
  deadline: bigint
  /** Any number not used before; the order does not matter. @default random */
  deploymentNonce?: bigint | undefined
  /** Source of randomness. @default the platform's */
  randomBytes?: ((length: number) => Uint8Array) | undefined
}

/** A deployment and what its client's owner signed: `{ ...deployment, authorization }` is sent. */
export type SignedDeployment = {
  deployment: ReadyPolicyDeployment
  authorization: DeploymentAuthorization
}

/** What a dry run of a signature returns. */
export type SignDeploymentDryRun = {
  action: 'signDeployment'
  /** Whether no check failed. */
  ok: boolean
  checks: readonly PreflightCheck[]
  ids: Readonly<Record<string, Hex>>
  deployment: ReadyPolicyDeployment
  /** What would be signed. */
  typedData: DeploymentTypedData
}

type ReadySignature = {
  deployment: ReadyPolicyDeployment
  terms: DeploymentTerms
  typedData: DeploymentTypedData
  ids: Record<string, Hex>
  check: () => Promise<PreflightCheck[]>
}

async function prepareSignature(
  client: WriteClient,
  parameters: SignDeploymentInput & WriteOptions,
): Promise<ReadySignature> {
  const { sponsor, deadline, randomBytes = platformRandomBytes } = parameters
  const { deploymentNonce = bytesToUint(randomBytes(32)) } = parameters
  const terms = prepareTerms({ sponsor, deadline, nonce: deploymentNonce })
  const ready = await filled(client, parameters)
  const { policyTemplate, policyDataTemplates, policyDataInstances, policyInstance } = ready
  const deployment: ReadyPolicyDeployment = {
    client: ready.client,
    ...(policyTemplate === undefined ? {} : { policyTemplate }),
    ...(policyDataTemplates === undefined ? {} : { policyDataTemplates }),
    ...{ policyDataInstances, policyInstance },
  }
  const check = checkOf(client, { ...parameters, ...deployment })
  const { deployer } = check
  const signer = client.account.address
  return {
    ...{ deployment, terms, ids: idsOf(check.prepared) },
    typedData: deploymentTypedData({
      ...{ prepared: check.prepared, terms, deployer, chainId: client.chain.id },
    }),
    check: async () => [
      ...(await checkDeployment(client, check)),
      ...(await checkTerms(client, { deployer, signer, terms })),
    ],
  }
}

function platformRandomBytes(length: number): Uint8Array {
  return globalThis.crypto.getRandomValues(new Uint8Array(length))
}

/**
 * Signs a deployment as the client's owner, so that `sponsor` can send it and pay for it. It is
 * checked first as if it were sent by the owner. The signature is good for these contents, these
 * slots, this chain and deployer, one use, and up to `deadline`; `cancelDeployment` ends it before.
 *
 * An owner that is a contract signs `typedData` of {@link dryRunSignDeployment} in its own way.
 *
 * @returns Deployment and authorization: what `deployPolicy` takes.
 * @throws {PreflightError} listing every check, when it would fail.
 * @example
 * ```ts
 * const { deployment, authorization } = await signDeployment(ownerClient, {
 *   addresses,
 *   client: vault,
 *   policyInstance: { templateId, params: { limit: 5 }, expireAfter: 600n },
 *   sponsor,
 *   deadline: 1_900_000_000n,
 * })
 * await deployPolicySync(sponsorClient, { addresses, ...deployment, authorization })
 * ```
 */
export const signDeployment: Write<SignDeploymentInput & WriteOptions, SignedDeployment> = async (
  client: ReadClient,
  parameters: SignDeploymentInput & WriteOptions,
) => {
  const action = 'signDeployment'
  const writer = writerOf(action, client, parameters)
  return withClient(action, { client: writer, options: parameters }, async (bound) => {
    await assertChain(bound)
    const { deployment, terms, typedData, check } = await prepareSignature(bound, parameters)
    if (parameters.preflight !== false) {
      const checks = await check()
      if (checks.some(({ ok, level }) => !ok && level === 'error')) {
        throw new PreflightError({ action, checks })
      }
    }
    const { account } = bound
    const signature = await request(action, () =>
      signTypedData(bound, { account, ...typedData } as never),
    )
    return { deployment, authorization: { ...terms, signature } }
  })
}

/** Checks, ids and message of {@link signDeployment}, without signing. */
export const dryRunSignDeployment: Write<
  SignDeploymentInput & WriteOptions,
  SignDeploymentDryRun
> = async (client: ReadClient, parameters: SignDeploymentInput & WriteOptions) => {
  const action = 'signDeployment'
  const writer = writerOf(action, client, parameters)
  return withClient(action, { client: writer, options: parameters }, async (bound) => {
    const { deployment, ids, typedData, check } = await prepareSignature(bound, parameters)
    const checks = await check()
    const ok = !checks.some((one) => !one.ok && one.level === 'error')
    return { action, ok, checks, ids, deployment, typedData }
  })
}

/** A signature to make useless. */
export type CancelDeploymentInput = {
  /** The nonce of its authorization. */
  deploymentNonce: bigint
}

/** What a cancellation emits. */
export type DeploymentCancelledEvent = { signer: Address; nonce: bigint }

const cancel: WriteTriple<CancelDeploymentInput, DeploymentCancelledEvent, undefined> = defineWrite<
  CancelDeploymentInput,
  DeploymentCancelledEvent,
  undefined
>({
  name: 'cancelDeployment',
  prepare: (client, parameters) => ({
    address: deployerOf(client, parameters),
    ...functionOf(PolicyDeployer.cancel),
    args: [nonceOf(client, parameters)],
  }),
  preflight: async (client, parameters) => {
    const checks = await checkTerms(client, {
      deployer: deployerOf(client, parameters),
      signer: client.account.address,
      terms: termsOf(client, parameters),
    })
    return checks.filter(({ rule }) => rule === 'DeploymentNonceUsed')
  },
  emits: PolicyDeployer.DeploymentCancelled,
  event: (args) => args as DeploymentCancelledEvent,
  result: () => undefined,
})

function termsOf(client: WriteClient, parameters: CancelDeploymentInput): DeploymentTerms {
  const { deploymentNonce: nonce } = parameters
  return prepareTerms({ sponsor: client.account.address, nonce, deadline: 0n })
}

function nonceOf(client: WriteClient, parameters: CancelDeploymentInput): bigint {
  return termsOf(client, parameters).nonce
}

/**
 * Makes a signature of the sender useless, by its nonce.
 *
 * @returns The transaction hash.
 * @throws {PreflightError} naming `DeploymentNonceUsed`: it was sent, or cancelled before.
 */
export const cancelDeployment: WriteAction<CancelDeploymentInput> = cancel.send
/** Like {@link cancelDeployment}, and waits for the receipt and its event. */
export const cancelDeploymentSync: SyncAction<CancelDeploymentInput, DeploymentCancelledEvent> =
  cancel.sync
/** Simulates {@link cancelDeployment}. */
export const simulateCancelDeployment: SimulateAction<CancelDeploymentInput, undefined> =
  cancel.simulate
/** Checks and transaction of {@link cancelDeployment}, without signing. */
export const dryRunCancelDeployment: DryRunAction<CancelDeploymentInput> = cancel.dryRun
