/**
 * State moves to the next build of an enclave: the new one asks with a document, the old one verifies it,
 * seals everything to it, attests what it sealed, and ends its own line where the anchor sees it.
 *
 * Request: CBOR `{ document, anchorKey? }`, the document carrying the new build's X25519 key and
 * `keccak256(keccak256("NewtonStateSuccessorV1") ‖ anchorKey)` as user data. Bequest: CBOR
 * `{ document, enc, ciphertext }`, the document carrying `keccak256(keccak256("NewtonStateBequestV1") ‖
 * sequence(8) ‖ stateHash ‖ publicKey ‖ keccak256(enc ‖ ciphertext))`, the ciphertext sealed with the
 * sequence and hash of the line's last record as additional data.
 */
import { concat, fixedFromHex, fromHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import { readCbor } from '../cbor/read.js'
import { writeCbor } from '../cbor/write.js'
import type { ArchivedNitroPolicy, NitroPolicy } from '../nitro/policy.js'
import { assertArchivedNitroAttestation, assertNitroAttestation } from '../nitro/verify.js'
import { hpkeSeal } from '../secrets/hpke.js'
import { SealedStateError } from '../store/errors.js'
import type { BlobStore } from '../store/sealed/blobs.js'
import type { TakeOver } from '../store/sealed/history.js'
import type { SealedKv } from '../store/sealed/kv.js'
import { bequestName, type StatePlace } from '../store/sealed/record.js'
import type { Attestor, KeyManager } from './keyManager.js'

const purpose = 'state-hand-over'

/**
 * Asks, inside the new build, to be given the state of the one before.
 *
 * @param parameters.anchorKey - Who moves the anchor for this build, where the anchor knows its writers:
 * the address of its account for `chainAnchor`.
 * @param parameters.nonce - Of the old build, where it gave one.
 */
export async function requestHandOver(parameters: {
  attestor: Attestor
  keys: KeyManager
  anchorKey?: string | undefined
  nonce?: Uint8Array | undefined
}): Promise<Uint8Array> {
  const { attestor, keys, anchorKey, nonce } = parameters
  const publicKey = fromHex(await keys.publicKey(purpose))
  const userData = successorUserData(anchorKey)
  const document = await attestor.attest({ publicKey, userData, nonce })
  return writeCbor({ document, anchorKey })
}

/**
 * Hands the state over, inside the old build. Afterwards its store refuses everything (`STORE_STOPPED`).
 *
 * Stopped on its way, it goes on when the old build opens its store again.
 *
 * @param parameters.request - What {@link requestHandOver} of the new build made. The host's bytes.
 * @param parameters.policy - Which builds may be given the state: `measurements: 'registry'` with a registry
 * takes whatever is active, or name the next build's PCRs.
 * @throws {NitroAttestationError} for a request of any other.
 * @throws {SealedStateError} for bytes that are no request.
 */
export async function handOverState(
  parameters: {
    state: SealedKv
    attestor: Attestor
    request: Uint8Array
    policy: Omit<NitroPolicy, 'binding'>
  },
  options: IoOptions = {},
): Promise<void> {
  const { state, attestor, request, policy } = parameters
  const { document, anchorKey } = readParts(request, 'request')
  const binding = { publicKey: 'x25519', userData: successorUserData(anchorKey) } as const
  const successor = await assertNitroAttestation(document, { ...policy, binding }, options)
  const publicKey = fixedFromHex(successor.publicKey ?? '0x', 32, 'publicKey')
  await state.endLine({
    successor: anchorKey,
    bequeath: async ({ place, content }) => {
      const { enc, ciphertext } = await hpkeSeal(publicKey, content, { aad: placeBytes(place) })
      content.fill(0)
      const userData = bequestUserData(place, { publicKey, enc, ciphertext })
      return writeCbor({ document: await attestor.attest({ userData }), enc, ciphertext })
    },
  })
}

/**
 * Creates what `openSealedKv` takes as `takeOver`, inside the new build: the state of the line that ended,
 * believed because an attested build before this one made it for this very end, and because the anchor
 * stands there.
 *
 * @param parameters.policy - Which builds may have had the state: name their PCRs in the image. `at` says
 * at which time their documents are judged; the anchor, not the document, shows that the state is the newest.
 */
export function receiveHandOver(parameters: {
  blobs: BlobStore
  keys: KeyManager
  policy: Omit<ArchivedNitroPolicy, 'binding'>
}): TakeOver {
  const { blobs, keys, policy } = parameters
  return async (place) => {
    const bytes = await blobs.read(bequestName(place))
    if (bytes === undefined) throw refused('what the line before left is missing')
    const { document, enc, ciphertext } = readParts(bytes, 'bequest')
    const publicKey = fromHex(await keys.publicKey(purpose))
    const userData = bequestUserData(place, { publicKey, enc, ciphertext })
    const binding = { publicKey: 'any', userData } as const
    await assertArchivedNitroAttestation(document, { ...policy, binding })
    return keys.open(purpose, { enc, ciphertext, context: { aad: placeBytes(place) } })
  }
}

type Parts = {
  document: Uint8Array
  anchorKey: string | undefined
  enc: Uint8Array
  ciphertext: Uint8Array
}

function readParts(bytes: Uint8Array, what: 'request' | 'bequest'): Parts {
  let value: unknown
  try {
    value = readCbor(bytes, { form: 'strict' })
  } catch (cause) {
    throw refused(`its ${what} is not readable`, cause)
  }
  const member = (name: string): unknown => (value instanceof Map ? value.get(name) : undefined)
  const [document, anchorKey] = [member('document'), member('anchorKey')]
  const none = new Uint8Array(0)
  const [enc, ciphertext] =
    what === 'request' ? [none, none] : [member('enc'), member('ciphertext')]
  const isKey = anchorKey === undefined || isAnchorKey(anchorKey)
  if (
    !(document instanceof Uint8Array) ||
    !(enc instanceof Uint8Array) ||
    !(ciphertext instanceof Uint8Array) ||
    !isKey
  ) {
    throw refused(`its ${what} is not readable`)
  }
  return { document, enc, ciphertext, anchorKey }
}

function isAnchorKey(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,256}$/.test(value)
}

function successorUserData(anchorKey: string | undefined): Uint8Array {
  return keccak(keccak(utf8('NewtonStateSuccessorV1')), utf8(anchorKey ?? ''))
}

function bequestUserData(
  place: StatePlace,
  sealed: { publicKey: Uint8Array; enc: Uint8Array; ciphertext: Uint8Array },
): Uint8Array {
  const { publicKey, enc, ciphertext } = sealed
  return keccak(
    keccak(utf8('NewtonStateBequestV1')),
    placeBytes(place),
    publicKey,
    keccak(enc, ciphertext),
  )
}

function placeBytes({ sequence, stateHash }: StatePlace): Uint8Array {
  return concat(uintToBytes(sequence, 8, 'sequence'), fixedFromHex(stateHash, 32, 'stateHash'))
}

function refused(reason: string, cause?: unknown): SealedStateError {
  return new SealedStateError({ reason }, { cause })
}
