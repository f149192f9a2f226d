/** Signed statements of a control plane's claims, a file each, beside its evidence. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Address, Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { toHex } from '../../../internal/bytes.js'
import {
  type ClaimOrigin,
  evidenceHashOf,
  provenanceStatement,
  type RecordedClaim,
  statementSigner,
  summaryStatement,
} from '../../../provenance/index.js'
import { UsageError } from '../../errors.js'

/** Statements that are made of claims. */
export type OpenedStatements = {
  /** Ed25519, in hex without a prefix; the statements' `keyid`. */
  keyId: string
  /** Signs and keeps the statements of a claim. */
  onClaim(claim: RecordedClaim): Promise<void>
  /** What was kept beside the evidence of this SHA-256. */
  get(evidenceHash: Hex): Promise<Uint8Array | undefined>
}

/**
 * Opens them. A match of an isolated build has SLSA provenance and a summary; any other claim the summary
 * alone, as nobody has seen the plugin come from that source.
 *
 * @throws {UsageError} where the seed is the key of claims: each key signs one kind of thing.
 */
export function openStatements(given: {
  seed: Uint8Array
  directory: string
  verifier: Address
  chainId: number
  now?: (() => number) | undefined
}): OpenedStatements {
  const { seed, directory, verifier, chainId, now = Date.now } = given
  if (privateKeyToAddress(toHex(seed)).toLowerCase() === verifier.toLowerCase()) {
    throw new UsageError('--statement-key is the key of the claims: it has to be another.')
  }
  const { publicKey } = statementSigner({ keyId: '', seed })
  const keyId = toHex(publicKey).slice(2)
  const signer = statementSigner({ keyId, seed })
  const pathOf = (hash: Hex): string => join(directory, `${hash.slice(2)}.json`)
  return {
    keyId,
    onClaim: async ({ evidence, evidenceUri, buildInfo }) => {
      const hash = evidenceHashOf(evidenceUri)
      if (hash === undefined) return
      const origin: ClaimOrigin = {
        ...{ verifier, evidenceUri, chainId: BigInt(chainId) },
        timestamp: BigInt(Math.floor(now() / 1_000)),
      }
      const isMade = evidence.result === 'match' && evidence.isolation === 'bubblewrap'
      const document = {
        ...(isMade ? { provenance: signer.sign(provenanceStatement(buildInfo, origin)) } : {}),
        summary: signer.sign(summaryStatement(evidence, origin)),
      }
      await mkdir(directory, { recursive: true })
      const unfinished = `${pathOf(hash)}.${crypto.randomUUID()}`
      await writeFile(unfinished, `${JSON.stringify(document, undefined, 2)}\n`)
      await rename(unfinished, pathOf(hash))
    },
    get: async (evidenceHash) => {
      const bytes = await readFile(pathOf(evidenceHash)).catch(() => undefined)
      return bytes && new Uint8Array(bytes)
    },
  }
}
