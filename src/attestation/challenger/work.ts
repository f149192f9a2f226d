/** What a challenger does with one response: verify, and keep for later or for filing. */
import type { Hex } from 'viem'
import { decodeCertificate, encodeCertificate } from '../../core/bn254/index.js'
import type { AcceptedResponse } from '../../core/interfaces/responses.js'
import { computeMessageHash, decodeResponse, encodeResponse } from '../../core/response.js'
import { decodeTask, encodeTask } from '../../core/task.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import type { AttestationOutcome } from '../verify/outcome.js'
import type { SignedTeeDocument } from '../verify/teeDocument.js'
import { verifyTaskAttestation } from '../verify/verify.js'
import { canProve, documentClaim, resultClaim } from './claims.js'
import type {
  ChallengeKind,
  ChallengerState,
  OutboxEntry,
  PendingResponse,
  StoredClaim,
} from './state.js'
import type { ChallengerPass, ChallengerRun, ResponseAttachments } from './types.js'

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
  const attachments = await attachmentsOf(run, pass)
  // Each false document is a challenge of its own, and hides neither the next nor a false result.
  let signedDocuments = documentsOf(attachments)
  for (;;) {
    const outcome = await verdictOn(run, {
      ...pass,
      attachments: { ...attachments, signedDocuments },
    })
    const accused = outcome.status === 'slashable' ? outcome.evidence.documentHash : undefined
    if (accused === undefined) {
      await conclude(run, { ...pass, attachments, outcome })
      // A document that nobody can judge must not hide a false result.
      const withheld =
        outcome.status === 'inconclusive' && outcome.reason === 'DOCUMENT_UNAVAILABLE'
      if (withheld && canProve(run.prover, 'result')) {
        const rest = await verdictOn(run, { ...pass, attachments, documents: false })
        if (isWrongResult(rest)) await conclude(run, { ...pass, attachments, outcome: rest })
      }
      return
    }
    const { operatorIndex } = (outcome as Extract<AttestationOutcome, { status: 'slashable' }>)
      .evidence
    const found = signedDocuments.find(
      ({ bytes, operator }) =>
        operator.operatorIndex === operatorIndex && keccakHex(bytes) === accused,
    )
    if (found === undefined) return
    if (canProve(run.prover, 'document')) {
      const claim = documentClaim(decodeResponse(entry.response), found)
      addChallenge(state, { entry, kind: 'document', claim, reason: 'INVALID_TEE_ATTESTATION' })
    }
    signedDocuments = signedDocuments.filter((one) => one !== found)
    // The last one was false: what is left is judged as if it had held.
    if (signedDocuments.length === 0) {
      const outcome = await verdictOn(run, { ...pass, attachments, documents: false })
      await conclude(run, { ...pass, attachments, outcome })
      return
    }
    options.signal?.throwIfAborted()
  }
}

/** What follows from a verdict on all but the documents. */
async function conclude(
  run: ChallengerRun,
  pass: ChallengerPass & {
    entry: PendingResponse
    accepted: AcceptedResponse | undefined
    attachments: ResponseAttachments | undefined
    outcome: AttestationOutcome
  },
): Promise<void> {
  const { state, entry, outcome } = pass
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
  if (outcome.status !== 'slashable' && outcome.status !== 'disputed') return
  const { reason, evidence } = outcome
  if (reason !== 'WRONG_RESULT') addChallenge(state, { entry, kind: 'digest', reason })
  // Without a prover a false result is told, and no more can be done.
  else if (canProve(run.prover, 'result')) {
    addChallenge(state, { entry, kind: 'result', claim: resultClaim(evidence), reason })
  }
}

function isWrongResult(outcome: AttestationOutcome): boolean {
  const judged = outcome.status === 'slashable' || outcome.status === 'disputed'
  return judged && outcome.reason === 'WRONG_RESULT'
}

function addChallenge(
  state: ChallengerState,
  found: {
    entry: PendingResponse
    kind: ChallengeKind
    claim?: StoredClaim | undefined
    reason: string
  },
): void {
  const { kind, claim, reason } = found
  const { task: _, ...rest } = found.entry
  const same = (one: OutboxEntry): boolean =>
    one.id === rest.id &&
    (one.kind ?? 'digest') === kind &&
    one.claim?.['operatorIndex'] === claim?.['operatorIndex']
  // One that was pending for another reason has it already.
  if (state.outbox.some(same)) return
  const proven = kind === 'digest' ? {} : { kind, claim }
  state.outbox.push({ ...rest, ...proven, attempts: 0, nextAt: 0, status: 'pending', reason })
}

function documentsOf(attachments: ResponseAttachments | undefined): readonly SignedTeeDocument[] {
  const { document, signedDocuments = [] } = attachments ?? {}
  return document === undefined ? signedDocuments : [document, ...signedDocuments]
}

/** What travels with a response, where it can be had: a host that has nothing keeps nothing back. */
async function attachmentsOf(
  run: ChallengerRun,
  pass: { entry: PendingResponse; accepted?: AcceptedResponse | undefined; options: IoOptions },
): Promise<ResponseAttachments | undefined> {
  const accepted = pass.accepted ?? positionOf(pass.entry)
  return run.attachments?.(accepted, pass.options).catch(() => undefined)
}

/** Verifies a stored response as of its block of acceptance, and tells the hook. */
export async function verdictOn(
  run: ChallengerRun,
  pass: {
    entry: Pick<PendingResponse, 'id' | 'task' | 'response' | 'certificate' | 'acceptedAt'>
    options: IoOptions
    attachments?: ResponseAttachments | undefined
    /** `false`: documents are not looked at. */
    documents?: false | undefined
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
  const { document: _, ...attachments } = pass.attachments ?? {}
  const resultsSlashable = canProve(run.prover, 'result')
  const outcome = await verifyTaskAttestation({
    ...attachments,
    ...options,
    ...{ task, taskChecked: true, response, certificate, level, at, resultsSlashable },
    reader: pass.documents === false ? { ...reader, documents: undefined } : reader,
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

function positionOf(entry: PendingResponse): AcceptedResponse {
  const unknown: Hex = '0x'
  return {
    task: entry.task === null ? null : decodeTask(entry.task),
    response: decodeResponse(entry.response),
    certificate: decodeCertificate(entry.certificate),
    blockNumber: BigInt(entry.acceptedAt),
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
