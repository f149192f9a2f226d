/** The real evaluator on a mock chain. Only plugins do not run: their outputs are given. */
import type { Hex } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import type { EvaluationRequest, Evaluator } from '../../core/interfaces/evaluator.js'
import { InvalidInputError } from '../../errors/common.js'
import { createEvaluator, createSchemaValidator, operatorEngine } from '../../eval/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { assertObject } from '../../internal/options.js'
import type { MockRegistries } from './registries.js'

/**
 * Creates an evaluator that decides as operators do: the operators' engine on the policy, params and
 * intent of the chain. What plugins answer is in `registries.outputs`.
 *
 * @throws {InvalidInputError} while evaluating, where the output of a plugin is not there.
 * @example
 * ```ts
 * import { mockEvaluator, mockRegistries } from '@newton/policy-sdk/testing'
 *
 * const registries = await mockRegistries()
 * const { policyClient } = await registries.addPolicy()
 * const task = await registries.makeTask({ policyClient, intent: { value: 5_000n } })
 * const { allow, reasons } = await mockEvaluator({ registries }).evaluate({ task, referenceTimestamp: 0 })
 * // false, ['the amount is over the limit']
 * ```
 */
export function mockEvaluator(options: { registries: MockRegistries }): Evaluator {
  assertObject('options', options)
  const { registries } = options
  assertObject('registries', registries)
  const engine = operatorEngine()
  const evaluator = createEvaluator({
    registry: registries.reader,
    artifacts: registries.artifacts,
    engine,
    schemas: createSchemaValidator(),
    plugins: {
      run: async ({ policyDataTemplateId }: { policyDataTemplateId: Hex }) => {
        throw new InvalidInputError({
          field: `outputs.get('${policyDataTemplateId}')`,
          reason: 'no plugin runs here, and this one has no output',
        })
      },
    } as never,
    // Everything that is on a mock chain counts as committed: no state tree is kept beside it.
    committed: { isCommittedAt: async () => true },
  })
  return {
    evaluate: async (request: EvaluationRequest, options?: IoOptions) => {
      const agreedOutputs =
        request.agreedOutputs ?? (await givenOutputs(registries, request, options))
      return evaluator.evaluate({ ...request, agreedOutputs }, options)
    },
  }
}

/** The outputs of the plugins that a task's policy names. */
async function givenOutputs(
  { reader, outputs }: MockRegistries,
  { task }: EvaluationRequest,
  options: IoOptions | undefined,
): Promise<Readonly<Record<Hex, Json>> | undefined> {
  const block = task.referenceBlock
  const { data } = await reader.snapshot({ client: task.policyClient, block }, options)
  const found = data.map(({ templateId }) => [templateId, outputs.get(templateId)] as const)
  const missing = found.some(([, output]) => output === undefined)
  return missing ? undefined : (Object.fromEntries(found) as Record<Hex, Json>)
}
