/**
 * Evaluation: engines, schemas, plugins, and the pipeline from a task to a response.
 *
 * @packageDocumentation
 */

export {
  type PolicyCoverage,
  type PolicyTestReport,
  type PolicyTestResult,
  runPolicyTests,
} from './check/policyTest.js'
// Engines, schemas, linter, policy tests
export {
  checkTemplate,
  type TemplateCheck,
  type TemplateProblem,
  type TemplateSources,
} from './check/template.js'
export type { RegoLocation } from './errors.js'
export {
  EngineError,
  OpaPolicyError,
  type RegoRefusal,
  RegoRefusedError,
  RegoSourceError,
  UnverifiedWasmError,
} from './errors.js'
// Plugins, pipeline, intents
export {
  canonicalSignature,
  type FunctionDescription,
  type FunctionParameter,
  fullSignature,
  parseFunctionSignature,
} from './intent/functionSignature.js'
export { intentToInputJson, type ParsedIntent, parseIntent } from './intent/parseIntent.js'
export { buildPluginInput, decodeWasmArgs, encodeWasmArgs } from './intent/wasmArgs.js'
export { lintPolicy, lintRules } from './lint/policy.js'
export type { LintFinding, LintRule, LintSeverity } from './lint/rule.js'
export {
  ArtifactHashMismatchError,
  ArtifactNotCommittedError,
  EnclaveNotWhitelistedError,
  EnclaveRequiredError,
  PolicyDataInstanceMissingError,
  PolicyDataKindMismatchError,
  PolicyEvaluationError,
  PolicyNotDeployedOnChainError,
  RegistryRowInconsistentError,
  SchemaViolationError,
  SecretsMissingError,
  SecretsUnavailableError,
  TaskMismatchError,
} from './pipeline/errors.js'
export { createEvaluator } from './pipeline/evaluator.js'
export type {
  EvaluatorParameters,
  EvaluatorRegistry,
  EvaluatorSecrets,
  IdentitySource,
} from './pipeline/parameters.js'
export {
  type EvaluationPlan,
  type PlannedData,
  type PlannedParams,
  planEvaluation,
} from './pipeline/plan.js'
export { createPluginReplayer } from './pipeline/pluginReplay.js'
export { mergeOutputs, type PluginOutput } from './pipeline/rego.js'
export {
  createReplayer,
  createResultReplayer,
  type ReplayableEvaluation,
  type ReplayDifference,
  type Replayer,
  type ReplayerParameters,
  type ReplayOutcome,
} from './pipeline/replay.js'
export {
  deploySimulated,
  type SimulatedDeployment,
  type SimulatedPlugin,
  type SimulationRequest,
  type SimulationTools,
  simulate,
} from './pipeline/simulate.js'
export type { WasmProvenance } from './pipeline/verifiedWasm.js'
export { browserPluginWorkers } from './plugins/browserWorkers.js'
export {
  type ComponentExtern,
  type ComponentShape,
  checkPluginWorld,
  MAX_COMPONENT_BYTES,
  type PluginWorld,
  readComponentShape,
} from './plugins/component/component.js'
export { providerWit } from './plugins/component/providerWit.js'
export {
  PluginComponentError,
  PluginError,
  PluginFailedError,
  type PluginFailureContext,
  PluginHttpRefusedError,
  PluginImportError,
  PluginInputError,
  type PluginLimit,
  PluginLimitError,
  PluginNondeterministicError,
  PluginOutputError,
  PluginReplayError,
  PluginTrapError,
  PluginWorkerError,
} from './plugins/errors.js'
export type { PluginEvent } from './plugins/events.js'
export { fetchTransport } from './plugins/fetchTransport.js'
export { frozenInputs } from './plugins/frozenInputs.js'
export {
  type HttpPolicy,
  type HttpTransport,
  type HttpTransportResponse,
  PrivateAddressError,
  ResponseTooLargeError,
  UnreadableResponseError,
} from './plugins/http.js'
export { defaultPluginLimits, type PluginLimits } from './plugins/limits.js'
export type { GuestRequest, PortablePlugin } from './plugins/protocol.js'
export {
  type PluginCacheLimits,
  type PluginCachePreset,
  pluginCachePresets,
} from './plugins/runtime/cache.js'
export type { CompiledPluginStore, PluginReference } from './plugins/runtime/loader.js'
export type { PluginRun, PluginRunRequest } from './plugins/runtime/runner.js'
export {
  createPluginRuntime,
  type PluginRuntime,
  type PluginRuntimeParameters,
} from './plugins/runtime/runtime.js'
export { computeTranscriptHash } from './plugins/transcript.js'
export type { PluginWorker, PluginWorkers } from './plugins/workerPool.js'
export type {
  PreparedPolicy,
  RegoEngine,
  RegoEvaluateOptions,
  RegoLimits,
  RegoModule,
  RegoOutcome,
  RegoValue,
  UnsupportedFunction,
} from './rego/engine.js'
export { setEngineModule } from './rego/engineModule.js'
export type { IdentityData, KycIdentity } from './rego/identity.js'
export type { RegoInspection } from './rego/inspection.js'
export { inspectPolicy } from './rego/inspectPolicy.js'
export { opaWasmEngine } from './rego/opaWasmEngine.js'
export { OPERATOR_ENGINE_ID, operatorEngine } from './rego/operatorEngine.js'
export { schemaCaps } from './schema/caps.js'
export {
  createSchemaValidator,
  type SchemaProfiles,
  type SchemaValidatorOptions,
} from './schema/validator.js'
