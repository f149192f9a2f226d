/** From which source plugins were built: read from the chain, under this page's own list of verifiers. */
import { namespaces, type PluginProvenance, type ProvenanceVerdict } from '@newton/policy-sdk'
import {
  createProvenanceFollower,
  createProvenanceIndex,
  evidenceHashOf,
  indexedProvenance,
} from '@newton/policy-sdk/provenance'
import { createProvenanceEvents } from '@newton/policy-sdk/registry'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import type { Hex } from 'viem'
import { type Network, useNetwork } from './config.js'
import { useSession } from './session.js'
import { artifacts } from './sources.js'

/** Verdicts of this page. */
export function createPageProvenance(network: Network): PluginProvenance {
  const { wagmi, addresses, trust, fromBlock, chainId } = network
  const open = async (): Promise<PluginProvenance> => {
    const index = createProvenanceIndex()
    const follower = createProvenanceFollower({
      ...{ index, fromBlock: BigInt(fromBlock) },
      events: await createProvenanceEvents({
        ...{ client: wagmi.getClient(), addresses },
        // A development chain finalizes nothing for an hour.
        finality: chainId === 31_337 ? 'latest' : 'finalized',
      }),
      readPlugin: (hash, options) =>
        artifacts.getArtifact({ hash, namespace: namespaces.wasm }, options),
      readEvidence,
    })
    return indexedProvenance({ index, policy: trust, follower })
  }
  let opened: Promise<PluginProvenance> | undefined
  return {
    getProvenance: async (wasmHash, options) => {
      opened ??= open()
      try {
        return await (await opened).getProvenance(wasmHash, options)
      } catch (error) {
        opened = undefined
        throw error
      }
    },
  }
}

/** A document by its hash, from this site's own server: it is checked against the claim. */
async function readEvidence(
  uri: string,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<Uint8Array> {
  const response = await fetch(`./evidence/${evidenceHashOf(uri)?.slice(2)}.json`, {
    signal: signal ?? null,
  })
  if (!response.ok) throw new TypeError(`the evidence could not be had: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

/** One plugin of the policy, and what is known of its source; `null` where it could not be found out. */
export type PluginView = { wasmHash: Hex; verdict: ProvenanceVerdict | null }

/** The plugins of the policy that the contract has now. */
export function usePlugins(): { data: readonly PluginView[] | undefined; error: Error | null } {
  const network = useNetwork()
  const { registry } = useSession()
  const { client } = network
  const provenance = useMemo(() => createPageProvenance(network), [network])
  return useQuery({
    queryKey: ['plugins', client],
    enabled: registry !== undefined,
    // A verifier may take back what it said.
    refetchInterval: 15_000,
    queryFn: async ({ signal }) => {
      if (registry === undefined) throw new TypeError('the node has not answered yet')
      const { number: block } = await registry.getLatestBlock({ signal })
      const { data } = await registry.snapshot({ client, block }, { signal })
      const hashes = new Set(data.flatMap(({ template }) => (template ? [template.wasmHash] : [])))
      return Promise.all(
        [...hashes].map(async (wasmHash): Promise<PluginView> => {
          const verdict = await provenance.getProvenance(wasmHash, { signal }).catch(() => null)
          signal.throwIfAborted()
          return { wasmHash, verdict }
        }),
      )
    },
  })
}
