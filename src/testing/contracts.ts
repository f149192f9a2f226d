/** Deploys every contract of the system to a development chain. */
import {
  type Address,
  ContractFunctionRevertedError,
  ContractFunctionZeroDataError,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  getContractAddress,
  type Hex,
  BaseError as ViemError,
} from 'viem'
import {
  getBlockNumber,
  getCode,
  getTransactionCount,
  readContract,
  sendTransaction,
} from 'viem/actions'
import { devnetSlasherAbi } from '../core/abi/devnetSlasherAbi.js'
import { BaseError } from '../errors/base.js'
import type { PolicyAddresses } from '../registry/chain/addressBook.js'
import type { WriteClient } from '../registry/chain/client.js'
import { waitForReceipt } from '../registry/chain/receipts.js'
import { artifacts, type ContractArtifact } from './artifacts/contracts.js'

/** What the contracts of a development chain are set up with. Everything has a default. */
export type DeployConfig = {
  /** Owner of all contracts. @default the deployer */
  owner?: Address | undefined
  /** Where contracts read block numbers. @default 'native' */
  blockKind?: 'native' | 'arbsys' | undefined
  /**
   * Registry of enclave builds that is there already. Where blocks are ArbSys's and it does not say
   * that it counts those, a mirror of it is deployed and used. @default a new registry
   */
  enclaveVersionRegistry?: Address | undefined
  /** Whether anyone may register templates and deploy instances. @default true */
  permissionless?: boolean | undefined
  /** Service that the operator set belongs to. @default the deployer */
  avs?: Address | undefined
  /** Seconds after which an operator table is stale; 0 for never. @default 0 */
  maxStaleness?: number | undefined
  /** Quorum of stake, in ten thousandths. @default 6700 */
  quorumBps?: number | undefined
  /** Version of state commits. @default 2 */
  commitVersion?: 1 | 2 | undefined
  /** Signers of disaster-recovery snapshots. @default the owner alone */
  snapshotSigners?: readonly Address[] | undefined
  snapshotThreshold?: number | undefined
  /** Blocks after its reference block in which a response may be accepted. @default 200 */
  taskResponseWindow?: bigint | undefined
  /** Blocks in which a response may be challenged. @default 1000 */
  challengeWindow?: bigint | undefined
  /** Most blocks that a result stays valid. @default 36000, five days of 12 s blocks */
  maxExpireAfter?: bigint | undefined
  /** Blocks an upgrade waits. @default one more than both windows together */
  upgradeDelay?: bigint | undefined
}

/** Addresses of a deployment and the block to read events from. */
export type DeployedContracts = PolicyAddresses & { fromBlock: bigint }

/** A deployment transaction did not create a contract. */
export class DeploymentError extends BaseError {
  override readonly name = 'DeploymentError'
  override readonly code = 'DEPLOYMENT_FAILED'
}

/**
 * Deploys all contracts, wired to each other, and returns their addresses.
 *
 * Upgradeable contracts stand behind ERC-1967 proxies, as the deploy script does it. For
 * development chains: keys and confirmations are as simple as there.
 *
 * @throws {DeploymentError} when a transaction creates no contract.
 * @example
 * ```ts
 * import { createWalletClient, http } from 'viem'
 * import { privateKeyToAccount } from 'viem/accounts'
 * import { foundry } from 'viem/chains'
 * import { deployContracts } from '@newton/policy-sdk/testing'
 *
 * const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
 * const wallet = createWalletClient({ account, chain: foundry, transport: http() })
 * const contracts = await deployContracts(wallet)
 * ```
 */
export async function deployContracts(
  client: WriteClient,
  config: DeployConfig = {},
): Promise<DeployedContracts> {
  const fromBlock = await getBlockNumber(client, { cacheTime: 0 })
  const common = {
    owner: config.owner ?? client.account.address,
    times: timesOf(config),
    blockKind: config.blockKind === 'arbsys' ? ARB_SYS : NATIVE,
  }
  const registries = await deployRegistries(client, common, config)
  const commits = await deployCommits(client, common, config)
  const responses = await deployResponses(client, { ...common, ...registries, ...commits }, config)
  const stateAnchor = await deployContract(client, { ...artifacts.stateAnchor, args: [] })
  const checkpointAnchor = await deployContract(client, { ...artifacts.checkpointAnchor, args: [] })
  const provenance = await deployProvenance(client, common)
  const shared = { stateAnchor, checkpointAnchor }
  return { ...registries, ...commits, ...responses, ...provenance, ...shared, fromBlock }
}

/** Where contracts read block numbers, by their own numbers for it. */
const NATIVE = 1
const ARB_SYS = 2

