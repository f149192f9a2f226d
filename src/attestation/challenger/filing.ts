/**
 * Files challenges in batches of signers, so that neither their number nor one that cannot be
 * slashed shields the others. Progress is saved after each batch; a batch that was filed and not
 * saved is refused by the contract as slashed already.
 */
import type { Hex } from 'viem'
import {
  type Certificate,
  decodeCertificate,
  type OperatorTree,
  operatorWitness,
} from '../../core/bn254/index.js'
import type { ChallengeSink, SendingOptions } from '../../core/interfaces/sinks.js'
import { decodeResponse, type PolicyTaskResponse } from '../../core/response.js'
import { InvalidInputError } from '../../errors/common.js'
import { InconclusiveError } from '../verify/errors.js'
import { accusedOf, documentChallengeOf, prove, resultChallengeOf } from './claims.js'
import { classifyRefusal, type FilingRefusal } from './refusal.js'
import type { ChallengeKind, OutboxEntry, SentBatch } from './state.js'
import type { ChallengerPass, ChallengerRun } from './types.js'
import { isPast, nextTry, saveState, verdictOn } from './work.js'

/** Signers of one transaction, where none is given: proofs of that many fit any block. */
const SIGNERS_PER_CHALLENGE = 32

type Accusation = { response: PolicyTaskResponse; certificate: Certificate; tree: OperatorTree }
type Refused = { refusal: FilingRefusal; error: unknown }
export type EntryPass = ChallengerPass & { entry: OutboxEntry }

/** Files every challenge that is due, saving after each batch. Returns how many are complete. */
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
      run.onEvent?.({ type: 'expired', messageHash: entry.id, kind: kindOf(entry) })
    } else {
      const refused = await fileEntry(run, { ...pass, entry })
      if (refused === undefined) complete(run, entry)
      else await defer(run, { ...pass, entry, refused })
      if (isFiled(entry)) filed++
    }
    await saveState(run, state)
  }
  return filed
}

/** Files what is left of a challenge. Returns why some signers were not reached. */
async function fileEntry(run: ChallengerRun, pass: EntryPass): Promise<Refused | undefined> {
  const { entry, options } = pass
  const { signersPerChallenge = SIGNERS_PER_CHALLENGE } = run
  let accusation: Accusation
  try {
    accusation = await accuse(run, pass)
    await obtainProof(run, { ...pass, accusation })
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason
    return { refusal: 'later', error }
  }
  entry.unfiled ??= accusedSigners(entry, accusation)
  let left = [...entry.unfiled]
  let refused: Refused | undefined
  // What was sent and is not seen on chain comes first, in the same batches: nothing is doubled.
  const sent = (entry.sent ?? []).map(({ signers }) => signers)
  while (left.length > 0) {
    const before = sent.shift()
    if (before !== undefined && !before.every((index) => left.includes(index))) continue
    const batch = before ?? left.slice(0, signersPerChallenge)
    left = left.filter((index) => !batch.includes(index))
    const outcome = await fileBatch(run, { ...pass, accusation, batch })
    refused = outcome ?? refused
    if (outcome !== undefined && outcome.refusal !== 'signers') break
  }
  return refused
}

export async function accuse(
  run: ChallengerRun,
  { entry, options }: EntryPass,
): Promise<Accusation> {
  const response = decodeResponse(entry.response)
  const certificate = decodeCertificate(entry.certificate)
  const tree = await run.operators.operatorTreeAt(response.referenceBlock, options)
  if (tree === null) {
    throw new InconclusiveError({ reason: 'RPC_FAILED', detail: 'the operator table is missing' })
  }
  return { response, certificate, tree }
}

/** Everyone in the table who is not a non-signer of the certificate signed. */
export function signersOf({ tree, certificate }: Accusation): number[] {
  const silent = new Set(certificate.nonSignerWitnesses.map((one) => one.operatorIndex))
  return tree.operators.flatMap((_, index) => (silent.has(index) ? [] : [index]))
}

/** Whom a challenge is against: all who signed, or the one who answers for a document. */
export function accusedSigners(entry: OutboxEntry, accusation: Accusation): number[] {
  return entry.kind === 'document' && entry.claim !== undefined
    ? [accusedOf(entry.claim)]
    : signersOf(accusation)
}

/** What a challenge is about. */
export function kindOf({ kind = 'digest' }: OutboxEntry): ChallengeKind {
  return kind
}

/** A challenge by proof gets its proof, which is kept before anything is filed. */
async function obtainProof(
  run: ChallengerRun,
  { state, entry, options, accusation }: EntryPass & { accusation: Accusation },
): Promise<void> {
  if (kindOf(entry) === 'digest' || entry.proof !== undefined) return
  entry.proof = await prove(run.prover, { entry, response: accusation.response }, options)
  await saveState(run, state)
  run.onEvent?.({ type: 'proven', messageHash: entry.id, kind: kindOf(entry) })
}

type BatchPass = EntryPass & { accusation: Accusation; batch: readonly number[] }

