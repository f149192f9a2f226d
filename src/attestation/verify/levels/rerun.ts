/** Level `result`: the policy run again on the inputs that operators attested. */
import type { Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../../core/artifact.js'
import { canonicalJson, type Json } from '../../../core/canonicalJson.js'
import type { DigestPreimage } from '../../../core/digest.js'
import { evaluateResult } from '../../../core/evaluationResult.js'
import { computeInputsHash } from '../../../core/inputsHash.js'
import type { PluginTranscript } from '../../../core/interfaces/evaluator.js'
import type { RegistrySnapshot } from '../../../core/interfaces/registryReader.js'
import { decodeParams } from '../../../core/params.js'
import type { PolicyTaskResponse } from '../../../core/response.js'
import type { Task } from '../../../core/task.js'
import { fromHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { keccakHex } from '../../../internal/keccak.js'
import { InconclusiveError } from '../errors.js'
import type { Evidence } from '../evidence.js'
import type { InconclusiveReason } from '../outcome.js'
import { type AttestationReader, type AttestedInputs, obtain } from '../reader.js'
import type { FetchedArtifacts } from './artifacts.js'

/** What a re-run is made on. */
export type RerunParameters = {
  reader: AttestationReader
  task: Task
  response: PolicyTaskResponse
  inputs: AttestedInputs | undefined
  transcript: readonly PluginTranscript[] | undefined
  snapshot: RegistrySnapshot
  preimage: DigestPreimage
  artifacts: FetchedArtifacts
}

/**
 * Runs the policy again and compares results.
 *
 * @returns `undefined` where the result is the signed one, else what the re-run gave.
 * @throws {InconclusiveError} for inputs that are missing or not those attested, for secrets that
 * are not those committed, and for a re-run that ends in no decision.
 */
export async function rerunResult(
  parameters: RerunParameters,
  options: IoOptions,
): Promise<Evidence['rerun']> {
  const { reader, task, response, snapshot, preimage, artifacts } = parameters
  const inputs = attestedInputs(parameters)
  await checkSecrets(parameters, { inputs, options })
  const rego = artifact(artifacts, preimage.regoHash)
  const { replayer } = reader
  if (replayer === undefined) throw inconclusive('RERUN_NO_DECISION', 'no replayer is set')
  await replayPlugins(parameters, { inputs, options })
  const outputs = preimage.data.map(({ policyDataTemplateId }) => {
    const output = byId(inputs.outputs, policyDataTemplateId)
    if (output !== undefined) return { policyDataTemplateId, output }
    throw inconclusive('RERUN_NO_DECISION', `no output was attested for ${policyDataTemplateId}`)
  })
  const what = {
    reason: 'RERUN_NO_DECISION',
    detail: 'running the policy again',
    signal: options.signal,
  } as const
  const { allow, reasons } = await obtain(what, async () => {
    const params = decodeParams(fromHex(snapshot.policyInstance?.params as Hex))
    const blockTimestamp = snapshot.block.timestamp
    return replayer.replayResult({ rego, task, blockTimestamp, params, outputs }, options)
  })
  if (typeof allow !== 'boolean')
    throw inconclusive('RERUN_NO_DECISION', 'the re-run gave no decision')
  // Decisions are compared, not bytes: the contract reads more than one form of each.
  if (evaluateResult(response.evaluationResult) === allow) return undefined
  return { ...inputs, allow, reasons }
}

function attestedInputs({ inputs, response }: RerunParameters): AttestedInputs {
  if (inputs === undefined)
    throw inconclusive('INPUTS_UNAVAILABLE', 'no inputs came with the response')
  let hash: Hex
  try {
    hash = computeInputsHash(inputs)
  } catch (cause) {
    throw inconclusive('INPUTS_UNAVAILABLE', 'the inputs are malformed', cause)
  }
  if (hash !== response.inputsHash.toLowerCase()) {
    throw inconclusive(
      'INPUTS_UNAVAILABLE',
      `the inputs hash to ${hash}, signed is ${response.inputsHash}`,
    )
  }
  return inputs
}

async function checkSecrets(
  { reader, preimage, response }: RerunParameters,
  { inputs, options }: { inputs: AttestedInputs; options: IoOptions },
): Promise<void> {
  const { envelopes } = reader
  const { signal } = options
  for (const { secretsSchemaHash, policyDataInstanceId } of preimage.data) {
    if (secretsSchemaHash === ARTIFACT_ABSENT) continue
    const detail = `the envelope of ${policyDataInstanceId}`
    if (envelopes === undefined)
      throw inconclusive('SECRETS_UNAVAILABLE', `no source for ${detail}`)
    const block = response.referenceBlock
    const envelope = await obtain({ reason: 'SECRETS_UNAVAILABLE', detail, signal }, () =>
      envelopes.getEnvelope({ policyDataInstanceId, block }, options),
    )
    const attested = byId(inputs.secrets, policyDataInstanceId)
    if (
      envelope === null ||
      attested === undefined ||
      keccakHex(envelope) !== attested.toLowerCase()
    ) {
      throw inconclusive('SECRETS_UNAVAILABLE', `${detail} is not the attested one`)
    }
  }
}

// Transcripts are not signed: one that leads elsewhere is no evidence, but no confirmation either.
async function replayPlugins(
  { reader, task, snapshot, preimage, artifacts, transcript }: RerunParameters,
  { inputs, options }: { inputs: AttestedInputs; options: IoOptions },
): Promise<void> {
  const { plugins } = reader
  if (plugins === undefined || transcript === undefined) return
  for (const entry of transcript) {
    const id = entry.policyDataTemplateId
    const data = preimage.data.find((one) => equal(one.policyDataTemplateId, id))
    if (
      data === undefined ||
      !equal(data.policyDataInstanceId, entry.policyDataInstanceId) ||
      !equal(data.wasmHash, entry.wasmHash)
    ) {
      throw inconclusive('TRANSCRIPT_MISMATCH', `the transcript of ${id} is of another plugin`)
    }
    // A run with secrets leaves only its transcript's hash: nothing to replay.
    if (entry.transcriptHash !== undefined) continue
    const detail = `replaying plugin ${data.wasmHash}`
    const what = { reason: 'TRANSCRIPT_MISMATCH', detail, signal: options.signal } as const
    const wasm = artifact(artifacts, data.wasmHash)
    const blockTimestamp = snapshot.block.timestamp
    const row = snapshot.data.find(({ templateId }) => equal(templateId, id))?.instance
    const replayed = await obtain(what, async () => {
      const params = decodeParams(fromHex(row?.params as Hex))
      const output = await plugins.replayPlugin(
        { wasm, transcript: entry, task, blockTimestamp, params },
        options,
      )
      return canonicalJson(output)
    })
    const attested = byId(inputs.outputs, data.policyDataTemplateId)
    if (attested === undefined || canonicalJson(attested) !== replayed) {
      throw inconclusive(
        'TRANSCRIPT_MISMATCH',
        `${detail} gives another output than the attested one`,
      )
    }
  }
}

function artifact(artifacts: FetchedArtifacts, hash: Hex): Uint8Array {
  const bytes = artifacts.get(hash.toLowerCase())
  if (bytes === undefined) throw inconclusive('ARTIFACT_UNAVAILABLE', `artifact ${hash}`)
  return bytes
}

function byId<value extends Json>(
  record: Readonly<Record<Hex, value>>,
  id: Hex,
): value | undefined {
  const entry = Object.entries(record).find(([key]) => equal(key, id))
  return entry?.[1] as value | undefined
}

const equal = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

function inconclusive(
  reason: InconclusiveReason,
  detail: string,
  cause?: unknown,
): InconclusiveError {
  return new InconclusiveError({ reason, detail }, { cause })
}
