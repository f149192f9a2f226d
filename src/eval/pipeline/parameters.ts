/**
 * What the local evaluator works with, checked before the first evaluation.
 */

import type { Hex } from 'viem'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Assurance, EvaluationRequest } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import type {
  CommittedArtifacts,
  EnvelopeSource,
  SecretsOpener,
} from '../../core/interfaces/secretsOpener.js'
import type { Task } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertChoice, assertCount, assertKnown, assertMembers } from '../../internal/options.js'
import type { ProcessMemory } from '../../internal/processMemory.js'
import type { PluginRuntime } from '../plugins/runtime/runtime.js'
import type { RegoEngine } from '../rego/engine.js'
import type { IdentityData } from '../rego/identity.js'

/** What the evaluator reads of the chain. */
export type EvaluatorRegistry = Pick<RegistryReader, 'snapshot'> &
  Partial<Pick<RegistryReader, 'isEnclaveWhitelistedAt'>>

/** How sealed secrets are found and opened. */
export type EvaluatorSecrets = { opener: SecretsOpener; envelopes: EnvelopeSource }

/** Where the identity data of a task comes from: the private namespaces of those who hold it. */
export type IdentitySource = {
  /** The data of the one the task is for, or undefined where there is none. */
  getIdentity(
    request: { task: Task; taskId: Hex },
    options: IoOptions,
  ): Promise<IdentityData | undefined>
}

/** Options of the evaluator. */
export type EvaluatorParameters = {
  registry: EvaluatorRegistry
  artifacts: ArtifactSource
  engine: RegoEngine
  /** Runs the data plugins. See createPluginRuntime(). */
  plugins: Pick<PluginRuntime, 'run'>
  schemas: SchemaValidator
  /** Memory shared with other parts of the process. One of its own by default. */
  memory?: ProcessMemory | undefined
  /** Left out: policies whose plugins take secrets end in an error. */
  secrets?: EvaluatorSecrets | undefined
  /** For policies that call `newton.identity.*`; without it such a call is an error. */
  identity?: IdentitySource | undefined
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

const assurances: readonly Assurance[] = ['nitro', 'simulator', 'local']

const parameterNames: readonly (keyof EvaluatorParameters)[] = [
  ...(['registry', 'artifacts', 'engine', 'plugins', 'schemas', 'memory', 'secrets'] as const),
  ...(['identity', 'committed', 'mode', 'assurance', 'allowOpaSemantics'] as const),
]

/**
 * Refuses a request with a member of another name, which would be one that is left out, and one whose
 * timestamp no response can carry.
 */
export function assertRequest(request: EvaluationRequest): void {
  assertMembers('request', request, ['task'])
  assertKnown('request', request, requestNames)
  assertCount('referenceTimestamp', request.referenceTimestamp, { least: 0, most: MAX_UINT32 })
}

const requestNames: readonly (keyof EvaluationRequest)[] = [
  ...(['task', 'pcr0Commitment', 'referenceTimestamp', 'agreedOutputs'] as const),
]

/** Of `referenceTimestamp` in the response. */
const MAX_UINT32 = 0xffff_ffff

/** Refuses an engine that decides otherwise than operators, and attesting what is not committed. */
export function assertEvaluatorParameters(parameters: EvaluatorParameters): void {
  assertKnown('parameters', parameters, parameterNames)
  const { engine, mode = 'attest', assurance = 'local' } = parameters
  // Another mode would be neither: it would not ask for `committed` and not warn either.
  assertChoice('mode', mode, ['attest', 'simulate'])
  assertChoice('assurance', assurance, assurances)
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
}
