/** What the client side knows besides the chain: bytes, schemas, sealed secrets. */
import type { Address, Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import type { IoOptions } from '../../internal/deadline.js'

/**
 * Whether a sealed envelope of a data instance is committed, as the gateway reports. `unknown`
 * where it cannot be told.
 */
export type SecretsStatus = 'present' | 'missing' | 'unknown'

/** Tells about sealed secrets. */
export interface SecretsStatusSource {
  getSecretsStatus(
    parameters: { client: Address; policyDataInstanceId: Hex },
    options?: IoOptions,
  ): Promise<SecretsStatus>
}

/** What the client side knows. Whatever is left out is a warning, never a pass. */
export type OffchainChecks = {
  artifacts?: ArtifactSource | undefined
  schemas?: SchemaValidator | undefined
  secrets?: SecretsStatusSource | undefined
}
