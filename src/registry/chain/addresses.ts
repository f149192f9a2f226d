/** Addresses of the contracts, by name, per chain. */
import type { Address } from 'viem'
import { isAddress } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import type { PolicyAddressesInput, PolicyContract } from './addressBook.js'
import { deployments } from './deployments.js'
import { AddressRequiredError } from './errors.js'

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
