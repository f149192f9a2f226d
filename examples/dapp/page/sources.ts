/** What the application has beside the chain. Everything that comes from here is checked against it. */
import {
  type CommittedArtifacts,
  computeKeyHash,
  type EnvelopeSource,
  type JsonObject,
} from '@newton/policy-sdk'
import { stateCommitRegistryAbi } from '@newton/policy-sdk/abi'
import { createArtifactSource, objectStore } from '@newton/policy-sdk/da'
import type { ForecastInput, ForecastQuestion } from '@newton/policy-sdk/react'
import { fromProofCalldata, verifyProof } from '@newton/policy-sdk/statetree'
import { type Address, type Hex, hexToBytes } from 'viem'
import { readContract } from 'viem/actions'
import type { Network } from './config.js'

/** Artifacts by their hash, which the adapter checks. */
export const artifacts = createArtifactSource({
  clients: [objectStore({ endpoint: globalThis.location.origin, bucket: 'artifacts' })],
})

/** Sealed secrets. Nobody can read them here: their hash is what operators attested. */
export const envelopes: EnvelopeSource = {
  async getEnvelope({ policyDataInstanceId, block }, options = {}) {
    const response = await fetch(
      `./envelopes/${policyDataInstanceId.toLowerCase()}?block=${block}`,
      {
        signal: options.signal ?? null,
      },
    )
    if (response.status === 404) return null
    if (!response.ok)
      throw new TypeError(`the envelope could not be had: status ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  },
}

/** A tree proof that was verified here. */
export type TreeProofView = { root: Hex; sequenceNo: string; siblings: number; holds: boolean }

type ProofAnswer = {
  root: Hex
  sequenceNo: string
  proof: { present: string; depth: number; siblings: Hex[]; leafKeyHash: Hex; leafValueHash: Hex }
}

/** Asks for a proof of an artifact, and verifies it under a root that the chain knows; `null` for none. */
export async function proveArtifact(
  network: Network,
  { namespace, hash, block }: { namespace: number; hash: Hex; block: bigint },
): Promise<TreeProofView | null> {
  const response = await fetch(`./proofs/${namespace}/${hash.toLowerCase()}?block=${block}`)
  if (!response.ok) throw new TypeError(`no proof could be had: status ${response.status}`)
  const answer = (await response.json()) as ProofAnswer | null
  if (answer === null) return null
  const { root, sequenceNo, proof } = answer
  const known = await readContract(network.wagmi.getClient(), {
    address: network.addresses.stateCommitRegistry as Address,
    abi: stateCommitRegistryAbi,
    functionName: 'isKnownRoot',
    args: [root],
  })
  const holds = verifyProof({
    root: hexToBytes(root),
    keyHash: hexToBytes(computeKeyHash(namespace, hash)),
    valueHash: hexToBytes(hash),
    proof: fromProofCalldata({ ...proof, present: BigInt(proof.present) }, 'inclusion'),
  })
  return { root, sequenceNo, siblings: proof.siblings.length, holds: known && holds }
}

/** Which artifacts are committed, by proofs. */
export function committedBy(network: Network): CommittedArtifacts {
  return {
    isCommittedAt: async ({ namespace, hash, block }) =>
      (await proveArtifact(network, { namespace, hash, block }))?.holds === true,
  }
}

/** What the plugin would find, asked of this application's own server. */
export async function screening(
  { intent, params }: ForecastQuestion,
  { signal }: { signal?: AbortSignal | undefined },
): Promise<ForecastInput> {
  const address = intent.to.toLowerCase()
  const response = await fetch(`./screening/${address}`, { signal: signal ?? null })
  if (!response.ok) throw new TypeError(`the risk service answered ${response.status}`)
  const { score, listed } = (await response.json()) as { score: number; listed: boolean }
  return {
    output: { sanctions: { address, score, listed } } satisfies JsonObject,
    source: `risk service at ${String(params['endpoint'])}, asked by this site's server`,
    asOf: Date.now(),
  }
}