/** What every contract behind a proxy is initialized with. */
type Common = { owner: Address; times: Times; blockKind: number }
type Times = { upgradeDelay: bigint; challengeWindow: bigint; maxExpireAfter: bigint }

function timesOf(config: DeployConfig): Times {
  const challengeWindow = config.challengeWindow ?? 1000n
  const maxExpireAfter = config.maxExpireAfter ?? 36_000n
  const upgradeDelay = config.upgradeDelay ?? challengeWindow + maxExpireAfter + 1n
  return { upgradeDelay, challengeWindow, maxExpireAfter }
}

function quorumOf(client: WriteClient, config: DeployConfig): { avs: Address; quorumBps: number } {
  return { avs: config.avs ?? client.account.address, quorumBps: config.quorumBps ?? 6700 }
}

/** The registries of clients, enclaves, policy data and policies. */
async function deployRegistries(
  client: WriteClient,
  common: Common,
  config: DeployConfig,
): Promise<
  Pick<
    DeployedContracts,
    | 'policyClientRegistry'
    | 'enclaveVersionRegistry'
    | 'policyDeployer'
    | 'policyDataRegistry'
    | 'policyRegistry'
  >
> {
  const { owner, times, blockKind } = common
  const open = config.permissionless ?? true
  const ownable = [owner, times, blockKind]
  const policyClientRegistry = await behindProxy(client, artifacts.policyClientRegistry, ownable)
  const enclaveVersionRegistry =
    config.enclaveVersionRegistry === undefined
      ? await behindProxy(client, artifacts.enclaveVersionRegistry, ownable)
      : await deployedBuilds(client, { address: config.enclaveVersionRegistry, blockKind })
  // The deployer names the registries before they are there: an implementation and a proxy each
  // follow it. They refuse to be initialized where it does not name them.
  const from = client.account.address
  const nonce = await getTransactionCount(client, { address: from, blockTag: 'pending' })
  const nextAddress = (after: number): Address =>
    getContractAddress({ from, nonce: BigInt(nonce + after) })
  const policyDeployer = await deployContract(client, {
    ...artifacts.policyDeployer,
    args: [policyClientRegistry, nextAddress(2), nextAddress(4)],
  })
  const registryConfig = {
    ...common,
    clientRegistry: policyClientRegistry,
    policyDeployer,
    templateRegistrationPermissionless: open,
    instanceDeploymentPermissionless: open,
  }
  const policyDataRegistry = await behindProxy(client, artifacts.policyDataRegistry, [
    registryConfig,
  ])
  const policyRegistry = await behindProxy(client, artifacts.policyRegistry, [
    registryConfig,
    policyDataRegistry,
  ])
  return {
    policyClientRegistry,
    enclaveVersionRegistry,
    policyDeployer,
    policyDataRegistry,
    policyRegistry,
  }
}

/** A registry of builds as it is, or its mirror where the chain counts other blocks. */
async function deployedBuilds(
  client: WriteClient,
  { address, blockKind }: { address: Address; blockKind: number },
): Promise<Address> {
  const code = await getCode(client, { address })
  if (code === undefined || code === '0x') {
    throw new DeploymentError(`There is no registry of builds at ${address}: it has no code.`)
  }
  // The deployed protocol's registry does not say what it counts, which is `block.number`.
  const told = await readContract(client, {
    address,
    abi: artifacts.enclaveVersionRegistry.abi,
    functionName: 'blockKind',
  }).catch((error: unknown) => {
    if (error instanceof ViemError && error.walk(isUnanswered) !== null) return undefined
    throw new DeploymentError(`The registry of builds at ${address} cannot be read.`, {
      cause: error,
    })
  })
  if (told === blockKind || (told === undefined && blockKind === NATIVE)) return address
  if (told !== undefined) {
    throw new DeploymentError(
      `The registry of builds at ${address} counts blocks of kind ${told}, this deployment ${blockKind}: name one of this chain.`,
    )
  }
  return deployContract(client, { ...artifacts.enclaveVersionMirror, args: [address, blockKind] })
}

/** Whether a contract has no such function, as its node tells it. */
function isUnanswered(error: unknown): boolean {
  return (
    error instanceof ContractFunctionRevertedError || error instanceof ContractFunctionZeroDataError
  )
}

/** The verifier of certificates, the registry of state commits, and proofs under them. */
async function deployCommits(
  client: WriteClient,
  common: Common,
  config: DeployConfig,
): Promise<
  Pick<DeployedContracts, 'certificateVerifier' | 'stateCommitRegistry' | 'artifactProofs'>
