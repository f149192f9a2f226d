/** What an auditor looks at: the newest cut, the files under it, all events, the anchors. */
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesEqual, toHex, utf8 } from '../../internal/bytes.js'
import { withDeadline } from '../../internal/deadline.js'
import { LedgerLogError } from '../errors.js'
import { verifyCheckpoint } from '../log/checkpoint.js'
import { metaLog } from '../writer/types.js'
import { readCut, rebuildLogs, type VerifiedCut } from './cut.js'
import { checkDomainCheckpoints } from './files.js'
import {
  type AnchorsOutcome,
  type AuditState,
  type LedgerViolation,
  violation,
} from './parameters.js'
import { type Replay, type ReplayFault, replayLedger } from './replay.js'

/** The newest cut, held against the newest one that was seen before. */
export async function look(
  state: AuditState,
  signal: AbortSignal,
): Promise<{ cut: VerifiedCut | undefined; found: LedgerViolation[] }> {
  return state.inOrder(() => lookNow(state, signal))
}

async function lookNow(
  state: AuditState,
  signal: AbortSignal,
): Promise<{ cut: VerifiedCut | undefined; found: LedgerViolation[] }> {
  let cut: VerifiedCut | undefined
  let note: string | Uint8Array | undefined
  try {
    cut = await readCut(state.parameters, signal)
    note = cut?.note ?? (await emptyCheckpoint(state, signal))
  } catch (error) {
    signal.throwIfAborted()
    return { cut: undefined, found: [violation(state, 'files', lineOf(error))] }
  }
  try {
    return { cut, found: await comparePin(state, note, signal) }
  } catch (error) {
    signal.throwIfAborted()
    // Of the ledger, or of the auditor's own memory; what there is is looked at all the same.
    const kind = error instanceof LedgerLogError ? 'files' : 'unchecked'
    return { cut, found: [violation(state, kind, lineOf(error))] }
  }
}

/** The checkpoint of a log without cuts, which a ledger has from its first moment on. */
async function emptyCheckpoint(
  { parameters }: AuditState,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  const file = await parameters.store.read(`${metaLog}/checkpoint`, { signal })
  if (file === undefined) return undefined
  const verified = verifyCheckpoint(file.bytes, parameters.trust)
  return verified.status === 'verified' ? file.bytes : undefined
}

async function comparePin(
  state: AuditState,
  note: string | Uint8Array | undefined,
  signal: AbortSignal,
): Promise<LedgerViolation[]> {
  if (note === undefined) {
    const origin = `${state.parameters.ledger}/${metaLog}`
    const kept = await state.pins.read(toHex(sha256(utf8(origin))).slice(2), { signal })
    const detail = `${metaLog}/checkpoint is not there`
    return kept === undefined
      ? [violation(state, 'files', detail)]
      : [violation(state, 'rollback', `${detail}, and it was`)]
  }
  const outcome = await state.pinned.advance(note, { signal })
  if (outcome.status === 'invalid') {
    return [violation(state, 'files', `${metaLog}/checkpoint: ${outcome.reason}`)]
  }
  if (outcome.status !== 'fork' && outcome.status !== 'rollback') return []
  const { evidence, pinned, checkpoint } = outcome
  const detail =
    outcome.status === 'fork'
      ? `other cuts than before ${pinned.size}`
      : `${checkpoint.size} cuts, there were ${pinned.size}`
  return [violation(state, 'rollback', detail, { evidence })]
}

/** Derives all logs again from their entries, and compares what outsiders prove from. */
export async function rebuild(state: AuditState, signal: AbortSignal): Promise<LedgerViolation[]> {
  const { cut, found } = await look(state, signal)
  if (cut === undefined) return found
  const { store, ledger, trust } = state.parameters
  try {
    const { roots, files } = await rebuildLogs({ store, cut }, signal)
    found.push(...roots.map((name) => violation(state, 'root', `the entries of ${name}`)))
    const checkpoints = await checkDomainCheckpoints(
      { store, ledger, trust, domains: cut.record.domains },
      signal,
    )
    for (const fault of [...files, ...checkpoints]) found.push(violation(state, 'files', fault))
  } catch (error) {
    signal.throwIfAborted()
    found.push(violation(state, 'files', lineOf(error)))
  }
  return found
}

