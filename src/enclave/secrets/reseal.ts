/** Moving sealed secrets from one build of an enclave to the next. */
import type { Address, Hex } from 'viem'
import type { SecretsOpener } from '../../core/interfaces/secretsOpener.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { isEnvelopeV1 } from './envelopeV1.js'
import { decodeEnvelopeV2 } from './envelopeV2.js'
import { RecipientRefusedError } from './errors.js'
import type { SecretsValidation } from './plaintext.js'
import type { RecipientKey } from './recipient.js'
import { type SealedSecrets, sealSecrets } from './seal.js'

/** What {@link resealSecrets} moves. */
export type ResealParameters = {
  /** Of the old build. */
  opener: SecretsOpener
  /** The envelope that is committed. */
  envelope: Uint8Array
  /** Key of the new build, from its verified document. */
  recipient: RecipientKey
  /** Epoch of the new build's key. @default 0n, a provisioned key */
  epoch?: bigint | undefined
  chainId: bigint
  client: Address
  policyDataInstanceId: Hex
  /** Checks the plaintext again; it was checked when it was first sealed. @default 'skip' */
  validation?: SecretsValidation | undefined
  /** Milliseconds since 1970. @default Date.now */
  now?: (() => number) | undefined
}

/**
 * Opens an envelope with the old build's key and seals it to the new build's attested key, with the
 * next sequence. Runs inside the old build, while both are active; the plaintext never leaves it.
 *
 * An envelope of version 1, where the opener takes it, becomes one of version 2 with sequence 1. The
 * new envelope is uploaded like any other, with the owner's signature.
 *
 * @throws {RecipientRefusedError} for a key without a verified document, or one past its time.
 * @throws {InvalidInputError} for a committed envelope with the last sequence there is.
 * @throws Whatever the opener throws where the envelope is not for this chain, client, instance or key.
 * @example
 * ```ts
 * import {
 *   attestedRecipient,
 *   resealSecrets,
 *   type ResealParameters,
 *   type VerifiedAttestation,
 * } from '@newton/policy-sdk/enclave'
 *
 * declare const old: Omit<ResealParameters, 'recipient'>
 * declare const attestation: VerifiedAttestation
 * const { envelope } = await resealSecrets({ ...old, recipient: attestedRecipient({ attestation }) })
 * ```
 */
export async function resealSecrets(
  parameters: ResealParameters,
  options: IoOptions = {},
): Promise<SealedSecrets & { sequence: bigint }> {
  const { opener, envelope, recipient, epoch, chainId, client, policyDataInstanceId } = parameters
  // Whoever named the key would read the secrets: here only a document may.
  if (recipient?.source !== 'attested') {
    throw new RecipientRefusedError({ reason: 'a build re-seals to an attested key only' })
  }
  if (typeof opener?.openSecrets !== 'function') {
    throw new InvalidInputError({ field: 'opener', reason: 'expected a secrets opener' })
  }
  const secrets = await opener.openSecrets(
    { envelope, chainId, client, policyDataInstanceId },
    options,
  )
  try {
    const sequence = isEnvelopeV1(envelope) ? 1n : decodeEnvelopeV2(envelope).sequence + 1n
    const { validation = 'skip', now } = parameters
    const sealed = await sealSecrets({
      recipient,
      secrets,
      validation,
      chainId,
      client,
      policyDataInstanceId,
      sequence,
      epoch,
      now,
    })
    return { ...sealed, sequence }
  } finally {
    secrets.fill(0)
  }
}
