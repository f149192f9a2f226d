/** What the client's policy would say of an intent, before anything is sent. */
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import type { Address } from 'viem'
import { type Config, useChainId, useConfig } from 'wagmi'
import { canonicalJson } from '../core/canonicalJson.js'
import { computeIntentHash, type Intent } from '../core/intent.js'
import { type Forecast, type ForecastParameters, forecastDecision } from './forecast.js'
import {
  type ChainParameters,
  keyOf,
  type PolicyQueryOptions,
  type QueryOverrides,
  queryOf,
} from './queries.js'
import { type GivenReaders, registryOf } from './readers.js'

/** Parameters of {@link useSimulate}. */
export type UseSimulateParameters = ChainParameters &
  Pick<GivenReaders, 'registry'> &
  Pick<
    ForecastParameters,
    'artifacts' | 'wasmArgs' | 'inputs' | 'envelopes' | 'engine' | 'schemas'
  > & {
    /** The contract that asks for evaluations. */
    client: Address | undefined
    /** Nothing is decided before it is given. */
    intent: Intent | undefined
    query?: QueryOverrides<Forecast> | undefined
  }

/** The query of {@link useSimulate}. Its key is the hash of the intent, so no other intent finds it. */
export function simulateQueryOptions(
  config: Config,
  parameters: UseSimulateParameters,
): PolicyQueryOptions<Forecast> {
  const { client, intent, wasmArgs, query } = parameters
  const ready = client !== undefined && intent !== undefined
  return queryOf({
    ...{ name: 'simulate', parameters, ready },
    key: {
      client: keyOf(client),
      intent: intent === undefined ? undefined : computeIntentHash(intent),
      wasmArgs: wasmArgs === undefined ? undefined : canonicalJson(wasmArgs),
    },
    query: { retry: false, ...query },
    queryFn: async ({ client: queries, signal }) => {
      const registry = await registryOf(queries, config, parameters)
      return forecastDecision(
        { ...parameters, registry, client: client as Address, intent: intent as Intent },
        { signal },
      )
    },
  })
}

/**
 * Decides an intent in this page, by the policy that the client has now, on inputs that are given.
 *
 * `data` is a decision, allow or deny. `error` is none: it could not be checked, and must not be taken
 * for either. Send only what has the forecast's `intentHash`.
 *
 * @example
 * ```ts
 * import type { ArtifactSource, Intent } from '@newton/policy-sdk'
 * import { useSimulate } from '@newton/policy-sdk/react'
 *
 * function useVerdict(client: `0x${string}`, intent: Intent, artifacts: ArtifactSource) {
 *   const { data, error } = useSimulate({ client, intent, artifacts })
 *   if (error !== null) return 'could not be checked'
 *   return data === undefined ? 'checking' : data.allow ? 'allow' : data.reasons.join(', ')
 * }
 * ```
 */
export function useSimulate(parameters: UseSimulateParameters): UseQueryResult<Forecast, Error> {
  const config = useConfig(parameters)
  const current = useChainId({ config })
  const chainId = parameters.chainId ?? current
  return useQuery(simulateQueryOptions(config, { ...parameters, chainId }))
}
