/** The five artifacts of the demo, from the examples beside it. */
import { readFile } from 'node:fs/promises'
import { computeArtifactHash, namespaces } from '@newton/policy-sdk'
import type { Hex } from 'viem'

export type Artifact = { name: string; namespace: number; bytes: Uint8Array; hash: Hex }

const files = {
  rego: ['../policies/guarded-transfer/policy.rego', namespaces.rego],
  policyParamsSchema: [
    '../policies/guarded-transfer/params.schema.json',
    namespaces.policyParamsSchema,
  ],
  wasm: ['../plugins/sanctions-score/plugin.wasm', namespaces.wasm],
  policyDataParamsSchema: [
    '../plugins/sanctions-score/params.schema.json',
    namespaces.policyDataParamsSchema,
  ],
  secretsSchema: ['../plugins/sanctions-score/secrets.schema.json', namespaces.secretsSchema],
} as const

export async function readArtifacts(): Promise<Record<keyof typeof files, Artifact>> {
  const entries = await Promise.all(
    Object.entries(files).map(async ([name, [path, namespace]]) => {
      const bytes = new Uint8Array(await readFile(new URL(path, import.meta.url)))
      return [name, { name, namespace, bytes, hash: computeArtifactHash(bytes) }] as const
    }),
  )
  return Object.fromEntries(entries) as Record<keyof typeof files, Artifact>
}
