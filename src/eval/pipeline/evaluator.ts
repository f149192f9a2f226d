/**
 * The pipeline: from a task to a response that can be signed.
 */
import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  type ArtifactNamespace,
  computeArtifactHash,
  namespaces,
  ZERO_HASH,
} from '../../core/artifact.js'
import {
  canonicalJson,
  type Json,
  type JsonObject,
  parseJsonBytes,
} from '../../core/canonicalJson.js'
import { computeArtifactDigest } from '../../core/digest.js'
import { encodeEvaluationResult } from '../../core/evaluationResult.js'
import { computeInputsHash } from '../../core/inputsHash.js'
import { computeIntentHash } from '../../core/intent.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type {
  Assurance,
  Evaluation,
  EvaluationRequest,
  Evaluator,
  PluginTranscript,
} from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import type {
  CommittedArtifacts,
  EnvelopeSource,
  SecretsOpener,
} from '../../core/interfaces/secretsOpener.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import { computeTaskId } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex, fromUtf8, toHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { accelerateKeccak } from '../../internal/longKeccak.js'
import { buildPluginInput } from '../intent/wasmArgs.js'
import type { PluginRuntime } from '../plugins/runtime.js'
import type { RegoEngine } from '../regoEngine.js'
import {
  ArtifactHashMismatchError,
  ArtifactNotCommittedError,
  EnclaveNotWhitelistedError,
  SchemaViolationError,
  SecretsMissingError,
  SecretsUnavailableError,
} from './errors.js'
import {
  assertEnclaveNamed,
  createPlanFacts,
  type EvaluationPlan,
  type PlannedData,
  planEvaluation,
} from './plan.js'
import { createPolicyCache } from './policyCache.js'
import { decide, mergeOutputs, type PluginOutput } from './rego.js'

/** What {@link createEvaluator} reads of the chain. */
export type EvaluatorRegistry = Pick<RegistryReader, 'snapshot'> &
  Partial<Pick<RegistryReader, 'isEnclaveWhitelistedAt'>>

/** How sealed secrets are found and opened. */
export type EvaluatorSecrets = { opener: SecretsOpener; envelopes: EnvelopeSource }

/** Options of {@link createEvaluator}. */
export type EvaluatorParameters = {
  registry: EvaluatorRegistry
  artifacts: ArtifactSource
  engine: RegoEngine
  /** Runs the data plugins. See createPluginRuntime(). */
  plugins: Pick<PluginRuntime, 'run'>
  schemas: SchemaValidator
  /** Left out: policies whose plugins take secrets end in an error. */
  secrets?: EvaluatorSecrets | undefined
  /** Which artifacts are under the committed root. Required to attest. */
  committed?: CommittedArtifacts | undefined
  /**
   * `attest` applies every rule operators apply before signing. `simulate` turns the rules about
   * enclaves and commits into warnings. @default 'attest'
   */
  mode?: 'attest' | 'simulate' | undefined
  /** Where this runs. @default 'local' */
  assurance?: Assurance | undefined
  /** Lets an engine with OPA's semantics evaluate: its decisions differ from the operators'. */
  allowOpaSemantics?: boolean | undefined
}

/**
 * Creates the local evaluator.
 *
 * Reads the registry once per evaluation; whatever goes wrong is a typed error and never a
 * decision.
 *
 * @throws {InvalidInputError} for an engine with other semantics than the operators', or for
 * attesting without `committed`.
 * @example
 * ```ts
 * import { createEvaluator, type EvaluatorParameters } from '@newton/policy-sdk/eval'
 * import type { EvaluationRequest } from '@newton/policy-sdk'
 *
 * declare const parameters: EvaluatorParameters
 * declare const request: EvaluationRequest
 * const evaluator = createEvaluator(parameters)
 * const { allow, reasons } = await evaluator.evaluate(request, { timeout: 30_000 })
 * ```
 */
