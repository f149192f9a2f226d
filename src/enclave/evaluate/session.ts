/** What a session's document is bound to. */
import { uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { HPKE_SUITE } from '../secrets/hpke.js'

const typeHash = keccak(utf8('NewtonEnclaveSessionV1'))

/**
 * Computes the user data of a session's document:
 * `keccak256(keccak256("NewtonEnclaveSessionV1") ‖ keccak256(suite) ‖ epoch(8))`.
 */
export function computeSessionUserData(epoch: bigint): Uint8Array {
  return keccak(typeHash, keccak(utf8(HPKE_SUITE)), uintToBytes(epoch, 8, 'epoch'))
}
