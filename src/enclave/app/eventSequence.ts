/**
 * The sequence of a contract's events, inside the enclave: checked, used and answered in one transaction.
 */
import { bytesEqual, concat, utf8 } from '../../internal/bytes.js'
import { keccak } from '../../internal/keccak.js'
import { bytesCodec, uint64Codec } from '../store/codec.js'
import { defineKey, type StoreKey, type StoreTransaction } from '../store/typedStore.js'
import { type EventPlace, hashCalls, type WireCall } from './call.js'
import { AppSequenceError } from './errors.js'

const sequenceKey = (contract: string): StoreKey<bigint> =>
  defineKey(`@sequence/${contract}`, uint64Codec)
const answerKey = (contract: string, sequence: bigint): StoreKey<Uint8Array> =>
  defineKey(`@reply/${contract}/${sequence.toString().padStart(20, '0')}`, bytesCodec)

/** Answers of the past that are kept for a host that asks again. */
const keptAnswers = 256n

/**
 * Uses the next sequence of a contract for an answer. The same request again gets the same answer.
 *
 * @param place.chainSequence - What the contract has taken, proved or believed.
 * @throws {AppSequenceError} for a replay with another request, a gap, and a state that the chain is ahead of.
 */
export async function useSequence(
  tx: StoreTransaction,
  place: Omit<EventPlace, 'proof'> & { calls: readonly WireCall[] },
  answer: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const { contract, sequence, chainSequence, calls } = place
  const committed = (await tx.get(sequenceKey(contract))) ?? 0n
  const fault = { contract, sequence, committed }
  // The contract has taken answers that this state does not know of: it is an old state.
  if (chainSequence > committed) throw new AppSequenceError({ ...fault, fault: 'rollback' })
  if (sequence > committed + 1n) throw new AppSequenceError({ ...fault, fault: 'gap' })
  const hash = hashCalls(calls)
  if (sequence <= committed) {
    const kept = await tx.get(answerKey(contract, sequence))
    if (kept !== undefined && bytesEqual(kept.subarray(0, 32), hash)) return kept.slice(64)
    throw new AppSequenceError({ ...fault, fault: 'replay' })
  }
  const reply = await answer()
  const kept = concat(hash, idHash(place.id), reply)
  tx.set(sequenceKey(contract), sequence)
  tx.set(answerKey(contract, sequence), kept)
  if (sequence > keptAnswers) tx.delete(answerKey(contract, sequence - keptAnswers))
  return reply
}

/**
 * The answer that was given to an event before, whatever was brought along to ask for it: a host that
 * asked, and died, builds its request anew, with newer proofs.
 *
 * @throws {AppSequenceError} where none is kept, or it was of another event.
 */
export async function recallAnswer(
  tx: StoreTransaction,
  { contract, sequence, id }: { contract: string; sequence: bigint; id: string },
): Promise<Uint8Array> {
  const committed = (await tx.get(sequenceKey(contract))) ?? 0n
  const kept = await tx.get(answerKey(contract, sequence))
  if (kept !== undefined && bytesEqual(kept.subarray(32, 64), idHash(id))) return kept.slice(64)
  const fault = sequence > committed ? 'gap' : 'replay'
  throw new AppSequenceError({ contract, sequence, committed, fault })
}

function idHash(id: string | undefined): Uint8Array {
  return id === undefined ? new Uint8Array(32) : keccak(utf8(id))
}
