/** Readers of a chain, made once for each chain and kept in the query client. */
import type { QueryClient } from '@tanstack/react-query'
import type { Config } from 'wagmi'
import type { AttestationReader } from '../attestation/index.js'
import type { CertificateReader } from '../core/interfaces/certificates.js'
import type { RegistryReader } from '../core/interfaces/registryReader.js'
import { createResultReplayer, operatorEngine } from '../eval/index.js'
import { createCertificateReader, createRegistryReader } from '../registry/index.js'
import { type ChainParameters, clientOf, type PolicyQueryOptions, queryOf } from './queries.js'

/** Readers that are used in place of ones over the config's client, such as comparing or proving ones. */
export type GivenReaders = {
  registry?: RegistryReader | undefined
  certificates?: CertificateReader | undefined
}

/** What a verification reads besides the chain. */
export type ReaderParameters = ChainParameters &
  GivenReaders &
  Pick<AttestationReader, 'artifacts' | 'envelopes' | 'documents' | 'replayer'>

/** The query that makes the reader of a chain's registries. */
export function registryReaderQueryOptions(
  config: Config,
  parameters: Pick<ChainParameters, 'chainId' | 'addresses'> = {},
): PolicyQueryOptions<RegistryReader> {
  const { chainId, addresses } = parameters
  return kept('registryReader', parameters, (signal) =>
    createRegistryReader({ client: clientOf(config, chainId), addresses }, { signal }),
  )
}

/** The query that makes the reader of a chain's operator tables. */
export function certificateReaderQueryOptions(
  config: Config,
  parameters: Pick<ChainParameters, 'chainId' | 'addresses'> = {},
): PolicyQueryOptions<CertificateReader> {
  const { chainId, addresses } = parameters
  return kept('certificateReader', parameters, (signal) =>
    createCertificateReader({ client: clientOf(config, chainId), addresses }, { signal }),
  )
}

// A reader checks its contracts once, and keeps old rows.
function kept<reader>(
  name: string,
  { chainId, addresses }: Pick<ChainParameters, 'chainId' | 'addresses'>,
  make: (signal: AbortSignal) => Promise<reader>,
): PolicyQueryOptions<reader> {
  return queryOf<reader>({
    ...{ name, key: {}, ready: true },
    parameters: { chainId, addresses },
    query: {
      staleTime: Number.POSITIVE_INFINITY,
      gcTime: Number.POSITIVE_INFINITY,
    },
    queryFn: ({ signal }) => make(signal),
  })
}

/** The reader that was given, else the chain's. */
export function registryOf(
  queries: QueryClient,
  config: Config,
  parameters: ChainParameters & GivenReaders,
): Promise<RegistryReader> {
  const { registry } = parameters
  if (registry !== undefined) return Promise.resolve(registry)
  return queries.ensureQueryData(registryReaderQueryOptions(config, parameters))
}

/** Everything that a verification at level `result` reads from. */
export async function attestationReaderOf(
  queries: QueryClient,
  config: Config,
  parameters: ReaderParameters,
): Promise<AttestationReader> {
  const { artifacts, envelopes, documents } = parameters
  const [registry, certificates] = await Promise.all([
    registryOf(queries, config, parameters),
    parameters.certificates ??
      queries.ensureQueryData(certificateReaderQueryOptions(config, parameters)),
  ])
  const replayer = parameters.replayer ?? createResultReplayer({ engine: operatorEngine() })
  return { registry, certificates, artifacts, envelopes, documents, replayer }
}
