/** The page's one verdict. It is computed here and shown in one place, about exactly what is sent. */
import { computeIntentHash, evaluateResult } from '@newton/policy-sdk'
import type { AttestationOutcome } from '@newton/policy-sdk/attestation'
import type { Forecast } from '@newton/policy-sdk/react'
import type { Hex } from 'viem'
import type { Forgery, Phase } from './state.js'
import { type Problem, problemOfError, problemOfOutcome } from './words.js'

/** How a verdict is marked: a shape and a word, and only then a colour. */
export type Tone = 'none' | 'busy' | 'good' | 'bad' | 'unknown'

export type Verdict = {
  tone: Tone
  /** A stable name of the state. */
  state: string
  title: string
  /** One or two sentences below it. */
  text: string
  /** The policy's own words. */
  reasons: readonly string[]
  problem?: Problem | undefined
  /** Hash of the intent that all of it is about. */
  intentHash?: Hex | undefined
  /** What may be done now: nothing else has a button that works. */
  may: 'ask' | 'accept' | 'spend' | undefined
}

/** What a verdict is made of. */
export type Facts = {
  phase: Phase
  forgery: Forgery | undefined
  forecast: { data: Forecast | undefined; error: Error | null }
  outcome: AttestationOutcome | undefined
  /** That the verification itself could not be started. */
  failure: Error | null
  /** The hash that the visitor brought, where it is not that of the block. */
  otherRoot: boolean
}

/** The verdict. */
export function judge(facts: Facts): Verdict {
  const { phase } = facts
  switch (phase.at) {
    case 'editing':
      return {
        ...blank('editing', 'Nothing is checked yet'),
        text: 'Fill in the transfer and check it. Any edit empties this verdict.',
      }
    case 'checked':
      return judgeForecast(facts, computeIntentHash(phase.intent))
    case 'asking':
      return {
        ...blank('asking', 'Operators are evaluating'),
        tone: 'busy',
        text:
          phase.taskId === undefined
            ? 'The gateway was asked.'
            : 'The gateway took the task. Operators run the plugin in their enclaves, agree on what it found, and sign.',
        intentHash: computeIntentHash(phase.intent),
      }
    case 'no-decision':
      return problemVerdict('no-decision', phase.problem)
    default:
      return judgeAnswer(facts, phase)
  }
}

function judgeForecast({ forecast, forgery }: Facts, intentHash: Hex): Verdict {
  const { data, error } = forecast
  if (error !== null) {
    const problem = problemOfError(error)
    return { ...problemVerdict('unknown', problem), title: 'Cannot be told', intentHash }
  }
  // The forecast of another intent is none.
  if (data === undefined || data.intentHash !== intentHash) {
    return {
      ...blank('previewing', 'Checking'),
      tone: 'busy',
      text: 'The policy is being decided in this page.',
      intentHash,
    }
  }
  const { reasons } = data
  if (data.allow) {
    return {
      ...blank('would-allow', 'Would be allowed'),
      tone: 'good',
      text: 'A forecast made in your browser. Operators decide.',
      ...{ intentHash, may: 'ask' },
    }
  }
  return {
    ...blank('would-refuse', 'Would be refused'),
    tone: 'bad',
    text:
      forgery === undefined
        ? 'The policy says no. Nothing is sent: change the transfer.'
        : 'The policy says no. Cheating is on, so that operators can be asked all the same and lie.',
    ...{ reasons, intentHash, may: forgery === undefined ? undefined : 'ask' },
  }
}

function judgeAnswer(
  { outcome, failure, otherRoot }: Facts,
  phase: Extract<Phase, { answer: unknown }>,
): Verdict {
  const { response, reasons } = phase.answer
  const { intentHash } = response
  if (otherRoot) {
    const problem: Problem = {
      why: 'The block that the answer rests on has another hash than the one you brought.',
      meaning: 'Either the node or whoever gave you the hash is on another chain.',
      next: 'Use a node and a hash that you trust.',
      ...{ code: 'OTHER_ROOT', retry: false },
    }
    return { ...problemVerdict('refused', problem), title: 'Refused', intentHash }
  }
  if (failure !== null) {
    return { ...problemVerdict('undecided', problemOfError(failure)), intentHash }
  }
  if (outcome === undefined) {
    return {
      ...blank('verifying', 'Verifying'),
      tone: 'busy',
      text: 'Operators answered. This page believes nothing of it yet.',
      intentHash,
    }
  }
  if (outcome.status === 'consistent') {
    return {
      ...blank('consistent', 'Nothing wrong so far'),
      tone: 'unknown',
      text: 'Not yet enough to act on.',
      intentHash,
    }
  }
  if (outcome.status !== 'valid') {
    const problem = problemOfOutcome(outcome)
    const isOpen = outcome.status === 'inconclusive'
    return {
      ...problemVerdict(isOpen ? 'undecided' : 'refused', problem),
      title: isOpen ? 'Not decided' : 'Refused',
      intentHash,
    }
  }
  if (!evaluateResult(response.evaluationResult)) {
    return {
      ...blank('valid-deny', 'Operators refuse it'),
      tone: 'bad',
      text: 'Verified down to a re-run in this page: the policy says no.',
      ...{ reasons, intentHash },
    }
  }
  return { ...judgeSpending(phase), intentHash }
}

function judgeSpending(phase: Extract<Phase, { answer: unknown }>): Verdict {
  switch (phase.at) {
    case 'answered':
      return {
        ...blank('valid-allow', 'Verified: allowed'),
        tone: 'good',
        text: 'Every level passed in this page. The contract accepts it for you.',
        may: 'accept',
      }
    case 'accepting':
      return {
        ...blank('accepting', 'Accepting on chain'),
        tone: 'busy',
        text: 'Confirm it in your wallet.',
      }
    case 'accepted':
      return {
        ...blank('accepted', 'Accepted on chain'),
        tone: 'good',
        text: `In block ${phase.accepted.block}. The transfer can be made once.`,
        may: 'spend',
      }
    case 'spending':
      return {
        ...blank('spending', 'Making the transfer'),
        tone: 'busy',
        text: 'Confirm it in your wallet.',
      }
    case 'spent':
      return {
        ...blank('spent', 'Transfer made'),
        tone: 'good',
        text: `In block ${phase.spent.block}. This evaluation is used up: nobody can spend it again.`,
      }
    case 'stopped':
      return {
        ...problemVerdict('stopped', phase.problem),
        may: phase.accepted === undefined ? 'accept' : 'spend',
      }
  }
}

function blank(state: string, title: string): Verdict {
  return { state, title, tone: 'none', text: '', reasons: [], may: undefined }
}

function problemVerdict(state: string, problem: Problem): Verdict {
  const tone: Tone = state === 'refused' ? 'bad' : 'unknown'
  return { ...blank(state, 'Not decided'), tone, text: problem.why, problem }
}
