/**
 * An evaluation on its way out of the enclave, and what its document is bound to.
 *
 * `user_data = keccak256(taskId ‖ messageHash)` binds the signed response, as Newton's contracts check it.
 * `nonce = keccak256(requestDigest ‖ keccak256(result))` binds the request, with its fresh nonce, and
 * everything that the signed response does not hold: reasons, outputs, transcript.
 */
import type { Hex } from 'viem'
import {
  canonicalJson,
  type Json,
  type JsonObject,
  parseJson,
} from '../../../core/canonicalJson.js'
import { computeArtifactDigest } from '../../../core/digest.js'
import { evaluateResult } from '../../../core/evaluationResult.js'
import { computeInputsHash } from '../../../core/inputsHash.js'
import { computeIntentHash } from '../../../core/intent.js'
import type {
  Evaluation,
  EvaluationRequest,
  PluginTranscript,
} from '../../../core/interfaces/evaluator.js'
import {
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  type PolicyTaskResponse,
} from '../../../core/response.js'
import { computeTaskId } from '../../../core/task.js'
import { fromHex, toHex, utf8 } from '../../../internal/bytes.js'
import { keccak, keccakHex } from '../../../internal/keccak.js'
import type { CborMap } from '../../cbor/read.js'
import type { CborInput } from '../../cbor/write.js'
import { bytesOf, textOf } from '../../wire/body.js'
import { EnclaveResultError } from '../errors.js'
import { preimageFromJson, preimageToJson } from './preimage.js'

/** What an evaluation's document must carry. */
export type EvaluationBinding = { userData: Uint8Array; nonce: Uint8Array }

/** Computes what the document of an evaluation is bound to. */
export function evaluationBinding(parameters: {
  requestDigest: Hex
  response: PolicyTaskResponse
  result: string
}): EvaluationBinding {
  const { requestDigest, response, result } = parameters
  return {
    userData: computeTaskUserData(response),
    nonce: keccak(fromHex(requestDigest), keccak(utf8(result))),
  }
}

/**
 * Computes the user data of a response's document: `keccak256(taskId ‖ messageHash)`.
 *
 * @throws {InvalidInputError} naming the malformed member of the response.
 */
export function computeTaskUserData(response: PolicyTaskResponse): Uint8Array {
  return keccak(fromHex(response.taskId), fromHex(computeMessageHash(response)))
}

/**
 * The part of an evaluation that travels as text. Of a plugin's run with secrets only the hash of its
 * exchanges is there.
 */
export function encodeResult(evaluation: Evaluation): string {
  const { allow, reasons, outputs, secrets, transcript, warnings, timings, engine } = evaluation
  const sealed = new Set(Object.keys(secrets).map((id) => id.toLowerCase()))
  const visible = transcript.map((entry) =>
    sealed.has(entry.policyDataInstanceId.toLowerCase()) ? withoutExchanges(entry) : entry,
  )
  return canonicalJson({
    allow,
    reasons: [...reasons],
    outputs: outputs as Json,
    secrets: secrets as Json,
    transcript: visible.map((entry) => dropUndefined(entry)),
    warnings: [...warnings],
    timings: { ...timings },
    engine: { ...engine },
    digestPreimage: preimageToJson(evaluation.digestPreimage),
  })
}

/** Body of the RESPONSE frame. */
export function encodeAnswer(parameters: {
  response: PolicyTaskResponse
  result: string
  document: Uint8Array
}): { readonly [key: string]: CborInput } {
  const { response, result, document } = parameters
  return { response: fromHex(encodeResponse(response)), result, document }
}

/** The parts of an answer, none of them checked against one another. */
export type RawAnswer = { response: PolicyTaskResponse; result: string; document: Uint8Array }

/** Reads the body of the RESPONSE frame. Throws `EnclaveResultError`. */
export function decodeAnswer(body: CborMap): RawAnswer {
  try {
    return {
      response: decodeResponse(toHex(bytesOf(body, 'response'))),
      result: textOf(body, 'result'),
      document: bytesOf(body, 'document'),
    }
  } catch (cause) {
    throw new EnclaveResultError({ field: 'answer', reason: 'not readable' }, { cause })
  }
}

/**
 * Checks a response against its request, and the result against the response, recomputing every hash.
 *
 * @throws {EnclaveResultError} naming the member that does not fit.
 */
