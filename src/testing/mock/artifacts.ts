/** Artifacts in memory: bytes by their hash. */
import type { Hex } from 'viem'
import { computeArtifactHash } from '../../core/artifact.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import { ArtifactUnavailableError } from '../../da/index.js'
import { copyBytes, utf8 } from '../../internal/bytes.js'

/** A source of artifacts that tests fill and empty. */
export type MockArtifacts = ArtifactSource & {
  /** Keeps bytes, or text as UTF-8. Returns their name. */
  add(content: Uint8Array | string): Hex
  /** Loses an artifact, as a store does. */
  remove(hash: Hex): void
}

/** Creates an empty source. */
export function mockArtifacts(): MockArtifacts {
  const held = new Map<string, Uint8Array>()
  return {
    add: (content) => {
      const bytes = typeof content === 'string' ? utf8(content) : Uint8Array.from(content)
      const hash = computeArtifactHash(bytes)
      held.set(hash, bytes)
      return hash
    },
    remove: (hash) => {
      held.delete(hash.toLowerCase())
    },
    getArtifact: async ({ hash }) => {
      const bytes = held.get(hash.toLowerCase())
      if (bytes === undefined) {
        throw new ArtifactUnavailableError({ artifactHash: hash, attempts: [] })
      }
      return copyBytes(bytes)
    },
  }
}
