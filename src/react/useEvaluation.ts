/** An evaluation by the operators, asked for through a gateway. */
import { type UseMutationResult, useMutation, useQueryClient } from '@tanstack/react-query'
import { useChainId, useConfig } from 'wagmi'
import type { IoOptions } from '../internal/deadline.js'
import {
  createTaskClient,
  type SentRequest,
  type TaskClientParameters,
  type TaskRequest,
  type UnverifiedAnswer,
  type VerifiedTask,
} from '../operator/index.js'
import { attestationReaderOf, type ReaderParameters } from './readers.js'

/** Parameters of {@link useEvaluation}. */
export type UseEvaluationParameters<verify extends boolean = true> = ReaderParameters &
  Pick<TaskClientParameters, 'gateway' | 'tables' | 'maxReferenceAge'> & {
    /**
     * `false` gives the answer as the gateway gave it, for a page that shows how it is verified, with
     * `useVerifiedAttestation`. Nothing of it may be acted on before.
     * @default true
     */
    verify?: verify | undefined
    /** Told when the gateway took the task: what is kept to wait for the answer after a reload. */
    onSent?: ((sent: SentRequest) => void) | undefined
  }

/** What is asked for, with a signal that ends the waiting. */
export type EvaluationVariables = TaskRequest & Pick<IoOptions, 'signal'>

/** What {@link useEvaluation} gives. */
export type EvaluationResult<verify extends boolean> = verify extends false
  ? UnverifiedAnswer
  : VerifiedTask

/**
 * Asks operators for an evaluation, and verifies their answer down to a re-run before it is `data`.
 *
 * A mutation: nothing is asked by rendering. What is no decision and what does not verify is `error`,
 * with its stable `code`; a deny is `data` with `allowed: false`.
 *
 * @example
 * ```ts
 * import type { ArtifactSource } from '@newton/policy-sdk'
 * import { useEvaluation } from '@newton/policy-sdk/react'
 *
 * function useAsk(artifacts: ArtifactSource) {
 *   return useEvaluation({ gateway: { url: 'https://gateway.example/rpc' }, artifacts })
 * }
 * ```
 */
export function useEvaluation<const verify extends boolean = true>(
  parameters: UseEvaluationParameters<verify>,
): UseMutationResult<EvaluationResult<verify>, Error, EvaluationVariables> {
  const config = useConfig(parameters)
  const current = useChainId({ config })
  const queries = useQueryClient()
  const chainId = parameters.chainId ?? current
  return useMutation({
    mutationFn: async ({ signal, ...request }: EvaluationVariables) => {
      const reader = await attestationReaderOf(queries, config, { ...parameters, chainId })
      const { gateway, tables, maxReferenceAge } = parameters
      const tasks = createTaskClient({ gateway, tables, maxReferenceAge, reader })
      const sent = await tasks.sendTask(request, { signal })
      parameters.onSent?.(sent)
      const wait = parameters.verify === false ? tasks.waitForAnswer : tasks.waitForTask
      return (await wait(sent, { signal })) as EvaluationResult<verify>
    },
  })
}
