/**
 * A challenger: reads accepted responses, verifies each from chain state, and files what is false.
 *
 * It stakes nothing and trusts nobody. The cursor and the challenges to file are saved together
 * before anything is sent, so a crash files late, never not at all; filing twice is harmless,
 * because the contract slashes each signer once for a message.
 */
import {
  checkConfirmations,
  checkRead,
  DEFAULT_CONFIRMATIONS,
  type BlockMark as FollowedMark,
  type FollowPlan,
  planRead,
} from '../../core/follow.js'
import { createReadSize } from '../../core/readSize.js'
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { pause } from '../../internal/pause.js'
import { InconclusiveError } from '../verify/errors.js'
import { obtain } from '../verify/reader.js'
import { lookAgain } from './effects.js'
import { fileAll } from './filing.js'
import {
  type ChallengerState,
  MAX_MARKS,
  memoryChallengerStore,
  type OutboxEntry,
  parseState,
} from './state.js'
import type {
  Challenger,
  ChallengerParameters,
  ChallengerPass,
  ChallengerRun,
  PollReport,
} from './types.js'
import { isPast, saveState, verifyAccepted, verifyPending } from './work.js'

/** Reorganizations of one poll after which the node is called inconsistent. */
const MAX_REORGANIZATIONS = 8

/**
 * Creates a challenger.
 *
 * @throws {InvalidInputError} when `signersPerChallenge` is not a whole number above zero, or
 * `confirmations` is no whole number.
 * @example
 * ```ts
 * import { createChallenger } from '@newton/policy-sdk/attestation'
 *
 * const challenger = createChallenger({ reader, responses, operators, sink, challengeWindow: 100n })
 * await challenger.run({ signal })
 * ```
 */
export function createChallenger(parameters: ChallengerParameters): Challenger {
  const { store = memoryChallengerStore(), signersPerChallenge = 1 } = parameters
  if (!Number.isSafeInteger(signersPerChallenge) || signersPerChallenge < 1) {
    const reason = 'expected a whole number above zero'
    throw new InvalidInputError({ field: 'signersPerChallenge', reason })
  }
  checkConfirmations(parameters.confirmations ?? DEFAULT_CONFIRMATIONS)
  const size = createReadSize(parameters.maxBlocks ?? 2_000n)
  let running: Promise<PollReport> | undefined
  let state: ChallengerState | undefined

  const load = async (): Promise<ChallengerState> => {
    state ??= parseState(await store.load())
    return state
  }
  const poll = (options: IoOptions = {}): Promise<PollReport> => {
    running ??= load()
      .then((loaded) => pollOnce({ ...parameters, store, size }, { state: loaded, options }))
      .catch((error: unknown) => {
        // What failed half-way is read again from what was saved.
        state = undefined
        throw error
      })
      .finally(() => {
        running = undefined
      })
    return running
  }
  return {
    poll,
    run: async ({ signal, interval = 12_000 }): Promise<void> => {
      while (!signal.aborted) {
        const report = await poll({ signal }).catch((error: unknown) => {
          if (!signal.aborted) parameters.onEvent?.({ type: 'error', error })
          return undefined
        })
        if (report === undefined || report.caughtUp) await pause(interval, signal)
      }
    },
    outbox: async (): Promise<readonly OutboxEntry[]> => structuredClone((await load()).outbox),
  }
}

async function pollOnce(
  run: ChallengerRun,
  { state, options }: ChallengerPass,
): Promise<PollReport> {
  const plan = await planOnCanonical(run, { state, options })
  if (plan.status === 'behind') return report(state, { caughtUp: true })
  const { head } = plan
  let verified = await verifyPending(run, { state, options, head })
  if (plan.status === 'read') verified += await readAndVerify(run, { state, options, plan })
  // What can no longer be challenged is of no more use, except to be filed as expired; what was filed
  // is looked at until it is final.
  state.outbox = state.outbox.filter((entry) => {
    const seen = entry.status === 'filed' || entry.status === 'settled'
    const open = entry.status === 'pending' || (seen && run.sink.slashedSigners !== undefined)
    return open || !isPast(run, { entry, head })
  })
  await saveState(run, state)
  await lookAgain(run, { state, options, head })
  const filed = await fileAll(run, { state, options, head })
  const read = state.marks.at(-1)
  const caughtUp = read !== undefined && BigInt(read.number) >= head - confirmationsOf(run)
  return report(state, { caughtUp, verified, filed })
}

