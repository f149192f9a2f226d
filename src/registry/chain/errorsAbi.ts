/** Every custom error that a call can end in, whichever contract raised it. */
import type { Abi } from 'viem'
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

/** The error items of an ABI. */
export type AbiError = Extract<Abi[number], { type: 'error' }>

const sources: readonly Abi[] = [
  artifactProofsAbi,
  guardedTransferAbi,
  stateAnchorAbi,
  checkpointAnchorAbi,
  devnetSlasherAbi,
  policyRegistryAbi,
  policyDataRegistryAbi,
  policyDeployerAbi,
  policyClientRegistryAbi,
  enclaveVersionRegistryAbi,
  responseRegistryAbi,
  challengeVerifierAbi,
  stateCommitRegistryAbi,
  bn254CertificateVerifierAbi,
  enclaveVersionMirrorAbi,
  buildInfoRegistryAbi,
  verificationRegistryAbi,
]

/**
 * The errors of all contracts, each once. Calls pass through several contracts, so an error is
 * looked up among all of them.
 */
export const errorsAbi: readonly AbiError[] = [
  ...new Map(
    sources
      .flat()
      .filter((item): item is AbiError => item.type === 'error')
      .map((item) => [`${item.name}(${item.inputs.map(({ type }) => type).join()})`, item]),
  ).values(),
]
