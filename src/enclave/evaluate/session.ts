/** What a session's document is bound to, and the key that secrets are sealed to by such a document. */
import type { Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import type { NitroPolicy } from '../nitro/policy.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import { HPKE_SUITE } from '../secrets/hpke.js'
import { attestedRecipient, type RecipientKey } from '../secrets/recipient.js'

const typeHash = keccak(utf8('NewtonEnclaveSessionV1'))

/**
 * Computes the user data of a session's document:
 * `keccak256(keccak256("NewtonEnclaveSessionV1") ‖ keccak256(suite) ‖ epoch(8))`.
 */
export function computeSessionUserData(epoch: bigint): Uint8Array {
  return keccak(typeHash, keccak(utf8(HPKE_SUITE)), uintToBytes(epoch, 8, 'epoch'))
}

/** Milliseconds that a session lasts at most, and with it the document that a gateway hands on. */
const SESSION = 3_600_000

/**
 * Takes the key that secrets are sealed to from what `newt_getSecretsPublicKey` gives: the document of an
 * enclave's session, which names the key. The gateway is not believed.
 *
 * @param parameters.policy - Which builds may have the key; there is no default.
 * @throws {NitroAttestationError} where the document is refused.
 * @throws {InvalidInputError} where the gateway gives no document.
 * @example
 * ```ts
 * import { documentedRecipient, sealSecrets } from '@newton/policy-sdk/enclave'
 * import { createGatewayClient } from '@newton/policy-sdk/gateway'
 *
 * const gateway = createGatewayClient({ url: 'https://gateway.example/rpc' })
 * const key = await gateway.getSecretsPublicKey()
 * const recipient = await documentedRecipient({ key, policy: { measurements: [{ 0: pcr0 }] } })
 * ```
 */
export async function documentedRecipient(
  parameters: {
    key: { epoch?: bigint | undefined; document?: Hex | undefined }
    policy: Omit<NitroPolicy, 'freshness' | 'binding'> & {
      /** Milliseconds between the document and now. @default 3_600_000 */
      maxAge?: number | undefined
    }
  },
  options: IoOptions = {},
): Promise<RecipientKey> {
  const { key, policy } = parameters
  const { maxAge = SESSION, ...rest } = policy
  if (key.document === undefined || key.epoch === undefined) {
    throw new InvalidInputError({
      field: 'key',
      reason: 'the gateway gives no document that names it',
      hint: 'Pin a key that you have checked with pinnedRecipient.',
    })
  }
  const attestation = await assertNitroAttestation(
    fromHex(key.document, 'document'),
    {
      ...rest,
      freshness: { kind: 'maxAge', maxAge },
      binding: { userData: computeSessionUserData(key.epoch), publicKey: 'x25519' },
    },
    options,
  )
  return attestedRecipient({ attestation })
}
