/** Keys of an application enclave: operations by purpose, never the keys. */
import { ed25519 } from '@noble/curves/ed25519.js'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Hex } from 'viem'
import { type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { copyBytes, toHex } from '../../internal/bytes.js'
import { assertMembers } from '../../internal/options.js'
import type { Nsm } from '../nsm.js'
import type { HpkeContext } from '../secrets/hpke.js'
import { type DecryptionKey, deriveDecryptionKey, deriveEnclaveKey } from '../secrets/keys.js'

/** Operations with the enclave's keys. Different purposes have unrelated keys. */
export interface KeyManager {
  /** X25519 key that others seal to. */
  publicKey(purpose: string): Promise<Hex>
  /** Opens what was sealed to {@link KeyManager.publicKey}. */
  open(
    purpose: string,
    sealed: { enc: Uint8Array; ciphertext: Uint8Array; context: HpkeContext },
  ): Promise<Uint8Array>
  /** Ed25519 key that {@link KeyManager.sign} signs with. */
  verifyingKey(purpose: string): Promise<Hex>
  sign(purpose: string, message: Uint8Array): Promise<Hex>
  /** HMAC-SHA256. */
  mac(purpose: string, message: Uint8Array): Promise<Hex>
  /** An account of EVM chains: signs answers that contracts check, and transactions. */
  evmAccount(purpose: string): Promise<EnclaveAccount>
}

/** An account whose key stays inside. */
export type EnclaveAccount = Pick<
  PrivateKeyAccount,
  'address' | 'sign' | 'signMessage' | 'signTransaction' | 'signTypedData'
>

/** Makes attestation documents. */
export interface Attestor {
  attest(binding: {
    userData?: Uint8Array | undefined
    nonce?: Uint8Array | undefined
    publicKey?: Uint8Array | undefined
  }): Promise<Uint8Array>
  /** PCR0, 48 bytes. */
  measurement(): Promise<Uint8Array>
}

/** An attestor over the NSM. */
export function createAttestor(nsm: Nsm): Attestor {
  return {
    attest: (binding) => nsm.attest(binding),
    measurement: async () => (await nsm.describePcr(0)).data,
  }
}

/**
 * Creates a key manager. Every key is derived from a provisioned secret, this build and the purpose.
 *
 * @param parameters.masterSecret - 32 bytes or more.
 * @param parameters.pcr0 - This build's PCR0.
 */
export function createKeyManager(parameters: {
  masterSecret: Uint8Array
  pcr0: Uint8Array
  epoch?: bigint | undefined
}): KeyManager {
  assertMembers('parameters', parameters, ['masterSecret', 'pcr0'])
  const masterSecret = copyBytes(parameters.masterSecret)
  const pcr0 = copyBytes(parameters.pcr0)
  const epoch = parameters.epoch ?? 0n
  const derive = (use: string, purpose: string): Uint8Array =>
    deriveEnclaveKey({ masterSecret, pcr0, epoch, purpose: `${use}/${purpose}` })
  const opening = new Map<string, Promise<DecryptionKey>>()
  const openingKey = (purpose: string): Promise<DecryptionKey> => {
    let key = opening.get(purpose)
    if (key === undefined) {
      key = deriveDecryptionKey({ masterSecret, pcr0, epoch, purpose: `open/${purpose}` })
      opening.set(purpose, key)
    }
    return key
  }
  return {
    publicKey: async (purpose) => (await openingKey(purpose)).publicKey,
    open: async (purpose, { context, ...sealed }) =>
      (await openingKey(purpose)).open(sealed, context),
    verifyingKey: async (purpose) => toHex(ed25519.getPublicKey(derive('sign', purpose))),
    sign: async (purpose, message) => toHex(ed25519.sign(message, derive('sign', purpose))),
    mac: async (purpose, message) => toHex(hmac(sha256, derive('mac', purpose), message)),
    evmAccount: async (purpose) => {
      const account = privateKeyToAccount(toHex(secp256k1Scalar(derive('evm', purpose))))
      const { address, sign, signMessage, signTransaction, signTypedData } = account
      return { address, sign, signMessage, signTransaction, signTypedData }
    },
  }
}

/** One of 2^128 derived secrets is no key of the curve; the next hash of it is. */
function secp256k1Scalar(secret: Uint8Array): Uint8Array {
  return secp256k1.utils.isValidSecretKey(secret) ? secret : secp256k1Scalar(sha256(secret))
}
