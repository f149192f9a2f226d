/** What a challenger does with one response: verify, and keep for later or for filing. */
import type { Hex } from 'viem'
import { decodeCertificate, encodeCertificate } from '../../core/bn254/index.js'
import type { AcceptedResponse } from '../../core/interfaces/responses.js'
import { computeMessageHash, decodeResponse, encodeResponse } from '../../core/response.js'
import { decodeTask, encodeTask } from '../../core/task.js'
import type { IoOptions } from '../../internal/deadline.js'
import type { AttestationOutcome } from '../verify/outcome.js'
import { verifyTaskAttestation } from '../verify/verify.js'
import type { ChallengerState, OutboxEntry, PendingResponse } from './state.js'
import type { ChallengerPass, ChallengerRun } from './types.js'

/** Verifies a response that was just read; what is not decided stays pending. */
export async function verifyAccepted(
  run: ChallengerRun,
  pass: ChallengerPass & { accepted: AcceptedResponse },
): Promise<void> {
  const { accepted, state } = pass
  const { response, certificate, task, blockNumber } = accepted
  let entry: PendingResponse
  try {
    entry = {
      id: computeMessageHash(response),
      task: task === null ? null : encodeTask(task),
      response: encodeResponse(response),
      certificate: encodeCertificate(certificate),
      acceptedAt: String(blockNumber),
      attempts: 0,
      nextAt: 0,
      reason: '',
    }
  } catch (error) {
    run.onEvent?.({ type: 'unreadable', acceptedAt: blockNumber, error })
    return
  }
  const known = (one: { id: Hex }): boolean => one.id === entry.id
  if (state.outbox.some(known) || state.pending.some(known)) return
  await judge(run, { ...pass, entry })
}

/** Verifies again what is due; what is past its window is dropped. */
export async function verifyPending(
  run: ChallengerRun,
  pass: ChallengerPass & { head: bigint },
): Promise<number> {
  const { state, options, head } = pass
  const now = (run.now ?? Date.now)()
  const due = state.pending.filter(({ nextAt }) => nextAt <= now)
  for (const entry of due) {
    state.pending = state.pending.filter((one) => one !== entry)
    if (isPast(run, { entry, head })) {
      run.onEvent?.({ type: 'expired', messageHash: entry.id })
      continue
    }
    await judge(run, { state, options, entry, accepted: undefined })
  }
  return due.length
}

async function judge(
  run: ChallengerRun,
  pass: ChallengerPass & { entry: PendingResponse; accepted: AcceptedResponse | undefined },
): Promise<void> {
  const { state, entry, options } = pass
  const outcome = await verdictOn(run, { entry, options, accepted: pass.accepted })
  const messageHash = entry.id
  if (outcome.status === 'reject') run.onEvent?.({ type: 'contradicted', messageHash, outcome })
  // The contract accepted the response, so whoever reads a reason to refuse it reads a node that
  // lags or is wrong: neither is a reason to stop looking.
  if (outcome.status === 'inconclusive' || outcome.status === 'reject') {
    const attempts = entry.attempts + 1
    const nextAt = nextTry(run, attempts)
    state.pending.push({ ...entry, attempts, nextAt, reason: outcome.reason })
    return
  }
  // A false document or result is challenged with a proof, which is not this outbox's to make.
  const provable = outcome.status === 'slashable' && outcome.reason !== 'WRONG_RESULT'
  if (!provable || outcome.evidence.operatorIndex !== undefined) return
  const { task: _, ...rest } = entry
  state.outbox.push({ ...rest, attempts: 0, nextAt: 0, status: 'pending', reason: outcome.reason })
}

/** Verifies a stored response as of its block of acceptance, and tells the hook. */
export async function verdictOn(
  run: ChallengerRun,
  pass: {
    entry: Pick<PendingResponse, 'id' | 'task' | 'response' | 'certificate' | 'acceptedAt'>
    options: IoOptions
    accepted?: AcceptedResponse | undefined
    level?: ChallengerRun['level']
  },
): Promise<AttestationOutcome> {
  const { entry, options } = pass
  const { reader } = run
  const level = pass.level ?? run.level ?? 'quorum'
  const response = decodeResponse(entry.response)
  const certificate = decodeCertificate(entry.certificate)
  const task = entry.task === null ? null : decodeTask(entry.task)
  const at = BigInt(entry.acceptedAt)
  const accepted = pass.accepted ?? pendingPosition({ task, response, certificate, at })
  const attachments = await run.attachments?.(accepted, options).catch(() => undefined)
  const outcome = await verifyTaskAttestation({
    ...attachments,
    ...options,
    ...{ reader, task, taskChecked: true, response, certificate, level, at },
  })
  run.onEvent?.({ type: 'verified', messageHash: entry.id, outcome })
  return outcome
}

/** Whether nobody can challenge a response any more. */
export function isPast(
  run: ChallengerRun,
  { entry, head }: { entry: Pick<OutboxEntry, 'response' | 'acceptedAt'>; head: bigint },
): boolean {
  const { expirationBlock } = decodeResponse(entry.response)
  const acceptedAt = BigInt(entry.acceptedAt)
  const later = acceptedAt > expirationBlock ? acceptedAt : expirationBlock
  return head > later + run.challengeWindow
}

function pendingPosition(
  known: Pick<AcceptedResponse, 'task' | 'response' | 'certificate'> & { at: bigint },
): AcceptedResponse {
  const { at, ...rest } = known
  const unknown: Hex = '0x'
  return {
    ...rest,
    blockNumber: at,
    blockHash: unknown,
    transactionIndex: 0,
    logIndex: 0,
    transactionHash: unknown,
  }
}

/** Saves the whole state. */
export function saveState(run: ChallengerRun, state: ChallengerState): Promise<void> {
  return run.store.save(JSON.stringify(state))
}

/** When the next try is due, in Unix milliseconds, after the n-th failure. */
export function nextTry(run: ChallengerRun, attempts: number): number {
  return (run.now ?? Date.now)() + (run.backoff ?? defaultBackoff)(attempts)
}

const defaultBackoff = (attempts: number): number => Math.min(1_000 * 2 ** (attempts - 1), 600_000)
