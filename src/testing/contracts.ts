/** Deploys every contract of the system to a development chain. */
import {
  type Abi,
  type Address,
  encodeDeployData,
  encodeFunctionData,
  getAddress,
  type Hex,
  parseAbi,
} from 'viem'
import { getBlockNumber, sendTransaction } from 'viem/actions'
import { artifactProofsAbi } from '../core/abi/artifactProofsAbi.js'
import { bn254CertificateVerifierAbi } from '../core/abi/bn254CertificateVerifierAbi.js'
import { challengeVerifierAbi } from '../core/abi/challengeVerifierAbi.js'
import { devnetSlasherAbi } from '../core/abi/devnetSlasherAbi.js'
import { enclaveVersionRegistryAbi } from '../core/abi/enclaveVersionRegistryAbi.js'
import { guardedTransferAbi } from '../core/abi/guardedTransferAbi.js'
import { policyClientRegistryAbi } from '../core/abi/policyClientRegistryAbi.js'
import { policyDataRegistryAbi } from '../core/abi/policyDataRegistryAbi.js'
import { policyRegistryAbi } from '../core/abi/policyRegistryAbi.js'
import { responseRegistryAbi } from '../core/abi/responseRegistryAbi.js'
import { stateCommitRegistryAbi } from '../core/abi/stateCommitRegistryAbi.js'
import { BaseError } from '../errors/base.js'
import type { PolicyAddresses } from '../registry/chain/addressBook.js'
import type { WriteClient } from '../registry/chain/client.js'
import { waitForReceipt } from '../registry/chain/receipts.js'
import { artifactProofsBytecode } from './artifacts/artifactProofs.generated.js'
import { bn254CertificateVerifierBytecode } from './artifacts/bn254CertificateVerifier.generated.js'
import { challengeVerifierBytecode } from './artifacts/challengeVerifier.generated.js'
import { devnetSlasherBytecode } from './artifacts/devnetSlasher.generated.js'
import { enclaveVersionRegistryBytecode } from './artifacts/enclaveVersionRegistry.generated.js'
import { erc1967ProxyBytecode } from './artifacts/erc1967Proxy.generated.js'
import { guardedTransferBytecode } from './artifacts/guardedTransfer.generated.js'
import { policyClientRegistryBytecode } from './artifacts/policyClientRegistry.generated.js'
import { policyDataRegistryBytecode } from './artifacts/policyDataRegistry.generated.js'
import { policyRegistryBytecode } from './artifacts/policyRegistry.generated.js'
import { responseRegistryBytecode } from './artifacts/responseRegistry.generated.js'
import { stateCommitRegistryBytecode } from './artifacts/stateCommitRegistry.generated.js'

