import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { ArtifactNamespace } from '../artifact.js'
import type { DaLocator } from '../locator.js'

/** Publishes new locators of registered artifacts on chain. */
export interface Announcer {
  announceArtifact(
    parameters: { templateId: Hex; namespace: ArtifactNamespace; locator: DaLocator },
    options?: IoOptions,
  ): Promise<{ transactionHash: Hex }>
}
