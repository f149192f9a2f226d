import type { Hex } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { Json, JsonObject } from '../canonicalJson.js'
import type { DigestPreimage } from '../digest.js'
import type { PolicyTaskResponse } from '../response.js'
import type { Task } from '../task.js'

/** Where an evaluation ran. Only `nitro` is evidence that these bytes ran. */
export type Assurance = 'nitro' | 'simulator' | 'local'

/** One request for an evaluation. */
export type EvaluationRequest = {
  task: Task
  /** `keccak256(PCR0)` named in the signing request; zero or left out where no enclave is named. */
  pcr0Commitment?: Hex | undefined
  /** Unix seconds of the operator table in force at the reference block. */
  referenceTimestamp: number
  /**
   * Outputs the operators agreed on, by policy-data template id. Where given, Rego runs on these
   * and plugins do not run.
   */
  agreedOutputs?: Readonly<Record<Hex, Json>> | undefined
}

/** A plugin's HTTP exchange, enough to replay it offline. Never holds secret bytes. */
export type HttpExchange = {
  request: {
    method: string
    url: string
    headers: readonly (readonly [string, string])[]
    bodyHash: Hex
  }
  response:
    | { status: number; headers: readonly (readonly [string, string])[]; body: Hex }
    | { error: string }
}

/** What one plugin did. */
export type PluginTranscript = {
  policyDataTemplateId: Hex
  policyDataInstanceId: Hex
  wasmHash: Hex
  /** Canonical JSON text given to `run`. */
  input: string
  exchanges: readonly HttpExchange[]
  /** Set instead of exchanges where the run had secrets. */
  transcriptHash?: Hex | undefined
}

/**
 * One evaluation that ended in a decision. An evaluation that did not (error, limit, timeout,
 * unsupported construct) is a thrown error: there is no value of this type for it.
 */
export type Evaluation = {
  allow: boolean
  /** Strings of the policy's `deny` set, sorted. */
  reasons: readonly string[]
  /** One ABI word, 1 for allow, else 0. */
  evaluationResult: Hex
  artifactDigest: Hex
  inputsHash: Hex
  response: PolicyTaskResponse
  /** What `artifactDigest` is the hash of. Travels with the response so that a mismatch can be named. */
  digestPreimage: DigestPreimage
  /** Plugin outputs by policy-data template id. */
  outputs: Readonly<Record<Hex, Json>>
  /** keccak-256 of the sealed envelopes used, by policy-data instance id. */
  secrets: Readonly<Record<Hex, Hex>>
  transcript: readonly PluginTranscript[]
  warnings: readonly string[]
  /** Milliseconds by step. */
  timings: Readonly<Record<string, number>>
  engine: { id: string; semantics: 'operator' | 'opa' }
  assurance: Assurance
  /** Attestation document of an enclave, with the assurance it gives. */
  document?: Hex | undefined
}

/** Evaluates tasks. Implemented by the local pipeline and by the enclave evaluator. */
export interface Evaluator {
  evaluate(request: EvaluationRequest, options?: IoOptions): Promise<Evaluation>
}

/**
 * Runs a policy again on attested outputs: what a verifier of level `result` needs. Throws where
 * the run ends in no decision.
 */
export interface ResultReplayer {
  replayResult(
    parameters: {
      rego: Uint8Array
      task: Task
      /** Unix seconds of the reference block, the policy's clock. */
      blockTimestamp: bigint
      params: Json
      /** Outputs in the order of the template's refs. */
      outputs: readonly { policyDataTemplateId: Hex; output: Json }[]
    },
    options?: IoOptions,
  ): Promise<{ allow: boolean; reasons: readonly string[] }>
}

/**
 * Runs one plugin again on the exchanges of its transcript, offline: what a verifier of level
 * `result` needs where a transcript is supplied. Throws where the run does not follow the transcript.
 */
export interface PluginReplayer {
  replayPlugin(
    parameters: {
      wasm: Uint8Array
      transcript: PluginTranscript
      task: Task
      /** Unix seconds of the reference block, the plugin's clock. */
      blockTimestamp: bigint
      /** Params of the policy-data instance, `{}` for none. From the chain, not the transcript. */
      params: JsonObject
    },
    options?: IoOptions,
  ): Promise<Json>
}
