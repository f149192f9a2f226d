/** Lists out of an index: templates by author, instances by client, a template over chains. */
import type { Address, Hex } from 'viem'
import { isAddressEqual } from 'viem'
import type {
  InstanceRow,
  PolicyDataTemplateRow,
  PolicyTemplateRow,
} from '../../../core/interfaces/registryReader.js'
import { addressOf } from '../../rows/inputs.js'
import type { RegistryIndex } from './indexer.js'

/** A row with its id. */
export type Listed<row> = row & { id: Hex }

/** An instance, and whether its client's slot names it now. */
export type ListedInstance = Listed<InstanceRow> & { current: boolean }

/**
 * Policy templates in the order of their registration; with `author`, those that this account
 * registered first.
 *
 * @throws {InvalidInputError} for a malformed address.
 * @example
 * ```ts
 * import { createChainEvents, indexRegistry, listPolicyTemplates } from '@newton/policy-sdk/registry'
 *
 * const events = await createChainEvents({ client, addresses })
 * const index = await indexRegistry({ events, fromBlock: 0n })
 * for (const { id, author } of listPolicyTemplates(index)) id !== author
 * ```
 */
export function listPolicyTemplates(
  index: RegistryIndex,
  filter: { author?: Address | undefined } = {},
): Listed<PolicyTemplateRow>[] {
  return byAuthor(index.state.policyTemplates, filter.author)
}

/** Like {@link listPolicyTemplates}, for policy-data templates. */
export function listPolicyDataTemplates(
  index: RegistryIndex,
  filter: { author?: Address | undefined } = {},
): Listed<PolicyDataTemplateRow>[] {
  return byAuthor(index.state.policyDataTemplates, filter.author)
}

/**
 * Policy instances in the order of their deployment; with `client`, those of that client.
 *
 * @throws {InvalidInputError} for a malformed address.
 */
export function listPolicyInstances(
  index: RegistryIndex,
  filter: { client?: Address | undefined } = {},
): ListedInstance[] {
  const { state } = index
  const block = state.cursor?.number
  return byClient(state.policyInstances, filter.client).map((row) => ({
    ...row,
    current: block !== undefined && index.policySlotAt({ client: row.client, block }) === row.id,
  }))
}

/** Like {@link listPolicyInstances}, for policy-data instances. */
export function listPolicyDataInstances(
  index: RegistryIndex,
  filter: { client?: Address | undefined } = {},
): ListedInstance[] {
  const { state } = index
  const block = state.cursor?.number
  return byClient(state.policyDataInstances, filter.client).map((row) => {
    const { client, templateId } = row
    return {
      ...row,
      current:
        block !== undefined && index.policyDataSlotAt({ client, templateId, block }) === row.id,
    }
  })
}

function byAuthor<row extends { author: Address }>(
  rows: ReadonlyMap<Hex, row>,
  author: Address | undefined,
): Listed<row>[] {
  const wanted = author === undefined ? undefined : addressOf(author, 'author')
  return [...rows]
    .filter(([, row]) => wanted === undefined || isAddressEqual(row.author, wanted))
    .map(([id, row]) => ({ ...row, id }))
}

function byClient(
  rows: ReadonlyMap<Hex, InstanceRow>,
  client: Address | undefined,
): Listed<InstanceRow>[] {
  const wanted = client === undefined ? undefined : addressOf(client, 'client')
  return [...rows]
    .filter(([, row]) => wanted === undefined || isAddressEqual(row.client, wanted))
    .map(([id, row]) => ({ ...row, id }))
}
