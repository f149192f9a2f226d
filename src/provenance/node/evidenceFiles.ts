/** Evidence in a directory, each document under its SHA-256. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@noble/hashes/sha2.js'
import { toHex } from '../../internal/bytes.js'
import type { EvidenceStore } from '../control/parameters.js'

/**
 * Keeps evidence in files, which a control plane serves at `<publicUrl>/evidence/<sha256>.json`.
 *
 * @example
 * ```ts
 * import { evidenceFiles } from '@newton/policy-sdk/provenance/node'
 *
 * const evidence = evidenceFiles({
 *   directory: '/var/lib/newton/evidence',
 *   publicUrl: 'https://control.example',
 * })
 * ```
 */
export function evidenceFiles(parameters: { directory: string; publicUrl: string }): EvidenceStore {
  const { directory } = parameters
  const base = parameters.publicUrl.replace(/\/$/, '')
  const pathOf = (hash: string): string => join(directory, `${hash.slice(2)}.json`)
  return {
    put: async (bytes, hash) => {
      await mkdir(directory, { recursive: true })
      const path = pathOf(hash)
      // Two that keep the same document at once write no file together.
      const unfinished = `${path}.${crypto.randomUUID()}`
      await writeFile(unfinished, bytes)
      await rename(unfinished, path)
      return `${base}/evidence/${hash.slice(2)}.json`
    },
    get: async (hash) => {
      if (!/^0x[0-9a-f]{64}$/.test(hash)) return undefined
      const bytes = await readFile(pathOf(hash)).catch(() => undefined)
      // A damaged file is not the document.
      if (bytes === undefined || toHex(sha256(bytes)) !== hash) return undefined
      return new Uint8Array(bytes)
    },
  }
}
