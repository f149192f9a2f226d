/** Whether two addresses hold the registries this package speaks to, and belong together. */
import { type Address, getAddress } from 'viem'
import type { ReadClient } from '../chain/client.js'
import { RegistryMismatchError } from '../chain/errors.js'
import { readAt, readTag } from '../chain/read.js'
import { type Registries, registryCall } from './rows.js'

const SUPPORTED_MAJOR = '1'

/** Checks versions and wiring, and returns the client registry both use. */
export async function checkRegistries(
  client: ReadClient,
  registries: Registries,
): Promise<Address> {
  const { policyRegistry, policyDataRegistry } = registries
  const results = await readAt(client, {
    block: await readTag(client, 'latest'),
    calls: [
      registryCall(registries, 'policy', 'version'),
      registryCall(registries, 'policyData', 'version'),
      registryCall(registries, 'policy', 'dataRegistry'),
      registryCall(registries, 'policy', 'clientRegistry'),
      registryCall(registries, 'policyData', 'clientRegistry'),
    ],
  })
  const [version, dataVersion, wired, clients, dataClients] = results.map((result, index) => {
    const address = index === 1 || index === 4 ? policyDataRegistry : policyRegistry
    if (!result.ok)
      throw new RegistryMismatchError(
        { address, reason: result.error.shortMessage },
        { cause: result.error },
      )
    return result.value as string
  }) as [string, string, Address, Address, Address]
  for (const [address, found] of [
    [policyRegistry, version],
    [policyDataRegistry, dataVersion],
  ] as const) {
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
