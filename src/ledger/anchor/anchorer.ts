/** Keeps a log's checkpoints anchored: each target at its own pace, none holding up another. */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import {
  assertKnown,
  assertList,
  assertMembers,
  assertObject,
  readClock,
} from '../../internal/options.js'
import type { Checkpoint } from '../log/checkpoint.js'
import type { LogReader } from '../log/reader.js'
import type { AnchorReceipt } from './receipts.js'

/** A checkpoint to anchor, with a reader that proves its growth. */
export type AnchorCandidate = { note: string; checkpoint: Checkpoint; reader: LogReader }

/** Where checkpoints are anchored. */
export type AnchorTarget = {
  readonly name: string
  /** Least milliseconds between two anchors. */
  readonly every: number
  /**
   * Anchors a checkpoint. Called again after a failure whose outcome is unknown: what landed then is
   * found and answered, not anchored twice.
   */
  anchor(candidate: AnchorCandidate, options: { signal: AbortSignal }): Promise<AnchorReceipt>
}

/** What became of a target at one look. */
export type AnchorOutcome = { target: string } & (
  | { status: 'anchored'; receipt: AnchorReceipt }
  /** Not due yet, or the log did not grow since. */
  | { status: 'waiting'; next: number }
  | { status: 'failed'; error: unknown }
)

/** Parameters of {@link createAnchorer}. */
export type AnchorerParameters = {
  targets: readonly AnchorTarget[]
  /** The newest checkpoint, cosigned or not; `undefined` for an empty log. */
  latest: (options: { signal: AbortSignal }) => Promise<AnchorCandidate | undefined>
  /** Keeps a receipt, such as a `ets.anchor.chain` event. Called again until it does not throw. */
  record: (receipt: AnchorReceipt, options: { signal: AbortSignal }) => Promise<void>
  /** Milliseconds since 1970. @default Date.now */
  now?: (() => number) | undefined
  /** Anchors that were recorded before, by name of target: what is due is counted from there. */
  recorded?: Readonly<Record<string, { at: number; size: bigint }>> | undefined
}

/** Anchors what is due. */
export type Anchorer = {
  /** Looks at every target once. A target that fails does so alone, and is due again at once. */
  tick(options?: IoOptions): Promise<AnchorOutcome[]>
  /** Milliseconds since 1970 at which the next target is due. */
  nextDue(): number
}

const knownParameters: readonly (keyof AnchorerParameters)[] = [
  ...(['targets', 'latest', 'record', 'now', 'recorded'] as const),
]

/** A target that is due less often than every seven weeks anchors less than monthly. */
const maxEvery = 49 * 86_400_000

type State = {
  at: number
  size: bigint
  unrecorded: AnchorReceipt | undefined
  /** What was begun and has not ended: it is joined, never begun beside itself. */
  running: Promise<AnchorOutcome> | undefined
}

/**
 * Creates an anchorer. It has no timer of its own: call `tick` from yours, or from a command.
 *
 * @throws InvalidInputError for targets that are none, or two of one name, for anchors that were recorded
 * with no time or size, and options that are missing or unknown.
 * @example
 * const anchorer = createAnchorer({
 *   targets: [chainTarget],
 *   latest: async () => ({ note, checkpoint, reader }),
 *   record: async (receipt) => { await sink.record(anchorRecord(receipt)) },
 * })
 * for (const outcome of await anchorer.tick()) report(outcome)
 */
