/**
 * From which source the plugin is said to be built. The verifiers of a development network are simulated:
 * they claim without a build. `npm run example:provenance` has verifiers that rebuild.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  type BuildInfo,
  computeBuildInfoHash,
  computeWasmHashes,
  createSourceArchive,
  encodeEvidence,
  type TrustPolicy,
} from '@newton/policy-sdk/provenance'
import {
  setBuildInfoManagerSync,
  submitBuildInfoSync,
  submitClaimSync,
} from '@newton/policy-sdk/registry'
import type { Devnet } from '@newton/policy-sdk/testing/node'
import type { Hex } from 'viem'

/** What the page is told: whom to believe, and documents by their SHA-256. */
export type Claimed = { trust: TrustPolicy; evidence: ReadonlyMap<Hex, Uint8Array> }

const source = fileURLToPath(new URL('../../plugins/sanctions-score', import.meta.url))
const image = `newton-toolchain@sha256:${'5e'.repeat(32)}`

/** Accounts of the verifiers that the page believes: two that claim, and one that says nothing yet. */
const verifiers = [5, 6, 7] as const

/** Names the source on chain, and lets two verifiers claim that it gives the plugin. */
export async function claimProvenance(devnet: Devnet, wasm: Uint8Array): Promise<Claimed> {
  const { contracts: addresses, owner } = devnet
  const { wasmHash, wasmSha256 } = computeWasmHashes(wasm)
  const { sourceSha256 } = createSourceArchive(await readSource())
  const buildInfo: BuildInfo = {
    ...{ wasmSha256, sourceSha256, image, args: ['plugin', 'build'], options: [] },
    sourceRepo: 'github:newt-foundation/newton-policy-sdk',
  }
  // The plugin was built before plugins said so themselves: a manager of the registry says it.
  const manager = owner.account.address
  await setBuildInfoManagerSync(owner, { manager, allowed: true, addresses })
  await submitBuildInfoSync(owner, { wasmHash, buildInfo, addresses })
  const buildInfoHash = computeBuildInfoHash(buildInfo)
  const { bytes, hash } = encodeEvidence({
    schema: 'newton.verification-evidence/1',
    ...{ wasmHash, wasmSha256, buildInfoHash, sourceSha256, image, result: 'match' },
    ...{ level: 'exact', rebuiltSha256: wasmSha256, isolation: 'bubblewrap' },
  })
  const evidenceUri = `https://verifier.example/evidence/${hash.slice(2)}.json`
  const claim = { wasmHash, buildInfoHash, result: 'match', evidenceUri, addresses } as const
  for (const index of verifiers.slice(0, 2)) await submitClaimSync(devnet.account(index), claim)
  const trust: TrustPolicy = {
    images: { [image]: 'trusted' },
    verifiers: verifiers.map((index) => devnet.account(index).account.address),
    threshold: 2,
  }
  return { trust, evidence: new Map([[hash, bytes]]) }
}

async function readSource(): Promise<{ path: string; bytes: Uint8Array }[]> {
  const entries = await readdir(source, { recursive: true, withFileTypes: true })
  const files = entries.filter(
    (entry) => entry.isFile() && /\.(rs|toml|lock|wit)$/.test(entry.name),
  )
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      const path = join(parentPath, name)
      return { path: path.slice(source.length + 1), bytes: new Uint8Array(await readFile(path)) }
    }),
  )
}
