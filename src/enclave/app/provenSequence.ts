/** A contract's sequence, read inside the enclave from a proof that the host only carries. */
import { type Address, type Hex, isAddress } from 'viem'
import { verifyEventProof } from '../../core/ethereum/eventProof.js'
import type { ExecutionHeader } from '../../core/ethereum/header.js'
import type { ProvenLog } from '../../core/ethereum/proofs.js'
import { verifySlotProof } from '../../core/ethereum/slotProof.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex } from '../../internal/bytes.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'

/** A proof about a contract is refused. */
export class SequenceProofError extends BaseError {
  override readonly name = 'SequenceProofError'
  override readonly code = 'SEQUENCE_PROOF'
  /** `MISSING`, `UNTRUSTED` for a block that is not known to be of the chain, else the proof's fault. */
  readonly fault: string

  constructor({ fault }: { fault: string }, options: BaseErrorOptions = {}) {
    super(`The proof of the contract's sequence is refused: ${fault}.`, {
      retryable: true,
      metaMessages: ['Bring a proof against a recent final block.'],
      ...options,
    })
    this.fault = fault
  }
}

/** Whether a block is one of the chain, final and recent. Anything but `true` is no. */
export type HeaderTrust = (header: ExecutionHeader) => Promise<boolean> | boolean

/**
 * Creates what {@link createAppEnclave} takes as `chain`: the sequence is read from a storage slot of the
 * contract, by a proof against a block that is trusted for a reason of the enclave's own.
 *
 * @param parameters.slot - Slot that holds the count of answers the contract has taken.
 * @param parameters.isTrusted - Such as {@link headerQuorum}, or a light client.
 * @example
 * ```ts
 * import { headerQuorum, storageSequence } from '@newton/policy-sdk/enclave'
 *
 * declare const blockHash: (number: bigint) => Promise<`0x${string}`>
 * const chain = storageSequence({
 *   slot: `0x${'00'.repeat(32)}`,
 *   isTrusted: headerQuorum({ sources: [blockHash], quorum: 1, maxHeadAge: 3_600_000, now: Date.now }),
 * })
 * ```
 */
export function storageSequence(parameters: { slot: Hex; isTrusted: HeaderTrust }): {
  verifySequence(call: {
    contract: string
    claimed: bigint
    proof: Uint8Array | undefined
  }): Promise<bigint>
} {
  const { slot, isTrusted } = parameters
  fixedFromHex(slot, 32, 'slot')
  const proofs = chainProofs({ isTrusted })
  return {
    verifySequence: async ({ contract, proof }) => {
      return (await proofs.slot(proof, { contract, slot })).value
    },
  }
}

/** What a proof about a contract shows, with the trusted block it shows it of. */
export type ChainProofs = {
  /** The value of a storage slot. */
  slot(
    proof: Uint8Array | undefined,
    place: { contract: string; slot: Hex },
  ): Promise<{ value: bigint; header: ExecutionHeader }>
  /** A log that the contract emitted. */
  event(
    proof: Uint8Array | undefined,
    place: { contract: string },
  ): Promise<{ log: ProvenLog; header: ExecutionHeader }>
}

/**
 * Checks proofs that the host carries, for handlers inside the enclave: `proveExistence` and `proveEvent`
 * of `evmChainClient` make them. Each throws {@link SequenceProofError} for a proof that shows nothing.
 *
 * @param parameters.isTrusted - Such as {@link headerQuorum}, or a light client.
 */
export function chainProofs(parameters: { isTrusted: HeaderTrust }): ChainProofs {
  const { isTrusted } = parameters
  if (typeof isTrusted !== 'function') {
    throw new InvalidInputError({ field: 'isTrusted', reason: 'expected a function: no default' })
  }
  const check = async <verdict extends { header: ExecutionHeader }>(
    proof: Uint8Array | undefined,
    contract: string,
    verify: (
      proof: Uint8Array,
      contract: Address,
    ) => ({ status: 'valid' } & verdict) | { status: 'reject'; code: string },
  ): Promise<verdict> => {
    if (proof === undefined) throw new SequenceProofError({ fault: 'MISSING' })
    if (!isAddress(contract, { strict: false })) {
      throw new SequenceProofError({ fault: 'NO_ACCOUNT' })
    }
    const found = verify(proof, contract)
    if (found.status !== 'valid') throw new SequenceProofError({ fault: found.code })
    if ((await isTrusted(found.header)) !== true) {
      throw new SequenceProofError({ fault: 'UNTRUSTED' })
    }
    return found
  }
  return {
    slot: async (proof, { contract, slot }) => {
      const { value, header } = await check(proof, contract, (bytes, address) =>
        verifySlotProof(bytes, { contract: address, slot }),
      )
      return { value, header }
    },
    event: async (proof, { contract }) => {
      const { log, header } = await check(proof, contract, (bytes, address) =>
        verifyEventProof(bytes, { contract: address }),
      )
      return { log, header }
    },
  }
}

/**
 * Trusts a block whose hash enough endpoints name, and whose time is near.
 *
 * The endpoints must be asked over connections that end in the enclave (TLS through a tunnel): a host that
 * answers for them names any block it likes. An endpoint that fails, or does not answer in time, is a no.
 *
 * @param parameters.sources - Each gives the hash of the block at a height; ask for final blocks.
 * @param parameters.quorum - How many of them must agree: more than half, so that two blocks never pass.
 * @param parameters.maxHeadAge - Most milliseconds between the block's time and `now`, either way.
 * @param parameters.now - A clock that the host does not set, such as the NSM's documents.
 */
export function headerQuorum(parameters: {
  sources: readonly ((number: bigint, options: IoOptions) => Promise<Hex>)[]
  quorum: number
  maxHeadAge: number
  now: () => number | Promise<number>
  timeout?: number | undefined
}): HeaderTrust {
  const { sources, quorum, maxHeadAge, now, timeout = 10_000 } = parameters
  if (!Number.isSafeInteger(quorum) || quorum * 2 <= sources.length || quorum > sources.length) {
    throw new InvalidInputError({
      field: 'quorum',
      reason: 'expected more than half of the sources, and no more than there are',
    })
  }
  if (!Number.isFinite(maxHeadAge) || maxHeadAge <= 0) {
    throw new InvalidInputError({ field: 'maxHeadAge', reason: 'expected milliseconds above 0' })
  }
  const agrees = async (
    source: (typeof sources)[number],
    { number, hash }: ExecutionHeader,
  ): Promise<boolean> => {
    try {
      const named = await withDeadline('Asking for a block', { timeout }, (signal) =>
        source(number, { signal }),
      )
      return typeof named === 'string' && named.toLowerCase() === hash
    } catch {
      return false
    }
  }
  return async (header) => {
    const distance = Math.abs((await now()) - Number(header.timestamp) * 1000)
    if (!(distance <= maxHeadAge)) return false
    const votes = await Promise.all(sources.map((source) => agrees(source, header)))
    return votes.filter((vote) => vote === true).length >= quorum
  }
}
