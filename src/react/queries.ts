/** What all hooks share: options of a query and its key. */
import type { QueryClient, QueryKey, UseQueryOptions } from '@tanstack/react-query'
import type { Address } from 'viem'
import type { Config } from 'wagmi'
import type { PolicyAddressesInput, ReadClient } from '../registry/index.js'

/** Options of a hook that say where it reads. */
export type ChainParameters = {
  /** @default the config of the nearest `WagmiProvider` */
  config?: Config | undefined
  /** @default the chain that the config is on */
  chainId?: number | undefined
  /** Contracts of the chain. Left out where the package knows them. */
  addresses?: PolicyAddressesInput | undefined
  /** Told apart in the query's key: what depends on functions that are given here. */
  scopeKey?: string | undefined
}

/** What of a query a caller decides. */
export type QueryOverrides<data> = Partial<
  Pick<
    UseQueryOptions<data, Error>,
    'enabled' | 'gcTime' | 'refetchInterval' | 'refetchOnWindowFocus' | 'retry' | 'staleTime'
  >
>

/** A query as `useQuery`, `prefetchQuery` and `fetchQuery` take it. */
export type PolicyQueryOptions<data> = QueryOverrides<data> & {
  queryKey: QueryKey
  queryFn: (context: { client: QueryClient; signal: AbortSignal }) => Promise<data>
  structuralSharing: false
}

/**
 * Joins a query. Its key is JSON, so that every function of a query client takes it; data is kept as it
 * came, because it holds bigints, bytes and functions.
 */
export function queryOf<data>(parts: {
  name: string
  parameters: Pick<ChainParameters, 'chainId' | 'addresses' | 'scopeKey'>
  key: Readonly<Record<string, string | readonly string[] | boolean | undefined>>
  /** Whether all that it needs was given. */
  ready: boolean
  query: QueryOverrides<data> | undefined
  queryFn: PolicyQueryOptions<data>['queryFn']
}): PolicyQueryOptions<data> {
  const { name, parameters, key, ready, query = {}, queryFn } = parts
  const { chainId, addresses, scopeKey } = parameters
  return {
    ...query,
    enabled: ready ? (query.enabled ?? true) : false,
    queryKey: ['newton-policy', name, { ...key, chainId, addresses, scopeKey }],
    queryFn,
    structuralSharing: false,
  }
}

/** The client of a chain. */
export function clientOf(config: Config, chainId: number | undefined): ReadClient {
  return config.getClient(chainId === undefined ? {} : { chainId }) as ReadClient
}

/** An address as a key has it: one, however it is written. */
export function keyOf(address: Address | undefined): string | undefined {
  return address?.toLowerCase()
}
