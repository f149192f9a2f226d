/** Sealing secrets to an enclave and opening them inside it. */
import type { Address, Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import type { SecretsOpener } from '../../core/interfaces/secretsOpener.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, fromHex, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { decodeEnvelopeV1, encodeEnvelopeV1, envelopeV1Aad, isEnvelopeV1 } from './envelopeV1.js'
import { decodeEnvelopeV2, encodeEnvelopeV2, envelopeV2Aad } from './envelopeV2.js'
import {
  EnvelopeKeyUnknownError,
  EnvelopeMismatchError,
  EnvelopeSequenceError,
  EnvelopeV1RefusedError,
} from './errors.js'
import { hpkeSeal } from './hpke.js'
import type { DecryptionKey } from './keys.js'
import { assertSecretsFit, type SecretsValidation, secretsBytes } from './plaintext.js'
import { assertRecipient, computeKeyId, type RecipientKey } from './recipient.js'

/** What {@link sealSecrets} seals. */
export type SealParameters = {
  recipient: RecipientKey
  /** A JSON object, sealed as canonical JSON, or the bytes of one, sealed as they are. */
  secrets: Uint8Array | JsonObject
  validation: SecretsValidation
  chainId: bigint
  client: Address
  /** Milliseconds since 1970. @default Date.now */
  now?: (() => number) | undefined
} & (
  | {
      version?: 2 | undefined
      policyDataInstanceId: Hex
      /** One more than the committed one; 1 for the first. */
      sequence: bigint
      /** @default 0n, a provisioned key */
      epoch?: bigint | undefined
    }
  | {
      /** The current protocol's envelope, which does not bind the data instance. */
      version: 1
    }
)

/** A sealed envelope. */
export type SealedSecrets = {
  /** The bytes that are uploaded and committed. */
  envelope: Uint8Array
  /** `keccak256(envelope)`: what the client's owner signs and what `inputsHash` holds. */
  envelopeHash: Hex
  keyId: Hex
  version: 1 | 2
}

/**
 * Seals secrets to an enclave's key, version 2 unless told otherwise.
 *
 * @throws {SecretsInvalidError} where the plaintext does not fit its schema.
 * @throws {RecipientRefusedError} where the key is not usable or its document has expired.
 * @example
 * ```ts
 * import { pinnedRecipient, sealSecrets } from '@newton/policy-sdk/enclave'
 *
 * const publicKey = '0x8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f'
 * const { envelope } = await sealSecrets({
 *   recipient: pinnedRecipient({ publicKey }),
 *   secrets: { apiKey: 'k-1' },
 *   validation: 'skip',
 *   chainId: 31337n,
 *   client: `0x${'11'.repeat(20)}`,
 *   policyDataInstanceId: `0x${'22'.repeat(32)}`,
 *   sequence: 1n,
 * })
 * ```
 */
export async function sealSecrets(parameters: SealParameters): Promise<SealedSecrets> {
  const { recipient, secrets, validation, chainId, now = Date.now } = parameters
  assertRecipient(recipient, now())
  if (validation !== 'skip' && typeof validation?.validator?.validate !== 'function') {
    throw new InvalidInputError({
      field: 'validation',
      reason: "expected { validator, schemaJson } or 'skip'",
    })
  }
  const client = toHex(fixedFromHex(parameters.client, 20, 'client'))
  const plaintext = secretsBytes(secrets, validation)
  try {
    await assertSecretsFit(plaintext, validation)
    const publicKey = fromHex(recipient.publicKey)
    const { keyId } = recipient
    let envelope: Uint8Array
    if (parameters.version === 1) {
      const sealed = await hpkeSeal(publicKey, plaintext, {
        aad: envelopeV1Aad({ client, chainId }),
      })
      envelope = encodeEnvelopeV1({
        ...sealed,
        policyClient: parameters.client,
        chainId,
        recipient: recipient.publicKey,
      })
    } else {
      const { policyDataInstanceId, sequence, epoch = 0n } = parameters
      const context = { chainId, client, policyDataInstanceId, keyId, epoch, sequence }
      const sealed = await hpkeSeal(publicKey, plaintext, { aad: envelopeV2Aad(context) })
      envelope = encodeEnvelopeV2({ ...context, ...sealed })
    }
    return { envelope, envelopeHash: keccakHex(envelope), keyId, version: parameters.version ?? 2 }
  } finally {
    plaintext.fill(0)
  }
}

/** How an enclave opens secrets. */
export type SecretsOpenerParameters = {
  /** Keys of this enclave, any order. */
  keys: readonly DecryptionKey[]
  /**
   * Takes envelopes of version 1 for clients with exactly one data instance with secrets. Without it
   * they are refused.
   */
  allowV1?:
    | {
        /** How many data instances with secrets a client has, read from the chain. */
        countInstancesWithSecrets(client: Address, options?: IoOptions): Promise<number>
      }
    | undefined
}

/**
 * Creates what opens sealed secrets inside an enclave.
 *
 * @throws {InvalidInputError} where there is no key.
 */
export function createSecretsOpener(parameters: SecretsOpenerParameters): SecretsOpener {
  const { keys, allowV1 } = parameters
  if (!Array.isArray(keys) || keys.length === 0) {
    throw new InvalidInputError({ field: 'keys', reason: 'expected one key at least' })
  }
  const keyOf = (keyId: Hex): DecryptionKey => {
    const key = keys.find((candidate) => candidate.keyId === keyId)
    if (key === undefined) throw new EnvelopeKeyUnknownError({ keyId })
    return key
  }
  return {
    openSecrets: (request, options = {}) =>
      withDeadline('Opening secrets', options, async (signal) => {
        const { envelope } = request
        const client = toHex(fixedFromHex(request.client, 20, 'client'))
        if (isEnvelopeV1(envelope)) {
          if (allowV1 === undefined)
            throw new EnvelopeV1RefusedError({ reason: 'it binds no data instance' })
          const count = await allowV1.countInstancesWithSecrets(client, { signal })
          if (count !== 1) {
            throw new EnvelopeV1RefusedError({
              reason: `the client has ${count} data instances with secrets`,
            })
          }
          const opened = decodeEnvelopeV1(envelope)
          assertSame('client', client, opened.policyClient.toLowerCase())
          assertSame('chain', request.chainId, opened.chainId)
          const key = keyOf(computeKeyId(opened.recipient))
          return secretsBytes(
            await key.open(opened, { aad: envelopeV1Aad({ client, chainId: request.chainId }) }),
          )
        }
        const opened = decodeEnvelopeV2(envelope)
        const policyDataInstanceId = toHex(
          fixedFromHex(request.policyDataInstanceId, 32, 'policyDataInstanceId'),
        )
        assertSame('chain', request.chainId, opened.chainId)
        assertSame('client', client, opened.client)
        assertSame('data instance', policyDataInstanceId, opened.policyDataInstanceId)
        const key = keyOf(opened.keyId)
        assertSame('epoch', key.epoch, opened.epoch)
        const { keyId, epoch, sequence } = opened
        const context = {
          chainId: request.chainId,
          client,
          policyDataInstanceId,
          keyId,
          epoch,
          sequence,
        }
        return secretsBytes(await key.open(opened, { aad: envelopeV2Aad(context) }))
      }),
  }
}

/**
 * Checks that an envelope may replace the committed one: its sequence is above it, or 1 or more where
 * nothing is committed.
 *
 * @throws {EnvelopeSequenceError} for a sequence that is not above.
 */
export function assertEnvelopeSupersedes(parameters: {
  candidate: Uint8Array
  committed: Uint8Array | null
}): void {
  const { sequence } = decodeEnvelopeV2(parameters.candidate)
  const { committed: bytes } = parameters
  const committed = bytes === null || isEnvelopeV1(bytes) ? 0n : decodeEnvelopeV2(bytes).sequence
  if (sequence <= committed) throw new EnvelopeSequenceError({ sequence, committed })
}

function assertSame(field: string, expected: string | bigint, actual: string | bigint): void {
  if (expected !== actual) {
    throw new EnvelopeMismatchError({ field, expected: String(expected), actual: String(actual) })
  }
}
