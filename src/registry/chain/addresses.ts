/** Addresses of the contracts, by name, per chain. */
import type { Address } from 'viem'
import { isAddress } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { deployments } from './deployments.js'
import { AddressRequiredError } from './errors.js'

/** Addresses of one chain's contracts. */
export type PolicyAddresses = {
  policyRegistry: Address
  policyDataRegistry: Address
  policyClientRegistry: Address
  enclaveVersionRegistry: Address
  certificateVerifier: Address
  stateCommitRegistry: Address
  responseRegistry: Address
  challengeVerifier: Address
  slasher: Address
  artifactProofs: Address
}

/** Name of a contract. */
export type PolicyContract = keyof PolicyAddresses

/** What a caller gives; the rest comes from the package's deployments of the chain. */
export type PolicyAddressesInput = { [name in PolicyContract]?: Address | undefined }

/**
 * The address of a contract: the caller's, else the package's for that chain.
 *
 * @throws {AddressRequiredError} when neither is there.
 * @throws {InvalidInputError} when it is not an address.
 */
export function resolveAddress(
  contract: PolicyContract,
  parameters: { addresses?: PolicyAddressesInput | undefined; chainId?: number | undefined },
): Address {
  const { addresses, chainId } = parameters
  const known = chainId === undefined ? undefined : deployments[chainId]
  const address = addresses?.[contract] ?? known?.[contract]
  if (address === undefined) throw new AddressRequiredError({ contract, chainId })
  if (!isAddress(address, { strict: false })) {
    throw new InvalidInputError({ field: `addresses.${contract}`, reason: 'expected an address' })
  }
  return address
}
