/** The levels of a verification as a page lists them. */
import {
  type AttestationLevel,
  type AttestationOutcome,
  attestationLevels,
  type LevelProgress,
} from '../attestation/index.js'

/** How one level stands. */
export type LevelState =
  | 'waiting'
  | 'checking'
  | 'passed'
  /** What the outcome is about. */
  | 'failed'
  /** Something could not be had: neither passed nor failed. */
  | 'undecided'
  /** An earlier one did not pass. */
  | 'not-reached'
  /** Above the level that was asked for. */
  | 'not-asked'

/** One level and how it stands. */
export type LevelView = { level: AttestationLevel; state: LevelState }

/**
 * Lists the levels in their order. After one that did not pass all others are `not-reached`, also where
 * one of them was checked: nothing is green below something that is red.
 */
export function listLevels(given: {
  wanted: AttestationLevel
  progress: readonly LevelProgress[]
  outcome: AttestationOutcome | undefined
}): LevelView[] {
  const { wanted, progress, outcome } = given
  const asked = attestationLevels.slice(0, attestationLevels.indexOf(wanted) + 1)
  const told = new Map(progress.map(({ level, state }) => [level, state]))
  const good = outcome === undefined || isGood(outcome)
  const bad = outcome?.status === 'inconclusive' ? 'undecided' : 'failed'
  let ended = false
  return attestationLevels.map((level) => {
    if (!asked.includes(level)) return { level, state: 'not-asked' }
    if (outcome !== undefined && good) return { level, state: 'passed' }
    if (ended) return { level, state: 'not-reached' }
    const state = told.get(level) ?? 'waiting'
    if (outcome === undefined || state === 'passed') return { level, state }
    // An outcome without a level that was begun is about the first one.
    ended = state === 'checking' || told.size === 0
    return { level, state: ended ? bad : 'not-reached' }
  })
}

function isGood({ status }: AttestationOutcome): boolean {
  return status === 'valid' || status === 'consistent'
}
