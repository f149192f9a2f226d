/** Sentences. A refusal says what, why, what it means, what to do; the code comes last. */
import { isPolicySdkError } from '@newton/policy-sdk'
import type { AttestationLevel, AttestationOutcome } from '@newton/policy-sdk/attestation'
import type { LevelState } from '@newton/policy-sdk/react'
import { short } from './format.js'

/** Something that stopped, in words. */
export type Problem = {
  why: string
  meaning: string
  next: string
  code: string
  /** Whether the same again can help. */
  retry: boolean
}

export const levelNames: Readonly<Record<AttestationLevel, { name: string; what: string }>> = {
  binding: {
    name: 'Binding',
    what: 'The answer is for this transfer, this chain and this contract, and has not expired.',
  },
  registry: {
    name: 'Registry',
    what: 'The contract had exactly this policy, with this data, at the block it was asked for.',
  },
  artifacts: {
    name: 'Artifacts',
    what: 'Policy text, plugins and schemas were fetched, and hash to what is on chain.',
  },
  digest: {
    name: 'Digest',
    what: 'What operators signed, rebuilt here from chain state, comes out the same.',
  },
  quorum: {
    name: 'Quorum',
    what: 'Enough operators of this service signed it, by stake.',
  },
  result: {
    name: 'Result',
    what: 'The policy, run again in this page on the attested inputs, decides the same.',
  },
}

export const levelStates: Readonly<Record<LevelState, string>> = {
  waiting: 'waiting',
  checking: 'checking',
  passed: 'passed',
  failed: 'failed',
  undecided: 'not decided',
  'not-reached': 'not reached',
  'not-asked': 'not asked',
}

const refusals: Readonly<Record<string, string>> = {
  MALFORMED_TASK: 'The answer is not well-formed.',
  MALFORMED_RESPONSE: 'The answer is not well-formed.',
  CROSS_CHAIN_REPLAY: 'This answer was made for another chain.',
  TASK_MISMATCH: 'The answer is for another transfer than yours.',
  REFERENCE_BLOCK_MISMATCH: 'The answer rests on a block that the chain does not have.',
  EXPIRED: 'The answer has expired.',
  UNKNOWN_OPERATOR: 'Signed by someone who is not an operator of this service.',
  BAD_CERTIFICATE: 'The operators’ signature does not hold.',
  CERTIFICATE_STALE: 'The operators’ table is too old for the contract to accept.',
  WRONG_INSTANCE: 'Operators signed another policy than the contract had at that block.',
  WRONG_TEMPLATE: 'Operators signed another policy template than the contract had.',
  WRONG_PARAMS: 'Operators signed other parameters than the contract had.',
  WRONG_REGO: 'Operators signed another policy text than the contract had.',
  WRONG_DATA_INSTANCE: 'A data source was used that was not the current one.',
  KIND_MISMATCH: 'A data source was used that the policy does not name.',
  NOT_YET_DEPLOYED: 'A data source was used that was not there yet.',
  WRONG_DATA_ARTIFACT: 'Another plugin was run than the one that is registered.',
  WRONG_EXPIRATION: 'The signed lifetime is not what the policy says.',
  INVALID_TEE_ATTESTATION: 'The enclave is not one that this service accepts.',
  DIGEST_MISMATCH: 'What was signed differs from what the chain holds.',
  WRONG_RESULT: 'Run again here, the policy decides otherwise than operators signed.',
}

const undecided: Readonly<Record<string, string>> = {
  RPC_FAILED: 'The node did not answer.',
  TIMEOUT: 'It took too long.',
  REFERENCE_BLOCK_UNAVAILABLE: 'The node does not have the block that the answer rests on.',
  REGISTRY_INCONSISTENT: 'The node contradicts itself. Use another node.',
  ARTIFACT_UNAVAILABLE: 'The policy’s files could not be had.',
  CERTIFICATE_UNAVAILABLE: 'The operators’ table could not be read.',
  INPUTS_UNAVAILABLE: 'The inputs that operators attested did not come with the answer.',
  SECRETS_UNAVAILABLE: 'The re-run needs sealed secrets that could not be had.',
  DOCUMENT_UNAVAILABLE: 'The enclave’s document did not come with the answer, or is nobody’s.',
  TRANSCRIPT_MISMATCH: 'The plugins could not be run again as operators ran them.',
  RERUN_NO_DECISION: 'The policy could not be run again here.',
}

/** An outcome that is not valid, in words. */
export function problemOfOutcome(
  outcome: Exclude<AttestationOutcome, { status: 'valid' | 'consistent' }>,
): Problem {
  const { reason } = outcome
  const detail = 'detail' in outcome ? outcome.detail : outcome.evidence.detail
  if (outcome.status === 'inconclusive') {
    const known = undecided[reason]
    if (known === undefined) {
      return {
        why: `A mistake in this page, not in the answer: ${detail}.`,
        meaning: 'Nothing was sent.',
        next: 'Tell whoever made this page.',
        ...{ code: reason, retry: false },
      }
    }
    return {
      why: `${known} ${sentence(detail)}`,
      meaning: 'Nothing is wrong with the answer as far as it could be checked. Nothing was sent.',
      next: 'Try again.',
      ...{ code: reason, retry: outcome.retryable },
    }
  }
  const provable = outcome.status === 'slashable'
  return {
    why: `${refusals[reason] ?? 'What was signed is not so.'} ${sentence(detail)}`,
    meaning: `This page accepts nothing of it. Your money did not move.${
      provable ? ' Anyone can prove this on chain: the operators who signed it lose stake.' : ''
    }`,
    next: reason === 'EXPIRED' ? 'Ask again.' : 'Do not use this answer. Ask again elsewhere.',
    ...{ code: reason, retry: false },
  }
}

/** An error in words: one that is no decision, or one of a transaction. */
export function problemOfError(
  error: unknown,
  about: 'decision' | 'transaction' = 'decision',
): Problem {
  const meaning =
    about === 'decision'
      ? 'There is no decision: neither allow nor deny. Nothing was sent.'
      : 'Nothing changed on chain.'
  if (isRejectedByWallet(error)) {
    return {
      why: 'You declined in the wallet.',
      meaning: 'Nothing was sent.',
      next: 'Go on when you want to.',
      ...{ code: 'REJECTED_BY_WALLET', retry: true },
    }
  }
  if (isPolicySdkError(error)) {
    const [advice = 'Try again.'] = error.metaMessages
    return {
      why: sentence(error.shortMessage),
      meaning: 'There is no decision: neither allow nor deny. Nothing was sent.',
      next: advice,
      ...{ code: error.code, retry: true },
    }
  }
  const message = error instanceof Error ? error.message.split('\n')[0] : String(error)
  return {
    why: sentence(message ?? ''),
    meaning,
    next: 'Try again.',
    ...{ code: 'UNKNOWN', retry: true },
  }
}

function isRejectedByWallet(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 16; at = at.cause, depth++) {
    if ((at as { code?: unknown }).code === 4001 || at.name === 'UserRejectedRequestError')
      return true
  }
  return false
}

function sentence(text: string): string {
  const trimmed = text.trim()
  if (trimmed === '') return ''
  const capital = `${(trimmed[0] as string).toUpperCase()}${trimmed.slice(1)}`.replace(
    /0x[\da-fA-F]{40,}/g,
    short,
  )
  return /[.!?]$/.test(capital) ? capital : `${capital}.`
}
