/**
 * An evaluation request on the wire, and its digest.
 *
 * `requestDigest = keccak256(keccak256("NewtonEnclaveRequestV1") ‖ taskId ‖ chainId(32) ‖
 * policyClient(20) ‖ keccak256(artifact hashes) ‖ keccak256(params hashes) ‖ keccak256(agreed outputs) ‖
 * keccak256(instance id ‖ keccak256(envelope), ascending) ‖ pcr0Commitment ‖ referenceTimestamp(4) ‖ nonce(32))`
 */
import type { Hex } from 'viem'
import { canonicalJson, type Json, parseJson } from '../../../core/canonicalJson.js'
import type { EvaluationRequest } from '../../../core/interfaces/evaluator.js'
import type { RegistrySnapshot } from '../../../core/interfaces/registryReader.js'
import { computeTaskId, decodeTask, encodeTask } from '../../../core/task.js'
import {
  compareBytes,
  concatAll,
  fixedFromHex,
  fromHex,
  toHex,
  uintToBytes,
  utf8,
} from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import type { CborMap } from '../../cbor/read.js'
import type { CborInput } from '../../cbor/write.js'
import { bytesOf, countOf } from '../../wire/body.js'
import { WireRefusal } from '../../wire/server.js'
import { decodeSnapshot, encodeSnapshot, snapshotArtifacts, snapshotParams } from './snapshot.js'

/** All that the enclave is asked to evaluate. */
export type EnclaveRequest = {
  request: EvaluationRequest
  /** 32 fresh bytes; the same in every try of one request. */
  nonce: Uint8Array
  /** Left out where the enclave's evaluator reads the chain itself. */
  snapshot?: RegistrySnapshot | undefined
  /** Sealed envelopes by policy-data instance id. */
  envelopes?: ReadonlyMap<Hex, Uint8Array> | undefined
  /** Whether the named measurement was whitelisted at the reference block, by the host's word. */
  whitelisted?: boolean | undefined
  /** Artifacts under the committed root, by the host's word. */
  committed?: readonly Hex[] | undefined
}

const typeHash = keccak(utf8('NewtonEnclaveRequestV1'))
const zero32 = new Uint8Array(32)

/** Computes the digest of a request. Both sides compute it from what crossed the wire. */
export function computeRequestDigest(asked: EnclaveRequest): Hex {
  const { request, nonce, snapshot } = asked
  const { task } = request
  const hashes = (list: readonly Hex[]): Uint8Array =>
    keccak(concatAll(list.map((hash) => fromHex(hash))))
  const outputs = request.agreedOutputs
  return toHex(
    keccak(
      typeHash,
      fromHex(computeTaskId(task)),
      uintToBytes(task.chainId, 32, 'task.chainId'),
      fixedFromHex(task.policyClient, 20, 'task.policyClient'),
      hashes(snapshot === undefined ? [] : snapshotArtifacts(snapshot).map(({ hash }) => hash)),
      hashes(snapshot === undefined ? [] : snapshotParams(snapshot)),
      keccak(outputs === undefined ? new Uint8Array(0) : utf8(canonicalJson(outputs as Json))),
      keccak(envelopeWords(asked.envelopes)),
      request.pcr0Commitment === undefined
        ? zero32
        : fixedFromHex(request.pcr0Commitment, 32, 'pcr0Commitment'),
      uintToBytes(request.referenceTimestamp, 4, 'referenceTimestamp'),
      nonce,
    ),
  )
}

/** Body of a REQUEST frame with the method `evaluate`. */
export function encodeRequest(asked: EnclaveRequest): {
  readonly [key: string]: CborInput | undefined
} {
  const { request, nonce, snapshot, envelopes } = asked
  return {
    task: fromHex(encodeTask(request.task)),
    pcr0Commitment:
      request.pcr0Commitment === undefined
        ? undefined
        : fixedFromHex(request.pcr0Commitment, 32, 'pcr0Commitment'),
    referenceTimestamp: request.referenceTimestamp,
    agreedOutputs:
      request.agreedOutputs === undefined
        ? undefined
        : canonicalJson(request.agreedOutputs as Json),
    nonce,
    snapshot: snapshot === undefined ? undefined : encodeSnapshot(snapshot),
    envelopes: envelopes === undefined ? undefined : new Map<string, CborInput>(envelopes),
    whitelisted: asked.whitelisted,
    committed: asked.committed?.map((hash) => fixedFromHex(hash, 32, 'committed')),
  }
}

/** Reads such a body inside the enclave. Throws what becomes `INVALID_REQUEST`. */
export function decodeRequest(body: CborMap): EnclaveRequest {
  try {
    const pcr0Commitment = body.get('pcr0Commitment')
    const agreed = body.get('agreedOutputs')
    const snapshot = body.get('snapshot')
    const request: EvaluationRequest = {
      task: decodeTask(toHex(bytesOf(body, 'task'))),
      pcr0Commitment:
        pcr0Commitment === undefined ? undefined : toHex(bytesOf(body, 'pcr0Commitment', 32)),
      referenceTimestamp: countOf(body, 'referenceTimestamp'),
      agreedOutputs:
        typeof agreed === 'string'
          ? (parseJson(agreed) as EvaluationRequest['agreedOutputs'])
          : undefined,
    }
    return {
      request,
      nonce: bytesOf(body, 'nonce', 32),
      snapshot: typeof snapshot === 'string' ? decodeSnapshot(snapshot) : undefined,
      envelopes: readEnvelopes(body),
      whitelisted: body.has('whitelisted') ? body.get('whitelisted') === true : undefined,
      committed: readCommitted(body),
    }
  } catch {
    throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  }
}

function readEnvelopes(body: CborMap): ReadonlyMap<Hex, Uint8Array> | undefined {
  const value = body.get('envelopes')
  if (value === undefined) return undefined
  if (!(value instanceof Map)) throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  const out = new Map<Hex, Uint8Array>()
  for (const [id, envelope] of value) {
    if (!(envelope instanceof Uint8Array)) throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
    out.set(toHex(fixedFromHex(String(id), 32, 'envelopes')), envelope)
  }
  return out
}

function readCommitted(body: CborMap): readonly Hex[] | undefined {
  const value = body.get('committed')
  if (!Array.isArray(value)) return undefined
  return value.map((hash) => {
    if (hash instanceof Uint8Array && hash.length === 32) return toHex(hash)
    throw new WireRefusal({ remoteCode: 'INVALID_REQUEST' })
  })
}

function envelopeWords(envelopes: ReadonlyMap<Hex, Uint8Array> | undefined): Uint8Array {
  const entries = [...(envelopes ?? [])].map(
    ([id, envelope]) => [fixedFromHex(id, 32, 'envelopes'), keccak(envelope)] as const,
  )
  entries.sort(([a], [b]) => compareBytes(a, b))
  return concatAll(entries.flat())
}