/** What the contracts of a development chain are set up with. Everything has a default. */
export type DeployConfig = {
  /** Owner of all contracts. @default the deployer */
  owner?: Address | undefined
  /** Where contracts read block numbers. @default 'native' */
  blockKind?: 'native' | 'arbsys' | undefined
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
  /** Blocks an upgrade waits. @default one more than the challenge window */
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
  const owner = config.owner ?? client.account.address
  const avs = config.avs ?? client.account.address
  const blockKind = config.blockKind === 'arbsys' ? 2 : 1
  const open = config.permissionless ?? true
  const quorumBps = config.quorumBps ?? 6700
  const challengeWindow = config.challengeWindow ?? 1000n
  const upgradeDelay = config.upgradeDelay ?? challengeWindow + 1n
  const fromBlock = await getBlockNumber(client, { cacheTime: 0 })

  const behindProxy = async (
    contract: { abi: Abi; bytecode: Hex; name: string },
    args: readonly unknown[],
  ): Promise<Address> => {
    const { abi, bytecode, name } = contract
    const implementation = await deployContract(client, { abi, bytecode, name, args: [] })
    const data = encodeFunctionData({ abi, functionName: 'initialize', args })
    return deployContract(client, {
      abi: proxyAbi,
      bytecode: erc1967ProxyBytecode,
      name: `${name} proxy`,
      args: [implementation, data],
    })
  }

  const policyClientRegistry = await behindProxy(artifacts.policyClientRegistry, [
    owner,
    upgradeDelay,
    blockKind,
  ])
  const enclaveVersionRegistry = await behindProxy(artifacts.enclaveVersionRegistry, [
    owner,
    upgradeDelay,
    blockKind,
  ])
  const registryConfig = {
    owner,
    upgradeDelay,
    blockKind,
    clientRegistry: policyClientRegistry,
    templateRegistrationPermissionless: open,
    instanceDeploymentPermissionless: open,
  }
  const policyDataRegistry = await behindProxy(artifacts.policyDataRegistry, [registryConfig])
  const policyRegistry = await behindProxy(artifacts.policyRegistry, [
    registryConfig,
    policyDataRegistry,
  ])
  const certificateVerifier = await behindProxy(artifacts.certificateVerifier, [
    {
      owner,
      upgradeDelay,
      blockKind,
      operatorSet: { avs, id: 0 },
      maxStaleness: config.maxStaleness ?? 0,
      quorumBps,
    },
  ])
  const stateCommitRegistry = await behindProxy(artifacts.stateCommitRegistry, [
    {
      owner,
      upgradeDelay,
      blockKind,
      certificateVerifier,
      avs,
      commitVersion: config.commitVersion ?? 2,
      minQuorumBps: quorumBps,
      snapshotSigners: config.snapshotSigners ?? [owner],
      snapshotThreshold: config.snapshotThreshold ?? 1,
    },
  ])
  const artifactProofs = await deployContract(client, {
    ...artifacts.artifactProofs,
    args: [stateCommitRegistry],
  })
  const responseRegistry = await behindProxy(artifacts.responseRegistry, [
    {
      owner,
      upgradeDelay,
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
  const challengeVerifier = await behindProxy(artifacts.challengeVerifier, [
    {
      owner,
      upgradeDelay,
      responseRegistry,
      enclaveVersionRegistry,
      slasher,
      challengeWindow,
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
  return {
    policyRegistry,
    policyDataRegistry,
    policyClientRegistry,
    enclaveVersionRegistry,
    certificateVerifier,
    stateCommitRegistry,
    responseRegistry,
    challengeVerifier,
    slasher,
    artifactProofs,
    fromBlock,
  }
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
    abi: guardedTransferAbi,
    bytecode: guardedTransferBytecode,
    name: 'GuardedTransfer',
    args: [owner, responseRegistry],
  })
}

/** Deploys one contract and returns its address. */
export async function deployContract(
  client: WriteClient,
  parameters: { abi: Abi; bytecode: Hex; args: readonly unknown[]; name: string },
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

const proxyAbi: Abi = parseAbi(['constructor(address implementation, bytes data)'])

const artifacts = {
  policyClientRegistry: {
    name: 'PolicyClientRegistry',
    abi: policyClientRegistryAbi as Abi,
    bytecode: policyClientRegistryBytecode,
  },
  enclaveVersionRegistry: {
    name: 'EnclaveVersionRegistry',
    abi: enclaveVersionRegistryAbi as Abi,
    bytecode: enclaveVersionRegistryBytecode,
  },
  policyDataRegistry: {
    name: 'PolicyDataRegistry',
    abi: policyDataRegistryAbi as Abi,
    bytecode: policyDataRegistryBytecode,
  },
  policyRegistry: {
    name: 'PolicyRegistry',
    abi: policyRegistryAbi as Abi,
    bytecode: policyRegistryBytecode,
  },
  certificateVerifier: {
    name: 'BN254CertificateVerifier',
    abi: bn254CertificateVerifierAbi as Abi,
    bytecode: bn254CertificateVerifierBytecode,
  },
  stateCommitRegistry: {
    name: 'StateCommitRegistry',
    abi: stateCommitRegistryAbi as Abi,
    bytecode: stateCommitRegistryBytecode,
  },
  artifactProofs: {
    name: 'ArtifactProofs',
    abi: artifactProofsAbi as Abi,
    bytecode: artifactProofsBytecode,
  },
  responseRegistry: {
    name: 'ResponseRegistry',
    abi: responseRegistryAbi as Abi,
    bytecode: responseRegistryBytecode,
  },
  slasher: { name: 'DevnetSlasher', abi: devnetSlasherAbi as Abi, bytecode: devnetSlasherBytecode },
  challengeVerifier: {
    name: 'ChallengeVerifier',
    abi: challengeVerifierAbi as Abi,
    bytecode: challengeVerifierBytecode,
  },
}