export function createEvaluator(parameters: EvaluatorParameters): Evaluator {
  const { registry, engine, mode = 'attest', assurance = 'local' } = parameters
  if (engine.semantics !== 'operator' && parameters.allowOpaSemantics !== true) {
    throw new InvalidInputError({
      field: 'engine',
      reason: `${engine.id} has the semantics of ${engine.semantics}, operators have others`,
      hint: 'Use operatorEngine(), or set allowOpaSemantics if you know that decisions may differ.',
    })
  }
  if (mode === 'attest' && parameters.committed === undefined) {
    throw new InvalidInputError({
      field: 'committed',
      reason: 'to attest, artifacts must be under the committed root',
      hint: "Pass what tells which artifacts are committed, or evaluate with mode: 'simulate'.",
    })
  }
  accelerateKeccak()
  const policies = createPolicyCache(engine)
  const accepted = createAcceptedParams()
  const facts = createPlanFacts()
  const simulating = mode === 'simulate'

  async function evaluate(request: EvaluationRequest, options: IoOptions): Promise<Evaluation> {
    const { task } = request
    // Refuses a malformed task, too.
    const taskId = computeTaskId(task)
    const pcr0Commitment = toHex(
      fixedFromHex(request.pcr0Commitment ?? ZERO_HASH, 32, 'pcr0Commitment'),
    )
    const clock = createClock()
    const warnings: string[] = []

    const snapshot = await registry.snapshot(
      { client: task.policyClient, block: task.referenceBlock },
      options,
    )
    const plan = planEvaluation({ task, snapshot, pcr0Commitment, facts })
    await checkEnclave({ plan, pcr0Commitment, warnings, options, block: task.referenceBlock })
    clock.mark('registry')

    const step: Step = {
      ...parameters,
      accepted,
      simulating,
      plan,
      options,
      warnings,
      block: task.referenceBlock,
    }
    await checkCommitted(step)
    const [rego] = await Promise.all([fetchRego(step, policies), checkParams(step)])
    clock.mark('artifacts')

    const envelopes = await loadEnvelopes(step)
    clock.mark('secrets')

    const ran = request.agreedOutputs
      ? { outputs: takeAgreed(plan, request.agreedOutputs), transcript: [] }
      : await runPlugins(step, { request, taskId, envelopes })
    clock.mark('plugins')

    const { wasm, warnings: collisions } = mergeOutputs(ran.outputs)
    warnings.push(...collisions)
    const {
      allow,
      reasons,
      warnings: missing,
    } = await policies.with(plan.regoHash, rego, (policy) =>
      decide(policy, {
        task,
        taskId,
        blockTimestamp: plan.blockTimestamp,
        paramsText: plan.params.text,
        wasm,
      }),
    )
    warnings.push(...missing)
    clock.mark('rego')

    const outputs = Object.fromEntries(
      ran.outputs.map(({ policyDataTemplateId, output }) => [policyDataTemplateId, output]),
    )
    const secrets = Object.fromEntries(
      [...envelopes].map(([id, envelope]) => [id, keccakHex(envelope)]),
    )
    const response: PolicyTaskResponse = Object.freeze({
      chainId: task.chainId,
      policyRegistry: task.policyRegistry,
      taskId,
      policyClient: task.policyClient,
      intentHash: computeIntentHash(task.intent),
      policyInstanceId: plan.policyInstanceId,
      artifactDigest: computeArtifactDigest(plan.preimage),
      inputsHash: computeInputsHash({ outputs, secrets }),
      pcr0Commitment,
      evaluationResult: encodeEvaluationResult(allow),
      referenceBlock: task.referenceBlock,
      referenceBlockHash: task.referenceBlockHash,
      referenceTimestamp: request.referenceTimestamp,
      expirationBlock: plan.expirationBlock,
    })
    return {
      allow,
      reasons,
      evaluationResult: response.evaluationResult,
      artifactDigest: response.artifactDigest,
      inputsHash: response.inputsHash,
      response,
      digestPreimage: plan.preimage,
      outputs,
      secrets,
      transcript: ran.transcript,
      warnings,
      timings: clock.timings(),
      engine: { id: engine.id, semantics: engine.semantics },
      assurance,
    }
  }

  async function checkEnclave(check: {
    plan: EvaluationPlan
    pcr0Commitment: Hex
    warnings: string[]
    options: IoOptions
    block: bigint
  }): Promise<void> {
    const { plan, pcr0Commitment, warnings, options, block } = check
    if (!simulating) assertEnclaveNamed(plan, pcr0Commitment)
    else if (plan.enclaveRequired && pcr0Commitment === ZERO_HASH)
      warnings.push('Operators evaluate this policy in an enclave only.')
    if (pcr0Commitment === ZERO_HASH) return
    if (!registry.isEnclaveWhitelistedAt) {
      if (simulating) return
      // Whoever signs for a build that is not whitelisted is slashed: not knowing is no reason to.
      throw new InvalidInputError({
        field: 'registry.isEnclaveWhitelistedAt',
        reason: 'a measurement is named and nothing says whether it is whitelisted',
      })
    }
    if ((await registry.isEnclaveWhitelistedAt({ pcr0Commitment, block }, options)) === true) return
    if (!simulating) throw new EnclaveNotWhitelistedError({ pcr0Commitment, block })
    warnings.push(`The measurement ${pcr0Commitment} is not whitelisted.`)
  }

  return {
    evaluate: (request, options = {}) =>
      // Nothing to watch where the caller sets no bounds.
      options.signal === undefined && options.timeout === undefined
        ? evaluate(request, {})
        : withDeadline('The evaluation', options, (signal) => evaluate(request, { signal })),
  }
}

