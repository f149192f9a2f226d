/** The contracts of one chain by name. */
import type { Address } from 'viem'

/** Addresses of one chain's contracts. */
export type PolicyAddresses = {
  policyRegistry: Address
  policyDataRegistry: Address
  policyDeployer: Address
  policyClientRegistry: Address
  enclaveVersionRegistry: Address
  certificateVerifier: Address
  stateCommitRegistry: Address
  responseRegistry: Address
  challengeVerifier: Address
  slasher: Address
  artifactProofs: Address
  stateAnchor: Address
  checkpointAnchor: Address
  buildInfoRegistry: Address
  verificationRegistry: Address
}

/** Name of a contract. */
export type PolicyContract = keyof PolicyAddresses

/** What a caller gives; the rest comes from the package's deployments of the chain. */
export type PolicyAddressesInput = { [name in PolicyContract]?: Address | undefined }
