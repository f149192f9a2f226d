/**
 * Whether a plan may be evaluated where it is: in an enclave, and in one that is whitelisted.
 */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../../core/artifact.js'
import { InvalidInputError } from '../../../errors/common.js'
import { EnclaveNotWhitelistedError, EnclaveRequiredError } from '../errors.js'
import type { EvaluationPlan } from '../plan.js'
import type { Step } from './step.js'

/** Refuses a plan whose enclave is missing or not whitelisted; a simulation warns. */
export async function checkEnclave(step: Step, pcr0Commitment: Hex): Promise<void> {
  const { registry, simulating, plan, warnings, options, block } = step
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

/** Refuses a plan that needs an enclave where none is named. */
function assertEnclaveNamed(plan: EvaluationPlan, pcr0Commitment: Hex): void {
  if (pcr0Commitment !== ZERO_HASH || !plan.enclaveRequired) return
  const secret = plan.data.find(({ needsSecrets }) => needsSecrets)
  throw new EnclaveRequiredError(
    secret
      ? `the data template ${secret.templateId} takes secrets`
      : 'the registry requires one at this block',
  )
}
