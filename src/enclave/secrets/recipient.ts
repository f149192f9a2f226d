/**
 * Keys that secrets may be sealed to.
 *
 * A key is believed when a verified document names it. Anything else has to be said aloud.
 */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertVerifiedAttestation, type VerifiedAttestation } from '../nitro/verified.js'
import { RecipientRefusedError } from './errors.js'
import { HPKE_SUITE } from './hpke.js'

declare const recipientBrand: unique symbol

/** A key that secrets may be sealed to. Only the functions of this file make one. */
export type RecipientKey = {
  readonly [recipientBrand]: true
  /** Raw X25519 public key, 32 bytes. */
  readonly publicKey: Hex
  /** `keccak256(publicKey)`. */
  readonly keyId: Hex
  readonly source: 'attested' | 'pinned' | 'gateway'
  readonly assurance: VerifiedAttestation['assurance'] | undefined
  /** Milliseconds since 1970 after which the document no longer speaks for the key. */
  readonly notAfter: number | undefined
}

const recipients = new WeakSet<object>()

/** Id of a recipient key: `keccak256` of its 32 bytes. */
export function computeKeyId(publicKey: Hex): Hex {
  return keccakHex(fixedFromHex(publicKey, 32, 'publicKey'))
}

/**
 * Takes the recipient key from a verified document.
 *
 * @param parameters.registered - `EnclaveVersionRegistry.getEnclaveKey(operator)`, compared where given;
 * never a source of its own.
 * @throws {RecipientRefusedError} where the document names no X25519 key, is archived or of an enclave
 * in debug mode, or where the registry names another key.
 */
export function attestedRecipient(parameters: {
  attestation: VerifiedAttestation
  registered?: Hex | undefined
}): RecipientKey {
  const { attestation, registered } = parameters
  assertVerifiedAttestation(attestation)
  if (attestation.freshness !== 'live') throw refused('its document is of the past')
  if (attestation.isDebug) throw refused('its enclave runs in debug mode')
  if (attestation.publicKey === undefined || attestation.publicKey.length !== 66) {
    throw refused('the document names no X25519 public key')
  }
  if (
    registered !== undefined &&
    toHex(fixedFromHex(registered, 32, 'registered')) !== attestation.publicKey
  ) {
    throw refused('the registry names another key for this operator')
  }
  return brand({
    publicKey: attestation.publicKey,
    source: 'attested',
    assurance: attestation.assurance,
    notAfter: attestation.leafNotAfter,
  })
}

/** Takes a key that was checked before and is pinned by the caller. */
export function pinnedRecipient(parameters: { publicKey: Hex }): RecipientKey {
  const publicKey = toHex(fixedFromHex(parameters.publicKey, 32, 'publicKey'))
  return brand({ publicKey, source: 'pinned', assurance: undefined, notAfter: undefined })
}

/**
 * Takes the key that `newt_getSecretsPublicKey` names, for networks of the current protocol, where it
 * comes with no document. Whoever runs the gateway could name a key of its own.
 *
 * @param parameters.key - The gateway's answer.
 * @throws {RecipientRefusedError} for a key of another type, such as the threshold key of
 * `newt_getPrivacyPublicKey`, or where `trustGateway` is not `true`.
 */
export function gatewayRecipient(parameters: {
  key: GatewaySecretsKey
  trustGateway: true
}): RecipientKey {
  const { key, trustGateway } = parameters
  if (trustGateway !== true) throw refused('a gateway is trusted only with `trustGateway: true`')
  const named = 'public_key' in key ? key.public_key : key.publicKey
  const keyType = 'public_key' in key ? key.key_type : key.keyType
  const suite = 'public_key' in key ? key.encryption_suite : key.encryptionSuite
  if (typeof named !== 'string')
    throw new InvalidInputError({ field: 'key', reason: 'expected hex' })
  if (keyType !== undefined && !/^x25519$/i.test(keyType)) {
    throw refused(`its type is ${JSON.stringify(keyType)}; a threshold cannot open secrets in time`)
  }
  if (suite !== undefined && suite !== HPKE_SUITE)
    throw refused(`its suite is ${JSON.stringify(suite)}`)
  const hex = named.startsWith('0x') ? named : `0x${named}`
  const publicKey = toHex(fixedFromHex(hex, 32, 'key'))
  return brand({ publicKey, source: 'gateway', assurance: undefined, notAfter: undefined })
}

/** A gateway's answer to `newt_getSecretsPublicKey`, as it came or as the gateway client reads it. */
export type GatewaySecretsKey =
  | { public_key: string; key_type?: string | undefined; encryption_suite?: string | undefined }
  | { publicKey: string; keyType?: string | undefined; encryptionSuite?: string | undefined }

/** Refuses anything that is not a {@link RecipientKey} of this process, and one past its time. */
export function assertRecipient(recipient: RecipientKey, now: number): void {
  if (typeof recipient !== 'object' || recipient === null || !recipients.has(recipient)) {
    throw new InvalidInputError({
      field: 'recipient',
      reason: 'not a recipient key',
      hint: 'Make one with attestedRecipient, pinnedRecipient or gatewayRecipient.',
    })
  }
  if (recipient.notAfter !== undefined && !(now <= recipient.notAfter)) {
    throw refused('its document has expired; verify a new one')
  }
}

function brand(fields: Omit<RecipientKey, typeof recipientBrand | 'keyId'>): RecipientKey {
  const value = Object.freeze({ ...fields, keyId: computeKeyId(fields.publicKey) }) as RecipientKey
  recipients.add(value)
  return value
}

function refused(reason: string): RecipientRefusedError {
  return new RecipientRefusedError({ reason })
}
