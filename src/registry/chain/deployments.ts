/**
 * Addresses of public deployments, by chain id. Written by contracts/generate-deployments.ts from
 * what the deploy script leaves in contracts/deployments.
 */
import type { PolicyAddressesInput } from './addressBook.js'

/** Known deployments. */
export const deployments: Readonly<Record<number, PolicyAddressesInput>> = {}