/** Files one batch; halves it where fewer or other signers may go through. */
async function fileBatch(run: ChallengerRun, pass: BatchPass): Promise<Refused | undefined> {
  const { state, entry, options, accusation, batch } = pass
  try {
    const { transactionHash } = await send(
      run.sink,
      { entry, accusation, batch },
      {
        ...options,
        previous: sentBefore(entry, batch)?.hashes.slice(),
        onTransactionHash: (hash) => noteSent(run, { ...pass, hash }),
      },
    )
    keepHash(entry, transactionHash)
    const kind = kindOf(entry)
    run.onEvent?.({ type: 'filed', messageHash: entry.id, kind, transactionHash })
  } catch (error) {
    if (options.signal?.aborted === true) throw options.signal.reason
    const refusal = classifyRefusal(error)
    // A proof that does not hold is made anew.
    if (refusal === 'proof') {
      entry.proof = undefined
      return { refusal, error }
    }
    if (refusal === 'signers' && batch.length > 1) return fileHalves(run, pass)
    if (refusal !== 'settled') return { refusal, error }
  }
  entry.unfiled = entry.unfiled?.filter((index) => !batch.includes(index))
  await saveState(run, state)
  return undefined
}

/** Sends one batch by the kind of its challenge. */
function send(
  sink: ChallengeSink,
  { entry, accusation, batch }: Pick<BatchPass, 'entry' | 'accusation' | 'batch'>,
  options: SendingOptions,
): Promise<{ transactionHash: Hex }> {
  const { tree, response, certificate } = accusation
  const kind = kindOf(entry)
  if (kind === 'document' && sink.challengeInvalidTeeAttestation !== undefined) {
    const proof = documentChallengeOf(entry, tree)
    return sink.challengeInvalidTeeAttestation({ response, proof }, options)
  }
  const signers = batch.map((index) => operatorWitness(tree, index))
  if (kind === 'digest') {
    return sink.challengeAttestationDigest({ response, certificate, signers }, options)
  }
  if (kind === 'result' && sink.challengePolicyResult !== undefined) {
    const proof = resultChallengeOf(entry, { certificate, signers })
    return sink.challengePolicyResult({ response, proof }, options)
  }
  throw new InvalidInputError({ field: 'sink', reason: `it files no challenges of a ${kind}` })
}

/** What was sent of exactly this batch before. */
function sentBefore({ sent }: OutboxEntry, batch: readonly number[]): SentBatch | undefined {
  return sent?.find(({ signers }) => {
    return signers.length === batch.length && signers.every((one, i) => one === batch[i])
  })
}

/** Saves a hash before its transaction leaves. */
async function noteSent(
  run: ChallengerRun,
  { state, entry, batch, hash }: BatchPass & { hash: Hex },
): Promise<void> {
  keepHash(entry, hash)
  const known = sentBefore(entry, batch)
  if (known !== undefined) known.hashes.push(hash)
  else entry.sent = [...(entry.sent ?? []), { signers: [...batch], hashes: [hash] }]
  await saveState(run, state)
  const kind = kindOf(entry)
  run.onEvent?.({ type: 'sending', messageHash: entry.id, kind, transactionHash: hash })
}

function keepHash(entry: OutboxEntry, hash: Hex): void {
  entry.transactionHash = hash
  entry.transactionHashes = [...new Set([...(entry.transactionHashes ?? []), hash])]
}

async function fileHalves(run: ChallengerRun, pass: BatchPass): Promise<Refused | undefined> {
  const { batch } = pass
  const middle = batch.length >> 1
  let refused: Refused | undefined
  for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
    const outcome = await fileBatch(run, { ...pass, batch: half })
    refused = outcome ?? refused
    if (outcome !== undefined && outcome.refusal !== 'signers') break
  }
  return refused
}

/** Every signer was reached, by this challenger or by somebody else. */
function complete(run: ChallengerRun, entry: OutboxEntry): void {
  entry.status = entry.transactionHash === undefined ? 'settled' : 'filed'
  entry.effect = undefined
  const kind = kindOf(entry)
  if (!isFiled(entry)) run.onEvent?.({ type: 'settled', messageHash: entry.id, kind })
}

/** Ends a challenge that nobody can file, and keeps every other one until its window is past. */
async function defer(
  run: ChallengerRun,
  { entry, options, refused }: EntryPass & { refused: Refused },
): Promise<void> {
  const { refusal, error } = refused
  const messageHash = entry.id
  const kind = kindOf(entry)
  entry.error = error instanceof Error ? firstLine(error) : 'an unknown failure'
  const over =
    refusal === 'final' ||
    (refusal === 'unfounded' && (await isHonestAfterAll(run, { entry, options })))
  if (over) {
    entry.status = 'refused'
    run.onEvent?.({ type: 'refused', messageHash, kind, error })
    return
  }
  entry.attempts++
  entry.nextAt = nextTry(run, entry.attempts)
  run.onEvent?.({ type: 'retry', messageHash, kind, error })
}

/** Whether a fresh verification agrees with the contract that nothing is false. */
async function isHonestAfterAll(
  run: ChallengerRun,
  { entry, options }: { entry: OutboxEntry; options: ChallengerPass['options'] },
): Promise<boolean> {
  // What this outbox files is false against the chain, which takes neither task nor re-run.
  const outcome = await verdictOn(run, {
    entry: { ...entry, task: null },
    options,
    level: 'quorum',
  })
  return outcome.status === 'valid'
}

const isFiled = ({ status }: OutboxEntry): boolean => status === 'filed'

function firstLine(error: Error): string {
  return error.message.split('\n', 1)[0] as string
}
