/** An anchor on a chain: the contract `StateAnchor`, moved by the enclave's key and read through proofs. */
import {
  type Address,
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  isAddress,
  keccak256,
} from 'viem'
import { stateAnchorAbi } from '../../core/abi/stateAnchorAbi.js'
import { verifySlotProof } from '../../core/ethereum/slotProof.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, fixedFromHex, toHex, uintToBytes } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { pause } from '../../internal/pause.js'
import { type StateAdvance, type StateAnchor, takesStep } from '../store/sealed/anchor.js'
import type { StatePlace } from '../store/sealed/record.js'
import { TransactionRejectedError } from './errors.js'
import type { EnclaveAccount } from './keyManager.js'
import { type HeaderTrust, SequenceProofError } from './provenSequence.js'

/** What carries proofs and transactions. It is believed nothing: `createAnchorCarrier` of `/registry` is one. */
export interface AnchorCarrier {
  /** Proofs of storage slots, all at one block: the newest one that has its confirmations, or the final one. */
  prove(
    parameters: { contract: Address; slots: readonly Hex[]; at: 'confirmed' | 'final' },
    options?: IoOptions,
  ): Promise<readonly Uint8Array[]>
  /** Sends calldata; the same key makes no second transaction. Resolves once it is mined. */
  submit(
    parameters: { contract: Address; data: Hex; key: string },
    options?: IoOptions,
  ): Promise<void>
}

/** Parameters of {@link chainAnchor}. */
export type ChainAnchorParameters = {
  /** The `StateAnchor`, named in the image. */
  contract: Address
  chainId: number
  /** Signs the steps: `keys.evmAccount('state-anchor')`. */
  account: Pick<EnclaveAccount, 'address' | 'signTypedData'>
  /** Name of the history: the address that signed its first step. @default the account's */
  line?: Address | undefined
  /** Whether a block is of the chain and near, such as `headerQuorum`. An old block is an old state. */
  isTrusted: HeaderTrust
  carrier: AnchorCarrier
  /** Milliseconds between looks for a step that was sent. @default 4000 */
  pollingInterval?: number | undefined
}

const stepTypes = {
  Step: [
    { name: 'line', type: 'address' },
    { name: 'sequence', type: 'uint64' },
    { name: 'stateHash', type: 'bytes32' },
    { name: 'previous', type: 'bytes32' },
    { name: 'successor', type: 'address' },
  ],
} as const
const nobody: Address = `0x${'00'.repeat(20)}`

/**
 * Creates an anchor over the contract `StateAnchor`. A step counts once a proof shows it at a block that is
 * trusted: by default a final one, so give `openSealedKv` a `timeout` longer than the chain's finality.
 *
 * @throws {InvalidInputError} for addresses and functions that are none.
 */
export function chainAnchor(parameters: ChainAnchorParameters): StateAnchor {
  const { contract, chainId, account, carrier, isTrusted, pollingInterval = 4_000 } = parameters
  const line = parameters.line ?? account.address
  for (const [field, value] of Object.entries({ contract, line })) {
    if (!isAddress(value, { strict: false })) {
      throw new InvalidInputError({ field, reason: 'expected an address' })
    }
  }
  if (!Number.isSafeInteger(chainId) || chainId < 1) {
    throw new InvalidInputError({ field: 'chainId', reason: 'expected a whole number above 0' })
  }
  if (typeof isTrusted !== 'function') {
    throw new InvalidInputError({ field: 'isTrusted', reason: 'expected a function: no default' })
  }
  if (!Number.isFinite(pollingInterval) || pollingInterval <= 0) {
    throw new InvalidInputError({
      field: 'pollingInterval',
      reason: 'expected milliseconds above 0',
    })
  }
  const slots = slotsOf(line)
  const read = async (
    at: 'confirmed' | 'final',
    options?: IoOptions,
  ): Promise<StatePlace | undefined> => {
    const proofs = await carrier.prove({ contract, slots, at }, options)
    return readPlace(proofs, { contract, slots, isTrusted })
  }
  const sign = async (step: StateAdvance): Promise<Hex> => {
    const { sequence, stateHash, previous } = step
    const message = { line, sequence, stateHash, previous, successor: successorOf(step) }
    const signature = await account.signTypedData({
      domain: { name: 'NewtonStateAnchor', version: '1', chainId, verifyingContract: contract },
      ...{ types: stepTypes, primaryType: 'Step', message },
    })
    return encodeFunctionData({
      ...{ abi: stateAnchorAbi, functionName: 'advance', args: [message, signature] },
    })
  }
  return {
    latest: (options) => read('confirmed', options),
    final: (options) => read('final', options),
    advance: async (step, options = {}) => {
      const { signal = new AbortController().signal } = options
      if (!takesStep(await read('confirmed', options), step)) return
      const key = `${contract}:${line}:${step.sequence}:${step.stateHash}`.toLowerCase()
      try {
        await carrier.submit({ contract, data: await sign(step), key }, options)
      } catch (cause) {
        if (!(cause instanceof TransactionRejectedError)) throw cause
        // Refused because it is there, or because another writer was first: the chain tells which.
        if (takesStep(await read('confirmed', options), step)) throw cause
        return
      }
      while (takesStep(await read('confirmed', options), step)) {
        await pause(pollingInterval, signal)
        signal.throwIfAborted()
      }
    },
  }
}

function successorOf({ successor }: StateAdvance): Address {
  if (successor === undefined) return nobody
  if (isAddress(successor, { strict: false })) return successor
  throw new InvalidInputError({
    field: 'successor',
    reason: 'expected the address that signs the next steps',
    hint: 'Have the successor name its anchor key.',
  })
}

/** Where the contract keeps a line: key and sequence, and the state hash. */
function slotsOf(line: Address): [Hex, Hex] {
  const base = keccak256(
    encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [line, 0n]),
  )
  const next = (bytesToUint(fixedFromHex(base, 32, 'slot')) + 1n) % (1n << 256n)
  return [base, toHex(uintToBytes(next, 32))]
}

async function readPlace(
  proofs: readonly Uint8Array[],
  {
    contract,
    slots,
    isTrusted,
  }: { contract: Address; slots: readonly Hex[]; isTrusted: HeaderTrust },
): Promise<StatePlace | undefined> {
  if (!Array.isArray(proofs) || proofs.length !== slots.length) {
    throw new SequenceProofError({ fault: 'MISSING' })
  }
  const read = slots.map((slot, at) => {
    const verdict = verifySlotProof(proofs[at] as Uint8Array, { contract, slot })
    if (verdict.status !== 'valid') throw new SequenceProofError({ fault: verdict.code })
    return verdict
  })
  const [first, second] = read as [(typeof read)[0], (typeof read)[0]]
  // Halves of two blocks are no state that ever was.
  if (first.header.hash !== second.header.hash) throw new SequenceProofError({ fault: 'HEADER' })
  if ((await isTrusted(first.header)) !== true) throw new SequenceProofError({ fault: 'UNTRUSTED' })
  const sequence = (first.value >> 160n) & ((1n << 64n) - 1n)
  if (sequence === 0n) return undefined
  return { sequence, stateHash: toHex(uintToBytes(second.value, 32)) }
}
