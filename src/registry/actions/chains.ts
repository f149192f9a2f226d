/** Templates on several chains, until all have them. */

import type { Hex } from 'viem'
import * as PolicyRegistry from '../../core/abi/policyRegistryAbi.js'
import { isPolicySdkError } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import type { WriteClient } from '../chain/client.js'
import { withClient, writerOf } from '../chain/client.js'
import { readAt, readTag, valueFrom } from '../chain/read.js'
import { registriesOf } from '../preflight/templates.js'
import {
  type PolicyDataTemplateInput,
  type PolicyTemplateInput,
  preparePolicyDataTemplate,
  preparePolicyTemplate,
} from '../rows/inputs.js'
import { type RegistryKind, registryCall } from '../rows/rows.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import type { Pushed, PushOptions } from './sending/pushing.js'
import type { SyncOptions } from './sending/write.js'
import { ensurePolicyDataTemplateSync, ensurePolicyTemplateSync } from './templates.js'

/** One chain: a client that signs there, and its addresses. */
export type ChainTarget = { client: WriteClient; addresses?: PolicyAddressesInput | undefined }

/** What happened on one chain. */
export type ChainOutcome = { chainId: number; id: Hex } & (
  | ({ status: 'registered'; transactionHash: Hex } & Pushed)
  | { status: 'already there' }
  | { status: 'failed'; error: Error }
)

/** Options of the actions over chains. */
export type ChainsOptions = Omit<WriteOptions, 'addresses' | 'nonce'> & SyncOptions & PushOptions

/**
 * Registers a policy template on each of the named chains that does not have it yet.
 *
 * Chains do not wait for each other and a failure on one leaves the others alone: run it again and
 * it converges. The artifacts are published once, before, for all of them; with `push`, operators get
 * them from here too, where the template was registered now.
 *
 * @param parameters.chains - The chains, one each. Nothing ever goes to chains not named.
 * @throws {InvalidInputError} for no chain, or a chain twice.
 * @returns One outcome per chain, in the given order. Never throws for a chain that fails.
 */
export async function registerPolicyTemplateOnChains(
  parameters: PolicyTemplateInput & ChainsOptions & { chains: readonly ChainTarget[] },
): Promise<ChainOutcome[]> {
  const { chains, ...template } = parameters
  const { id } = preparePolicyTemplate(template)
  return onChains('policy', { chains, id, options: template }, (target) =>
    ensurePolicyTemplateSync(target.client, { ...template, addresses: target.addresses }),
  )
}

/** Like {@link registerPolicyTemplateOnChains}, for a policy-data template. */
export async function registerPolicyDataTemplateOnChains(
  parameters: PolicyDataTemplateInput & ChainsOptions & { chains: readonly ChainTarget[] },
): Promise<ChainOutcome[]> {
  const { chains, ...template } = parameters
  const { id } = preparePolicyDataTemplate(template)
  return onChains('policyData', { chains, id, options: template }, (target) =>
    ensurePolicyDataTemplateSync(target.client, { ...template, addresses: target.addresses }),
  )
}

async function onChains(
  kind: RegistryKind,
  parameters: { chains: readonly ChainTarget[]; id: Hex; options: ChainsOptions },
  register: (target: ChainTarget) => Promise<{ created: boolean; transactionHash: Hex } & Pushed>,
): Promise<ChainOutcome[]> {
  const { chains, id, options } = parameters
  if (!Array.isArray(chains) || chains.length === 0) {
    throw new InvalidInputError({ field: 'chains', reason: 'expected at least one chain' })
  }
  const seen = new Set<number>()
  for (const [index, target] of chains.entries()) {
    const client = writerOf(`chains[${index}]`, target.client, {})
    if (seen.has(client.chain.id)) {
      throw new InvalidInputError({
        field: `chains[${index}]`,
        reason: `chain ${client.chain.id} twice`,
      })
    }
    seen.add(client.chain.id)
  }
  return Promise.all(
    chains.map(async (target): Promise<ChainOutcome> => {
      const chainId = target.client.chain.id
      try {
        // Asked first, so that nothing is signed where nothing is to be done.
        if (await isRegistered(kind, { target, id, options })) {
          return { chainId, id, status: 'already there' }
        }
        const { created, transactionHash, pushed } = await register(target)
        return created
          ? { chainId, id, status: 'registered', transactionHash, pushed }
          : { chainId, id, status: 'already there' }
      } catch (error) {
        options.signal?.throwIfAborted()
        if (!isPolicySdkError(error) && !(error instanceof Error)) throw error
        return { chainId, id, status: 'failed', error }
      }
    }),
  )
}

async function isRegistered(
  kind: RegistryKind,
  { target, id, options }: { target: ChainTarget; id: Hex; options: ChainsOptions },
): Promise<boolean> {
  return withClient('isTemplateRegistered', { client: target.client, options }, async (client) => {
    const registries = registriesOf(client, { addresses: target.addresses })
    const [result] = await readAt(client, {
      block: await readTag(client, 'latest'),
      calls: [registryCall(registries, kind, PolicyRegistry.isTemplateRegistered, [id])],
    })
    return valueFrom(result) === true
  })
}
