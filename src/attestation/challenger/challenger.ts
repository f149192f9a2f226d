/**
 * A challenger: reads accepted responses, verifies each from chain state, and files what is false.
 *
 * It stakes nothing and trusts nobody. The cursor and the challenges to file are saved together
 * before anything is sent, so a crash files late, never not at all; filing twice is harmless,
 * because the contract slashes each signer once for a message.
 */
import { InvalidInputError } from '../../errors/common.js'
import type { IoOptions } from '../../internal/deadline.js'
import { InconclusiveError } from '../verify/errors.js'
import { obtain } from '../verify/reader.js'
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

/**
 * Creates a challenger.
 *
 * @throws {InvalidInputError} when `signersPerChallenge` is not a whole number above zero.
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
  let running: Promise<PollReport> | undefined
  let state: ChallengerState | undefined

  const load = async (): Promise<ChallengerState> => {
    state ??= parseState(await store.load())
    return state
  }
  const poll = (options: IoOptions = {}): Promise<PollReport> => {
    running ??= load()
      .then((loaded) => pollOnce({ ...parameters, store }, { state: loaded, options }))
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
        if (report === undefined || report.caughtUp) await sleep(interval, signal)
      }
    },
    outbox: async (): Promise<readonly OutboxEntry[]> => structuredClone((await load()).outbox),
  }
}

async function pollOnce(
  run: ChallengerRun,
  { state, options }: ChallengerPass,
): Promise<PollReport> {
  const { registry } = run.reader
  const what = { reason: 'RPC_FAILED', detail: 'reading blocks', signal: options.signal } as const
  const head = await obtain(what, () => registry.getLatestBlock(options))
  const before = state.marks.at(-1)
  // A node that is behind is no reorganization: wait for it.
  if (before !== undefined && head.number < BigInt(before.number))
    return report(state, { caughtUp: true })
  await rewind(run, { state, options })
  const cursor = state.marks.at(-1)
  const from = cursor === undefined ? (run.startBlock ?? 0n) : BigInt(cursor.number) + 1n
  const last = from + (run.maxBlocks ?? 2_000n) - 1n
  const to = last < head.number ? last : head.number
  let verified = await verifyPending(run, { state, options, head: head.number })
  if (to >= from) {
    const block =
      to === head.number ? head : await obtain(what, () => registry.getBlock(to, options))
    if (block === null)
      throw new InconclusiveError({ reason: 'RPC_FAILED', detail: `block ${to} is gone` })
    const accepted = await obtain(what, () => {
      return run.responses.getAcceptedResponses({ fromBlock: from, toBlock: to }, options)
    })
    for (const one of accepted) {
      await verifyAccepted(run, { state, options, accepted: one })
      verified++
    }
    state.marks = [...state.marks, { number: String(to), hash: block.hash }].slice(-MAX_MARKS)
  }
  // What can no longer be challenged is of no more use, except to be filed as expired.
  state.outbox = state.outbox.filter((entry) => {
    return entry.status === 'pending' || !isPast(run, { entry, head: head.number })
  })
  await saveState(run, state)
  const filed = await fileAll(run, { state, options, head: head.number })
  return report(state, { caughtUp: to >= head.number, verified, filed })
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

/** Goes back to the newest block read that is still canonical, and forgets what came after it. */
async function rewind(run: ChallengerRun, { state, options }: ChallengerPass): Promise<void> {
  const { registry } = run.reader
  const what = { reason: 'RPC_FAILED', detail: 'reading blocks', signal: options.signal } as const
  const from = state.marks.at(-1)
  while (state.marks.length > 0) {
    const mark = state.marks.at(-1) as ChallengerState['marks'][number]
    const block = await obtain(what, () => registry.getBlock(BigInt(mark.number), options))
    if (block?.hash.toLowerCase() === mark.hash.toLowerCase()) break
    state.marks.pop()
  }
  const kept = state.marks.at(-1)
  if (from === undefined || kept === from) return
  const to = kept === undefined ? -1n : BigInt(kept.number)
  const remains = (entry: { acceptedAt: string }): boolean => BigInt(entry.acceptedAt) <= to
  state.pending = state.pending.filter(remains)
  state.outbox = state.outbox.filter(remains)
  run.onEvent?.({ type: 'reorganized', from: BigInt(from.number), to })
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    signal.addEventListener('abort', done, { once: true })
  })
}
