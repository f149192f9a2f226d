/** The verification of what operators signed, level by level. */
import { type UseQueryResult, useQuery } from '@tanstack/react-query'
import { type Config, useChainId, useConfig } from 'wagmi'
import {
  type AttestationLevel,
  type AttestationOutcome,
  type LevelProgress,
  type VerifyTaskAttestationParameters,
  verifyTaskAttestation,
} from '../attestation/index.js'
import { encodeCertificate } from '../core/bn254/index.js'
import { computeMessageHash } from '../core/response.js'
import { fromHex, utf8 } from '../internal/bytes.js'
import { keccakHex } from '../internal/keccak.js'
import { type LevelView, listLevels } from './levels.js'
import { type PolicyQueryOptions, type QueryOverrides, queryOf } from './queries.js'
import { attestationReaderOf, type ReaderParameters } from './readers.js'

/** What is verified: an answer of `useEvaluation`, or of anywhere else. */
export type AttestedAnswer = Pick<
  VerifyTaskAttestationParameters,
  'task' | 'response' | 'preimage' | 'inputs' | 'document' | 'transcript'
> &
  Required<Pick<VerifyTaskAttestationParameters, 'certificate'>>

/** Parameters of {@link useVerifiedAttestation}. */
export type UseVerifiedAttestationParameters = ReaderParameters &
  Pick<VerifyTaskAttestationParameters, 'acceptance' | 'at'> & {
    /** Nothing is verified before it is given. */
    answer: AttestedAnswer | undefined
    /** @default 'result' */
    level?: AttestationLevel | undefined
    query?: QueryOverrides<AttestationOutcome> | undefined
  }

/** What {@link useVerifiedAttestation} gives. */
export type UseVerifiedAttestationResult = UseQueryResult<AttestationOutcome, Error> & {
  /** All levels in their order, with how each stands now. */
  levels: readonly LevelView[]
}

/** The query of {@link useVerifiedAttestation}. Its key is the hash of all that was signed. */
export function verifiedAttestationQueryOptions(
  config: Config,
  parameters: UseVerifiedAttestationParameters,
): PolicyQueryOptions<AttestationOutcome> {
  const { answer, level = 'result', acceptance, at, query } = parameters
  const options = queryOf<AttestationOutcome>({
    ...{ name: 'verifiedAttestation', parameters },
    key: { ...keyOfAnswer(answer), level, acceptance, at: at?.toString() },
    ready: answer !== undefined,
    // What was decided stays so; what could not be decided is asked again where it is shown again.
    query: {
      retry: false,
      staleTime: ({ state: { data } }) =>
        data?.status === 'inconclusive' && data.retryable ? 0 : Number.POSITIVE_INFINITY,
      ...query,
    },
    queryFn: async ({ client: queries, signal }) => {
      const reader = await attestationReaderOf(queries, config, parameters)
      const progress: LevelProgress[] = []
      const tell = (): unknown => queries.setQueryData(progressKey(options), [...progress])
      tell()
      return verifyTaskAttestation({
        ...(answer as AttestedAnswer),
        ...{ reader, level, acceptance, at, signal },
        onLevel: (step) => {
          progress.push(step)
          tell()
        },
      })
    },
  })
  return options
}

/**
 * Verifies what operators signed, from chain state, in this page.
 *
 * `data` is the outcome; a refusal is `data` and no `error`. Only `valid` may be acted on. `levels` lists
 * how far it has come.
 *
 * @example
 * ```ts
 * import type { ArtifactSource } from '@newton/policy-sdk'
 * import { type AttestedAnswer, useVerifiedAttestation } from '@newton/policy-sdk/react'
 *
 * function useMaySpend(answer: AttestedAnswer | undefined, artifacts: ArtifactSource) {
 *   const { data, levels } = useVerifiedAttestation({ answer, artifacts })
 *   return { valid: data?.status === 'valid', levels }
 * }
 * ```
 */
export function useVerifiedAttestation(
  parameters: UseVerifiedAttestationParameters,
): UseVerifiedAttestationResult {
  const config = useConfig(parameters)
  const current = useChainId({ config })
  const chainId = parameters.chainId ?? current
  const options = verifiedAttestationQueryOptions(config, { ...parameters, chainId })
  const result = useQuery(options)
  const { data: progress = [] } = useQuery<readonly LevelProgress[]>({
    queryKey: progressKey(options),
    // Never fetched: the verification writes it.
    queryFn: () => [],
    enabled: false,
  })
  const { level: wanted = 'result' } = parameters
  const outcome = result.isFetching ? undefined : result.data
  return { ...result, levels: listLevels({ wanted, progress, outcome }) }
}

function progressKey({ queryKey }: { queryKey: readonly unknown[] }): readonly unknown[] {
  return [...queryKey, 'progress']
}

/** Hashes of all that is verified: another answer is another query. */
function keyOfAnswer(answer: AttestedAnswer | undefined): Record<string, string | undefined> {
  if (answer === undefined) return {}
  const { response, certificate, task, inputs, preimage, transcript, document } = answer
  const rest = JSON.stringify([task, inputs, preimage, transcript], (_, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  )
  return {
    message: computeMessageHash(response),
    certificate:
      certificate === undefined ? undefined : keccakHex(fromHex(encodeCertificate(certificate))),
    document: document === undefined ? undefined : keccakHex(document.bytes),
    rest: keccakHex(utf8(rest)),
  }
}