type Step = EvaluatorParameters & {
  accepted: AcceptedParams
  simulating: boolean
  plan: EvaluationPlan
  options: IoOptions
  warnings: string[]
  block: bigint
}

type ArtifactName = { hash: Hex; namespace: ArtifactNamespace; kind: string }

/** Every artifact of a plan that is not absent. */
function artifactsOf(plan: EvaluationPlan): ArtifactName[] {
  const names: ArtifactName[] = [
    { hash: plan.regoHash, namespace: namespaces.rego, kind: 'Rego source' },
    {
      hash: plan.paramsSchemaHash,
      namespace: namespaces.policyParamsSchema,
      kind: 'policy params schema',
    },
    ...plan.data.flatMap(({ template }) => [
      { hash: template.wasmHash, namespace: namespaces.wasm, kind: 'plugin' },
      {
        hash: template.paramsSchemaHash,
        namespace: namespaces.policyDataParamsSchema,
        kind: 'data params schema',
      },
      {
        hash: template.secretsSchemaHash,
        namespace: namespaces.secretsSchema,
        kind: 'secrets schema',
      },
    ]),
  ]
  return names
    .map((name) => ({ ...name, hash: name.hash.toLowerCase() as Hex }))
    .filter(({ hash }) => hash !== ARTIFACT_ABSENT)
}

async function checkCommitted({
  committed,
  plan,
  block,
  options,
  simulating,
  warnings,
}: Step): Promise<void> {
  if (!committed) {
    warnings.push('Artifacts were not checked against the committed root.')
    return
  }
  await Promise.all(
    artifactsOf(plan).map(async ({ hash, namespace, kind }) => {
      if ((await committed.isCommittedAt({ namespace, hash, block }, options)) === true) return
      if (!simulating) throw new ArtifactNotCommittedError({ hash, namespace, block })
      warnings.push(`The ${kind} ${hash} is not under the committed root yet.`)
    }),
  )
}

/** Bytes of a small artifact, hashed again: what is digested is what was read. */
async function fetchArtifact(
  { artifacts, options }: Step,
  { hash, namespace, kind }: ArtifactName,
): Promise<Uint8Array> {
  const bytes = await artifacts.getArtifact({ hash, namespace }, options)
  const actual = computeArtifactHash(bytes)
  if (actual !== hash.toLowerCase())
    throw new ArtifactHashMismatchError({ expected: hash, actual, kind })
  return bytes
}

