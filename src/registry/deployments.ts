/**
 * Addresses of public deployments, by chain id. `contracts/script/Deploy.s.sol` writes a JSON file
 * per chain; its addresses are entered here when a deployment is public.
 */
import type { PolicyAddressesInput } from './addresses.js'

/** Known deployments. None is public yet. */
export const deployments: Readonly<Record<number, PolicyAddressesInput>> = {}
