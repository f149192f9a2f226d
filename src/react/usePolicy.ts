/** The policy of a client contract, as a tree and as rows. */
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { Address } from 'viem'
import { type Config, useChainId, useConfig } from 'wagmi'
import type { RegistrySnapshot } from '../core/interfaces/registryReader.js'
import { type DescribeNode, type DescribeParameters, describePolicy } from '../registry/index.js'
import {
  type ChainParameters,
  keyOf,
  type PolicyQueryOptions,
  type QueryOverrides,
  queryOf,
} from './queries.js'
import { type GivenReaders, registryOf } from './readers.js'

/** What {@link usePolicy} gives. */
export type PolicyView = {
  /** The client with its instance, templates, data, secrets and artifacts, as `describePolicy` tells it. */
  tree: DescribeNode
  /** All rows at one block: ids, params, blocks that results stay valid. */
  snapshot: RegistrySnapshot
}

/** Parameters of {@link usePolicy}. */
export type UsePolicyParameters = ChainParameters &
  Pick<GivenReaders, 'registry'> & {
    /** The contract that asks for evaluations. Nothing is read before it is given. */
    client: Address | undefined
    /** What else is asked. Whatever is left out shows as `unavailable`. */
    checks?: DescribeParameters['checks']
    query?: QueryOverrides<PolicyView> | undefined
  }

/** The query of {@link usePolicy}, for a server, a loader or a prefetch. */
export function policyQueryOptions(
  config: Config,
  parameters: UsePolicyParameters,
): PolicyQueryOptions<PolicyView> {
  const { client, checks, query } = parameters
  return queryOf({
    ...{ name: 'policy', parameters, query },
    key: { client: keyOf(client), checks: checks === undefined ? [] : Object.keys(checks).sort() },
    ready: client !== undefined,
    queryFn: async ({ client: queries, signal }) => {
      const reader = await registryOf(queries, config, parameters)
      const { number: block } = await reader.getLatestBlock({ signal })
      const [tree, snapshot] = await Promise.all([
        describePolicy({ reader, client: client as Address, checks }, { signal }),
        reader.snapshot({ client: client as Address, block }, { signal }),
      ])
      return { tree, snapshot }
    },
  })
}

/**
 * Reads the policy of a client contract: instance, templates, data, secrets, artifacts.
 *
 * A missing part is a node with its status, not an error; a node that does not answer is an error.
 *
 * @example
 * ```ts
 * import { usePolicy } from '@newton/policy-sdk/react'
 *
 * function usePolicyStatus(client: `0x${string}`) {
 *   const { data, error, isPending } = usePolicy({ client })
 *   return { status: data?.tree.status, error, isPending }
 * }
 * ```
 */
export function usePolicy(parameters: UsePolicyParameters): UseQueryResult<PolicyView, Error> {
  const config = useConfig(parameters)
  const current = useChainId({ config })
  const chainId = parameters.chainId ?? current
  return useQuery(policyQueryOptions(config, { ...parameters, chainId }))
}