/** Prepares the policy and returns how to load it again, should the cache drop it meanwhile. */
async function fetchRego(
  step: Step,
  policies: ReturnType<typeof createPolicyCache>,
): Promise<() => Promise<Uint8Array>> {
  // Evaluations share this load, so the signal of one of them must not end it for the others.
  const load = (): Promise<Uint8Array> =>
    fetchArtifact(
      { ...step, options: {} },
      {
        hash: step.plan.regoHash,
        namespace: namespaces.rego,
        kind: 'Rego source',
      },
    )
  await policies.with(step.plan.regoHash, load, () => undefined)
  return load
}

async function checkParams(step: Step): Promise<void> {
  const { plan } = step
  await Promise.all([
    checkSchema(step, {
      name: {
        hash: plan.paramsSchemaHash,
        namespace: namespaces.policyParamsSchema,
        kind: 'policy params schema',
      },
      valueJson: plan.params.text,
      subject: 'policy params',
    }),
    ...plan.data.map(({ template, params }) =>
      checkSchema(step, {
        name: {
          hash: template.paramsSchemaHash,
          namespace: namespaces.policyDataParamsSchema,
          kind: 'data params schema',
        },
        valueJson: params.text,
        subject: 'data params',
      }),
    ),
  ])
}

async function checkSchema(
  step: Step,
  check: { name: ArtifactName; valueJson: string; subject: string; secret?: boolean | undefined },
): Promise<void> {
  const { name, valueJson, subject, secret } = check
  if (name.hash.toLowerCase() === ARTIFACT_ABSENT) return
  const key = `${name.hash.toLowerCase()} ${valueJson}`
  if (!secret && step.accepted.has(key)) return
  const schemaJson = fromUtf8(await fetchArtifact(step, name), name.kind)
  const verdict = await step.schemas.validate({ schemaJson, valueJson })
  if (verdict.status === 'valid') {
    if (!secret) step.accepted.add(key)
    return
  }
  // What a validator says about a secret may quote it.
  const issues = secret
    ? verdict.issues.map((issue) => ({ ...issue, message: 'does not fit' }))
    : verdict.issues
  throw new SchemaViolationError({ subject, status: verdict.status, issues })
}

/** Sealed envelopes by data instance, for those that take secrets. */
async function loadEnvelopes({
  plan,
  secrets,
  options,
  block,
}: Step): Promise<Map<Hex, Uint8Array>> {
  const found = new Map<Hex, Uint8Array>()
  for (const { instanceId, needsSecrets } of plan.data) {
    if (!needsSecrets) continue
    if (!secrets) throw new SecretsUnavailableError('this evaluator has no way to open them')
    const envelope = await secrets.envelopes.getEnvelope(
      { policyDataInstanceId: instanceId, block },
      options,
    )
    if (envelope === null)
      throw new SecretsMissingError({ policyDataInstanceId: instanceId, block })
    found.set(instanceId, envelope)
  }
  return found
}

async function runPlugins(
  step: Step,
  run: { request: EvaluationRequest; taskId: Hex; envelopes: Map<Hex, Uint8Array> },
): Promise<{ outputs: PluginOutput[]; transcript: PluginTranscript[] }> {
  if (step.plan.data.length === 0) return { outputs: [], transcript: [] }
  // One failure stops the others: there is no decision any more.
  const controller = new AbortController()
  const signal = step.options.signal
    ? AbortSignal.any([step.options.signal, controller.signal])
    : controller.signal
  const inner: Step = { ...step, options: { signal } }
  try {
    const runs = await Promise.all(step.plan.data.map((entry) => runPlugin(inner, entry, run)))
    return {
      outputs: runs.map(({ output }, index) => ({
        policyDataTemplateId: step.plan.data[index]?.templateId as Hex,
        output,
      })),
      transcript: runs.map(({ transcript }) => transcript),
    }
  } catch (error) {
    controller.abort(error)
    throw error
  }
}

