/** The events that make a ledger and say who may write to it. */
import type { JsonObject } from '../../core/jsonText.js'
import { toBase64 } from '../log/encoding.js'
import { keyIdOf } from './event.js'
import { eventIds } from './eventId.js'
import { type PreparedEvent, prepareEvent } from './flow.js'
import { type EventSigner, keyProofMessage } from './signature.js'
import type { KeyRole } from './view.js'

/** What {@link prepareKeyEvent} takes. */
export type PrepareKeyEventParameters = {
  ledger: string
  /** The new key. It signs that it is held by whoever adds it. */
  key: EventSigner
  role: Exclude<KeyRole, 'genesis'>
  /** Public key of the admin, or of genesis, who will sign the event. */
  by: Uint8Array
  /** The key that the new one takes the place of: the event is then `ets.key.rotate`. */
  oldKeyId?: string | undefined
  now?: (() => number) | undefined
}

/**
 * Makes the event that adds a key, or rotates one, with the new key's proof in it.
 *
 * @throws {InvalidInputError} as `prepareEvent` does.
 * @example
 * ```ts
 * import { ed25519EventSigner, prepareKeyEvent } from '@newton/policy-sdk/ledger'
 *
 * const key = ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32)))
 * const admin = ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32)))
 * const by = admin.publicKey
 * const { payload } = await prepareKeyEvent({ ledger: 'ledger.example/eval', key, role: 'operator', by })
 * ```
 */
export async function prepareKeyEvent(
  parameters: PrepareKeyEventParameters,
): Promise<PreparedEvent> {
  const { ledger, key, role, by, oldKeyId, now = Date.now } = parameters
  const eventId = eventIds({ now })()
  const newKeyId = keyIdOf(key.publicKey)
  const proof = await key.sign(keyProofMessage({ ledger, eventId, oldKeyId, newKeyId }))
  const fields: JsonObject = {
    key_id: newKeyId,
    public_key: toBase64(key.publicKey),
    role,
    proof: toBase64(proof),
  }
  return prepareEvent({
    ...{ ledger, domain: 'agents', publicKey: by, eventId, now },
    schemaVersion: oldKeyId === undefined ? 'ets.key.add/1' : 'ets.key.rotate/1',
    fields: oldKeyId === undefined ? fields : { ...fields, old_key_id: oldKeyId },
  })
}

/**
 * Makes the first event of a ledger.
 *
 * @param parameters.checkpointKey - The meta log's verifier key, as C2SP writes it.
 * @example
 * ```ts
 * import { ed25519EventSigner, prepareGenesis } from '@newton/policy-sdk/ledger'
 *
 * const { publicKey } = ed25519EventSigner(crypto.getRandomValues(new Uint8Array(32)))
 * const { payload } = prepareGenesis({ ledger: 'ledger.example/eval', publicKey, checkpointKey: 'ledger.example/eval/meta+…' })
 * ```
 */
export function prepareGenesis(parameters: {
  ledger: string
  publicKey: Uint8Array
  checkpointKey: string
  now?: (() => number) | undefined
}): PreparedEvent {
  const { checkpointKey, ...rest } = parameters
  return prepareEvent({
    ...rest,
    ...{ domain: 'audit', schemaVersion: 'ets.genesis/1' },
    fields: {
      profile: 'newton-ledger/1',
      domains: ['agents', 'audit', 'context', 'decisions'],
      checkpoint_key: checkpointKey,
    },
  })
}
