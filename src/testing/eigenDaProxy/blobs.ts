/** The lanes of certificates: `standard` and `op-generic`. */
import type { Hex } from 'viem'
import { blobSymbols, encodeCertRlp, encodePayload, MAX_PAYLOAD_BYTES } from '../../da/index.js'
import { concat, fromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import {
  distorted,
  type FakeAnswer,
  type FakeRequest,
  failure,
  scripted,
  success,
  wait,
} from './answers.js'
import { randomCert } from './certificate.js'
import { apiRefusal, bodyRefusal, type FakeBlob, type FakeProxyState, takeFault } from './state.js'

/** Stores the body under a fresh certificate. */
export async function postBlob(
  state: FakeProxyState,
  request: FakeRequest,
  mode: 'standard' | 'op',
): Promise<FakeAnswer> {
  const refused =
    apiRefusal(state, mode === 'standard' ? 'standard' : 'op-generic') ?? bodyRefusal(request.body)
  if (refused !== undefined) return refused
  await wait(state.config.putLatency, request.signal)
  const fault = takeFault(state, 'put')
  if (fault?.kind === 'status') return scripted(fault)
  const other = fault?.kind === 'otherCertificate' || fault?.kind === 'poisoned'
  const result = await disperse(
    state,
    other ? concat(request.body, Uint8Array.of(1)) : request.body,
  )
  if ('status' in result) return result
  const standard = concat(Uint8Array.of(result.versionByte), result.rlp)
  const reply = success(mode === 'op' ? concat(Uint8Array.of(1, 0), standard) : standard)
  return other ? reply : distorted(reply, fault)
}

async function disperse(
  state: FakeProxyState,
  payload: Uint8Array,
): Promise<{ rlp: Uint8Array; versionByte: number } | FakeAnswer> {
  if (state.readOnly)
    return failure(500, 'PUT routes are disabled, did you provide a signer private key?')
  if (state.config.putReturnsFailoverError) {
    return failure(
      503,
      'post request failed: could not disperse payload to v2 backend: Failover: ephemeral db in failover simulation mode',
    )
  }
  if (payload.length > MAX_PAYLOAD_BYTES)
    return failure(500, 'post request failed: insufficient SRS points for the blob')
  const blobBytes = blobSymbols(payload.length) * 32
  if (blobBytes > state.config.maxBlobSizeBytes) {
    return failure(
      400,
      `post request failed: could not disperse payload to v2 backend: encoded blob is larger than max blob size: blob length ${blobBytes}, max blob size ${state.config.maxBlobSizeBytes}`,
    )
  }
  const cert = randomCert(
    await state.commit(payload),
    blobSymbols(payload.length),
    state.certVersion,
    state.randomBytes,
  )
  const rlp = encodeCertRlp(cert)
  const versionByte = state.certVersion - 1
  state.blobs.set(keccakHex(rlp), {
    payload: payload.slice(),
    versionByte,
    at: state.now(),
    error: state.config.derivationError,
  })
  const name = keccakHex(payload)
  state.dispersals.set(name, (state.dispersals.get(name) ?? 0) + 1)
  return { rlp, versionByte }
}

/** A certificate in a path, as hex. */
export type NamedCert = { versionHex: string; certHex: string; query: URLSearchParams }

/** Fetches what a certificate names. */
export async function getBlob(
  state: FakeProxyState,
  request: FakeRequest,
  { mode, versionHex, certHex, query }: NamedCert & { mode: 'standard' | 'op' },
): Promise<FakeAnswer> {
  const malformed =
    apiRefusal(state, mode === 'standard' ? 'standard' : 'op-generic') ??
    certRefusal({ versionHex, certHex, query })
  if (malformed !== undefined) return malformed
  const version = Number.parseInt(versionHex, 16)
  const prefix = `get request failed with serializedCert (version ${version}) ${certHex}: `
  if (version === 0)
    return failure(500, `${prefix}V1 backend has been removed, V0 certs are no longer supported`)
  await wait(state.config.getLatency, request.signal)
  const fault = takeFault(state, 'get')
  if (fault?.kind === 'status') return scripted(fault)
  const key = keccakHex(fromHex(`0x${certHex}`))
  const blob = liveBlob(state, key)
  if (!blob) {
    return failure(
      500,
      `${prefix}failed to read from all storage backends: read from EigenDA backend: fetching entry via memstore: payload not found for key: ${key.slice(2)}`,
    )
  }
  if (blob.error)
    return failure(418, JSON.stringify({ StatusCode: blob.error.statusCode, Msg: blob.error.msg }))
  if (version === 1)
    return failure(
      500,
      `${prefix}failed to read from all storage backends: unsupported certificate version: 2`,
    )
  // The same certificate under the byte of another version does not parse as that version.
  if (version !== blob.versionByte) return failure(418, JSON.stringify({ StatusCode: 1, Msg: '' }))
  const encoded = query.get('return_encoded_payload')
  const wantsEncoded = encoded !== null && ['', 'true', '1'].includes(encoded.toLowerCase())
  return distorted(success(wantsEncoded ? encodePayload(blob.payload) : blob.payload), fault)
}

/** The answer to a request that does not parse, `undefined` where it does. */
function certRefusal({ versionHex, certHex, query }: NamedCert): FakeAnswer | undefined {
  const version = Number.parseInt(versionHex, 16)
  if (version > 3) {
    const message = `unsupported version byte ${versionHex}: unknown EigenDA cert version: ${version}`
    // The handler and the middleware both write it.
    return failure(400, `${message}\nparsing error: parsing version byte: ${message}`)
  }
  if (certHex.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(certHex)) {
    return failure(
      400,
      `decoding cert from hex string: ${certHex}, error: encoding/hex: odd length hex string`,
    )
  }
  const inclusion = query.get('l1_inclusion_block_number')
  if (inclusion !== null && inclusion !== '' && !/^\d{1,20}$/.test(inclusion)) {
    return failure(
      400,
      `invalid l1_inclusion_block_number ${inclusion}: strconv.ParseUint: parsing "${inclusion}": invalid syntax`,
    )
  }
  return undefined
}

function liveBlob({ blobs, config, now }: FakeProxyState, key: Hex): FakeBlob | undefined {
  const blob = blobs.get(key)
  if (!blob || config.blobExpiration <= 0 || now() - blob.at < config.blobExpiration) return blob
  blobs.delete(key)
  return undefined
}
