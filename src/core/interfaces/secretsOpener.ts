import type { Address, Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'

/** Opens sealed secrets. Lives in an enclave; a configured key is for `simulate` only. */
export interface SecretsOpener {
  /**
   * @param parameters.envelope - The envelope's bytes, as under the committed root.
   * @returns The plaintext: UTF-8 JSON object bytes. The caller drops it when the run ends.
   * @throws When the envelope is not for this chain, client, instance or key.
   */
  openSecrets(
    parameters: {
      envelope: Uint8Array
      chainId: bigint
      client: Address
      policyDataInstanceId: Hex
    },
    options?: IoOptions,
  ): Promise<Uint8Array>
}

/** Gives the sealed envelope of a data instance under the root committed at a block. */
export interface EnvelopeSource {
  /** `null` where no envelope is committed. */
  getEnvelope(
    parameters: { policyDataInstanceId: Hex; block: bigint },
    options?: IoOptions,
  ): Promise<Uint8Array | null>
}

/** Tells which artifacts are under the root committed at a block. */
export interface CommittedArtifacts {
  isCommittedAt(
    parameters: { namespace: number; hash: Hex; block: bigint },
    options?: IoOptions,
  ): Promise<boolean>
}