> {
  const { avs, quorumBps } = quorumOf(client, config)
  const certificateVerifier = await behindProxy(client, artifacts.certificateVerifier, [
    {
      ...common,
      operatorSet: { avs, id: 0 },
      maxStaleness: config.maxStaleness ?? 0,
      quorumBps,
    },
  ])
  const stateCommitRegistry = await behindProxy(client, artifacts.stateCommitRegistry, [
    {
      ...common,
      certificateVerifier,
      avs,
      commitVersion: config.commitVersion ?? 2,
      minQuorumBps: quorumBps,
      snapshotSigners: config.snapshotSigners ?? [common.owner],
      snapshotThreshold: config.snapshotThreshold ?? 1,
    },
  ])
  const artifactProofs = await deployContract(client, {
    ...artifacts.artifactProofs,
    args: [stateCommitRegistry],
  })
  return { certificateVerifier, stateCommitRegistry, artifactProofs }
}

/** The registry of responses, their challenges and the slasher that a challenge calls. */
async function deployResponses(
  client: WriteClient,
  wiring: Common &
    Pick<DeployedContracts, 'policyRegistry' | 'certificateVerifier' | 'enclaveVersionRegistry'>,
  config: DeployConfig,
): Promise<Pick<DeployedContracts, 'responseRegistry' | 'slasher' | 'challengeVerifier'>> {
  const { owner, times, policyRegistry, certificateVerifier, enclaveVersionRegistry } = wiring
  const responseRegistry = await behindProxy(client, artifacts.responseRegistry, [
    {
      owner,
      times,
      policyRegistry,
      certificateVerifier,
      taskResponseWindow: config.taskResponseWindow ?? 200n,
    },
  ])
  // The deployer wires the slasher; it is handed over only where another account owns the rest.
  const slasher = await deployContract(client, {
    ...artifacts.slasher,
    args: [client.account.address],
  })
  const challengeVerifier = await behindProxy(client, artifacts.challengeVerifier, [
    {
      owner,
      times,
      responseRegistry,
      enclaveVersionRegistry,
      slasher,
    },
  ])
  await send(client, {
    to: slasher,
    data: encodeFunctionData({
      abi: devnetSlasherAbi,
      functionName: 'setSlasher',
      args: [challengeVerifier, true],
    }),
  })
  return { responseRegistry, slasher, challengeVerifier }
}

/** The registries of build information and of verifiers' claims. */
async function deployProvenance(
  client: WriteClient,
  { owner }: Common,
): Promise<Pick<DeployedContracts, 'buildInfoRegistry' | 'verificationRegistry'>> {
  const buildInfoRegistry = await deployContract(client, {
    ...artifacts.buildInfoRegistry,
    args: [owner],
  })
  const verificationRegistry = await deployContract(client, {
    ...artifacts.verificationRegistry,
    args: [],
  })
  return { buildInfoRegistry, verificationRegistry }
}

/** Creates an implementation and an ERC-1967 proxy that is initialized in its constructor. */
async function behindProxy(
  client: WriteClient,
  contract: ContractArtifact,
  args: readonly unknown[],
): Promise<Address> {
  const { abi, name } = contract
  const implementation = await deployContract(client, { ...contract, args: [] })
  const data = encodeFunctionData({ abi, functionName: 'initialize', args })
  return deployContract(client, {
    ...artifacts.proxy,
    name: `${name} proxy`,
    args: [implementation, data],
  })
}

/**
 * Deploys the example client: a contract that makes a transfer only on an allowed evaluation.
 *
 * @returns Its address. It is not registered yet: its owner calls `registerClient`.
 */
export async function deployGuardedTransfer(
  client: WriteClient,
  parameters: { responseRegistry: Address; owner?: Address | undefined },
): Promise<Address> {
  const { responseRegistry, owner = client.account.address } = parameters
  return deployContract(client, {
    ...artifacts.guardedTransfer,
    args: [owner, responseRegistry],
  })
}

/** Deploys one contract and returns its address. */
export async function deployContract(
  client: WriteClient,
  parameters: ContractArtifact & { args: readonly unknown[] },
): Promise<Address> {
  const { abi, bytecode, args, name } = parameters
  const data = encodeDeployData({ abi, bytecode, args } as never)
  const receipt = await send(client, { data }).catch((cause: unknown) => {
    throw new DeploymentError(`${name} cannot be created.`, { cause })
  })
  if (!receipt.contractAddress || receipt.status !== 'success') {
    throw new DeploymentError(`${name} was not created by ${receipt.transactionHash}.`)
  }
  return getAddress(receipt.contractAddress)
}

async function send(
  client: WriteClient,
  transaction: { to?: Address; data: Hex },
): Promise<{ contractAddress?: Address | null | undefined; status: string; transactionHash: Hex }> {
  const hash = await sendTransaction(client, {
    ...transaction,
    account: client.account,
    chain: client.chain,
  } as never)
  return waitForReceipt(client, hash, { pollingInterval: 50 })
}
