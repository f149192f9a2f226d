/** Whether two addresses hold the registries this package speaks to, and belong together. */

import { type Address, getAddress } from 'viem'
import * as PolicyDataRegistry from '../../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../../core/abi/policyRegistryAbi.js'
import type { ReadClient } from '../../chain/client.js'
import { RegistryMismatchError } from '../../chain/errors.js'
import { readAt, readTag } from '../../chain/read.js'
import { type Registries, registryCall } from '../rows.js'

const SUPPORTED_MAJOR = '1'
/** Which of the reads below are of the data registry. */
const dataReads: ReadonlySet<number> = new Set([1, 4, 6])

/** Checks versions and wiring, and returns the client registry both use. */
export async function checkRegistries(
  client: ReadClient,
  registries: Registries,
): Promise<Address> {
  const { policyRegistry, policyDataRegistry } = registries
  const results = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      registryCall(registries, 'policy', PolicyRegistry.version),
      registryCall(registries, 'policyData', PolicyDataRegistry.version),
      registryCall(registries, 'policy', PolicyRegistry.dataRegistry),
      registryCall(registries, 'policy', PolicyRegistry.clientRegistry),
      registryCall(registries, 'policyData', PolicyDataRegistry.clientRegistry),
      registryCall(registries, 'policy', PolicyRegistry.contractKind),
      registryCall(registries, 'policyData', PolicyDataRegistry.contractKind),
    ],
  })
  const [version, dataVersion, wired, clients, dataClients, kind, dataKind] = results.map(
    (result, index) => {
      const address = dataReads.has(index) ? policyDataRegistry : policyRegistry
      if (!result.ok)
        throw new RegistryMismatchError(
          { address, reason: result.error.shortMessage },
          { cause: result.error },
        )
      return result.value as string
    },
  ) as [string, string, Address, Address, Address, string, string]
  for (const [address, found, told, expected] of [
    [policyRegistry, version, kind, 'PolicyRegistry'],
    [policyDataRegistry, dataVersion, dataKind, 'PolicyDataRegistry'],
  ] as const) {
    if (told !== expected) {
      throw new RegistryMismatchError({ address, reason: `it is a ${told}, not a ${expected}` })
    }
    if (found.split('.')[0] !== SUPPORTED_MAJOR) {
      throw new RegistryMismatchError({
        address,
        reason: `it has version ${found}, expected ${SUPPORTED_MAJOR}.x`,
      })
    }
  }
  if (getAddress(wired) !== getAddress(policyDataRegistry)) {
    throw new RegistryMismatchError({
      address: policyRegistry,
      reason: `its data registry is ${wired}, not ${policyDataRegistry}`,
    })
  }
  if (getAddress(clients) !== getAddress(dataClients)) {
    throw new RegistryMismatchError({
      address: policyRegistry,
      reason: `it uses the client registry ${clients}, the data registry ${dataClients}`,
    })
  }
  return clients
}