async function runPlugin(
  step: Step,
  entry: PlannedData,
  run: { request: EvaluationRequest; taskId: Hex; envelopes: Map<Hex, Uint8Array> },
): Promise<{ output: JsonObject; transcript: PluginTranscript }> {
  const { artifacts, plugins, options, plan } = step
  const { template, params, templateId, instanceId } = entry
  const wasmHash = template.wasmHash.toLowerCase() as Hex
  const input = buildPluginInput({ wasmArgs: run.request.task.wasmArgs, params: params.value })
  const secrets = await openSecrets(step, entry, run)
  try {
    return await plugins.run(
      {
        wasmHash,
        // Bytes are hashed by the runtime on every miss.
        getBytes: (io) => artifacts.getArtifact({ hash: wasmHash, namespace: namespaces.wasm }, io),
        policyDataTemplateId: templateId,
        policyDataInstanceId: instanceId,
        taskId: run.taskId,
        blockTimestamp: plan.blockTimestamp,
        input,
        secrets,
      },
      options,
    )
  } finally {
    secrets?.fill(0)
  }
}

async function openSecrets(
  step: Step,
  entry: PlannedData,
  { request, envelopes }: { request: EvaluationRequest; envelopes: Map<Hex, Uint8Array> },
): Promise<Uint8Array | undefined> {
  const envelope = envelopes.get(entry.instanceId)
  if (!envelope) return undefined
  const { chainId, policyClient } = request.task
  const opened = await (step.secrets as EvaluatorSecrets).opener.openSecrets(
    { envelope, chainId, client: policyClient, policyDataInstanceId: entry.instanceId },
    step.options,
  )
  let valueJson: string
  try {
    valueJson = canonicalJson(parseJsonBytes(opened))
  } catch {
    // The cause would quote the secret.
    throw new SecretsUnavailableError('they are not JSON')
  }
  await checkSchema(step, {
    name: {
      hash: entry.template.secretsSchemaHash,
      namespace: namespaces.secretsSchema,
      kind: 'secrets schema',
    },
    valueJson,
    subject: 'secrets',
    secret: true,
  })
  // An exact copy: the run zeroes it, and the opener may have given a view of something larger.
  return Uint8Array.from(opened)
}

function takeAgreed(plan: EvaluationPlan, agreed: Readonly<Record<Hex, Json>>): PluginOutput[] {
  const given = new Map(Object.entries(agreed).map(([id, output]) => [id.toLowerCase(), output]))
  const outputs = plan.data.map(({ templateId }) => {
    const output = given.get(templateId)
    if (output === undefined)
      throw new InvalidInputError({ field: 'agreedOutputs', reason: `no output of ${templateId}` })
    if (typeof output !== 'object' || output === null || Array.isArray(output)) {
      throw new InvalidInputError({
        field: `agreedOutputs.${templateId}`,
        reason: 'a plugin output is a JSON object',
      })
    }
    return { policyDataTemplateId: templateId, output }
  })
  if (given.size !== outputs.length) {
    throw new InvalidInputError({
      field: 'agreedOutputs',
      reason: 'it has outputs the policy does not name',
    })
  }
  return outputs
}

function createClock(): { mark: (name: string) => void; timings: () => Record<string, number> } {
  const started = performance.now()
  let last = started
  const steps: Record<string, number> = {}
  return {
    mark(name) {
      const now = performance.now()
      steps[name] = now - last
      last = now
    },
    timings: () => ({ ...steps, total: performance.now() - started }),
  }
}

/** Params a schema has accepted. An instance's params never change, so neither does the verdict. */
type AcceptedParams = { has(key: string): boolean; add(key: string): void }

/** Remembers the last 512: at most 4 MiB, as params have at most 8 KiB. */
function createAcceptedParams(): AcceptedParams {
  const keys = new Set<string>()
  return {
    has(key) {
      if (!keys.delete(key)) return false
      keys.add(key)
      return true
    },
    add(key) {
      keys.add(key)
      const [oldest] = keys
      if (keys.size > 512 && oldest !== undefined) keys.delete(oldest)
    },
  }
}
