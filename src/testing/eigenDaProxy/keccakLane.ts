/** The lane of `op-keccak`: objects in a store, named by the hash of their bytes. */
import { keccakHex } from '../../internal/keccak.js'
import {
  distorted,
  type FakeAnswer,
  type FakeRequest,
  failure,
  scripted,
  success,
} from './answers.js'
import { apiRefusal, bodyRefusal, type FakeProxyState, takeFault } from './state.js'

/** Stores or fetches the object whose bytes hash to `keyHex`. */
export async function keccakLane(
  state: FakeProxyState,
  request: FakeRequest,
  { verb, keyHex }: { verb: 'get' | 'put'; keyHex: string },
): Promise<FakeAnswer> {
  const key = keyHex.toLowerCase()
  const refused = verb === 'get' ? apiRefusal(state, 'op-keccak') : bodyRefusal(request.body)
  if (refused !== undefined) return refused
  if (!state.archive) {
    return verb === 'get'
      ? failure(
          500,
          `GET keccakCommitment ${key}: expected S3 backend for OP keccak256 commitment type, but none configured`,
        )
      : failure(
          500,
          `keccak POST request failed for commitment ${key}: S3 is disabled but is only supported for posting known commitment keys`,
        )
  }
  const fault = takeFault(state, verb)
  if (fault?.kind === 'status') return scripted(fault)
  if (verb === 'put') {
    const actual = keccakHex(request.body)
    if (actual !== `0x${key}`) {
      return failure(
        400,
        `keccak POST request failed for commitment ${key}: s3 verify: key!=keccak(value): key=${key} keccak(value)=${actual}`,
      )
    }
    state.objects.set(key, request.body.slice())
    return distorted(success(new Uint8Array(0)), fault)
  }
  const object = state.objects.get(key)
  if (!object)
    return failure(400, `GET keccakCommitment ${key}: s3 get: OP Keccak key not found in S3 bucket`)
  return distorted(success(object), fault)
}
