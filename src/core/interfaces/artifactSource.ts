import type { Hex } from 'viem'
import type { ArtifactNamespace } from '../artifact.js'
import type { DaLocator } from '../locator.js'
import type { DaOptions } from './daClient.js'

/** Names an artifact, with hints where its bytes may be. */
export type ArtifactRequest = {
  hash: Hex
  namespace: ArtifactNamespace
  /** Tried in order before what the source knows itself. */
  locators?: readonly DaLocator[] | undefined
}

/**
 * Gives the bytes of an artifact by its hash, verified. Bytes that miss their hash are never
 * returned; an artifact that cannot be had is an error that says what was tried.
 */
export interface ArtifactSource {
  getArtifact(request: ArtifactRequest, options?: DaOptions): Promise<Uint8Array>
  /** Whether the bytes can be had, without moving them where the source can tell. */
  hasArtifact?(request: ArtifactRequest, options?: DaOptions): Promise<boolean>
}