export function createAnchorer(parameters: AnchorerParameters): Anchorer {
  assertMembers('parameters', parameters, ['targets', 'latest', 'record'])
  assertKnown('parameters', parameters, knownParameters)
  const { targets, latest, record, now = Date.now, recorded = {} } = parameters
  checkTargets(targets)
  checkRecorded(recorded)
  readClock('now', now)
  const states = new Map<string, State>(
    targets.map(({ name }) => {
      const known = Object.hasOwn(recorded, name) ? recorded[name] : undefined
      const { at = Number.NEGATIVE_INFINITY, size = 0n } = known ?? {}
      return [name, { at, size, unrecorded: undefined, running: undefined }]
    }),
  )
  const dueAt = ({ name, every }: AnchorTarget): number => {
    const { at, unrecorded } = states.get(name) as State
    // A clock that was ahead once would stop anchors until it is so late.
    if (at > now()) return now()
    return unrecorded === undefined ? at + every : at
  }

  const work = async (
    target: AnchorTarget,
    candidate: AnchorCandidate | undefined,
    options: { signal: AbortSignal },
  ): Promise<AnchorOutcome> => {
    const { name, every } = target
    const state = states.get(name) as State
    try {
      if (state.unrecorded === undefined) {
        if (candidate === undefined || candidate.checkpoint.size <= state.size) {
          return { target: name, status: 'waiting', next: now() + every }
        }
        state.unrecorded = await target.anchor(candidate, options)
        Object.assign(state, { at: now(), size: state.unrecorded.size })
      }
      const receipt = state.unrecorded
      await record(receipt, options)
      state.unrecorded = undefined
      return { target: name, status: 'anchored', receipt }
    } catch (error) {
      return { target: name, status: 'failed', error }
    }
  }

  return {
    tick: async ({ signal: stop, timeout = 120_000 } = {}) => {
      stop?.throwIfAborted()
      const due = targets.filter((target) => dueAt(target) <= now())
      // What a target does is bounded, whatever the others do.
      const limit = AbortSignal.timeout(timeout)
      const signal = stop === undefined ? limit : AbortSignal.any([stop, limit])
      const candidate = due.length === 0 ? undefined : await latest({ signal })
      const outcomes = await Promise.all(
        targets.map(async (target): Promise<AnchorOutcome> => {
          if (!due.includes(target)) {
            return { target: target.name, status: 'waiting', next: dueAt(target) }
          }
          const state = states.get(target.name) as State
          state.running ??= work(target, candidate, { signal }).finally(() => {
            state.running = undefined
          })
          return bounded(state.running, target, signal)
        }),
      )
      stop?.throwIfAborted()
      return outcomes
    },
    nextDue: () => Math.min(...targets.map(dueAt)),
  }
}

/** The outcome, or the signal's reason: a target that ignores its signal is not waited for. */
async function bounded(
  outcome: Promise<AnchorOutcome>,
  { name }: AnchorTarget,
  signal: AbortSignal,
): Promise<AnchorOutcome> {
  const ended = new Promise<AnchorOutcome>((resolve) => {
    const fail = (): void => resolve({ target: name, status: 'failed', error: signal.reason })
    if (signal.aborted) fail()
    signal.addEventListener('abort', fail, { once: true })
  })
  return Promise.race([outcome, ended])
}

function checkRecorded(recorded: NonNullable<AnchorerParameters['recorded']>): void {
  assertObject('recorded', recorded)
  for (const [name, anchor] of Object.entries(recorded)) {
    const field = `recorded.${name}`
    assertMembers(field, anchor, ['at', 'size'])
    assertKnown(field, anchor, ['at', 'size'])
    if (!Number.isFinite(anchor.at)) {
      throw new InvalidInputError({ field: `${field}.at`, reason: 'expected milliseconds' })
    }
    if (typeof anchor.size !== 'bigint' || anchor.size < 0n) {
      throw new InvalidInputError({ field: `${field}.size`, reason: 'expected a bigint' })
    }
  }
}

function checkTargets(targets: readonly AnchorTarget[]): void {
  assertList('targets', targets)
  for (const [at, target] of targets.entries()) {
    assertMembers(`targets[${at}]`, target, ['name', 'every', 'anchor'])
  }
  const names = new Set(targets.map(({ name }) => name))
  if (targets.length === 0 || names.size !== targets.length) {
    throw new InvalidInputError({
      field: 'targets',
      reason: 'each is there once, and one at least',
    })
  }
  for (const { name, every } of targets) {
    if (!Number.isFinite(every) || every < 1_000 || every > maxEvery) {
      throw new InvalidInputError({
        field: `targets.${name}.every`,
        reason: 'expected milliseconds, from a second to seven weeks',
      })
    }
  }
}
