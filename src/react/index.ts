/**
 * Hooks for React pages, over wagmi and TanStack Query.
 *
 * Needs the optional peers `wagmi` and `@tanstack/react-query`. No other entry imports this one.
 *
 * @packageDocumentation
 */
export {
  type Forecast,
  type ForecastInput,
  type ForecastParameters,
  type ForecastQuestion,
  forecastDecision,
} from './forecast.js'
export { type LevelState, type LevelView, listLevels } from './levels.js'
export type { ChainParameters, PolicyQueryOptions, QueryOverrides } from './queries.js'
export {
  certificateReaderQueryOptions,
  type GivenReaders,
  type ReaderParameters,
  registryReaderQueryOptions,
} from './readers.js'
export {
  type EvaluationResult,
  type EvaluationVariables,
  type UseEvaluationParameters,
  useEvaluation,
} from './useEvaluation.js'
export {
  type PolicyView,
  policyQueryOptions,
  type UsePolicyParameters,
  usePolicy,
} from './usePolicy.js'
export {
  simulateQueryOptions,
  type UseSimulateParameters,
  useSimulate,
} from './useSimulate.js'
export {
  type AttestedAnswer,
  type UseVerifiedAttestationParameters,
  type UseVerifiedAttestationResult,
  useVerifiedAttestation,
  verifiedAttestationQueryOptions,
} from './useVerifiedAttestation.js'
