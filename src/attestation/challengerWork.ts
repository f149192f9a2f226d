/** What a challenger does with one response: verify, keep for later, file. */
import type { Hex } from 'viem'
import { decodeCertificate, encodeCertificate, operatorWitness } from '../core/bn254/index.js'
import type { AcceptedResponse } from '../core/interfaces/responses.js'
import type { SignerWitness } from '../core/interfaces/sinks.js'
import { computeMessageHash, decodeResponse, encodeResponse } from '../core/response.js'
import { decodeTask, encodeTask } from '../core/task.js'
import { isPolicySdkError } from '../errors/base.js'
import type { ChallengerState, OutboxEntry, PendingResponse } from './challengerState.js'
import type { ChallengerPass, ChallengerRun } from './challengerTypes.js'
import { InconclusiveError } from './errors.js'
import { verifyTaskAttestation } from './verify.js'

/** Verifies a response that was just read; what is inconclusive stays pending. */
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
  const { reader, level = 'quorum' } = run
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
  if (outcome.status === 'inconclusive') {
    const attempts = entry.attempts + 1
    const nextAt = (run.now ?? Date.now)() + (run.backoff ?? defaultBackoff)(attempts)
    state.pending.push({ ...entry, attempts, nextAt, reason: outcome.reason })
    return
  }
  // A false document or result is challenged with a proof, which is not this outbox's to make.
  const provable = outcome.status === 'slashable' && outcome.reason !== 'WRONG_RESULT'
  if (!provable || outcome.evidence.operatorIndex !== undefined) return
  const { task: _, ...rest } = entry
  state.outbox.push({ ...rest, attempts: 0, nextAt: 0, status: 'pending', reason: outcome.reason })
}

/** Files every challenge that is due, saving after each. Returns how many were filed. */
export async function fileAll(
  run: ChallengerRun,
  pass: ChallengerPass & { head: bigint },
): Promise<number> {
  const { state, head } = pass
  const now = (run.now ?? Date.now)()
  let filed = 0
  for (const entry of state.outbox) {
    if (entry.status !== 'pending' || entry.nextAt > now) continue
    if (isPast(run, { entry, head })) {
      entry.status = 'expired'
      run.onEvent?.({ type: 'expired', messageHash: entry.id })
    } else {
      await file(run, { ...pass, entry })
      if (isFiled(entry)) filed++
    }
    await saveState(run, state)
  }
  return filed
}

async function file(
  run: ChallengerRun,
  { options, entry }: ChallengerPass & { entry: OutboxEntry },
): Promise<void> {
  const messageHash = entry.id
  try {
    const response = decodeResponse(entry.response)
    const certificate = decodeCertificate(entry.certificate)
    const tree = await run.operators.operatorTreeAt(response.referenceBlock, options)
    if (tree === null)
      throw new InconclusiveError({ reason: 'RPC_FAILED', detail: 'the operator table is missing' })
    const silent = new Set(certificate.nonSignerWitnesses.map((one) => one.operatorIndex))
    const signers = tree.operators.flatMap((_, index): SignerWitness[] => {
      return silent.has(index) ? [] : [operatorWitness(tree, index)]
    })
    const parameters = { response, certificate, signers }
    const { transactionHash } = await run.sink.challengeAttestationDigest(parameters, options)
    entry.status = 'filed'
    entry.transactionHash = transactionHash
    run.onEvent?.({ type: 'filed', messageHash, transactionHash })
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason
    if (isSettled(error)) {
      entry.status = 'settled'
      run.onEvent?.({ type: 'settled', messageHash })
      return
    }
    entry.error = error instanceof Error ? firstLine(error) : 'an unknown failure'
    // Only a refusal that says it will not change is final: a lost connection is not.
    if (isPolicySdkError(error) && !error.retryable) {
      entry.status = 'refused'
      run.onEvent?.({ type: 'refused', messageHash, error })
      return
    }
    entry.attempts++
    entry.nextAt = (run.now ?? Date.now)() + (run.backoff ?? defaultBackoff)(entry.attempts)
    run.onEvent?.({ type: 'retry', messageHash, error })
  }
}

const isFiled = ({ status }: OutboxEntry): boolean => status === 'filed'

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

/** Somebody else's challenge slashed all signers already. */
function isSettled(error: unknown): boolean {
  if (!isPolicySdkError(error)) return false
  const named = error.walk(
    (one) => (one as { errorName?: unknown } | null)?.errorName === 'NothingToSlash',
  )
  return named !== undefined
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

const defaultBackoff = (attempts: number): number => Math.min(1_000 * 2 ** (attempts - 1), 600_000)

function firstLine(error: Error): string {
  return error.message.split('\n', 1)[0] as string
}
