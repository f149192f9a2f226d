import type { Address, Hex } from 'viem'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, fromUtf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertCount, readClock } from '../../internal/options.js'
import { decodeEnvelopeV2 } from './envelopeV2.js'
import { type SecretsUploadTypedData, secretsUploadTypedData } from './upload.js'

/** Seconds that operators let a deadline be ahead. */
const MAX_VALID = 86_400

/** The part of a gateway client that uploads need (`newt_storeEncryptedSecrets`). */
export type SecretsGateway = {
  storeEncryptedSecrets(
    parameters: {
      policyClient: Address
      chainId: bigint
      envelope: string
      policyDataInstanceId: Hex
      ownerSignature: Hex
      sequence: bigint
      deadline: bigint
    },
    options?: IoOptions,
  ): Promise<{ success: true } | { success: false; error: string }>
}

/** The gateway's operator opened the envelope and refused what is in it, or did not take it at all. */
export class SecretsUploadRefusedError extends BaseError {
  override readonly name = 'SecretsUploadRefusedError'
  override readonly code = 'SECRETS_UPLOAD_REFUSED'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super('The gateway refused the sealed secrets.', {
      metaMessages: [
        'Compare the secrets with the schema, and the sequence with the committed one.',
      ],
      ...options,
      details: reason,
    })
  }
}

/**
 * Uploads sealed secrets of version 2 with the client owner's signature.
 *
 * The gateway's delegate operator validates them against the committed schema. They count once a commit
 * holds them: until then the result is `pending`.
 *
 * @param parameters.sign - Signs the typed data as the client's owner, such as viem's `signTypedData`.
 * @throws {InvalidInputError} for `validFor` that is none; nothing is signed then.
 * @throws {SecretsUploadRefusedError} with the gateway's schema error.
 * @throws {EnvelopeInvalidError} where the bytes are no envelope of version 2.
 */
export async function uploadSecrets(
  parameters: {
    gateway: SecretsGateway
    sign: (typedData: SecretsUploadTypedData) => Promise<Hex>
    envelope: Uint8Array
    policyDataRegistry: Address
    /** Seconds for which operators may take it, a day at most. @default 1_800 */
    validFor?: number | undefined
    /** Milliseconds since 1970. @default Date.now */
    now?: (() => number) | undefined
  },
  options: IoOptions = {},
): Promise<{ status: 'pending'; envelopeHash: Hex; sequence: bigint }> {
  const { gateway, sign, envelope, policyDataRegistry, validFor = 1_800 } = parameters
  const { now = Date.now } = parameters
  assertCount('validFor', validFor, { most: MAX_VALID })
  const deadline = BigInt(Math.floor(readClock('now', now) / 1_000) + validFor)
  const { chainId, client, policyDataInstanceId, sequence } = decodeEnvelopeV2(envelope)
  const envelopeHash = keccakHex(envelope)
  const ownerSignature = await sign(
    secretsUploadTypedData({
      chainId,
      policyDataRegistry,
      policyDataInstanceId,
      envelopeHash,
      sequence,
      deadline,
    }),
  )
  if (fromHex(ownerSignature, 'signature').length === 0) {
    throw new InvalidInputError({ field: 'signature', reason: 'the owner signed nothing' })
  }
  const outcome = await gateway.storeEncryptedSecrets(
    {
      policyClient: client,
      chainId,
      envelope: fromUtf8(envelope),
      policyDataInstanceId,
      ownerSignature,
      sequence,
      deadline,
    },
    options,
  )
  if (outcome.success !== true) throw new SecretsUploadRefusedError({ reason: outcome.error })
  return { status: 'pending', envelopeHash, sequence }
}
