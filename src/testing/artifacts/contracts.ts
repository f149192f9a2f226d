/** Every contract of the system, ready to be created: its name, ABI and bytecode. */
import { type Abi, type Hex, parseAbi } from 'viem'
import { artifactProofsAbi } from '../../core/abi/artifactProofsAbi.js'
import { bn254CertificateVerifierAbi } from '../../core/abi/bn254CertificateVerifierAbi.js'
import { buildInfoRegistryAbi } from '../../core/abi/buildInfoRegistryAbi.js'
import { challengeVerifierAbi } from '../../core/abi/challengeVerifierAbi.js'
import { checkpointAnchorAbi } from '../../core/abi/checkpointAnchorAbi.js'
import { devnetSlasherAbi } from '../../core/abi/devnetSlasherAbi.js'
import { enclaveVersionMirrorAbi } from '../../core/abi/enclaveVersionMirrorAbi.js'
import { enclaveVersionRegistryAbi } from '../../core/abi/enclaveVersionRegistryAbi.js'
import { guardedTransferAbi } from '../../core/abi/guardedTransferAbi.js'
import { policyClientRegistryAbi } from '../../core/abi/policyClientRegistryAbi.js'
import { policyDataRegistryAbi } from '../../core/abi/policyDataRegistryAbi.js'
import { policyDeployerAbi } from '../../core/abi/policyDeployerAbi.js'
import { policyRegistryAbi } from '../../core/abi/policyRegistryAbi.js'
import { responseRegistryAbi } from '../../core/abi/responseRegistryAbi.js'
import { stateAnchorAbi } from '../../core/abi/stateAnchorAbi.js'
import { stateCommitRegistryAbi } from '../../core/abi/stateCommitRegistryAbi.js'
import { verificationRegistryAbi } from '../../core/abi/verificationRegistryAbi.js'
import { artifactProofsBytecode } from './artifactProofs.generated.js'
import { bn254CertificateVerifierBytecode } from './bn254CertificateVerifier.generated.js'
import { buildInfoRegistryBytecode } from './buildInfoRegistry.generated.js'
import { challengeVerifierBytecode } from './challengeVerifier.generated.js'
import { checkpointAnchorBytecode } from './checkpointAnchor.generated.js'
import { devnetSlasherBytecode } from './devnetSlasher.generated.js'
import { enclaveVersionMirrorBytecode } from './enclaveVersionMirror.generated.js'
import { enclaveVersionRegistryBytecode } from './enclaveVersionRegistry.generated.js'
import { erc1967ProxyBytecode } from './erc1967Proxy.generated.js'
import { guardedTransferBytecode } from './guardedTransfer.generated.js'
import { policyClientRegistryBytecode } from './policyClientRegistry.generated.js'
import { policyDataRegistryBytecode } from './policyDataRegistry.generated.js'
import { policyDeployerBytecode } from './policyDeployer.generated.js'
import { policyRegistryBytecode } from './policyRegistry.generated.js'
import { responseRegistryBytecode } from './responseRegistry.generated.js'
import { stateAnchorBytecode } from './stateAnchor.generated.js'
import { stateCommitRegistryBytecode } from './stateCommitRegistry.generated.js'
import { verificationRegistryBytecode } from './verificationRegistry.generated.js'

/** A contract that can be created. */
export type ContractArtifact = { name: string; abi: Abi; bytecode: Hex }

/** The contracts by the name of their address. */
export const artifacts = {
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
  enclaveVersionMirror: {
    name: 'EnclaveVersionMirror',
    abi: enclaveVersionMirrorAbi as Abi,
    bytecode: enclaveVersionMirrorBytecode,
  },
  policyDataRegistry: {
    name: 'PolicyDataRegistry',
    abi: policyDataRegistryAbi as Abi,
    bytecode: policyDataRegistryBytecode,
  },
  policyDeployer: {
    name: 'PolicyDeployer',
    abi: policyDeployerAbi as Abi,
    bytecode: policyDeployerBytecode,
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
  stateAnchor: { name: 'StateAnchor', abi: stateAnchorAbi as Abi, bytecode: stateAnchorBytecode },
  checkpointAnchor: {
    name: 'CheckpointAnchor',
    abi: checkpointAnchorAbi as Abi,
    bytecode: checkpointAnchorBytecode,
  },
  buildInfoRegistry: {
    name: 'BuildInfoRegistry',
    abi: buildInfoRegistryAbi as Abi,
    bytecode: buildInfoRegistryBytecode,
  },
  verificationRegistry: {
    name: 'VerificationRegistry',
    abi: verificationRegistryAbi as Abi,
    bytecode: verificationRegistryBytecode,
  },
  guardedTransfer: {
    name: 'GuardedTransfer',
    abi: guardedTransferAbi as Abi,
    bytecode: guardedTransferBytecode,
  },
  proxy: {
    name: 'ERC1967Proxy',
    abi: parseAbi(['constructor(address implementation, bytes data)']) as Abi,
    bytecode: erc1967ProxyBytecode,
  },
} as const satisfies Readonly<Record<string, ContractArtifact>>