export function assertAnswer(
  { response, result }: RawAnswer,
  { request, pcr0Commitment }: { request: EvaluationRequest; pcr0Commitment: Hex },
): Omit<Evaluation, 'assurance' | 'document'> {
  const { task } = request
  const named = request.pcr0Commitment ?? zero
  const expected: Record<string, readonly [unknown, unknown]> = {
    taskId: [response.taskId, computeTaskId(task)],
    chainId: [response.chainId, task.chainId],
    policyRegistry: [response.policyRegistry.toLowerCase(), task.policyRegistry.toLowerCase()],
    policyClient: [response.policyClient.toLowerCase(), task.policyClient.toLowerCase()],
    intentHash: [response.intentHash, computeIntentHash(task.intent)],
    referenceBlock: [response.referenceBlock, task.referenceBlock],
    referenceBlockHash: [response.referenceBlockHash, task.referenceBlockHash.toLowerCase()],
    referenceTimestamp: [response.referenceTimestamp, request.referenceTimestamp],
    pcr0Commitment: [response.pcr0Commitment, named.toLowerCase()],
  }
  for (const [field, [actual, wanted]] of Object.entries(expected)) {
    if (actual !== wanted)
      throw new EnclaveResultError({ field, reason: `expected ${wanted}, got ${actual}` })
  }
  if (named !== zero && named.toLowerCase() !== pcr0Commitment) {
    throw new EnclaveResultError({
      field: 'pcr0Commitment',
      reason: 'not the build of this session',
    })
  }
  const parsed = parseResult(result)
  if (parsed.allow !== evaluateResult(response.evaluationResult)) {
    throw new EnclaveResultError({ field: 'allow', reason: 'not what the response says' })
  }
  if (computeArtifactDigest(parsed.digestPreimage) !== response.artifactDigest) {
    throw new EnclaveResultError({
      field: 'artifactDigest',
      reason: 'not the hash of its preimage',
    })
  }
  const inputsHash = computeInputsHash(parsed)
  if (inputsHash !== response.inputsHash) {
    throw new EnclaveResultError({
      field: 'inputsHash',
      reason: 'not the hash of the outputs and secrets',
    })
  }
  return {
    ...parsed,
    evaluationResult: response.evaluationResult,
    artifactDigest: response.artifactDigest,
    inputsHash,
    response,
  }
}

const zero: Hex = `0x${'00'.repeat(32)}`

type ParsedResult = Pick<
  Evaluation,
  | 'allow'
  | 'digestPreimage'
  | 'reasons'
  | 'outputs'
  | 'secrets'
  | 'transcript'
  | 'warnings'
  | 'timings'
  | 'engine'
>

function parseResult(result: string): ParsedResult {
  let value: Json
  try {
    value = parseJson(result)
  } catch {
    // Without the cause, which quotes what a stranger sent.
    throw new EnclaveResultError({ field: 'result', reason: 'not JSON' })
  }
  const top = object(value, 'result')
  const engine = object(top['engine'], 'engine')
  const { id, semantics } = engine
  if (typeof id !== 'string' || (semantics !== 'operator' && semantics !== 'opa'))
    throw bad('engine')
  if (typeof top['allow'] !== 'boolean') throw bad('allow')
  const transcript = top['transcript']
  if (!Array.isArray(transcript)) throw bad('transcript')
  return {
    allow: top['allow'],
    reasons: texts(top['reasons'], 'reasons'),
    outputs: object(top['outputs'], 'outputs') as Evaluation['outputs'],
    secrets: hexMembers(object(top['secrets'], 'secrets')),
    transcript: transcript.map((entry: Json) => transcriptEntry(object(entry, 'transcript'))),
    warnings: texts(top['warnings'], 'warnings'),
    timings: numbers(object(top['timings'], 'timings')),
    engine: { id, semantics },
    digestPreimage: preimageFromJson(top['digestPreimage']),
  }
}

function transcriptEntry(value: JsonObject): PluginTranscript {
  const hexOf = (field: string): Hex => {
    const text = value[field]
    if (typeof text !== 'string' || !/^0x[0-9a-f]{64}$/.test(text)) throw bad(`transcript.${field}`)
    return text as Hex
  }
  const { input, exchanges } = value
  if (typeof input !== 'string' || !Array.isArray(exchanges)) throw bad('transcript')
  return {
    policyDataTemplateId: hexOf('policyDataTemplateId'),
    policyDataInstanceId: hexOf('policyDataInstanceId'),
    wasmHash: hexOf('wasmHash'),
    input,
    exchanges: exchanges as unknown as PluginTranscript['exchanges'],
    ...(value['transcriptHash'] === undefined ? {} : { transcriptHash: hexOf('transcriptHash') }),
  }
}

function withoutExchanges(entry: PluginTranscript): PluginTranscript {
  const transcriptHash =
    entry.transcriptHash ?? keccakHex(utf8(canonicalJson(entry.exchanges as unknown as Json)))
  return { ...entry, exchanges: [], transcriptHash }
}

function dropUndefined(value: object): Json {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as Json
}

function object(value: Json | undefined, field: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as JsonObject
  throw bad(field)
}

function texts(value: Json | undefined, field: string): readonly string[] {
  if (Array.isArray(value) && value.every((item: Json) => typeof item === 'string'))
    return value as string[]
  throw bad(field)
}

function numbers(value: JsonObject): Record<string, number> {
  for (const [name, item] of Object.entries(value))
    if (typeof item !== 'number') throw bad(`timings.${name}`)
  return value as Record<string, number>
}

function hexMembers(value: JsonObject): Record<Hex, Hex> {
  for (const item of Object.values(value)) {
    if (typeof item !== 'string' || !/^0x[0-9a-f]{64}$/.test(item)) throw bad('secrets')
  }
  return value as Record<Hex, Hex>
}

function bad(field: string): EnclaveResultError {
  return new EnclaveResultError({ field, reason: 'missing or of another type' })
}
