/** The parts of the current protocol's interfaces that the importer reads. */
import { type Abi, parseAbi } from 'viem'

/** A policy contract. */
export const newtonPolicyAbi: Abi = parseAbi([
  'struct PolicyConfig { bytes policyParams; uint32 expireAfter; }',
  'function owner() view returns (address)',
  'function getMetadataCid() view returns (string)',
  'function getPolicyId(address client) view returns (bytes32)',
  'function getEntrypoint() view returns (string)',
  'function getSchemaCid() view returns (string)',
  'function getPolicyCid() view returns (string)',
  'function getPolicyCodeHash() view returns (bytes32)',
  'function getPolicyConfig(bytes32 policyId) view returns (PolicyConfig)',
  'function getPolicyData() view returns (address[])',
  'function version() view returns (string)',
])

/** A policy-data contract. */
export const newtonPolicyDataAbi: Abi = parseAbi([
  'function owner() view returns (address)',
  'function getMetadataCid() view returns (string)',
  'function getWasmCid() view returns (string)',
  'function getSecretsSchemaCid() view returns (string)',
  'function getExpireAfter() view returns (uint32)',
  'function version() view returns (string)',
])

/** A policy client, and ERC-165. */
export const newtonClientAbi: Abi = parseAbi([
  'function supportsInterface(bytes4 id) view returns (bool)',
  'function getPolicyId() view returns (bytes32)',
  'function getPolicyAddress() view returns (address)',
  'function getOwner() view returns (address)',
])

/** ERC-165 ids of the current protocol. */
export const newtonInterfaceIds = {
  policyClient: '0x52e18a74',
  policy: '0x9d541eba',
  policyData: '0xa46d130c',
} as const
