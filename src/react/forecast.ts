/** A forecast: the client's policy, as it is on chain now, decided here on inputs that are given. */
import type { Address, Hex } from 'viem'
import type { JsonObject } from '../core/canonicalJson.js'
import { computeIntentHash, type Intent } from '../core/intent.js'
import type { ArtifactSource } from '../core/interfaces/artifactSource.js'
import type { BlockReference, RegistryReader } from '../core/interfaces/registryReader.js'
import type { SchemaValidator } from '../core/interfaces/schemaValidator.js'
import type { EnvelopeSource } from '../core/interfaces/secretsOpener.js'
import { decodeParams } from '../core/params.js'
import type { Task } from '../core/task.js'
import { InvalidInputError } from '../errors/common.js'
import {
  createEvaluator,
  createSchemaValidator,
  encodeWasmArgs,
  operatorEngine,
  type RegoEngine,
} from '../eval/index.js'
import { fromHex } from '../internal/bytes.js'
import type { IoOptions } from '../internal/deadline.js'

/** Which input is asked for: one of each data template that the policy names. */
export type ForecastQuestion = {
  policyDataTemplateId: Hex
  policyDataInstanceId: Hex
  /** Params of the client's data instance. */
  params: JsonObject
  wasmArgs: JsonObject | undefined
  intent: Intent
}

/** An input, with what people want to know of it. */
export type ForecastInput = {
  /** What the plugin would give. */
  output: JsonObject
  /** Where it is from, in words. */
  source?: string | undefined
  /** When it was so, in milliseconds since 1970. */
  asOf?: number | undefined
}

/** What is decided. */
export type ForecastParameters = {
  registry: RegistryReader
  artifacts: ArtifactSource
  client: Address
  intent: Intent
  wasmArgs?: JsonObject | undefined
  /** Gives what plugins would give. Needed where the policy names data templates. */
  inputs?: ((question: ForecastQuestion, options: IoOptions) => Promise<ForecastInput>) | undefined
  /** Sealed secrets: without them it is not told whether they are there. */
  envelopes?: EnvelopeSource | undefined
  /** @default operatorEngine() */
  engine?: RegoEngine | undefined
  /** @default createSchemaValidator() */
  schemas?: SchemaValidator | undefined
}

/** What operators would decide, if they saw what is seen here. */
export type Forecast = {
  allow: boolean
  /** The policy's own words. */
  reasons: readonly string[]
  /** Of the intent that was decided: whoever sends compares it with what is sent. */
  intentHash: Hex
  policyInstanceId: Hex
  /** The block that rows, slots and the policy's clock were read at. */
  block: BlockReference
  inputs: readonly (ForecastInput & { policyDataTemplateId: Hex })[]
  warnings: readonly string[]
}

/**
 * Decides an intent by the policy that the client has now.
 *
 * A forecast is no evidence: operators fetch inputs by themselves, and only what they signed counts.
 *
 * @throws what an evaluation throws where there is no decision.
 */
export async function forecastDecision(
  parameters: ForecastParameters,
  options: IoOptions = {},
): Promise<Forecast> {
  const { registry, artifacts, client, intent, envelopes } = parameters
  const { engine = operatorEngine(), schemas = createSchemaValidator() } = parameters
  const block = await registry.getLatestBlock(options)
  const snapshot = await registry.snapshot({ client, block: block.number }, options)
  const asked = questionsOf(snapshot.data, parameters)
  const inputs = await Promise.all(asked.map((question) => answer(question, parameters, options)))
  const evaluator = createEvaluator({
    ...{ engine, schemas, artifacts },
    registry: { snapshot: async () => snapshot },
    mode: 'simulate',
    plugins: { run: noPlugin },
    secrets: {
      // Outputs are given: nothing is opened, and where nobody looks, nothing is missed.
      envelopes: envelopes ?? { getEnvelope: async () => new Uint8Array() },
      opener: { openSecrets: noPlugin },
    },
  })
  const task: Task = {
    ...{ chainId: registry.chainId, policyRegistry: registry.policyRegistry },
    ...{ policyClient: client, intent, wasmArgs: encodeWasmArgs(parameters.wasmArgs), nonce: 0n },
    ...{ referenceBlock: block.number, referenceBlockHash: block.hash },
  }
  const { allow, reasons, response, warnings } = await evaluator.evaluate(
    {
      task,
      referenceTimestamp: Number(block.timestamp & 0xffffffffn),
      agreedOutputs: Object.fromEntries(
        inputs.map(({ policyDataTemplateId, output }) => [policyDataTemplateId, output]),
      ),
    },
    options,
  )
  const { policyInstanceId } = response
  const intentHash = computeIntentHash(intent)
  return { allow, reasons, intentHash, policyInstanceId, block, inputs, warnings }
}

function questionsOf(
  data: Awaited<ReturnType<RegistryReader['snapshot']>>['data'],
  { wasmArgs, intent }: ForecastParameters,
): ForecastQuestion[] {
  return data.flatMap(({ templateId, instanceId, instance }) =>
    // What is missing is the evaluation's to name.
    instanceId === null || instance === null
      ? []
      : [
          {
            policyDataTemplateId: templateId,
            policyDataInstanceId: instanceId,
            params: decodeParams(fromHex(instance.params)),
            ...{ wasmArgs, intent },
          },
        ],
  )
}

async function answer(
  question: ForecastQuestion,
  { inputs }: ForecastParameters,
  options: IoOptions,
): Promise<ForecastInput & { policyDataTemplateId: Hex }> {
  const { policyDataTemplateId } = question
  if (inputs === undefined) {
    throw new InvalidInputError({
      field: 'inputs',
      reason: `the policy rests on data template ${policyDataTemplateId}, and nothing gives its output`,
      hint: 'Pass a function that asks your own service for what the plugin would find.',
    })
  }
  return { ...(await inputs(question, options)), policyDataTemplateId }
}

function noPlugin(): never {
  throw new InvalidInputError({ field: 'inputs', reason: 'a forecast runs no plugins' })
}
