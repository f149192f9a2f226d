/** What dishonest operators sign instead of what is so. */
import type { Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import { computeArtifactDigest, type DigestPreimage } from '../../core/digest.js'
import { encodeEvaluationResult, evaluateResult } from '../../core/evaluationResult.js'
import type { PolicyTaskResponse } from '../../core/response.js'
import { InvalidInputError } from '../../errors/common.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertChoice } from '../../internal/options.js'

/**
 * The kinds of dishonest operators, with the reason that a verification at level `result` gives.
 *
 * | kind | what is signed | reason |
 * |---|---|---|
 * | `falseResult` | the other decision | `WRONG_RESULT` |
 * | `wrongPlugin` | a plugin of other bytes | `WRONG_DATA_ARTIFACT` |
 * | `wrongRego` | another policy text | `WRONG_REGO` |
 * | `wrongParams` | other params | `WRONG_PARAMS` |
 * | `wrongTemplate` | another template | `WRONG_TEMPLATE` |
 * | `wrongInstance` | an instance that the client never had | `WRONG_INSTANCE` |
 * | `wrongExpiration` | a longer life of the result | `WRONG_EXPIRATION` |
 * | `wrongEnclave` | an enclave build that nobody listed | `INVALID_TEE_ATTESTATION` |
 * | `otherChain` | the answer for another chain | `CROSS_CHAIN_REPLAY` |
 * | `otherTask` | the answer to another task | `TASK_MISMATCH` |
 * | `badSignature` | with a key that is not theirs | `BAD_CERTIFICATE` |
 */
export const dishonestKinds = [
  'falseResult',
  'wrongPlugin',
  'wrongRego',
  'wrongParams',
  'wrongTemplate',
  'wrongInstance',
  'wrongExpiration',
  'wrongEnclave',
  'otherChain',
  'otherTask',
  'badSignature',
] as const

/** A kind of dishonest operator. */
export type Dishonesty = (typeof dishonestKinds)[number]

/** What an operator answers: the response and what its digest is of. */
export type Answered = { response: PolicyTaskResponse; preimage: DigestPreimage }

const other = (what: string): Hex => keccakHex(utf8(`another ${what}`))

const preimages: Partial<
  Record<Dishonesty, (preimage: DigestPreimage) => Partial<DigestPreimage>>
> = {
  wrongPlugin: ({ data }) => {
    const [first, ...rest] = data
    if (first === undefined) {
      throw new InvalidInputError({ field: 'kind', reason: 'the policy has no plugin' })
    }
    return { data: [{ ...first, wasmHash: other('plugin') }, ...rest] }
  },
  wrongRego: () => ({ regoHash: other('rego') }),
  wrongParams: () => ({ paramsHash: other('params') }),
  wrongTemplate: () => ({ policyTemplateId: other('template') }),
  wrongInstance: () => ({ policyInstanceId: other('instance') }),
  wrongExpiration: ({ expirationBlock }) => ({ expirationBlock: expirationBlock + 1_000n }),
  wrongEnclave: () => ({ pcr0Commitment: other('enclave') }),
  otherChain: ({ chainId }) => ({ chainId: chainId + 1n }),
}

/**
 * Makes of an honest answer what an operator of a kind signs.
 *
 * @throws {InvalidInputError} for a kind that is none, and for `wrongPlugin` where there is no plugin.
 */
export function forgeAnswer(kind: Dishonesty, { response, preimage }: Answered): Answered {
  assertChoice('kind', kind, dishonestKinds)
  if (kind === 'badSignature') return { response, preimage }
  if (kind === 'otherTask') {
    return { preimage, response: { ...response, taskId: other('task') } }
  }
  if (kind === 'falseResult') {
    const allowed = evaluateResult(response.evaluationResult)
    return {
      preimage,
      response: { ...response, evaluationResult: encodeEvaluationResult(!allowed) },
    }
  }
  const changed = { ...preimage, ...preimages[kind]?.(preimage) }
  return {
    preimage: changed,
    response: {
      ...response,
      chainId: changed.chainId,
      policyInstanceId: changed.policyInstanceId,
      expirationBlock: changed.expirationBlock,
      pcr0Commitment: changed.pcr0Commitment ?? ZERO_HASH,
      artifactDigest: computeArtifactDigest(changed),
    },
  }
}