const confirmationsOf = (run: ChallengerRun): bigint =>
  BigInt(run.confirmations ?? DEFAULT_CONFIRMATIONS)

/** The next read, after everything that was reorganized away is taken back. */
async function planOnCanonical(
  run: ChallengerRun,
  { state, options }: ChallengerPass,
): Promise<Exclude<FollowPlan, { status: 'reorganized' }>> {
  const { reader, startBlock = 0n } = run
  const maxBlocks = run.size.blocks()
  const what = { reason: 'RPC_FAILED', detail: 'reading blocks', signal: options.signal } as const
  const confirmations = Number(confirmationsOf(run))
  for (let tries = 0; tries < MAX_REORGANIZATIONS; tries++) {
    const marks = state.marks.map(({ number, hash }) => ({ number: BigInt(number), hash }))
    const follow = { marks, startBlock, confirmations, maxBlocks }
    const plan = await obtain(what, () => planRead(reader.registry, follow, options))
    if (plan.status !== 'reorganized') return plan
    rewind(run, { state, kept: plan.kept })
  }
  throw new InconclusiveError({ reason: 'RPC_FAILED', detail: 'blocks change with every read' })
}

/** Reads the accepted responses of a plan and verifies each. The cursor moves where all are there. */
async function readAndVerify(
  run: ChallengerRun,
  pass: ChallengerPass & { plan: Extract<FollowPlan, { status: 'read' }> },
): Promise<number> {
  const { state, options, plan } = pass
  const { fromBlock, toBlock, anchor, end } = plan
  const what = {
    reason: 'RPC_FAILED',
    detail: 'reading responses',
    signal: options.signal,
  } as const
  const range = { fromBlock, toBlock, parentHash: anchor?.hash, blockHash: end.hash }
  const read = async () => {
    const found = await run.responses.getAcceptedResponses(range, options)
    const changed = await checkRead(run.reader.registry, { plan, found }, options)
    if (changed === undefined) return found
    throw new InconclusiveError({ reason: 'RPC_FAILED', detail: changed })
  }
  const accepted = await obtain(what, () => run.size.learn(plan, read, options.signal))
  for (const one of accepted) await verifyAccepted(run, { state, options, accepted: one })
  const mark = { number: String(end.number), hash: end.hash }
  state.marks = [...state.marks, mark].slice(-MAX_MARKS)
  return accepted.length
}

function report(state: ChallengerState, done: Partial<PollReport>): PollReport {
  const read = state.marks.at(-1)
  const open = state.outbox.filter(({ status }) => status === 'pending')
  return {
    cursor: read === undefined ? null : BigInt(read.number),
    caughtUp: false,
    verified: 0,
    filed: 0,
    waiting: state.pending.length + open.length,
    ...done,
  }
}

/** Forgets what came after the newest block read that is still canonical. */
function rewind(
  run: ChallengerRun,
  { state, kept }: { state: ChallengerState; kept: FollowedMark | null },
): void {
  const from = BigInt((state.marks.at(-1) as ChallengerState['marks'][number]).number)
  const to = kept?.number ?? -1n
  const remains = (entry: { acceptedAt: string }): boolean => BigInt(entry.acceptedAt) <= to
  state.marks = state.marks.filter(({ number }) => BigInt(number) <= to)
  state.pending = state.pending.filter(remains)
  state.outbox = state.outbox.filter(remains)
  run.onEvent?.({ type: 'reorganized', from, to })
}
