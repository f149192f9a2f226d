/** Checks before signing of template registrations: what the contract will assert, at one block. */

import type { Address, Hex } from 'viem'
import * as PolicyDataRegistry from '../../core/abi/policyDataRegistryAbi.js'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { resolveAddress } from '../chain/addresses.js'
import type { ReadClient, WriteClient } from '../chain/client.js'
import { failed, type PreflightCheck, passed, warning } from '../chain/preflightCheck.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../chain/read.js'
import { type Registries, type RegistryKind, registryCall } from '../rows/rows.js'
import type { WriteOptions } from '../rows/writeOptions.js'

/** The registries that a client and its options name. */
export function registriesOf(client: WriteClient, options: WriteOptions): Registries {
  const { addresses } = options
  const chainId = client.chain.id
  return {
    chainId: BigInt(chainId),
    policyRegistry: resolveAddress('policyRegistry', { addresses, chainId }),
    policyDataRegistry: resolveAddress('policyDataRegistry', { addresses, chainId }),
  }
}

/** Reads several things at the newest block. */
async function readLatest(client: ReadClient, calls: readonly ReadCall[]): Promise<ReadResult[]> {
  return readAt(client, { calls, block: await readTag(client, 'latest') })
}

const computeTemplateId = {
  policy: PolicyRegistry.computeTemplateId,
  policyData: PolicyDataRegistry.computeTemplateId,
}

/** Checks a template registration. */
export async function checkTemplate(
  client: WriteClient,
  parameters: {
    registries: Registries
    kind: RegistryKind
    id: Hex
    args: readonly unknown[]
    ensure: boolean
  },
): Promise<PreflightCheck[]> {
  const { registries, kind, id, args, ensure } = parameters
  const sender = client.account.address
  const results = await readLatest(client, [
    registryCall(registries, kind, PolicyRegistry.isTemplateRegistered, [id]),
    registryCall(registries, kind, computeTemplateId, args.slice(0, 3)),
    registryCall(registries, kind, PolicyRegistry.templateRegistrationPermissionless),
    registryCall(registries, kind, PolicyRegistry.templateAuthors, [sender]),
  ])
  const [registered, computed, open, listed] = results.map(valueFrom)
  const checks = [idCheck('ComputedIdEqual', id, computed as Hex)]
  checks.push(
    ensure || registered !== true
      ? passed(
          'TemplateAlreadyRegistered',
          registered ? 'registered, nothing to do' : 'not registered yet',
        )
      : failed(
          'TemplateAlreadyRegistered',
          `${id} is registered on chain ${registries.chainId}`,
          'Nothing to do: use this id, or call the ensure action in batches.',
        ),
  )
  if (!(ensure && registered === true)) {
    checks.push(gate('UnauthorizedTemplateAuthor', { sender, open, listed }))
    if (kind === 'policy') checks.push(...(await refChecks(client, { registries, args })))
  }
  return checks
}

/** The contract takes a policy before its data templates; nothing can be deployed from it until they are there. */
async function refChecks(
  client: WriteClient,
  { registries, args }: { registries: Registries; args: readonly unknown[] },
): Promise<PreflightCheck[]> {
  const refs = args[2] as readonly Hex[]
  const found = await readLatest(
    client,
    refs.map((ref) =>
      registryCall(registries, 'policyData', PolicyDataRegistry.isTemplateRegistered, [ref]),
    ),
  )
  return refs.map((ref, index) =>
    valueFrom(found[index]) === true
      ? passed('PolicyDataTemplateNotRegistered', `${ref} is registered`)
      : warning(
          'PolicyDataTemplateNotRegistered',
          `the policy needs ${ref}, which is not registered on chain ${registries.chainId}`,
          'Check the id, and register that policy-data template on this chain: no instance can be deployed before.',
        ),
  )
}

/** The id as it is computed here and by the contract. */
export function idCheck(rule: string, local: Hex, contract: Hex): PreflightCheck {
  return local === contract
    ? passed(rule, `${local}, here and on chain`)
    : failed(
        rule,
        `computed ${local}, the contract computes ${contract}`,
        'The address is another contract, or its version is not this package’s.',
      )
}

/** A list of senders that a registry may hold shut. */
export function gate(
  rule: string,
  { sender, open, listed }: { sender: Address; open: unknown; listed: unknown },
): PreflightCheck {
  if (open === true) return passed(rule, 'open to all')
  if (listed === true) return passed(rule, `${sender} is on the list`)
  return failed(
    rule,
    `${sender} is not on the list`,
    'Ask the owner of the registry to add this account, or send it from a listed one.',
  )
}
