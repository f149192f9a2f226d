/**
 * What a challenger must not lose: how far it has read, what it still has to verify, and what it
 * still has to file. One JSON text, replaced as a whole.
 */
import type { Hex } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

/** Keeps a challenger's state. `save` replaces the whole text or leaves the old one. */
export interface ChallengerStore {
  load(): Promise<string | null>
  save(state: string): Promise<void>
}

/** A block read so far. */
export type BlockMark = { number: string; hash: Hex }

/** A response that was not decided, or that the contract accepted and its verification refuses. */
export type PendingResponse = {
  id: Hex
  task: Hex | null
  response: Hex
  certificate: Hex
  acceptedAt: string
  attempts: number
  /** Unix milliseconds before which it is not tried. */
  nextAt: number
  reason: string
}

/**
 * Where a challenge stands. `filed` and `settled` are what was seen at the newest block, and are looked
 * at again: `final` is the end of a challenge whose signers are slashed in a block that stays.
 */
export type ChallengeStatus = 'pending' | 'filed' | 'settled' | 'final' | 'refused' | 'expired'

/** One batch of signers, and all transactions that carried exactly it. */
export type SentBatch = { signers: number[]; hashes: Hex[] }

/** What a challenge is about. */
export type ChallengeKind = 'digest' | 'result' | 'document'

/** What a challenge by proof takes beside response and certificate, as JSON. See `claims.ts`. */
export type StoredClaim = { readonly [field: string]: Json }

/** A challenge to file, or filed. `id` is the message hash. */
export type OutboxEntry = Omit<PendingResponse, 'task'> & {
  status: ChallengeStatus
  /** @default 'digest' */
  kind?: ChallengeKind | undefined
  /** Of a challenge by proof: what it claims. */
  claim?: StoredClaim | undefined
  /** Of a challenge by proof: the proof, once there is one. */
  proof?: Hex | undefined
  /**
   * Operator indices that no challenge has reached yet, ascending. Absent before the first try.
   * What is left when the window closes was never slashed by this challenger.
   */
  unfiled?: number[] | undefined
  /** The newest transaction of `transactionHashes`. */
  transactionHash?: Hex | undefined
  /** All that was sent, replacements and what was lost to reorganizations too. */
  transactionHashes?: Hex[] | undefined
  /** Batches of signers that were sent, each with the hashes of its sendings. */
  sent?: SentBatch[] | undefined
  /** The block in which all signers that were reached were seen slashed. */
  effect?: BlockMark | undefined
  error?: string | undefined
}

/** All of a challenger's state. */
export type ChallengerState = {
  version: 1
  /** Blocks read, oldest first; the last one is the cursor. */
  marks: BlockMark[]
  pending: PendingResponse[]
  outbox: OutboxEntry[]
}

/** Blocks kept to find the common ancestor after a reorganization. */
export const MAX_MARKS = 256

/** State before anything was read. */
export const emptyState = (): ChallengerState => ({
  version: 1,
  marks: [],
  pending: [],
  outbox: [],
})

/** A challenger's stored state is not its own. */
export class ChallengerStateError extends BaseError {
  override readonly name = 'ChallengerStateError'
  override readonly code = 'CHALLENGER_STATE'

  constructor({ reason }: { reason: string }, options: BaseErrorOptions = {}) {
    super(`The challenger's stored state cannot be used: ${reason}.`, {
      metaMessages: [
        'Restore it, or clear the store to read the chain again from the start block.',
      ],
      ...options,
    })
  }
}

/**
 * Reads stored state. Nothing stored is the empty state; anything that is not state is an error,
 * because starting anew without a word could miss a window.
 *
 * @throws {ChallengerStateError}
 */
export function parseState(text: string | null): ChallengerState {
  if (text === null) return emptyState()
  let state: ChallengerState
  try {
    state = JSON.parse(text) as ChallengerState
  } catch (cause) {
    throw new ChallengerStateError({ reason: 'it is not JSON' }, { cause })
  }
  if (state?.version !== 1) throw new ChallengerStateError({ reason: 'it has another version' })
  for (const list of [state.marks, state.pending, state.outbox]) {
    if (!Array.isArray(list)) throw new ChallengerStateError({ reason: 'a list is missing' })
  }
  const damaged =
    state.marks.findIndex((mark) => !isMark(mark)) >= 0 ||
    state.pending.findIndex((entry) => !isPending(entry)) >= 0 ||
    state.outbox.findIndex((entry) => !isOutboxEntry(entry)) >= 0
  if (damaged) throw new ChallengerStateError({ reason: 'an entry is damaged' })
  return state
}

const isNumberText = (value: unknown): boolean =>
  typeof value === 'string' && /^\d{1,78}$/.test(value)
const isBytes = (value: unknown): boolean =>
  typeof value === 'string' && /^0x(?:[\da-f]{2})*$/i.test(value)
const isHashText = (value: unknown): boolean => isBytes(value) && (value as string).length === 66
const isIndex = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0
const isListOf = (value: unknown, is: (item: unknown) => boolean): boolean =>
  Array.isArray(value) && value.every(is)
const optional = (value: unknown, is: (item: unknown) => boolean): boolean =>
  value === undefined || is(value)

function isMark(value: unknown): boolean {
  const { number, hash } = Object(value) as Partial<BlockMark>
  return isNumberText(number) && isHashText(hash)
}

function isEntry(value: unknown): boolean {
  const entry = Object(value) as Partial<PendingResponse>
  return (
    isHashText(entry.id) &&
    isBytes(entry.response) &&
    isBytes(entry.certificate) &&
    isNumberText(entry.acceptedAt) &&
    isIndex(entry.attempts) &&
    Number.isFinite(entry.nextAt) &&
    typeof entry.reason === 'string'
  )
}

function isPending(value: unknown): boolean {
  const { task } = Object(value) as Partial<PendingResponse>
  return isEntry(value) && (task === null || isBytes(task))
}

const statuses: ChallengeStatus[] = [
  ...(['pending', 'filed', 'settled', 'final', 'refused', 'expired'] as const),
]
const kinds: ChallengeKind[] = ['digest', 'result', 'document']

function isOutboxEntry(value: unknown): boolean {
  const entry = Object(value) as Partial<OutboxEntry>
  const isBatch = (batch: unknown): boolean => {
    const { signers, hashes } = Object(batch) as Partial<SentBatch>
    return isListOf(signers, isIndex) && isListOf(hashes, isHashText)
  }
  return (
    isEntry(value) &&
    statuses.some((one) => one === entry.status) &&
    optional(entry.kind, (kind) => kinds.some((one) => one === kind)) &&
    optional(entry.claim, (claim) => typeof claim === 'object' && claim !== null) &&
    optional(entry.proof, isBytes) &&
    optional(entry.unfiled, (list) => isListOf(list, isIndex)) &&
    optional(entry.transactionHash, isHashText) &&
    optional(entry.transactionHashes, (list) => isListOf(list, isHashText)) &&
    optional(entry.sent, (list) => isListOf(list, isBatch)) &&
    optional(entry.effect, isMark)
  )
}

/** Keeps state in memory: for tests, and for those who read the chain anew on each start. */
export function memoryChallengerStore(initial: string | null = null): ChallengerStore {
  let text = initial
  return {
    load: async (): Promise<string | null> => text,
    save: async (state: string): Promise<void> => {
      text = state
    },
  }
}