const violationOf = {
  ...{ event: 'replay', snapshot: 'snapshot', evaluation: 'evaluation', cut: 'root' },
} as const satisfies Record<ReplayFault['kind'], LedgerViolation['kind']>

/** Replays all events up to a cut. */
export async function replayAll(
  state: AuditState,
  cut: VerifiedCut | undefined,
  { signal, from }: { signal: AbortSignal; from: bigint | undefined },
): Promise<{ violations: LedgerViolation[]; replay: Replay | undefined }> {
  if (cut === undefined) return { violations: [], replay: undefined }
  const { store, ledger, schemas, verify, requireVerifiedWasm } = state.parameters
  const failed = { count: 0, first: '' }
  const violations: LedgerViolation[] = []
  let replay: Replay | undefined
  try {
    replay = await replayLedger(
      {
        ...{ store, ledger, schemas, verify, requireVerifiedWasm, cut, from },
        reEvaluate: reEvaluationOf(state, failed),
      },
      signal,
    )
    for (const { kind, detail, eventId } of replay.faults) {
      violations.push(violation(state, violationOf[kind], detail, { eventId }))
    }
  } catch (error) {
    signal.throwIfAborted()
    violations.push(violation(state, 'replay', lineOf(error)))
  }
  if (failed.count > 0) {
    const detail = `${failed.count} evaluations were not run again: ${failed.first}`
    violations.push(violation(state, 'unchecked', detail))
  }
  return { violations, replay }
}

/** `reEvaluate` that ends no replay: what fails, or takes too long, is unknown. */
function reEvaluationOf(
  { parameters, timeout }: AuditState,
  failed: { count: number; first: string },
): AuditState['parameters']['reEvaluate'] {
  const { reEvaluate, onError } = parameters
  if (reEvaluate === undefined) return undefined
  return async (event, signal) => {
    try {
      return await withDeadline('Evaluating again', { signal, timeout }, (limited) =>
        reEvaluate(event, limited),
      )
    } catch (error) {
      signal.throwIfAborted()
      onError?.(error)
      failed.first ||= lineOf(error)
      failed.count += 1
      return { status: 'unknown' }
    }
  }
}

/** Every anchor has to be a prefix of the meta log as it is now. */
export async function compareAnchors(
  state: AuditState,
  cut: VerifiedCut | undefined,
  signal: AbortSignal,
): Promise<{ outcome: AnchorsOutcome; found: LedgerViolation[] }> {
  const { parameters, timeout } = state
  const ask = parameters.anchors
  if (ask === undefined) return { outcome: { status: 'none' }, found: [] }
  const found: LedgerViolation[] = []
  try {
    const anchors = await withDeadline('Reading the anchors', { signal, timeout }, (limited) =>
      ask({ signal: limited }),
    )
    for (const { size, root, where } of anchors) {
      const detail = await anchorProblem(cut, { size, root, where }, signal)
      if (detail !== undefined) found.push(violation(state, 'anchor', detail))
    }
    return { outcome: { status: 'compared', count: anchors.length }, found }
  } catch (error) {
    signal.throwIfAborted()
    parameters.onError?.(error)
    // Whoever can take an anchor's node down would hide behind it otherwise.
    found.push(violation(state, 'unchecked', `the anchors could not be read: ${lineOf(error)}`))
    return { outcome: { status: 'unreachable', error }, found }
  }
}

async function anchorProblem(
  cut: VerifiedCut | undefined,
  { size, root, where }: { size: bigint; root: Uint8Array; where: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  if (cut === undefined || size > cut.meta.size) return `${where} has ${size} cuts, the log fewer`
  try {
    const now = await cut.reader.prefix(size, { signal })
    return bytesEqual(now.root, root) ? undefined : `${where} has other cuts up to ${size}`
  } catch (error) {
    signal.throwIfAborted()
    return lineOf(error)
  }
}

function lineOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
