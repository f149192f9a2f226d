/** The one state of the page, and what changes it. No two of these can be true at once. */
import type { Intent } from '@newton/policy-sdk'
import type { UnverifiedAnswer } from '@newton/policy-sdk/operator'
import type { Hex } from 'viem'
import type { Problem } from './words.js'

/** What is forged while the switch is on. */
export type Forgery =
  | 'wrong-plugin'
  | 'false-result'
  | 'wrong-enclave'
  | 'stale-slot'
  | 'another-chain'

/** A transaction of this page that was mined. */
export type Mined = { hash: Hex; block: bigint }

export type Phase =
  /** Nothing was checked, or what was checked was edited since. */
  | { at: 'editing' }
  /** The forecast is of exactly this intent. */
  | { at: 'checked'; intent: Intent }
  | { at: 'asking'; intent: Intent; taskId?: Hex; since: number }
  | { at: 'no-decision'; intent: Intent | undefined; problem: Problem }
  /** Operators answered; what that is worth is for the levels to say. */
  | { at: 'answered'; answer: UnverifiedAnswer }
  | { at: 'accepting'; answer: UnverifiedAnswer }
  | { at: 'accepted'; answer: UnverifiedAnswer; accepted: Mined }
  | { at: 'spending'; answer: UnverifiedAnswer; accepted: Mined }
  | { at: 'spent'; answer: UnverifiedAnswer; accepted: Mined; spent: Mined }
  /** The chain or the wallet refused a transaction: nothing changed. */
  | { at: 'stopped'; answer: UnverifiedAnswer; accepted?: Mined; problem: Problem }

export type State = {
  draft: { to: string; amount: string }
  forgery: Forgery | undefined
  phase: Phase
}

export type Action =
  | { type: 'edit'; draft: Partial<State['draft']> }
  | { type: 'check'; intent: Intent }
  | { type: 'ask'; since: number }
  | { type: 'sent'; taskId: Hex }
  | { type: 'no-decision'; problem: Problem }
  | { type: 'answered'; answer: UnverifiedAnswer }
  | { type: 'accept' }
  | { type: 'accepted'; mined: Mined }
  | { type: 'spend' }
  | { type: 'spent'; mined: Mined }
  | { type: 'stopped'; problem: Problem }
  | { type: 'forge'; forgery: Forgery | undefined }
  | { type: 'again' }

export const initialState: State = {
  draft: { to: '', amount: '1' },
  forgery: undefined,
  phase: { at: 'editing' },
}

/** The next state. What does not fit the phase changes nothing. */
export function reduce(state: State, action: Action): State {
  switch (action.type) {
    // Any edit empties the verdict.
    case 'edit':
      return { ...state, draft: { ...state.draft, ...action.draft }, phase: { at: 'editing' } }
    // An answer was made for, or without, the switch: it does not outlive its change.
    case 'forge':
      return { ...state, forgery: action.forgery, phase: { at: 'editing' } }
    case 'again':
      return { ...state, phase: { at: 'editing' } }
    default:
      return { ...state, phase: nextPhase(state.phase, action) }
  }
}

function nextPhase(
  phase: Phase,
  action: Exclude<Action, { type: 'edit' | 'forge' | 'again' }>,
): Phase {
  switch (action.type) {
    case 'check':
      return { at: 'checked', intent: action.intent }
    case 'ask':
      return phase.at === 'checked'
        ? { at: 'asking', intent: phase.intent, since: action.since }
        : phase
    case 'sent':
      return phase.at === 'asking' ? { ...phase, taskId: action.taskId } : phase
    case 'no-decision':
      return {
        at: 'no-decision',
        intent: 'intent' in phase ? phase.intent : undefined,
        problem: action.problem,
      }
    case 'answered':
      return { at: 'answered', answer: action.answer }
    default:
      return onChain(phase, action)
  }
}

function onChain(
  phase: Phase,
  action: Extract<Action, { type: 'accept' | 'accepted' | 'spend' | 'spent' | 'stopped' }>,
): Phase {
  if (!('answer' in phase)) return phase
  const { answer } = phase
  const accepted = 'accepted' in phase ? phase.accepted : undefined
  switch (action.type) {
    case 'accept':
      return accepted === undefined ? { at: 'accepting', answer } : phase
    case 'accepted':
      return { at: 'accepted', answer, accepted: action.mined }
    case 'spend':
      return accepted === undefined ? phase : { at: 'spending', answer, accepted }
    case 'spent':
      return accepted === undefined ? phase : { at: 'spent', answer, accepted, spent: action.mined }
    case 'stopped':
      return {
        at: 'stopped',
        answer,
        ...(accepted === undefined ? {} : { accepted }),
        problem: action.problem,
      }
  }
}
