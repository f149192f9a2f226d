/** The chain client of an application of one's own in an enclave, over viem. */
import {
  type Abi,
  type AbiEvent,
  type Address,
  type Hex,
  isAddress,
  numberToHex,
  toEventSelector,
} from 'viem'
import { getStorageAt } from 'viem/actions'
import type { ChainClient, ChainEvent } from '../../enclave/app/app.js'
import { InvalidInputError } from '../../errors/common.js'
import { fixedFromHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { type ReadClient, request, withClient } from '../chain/client.js'
import { getEventProof } from '../chain/proofs/event.js'
import { getSlotProof } from '../chain/proofs/slot.js'
import { type ReadCall, readAt, valueFrom } from '../chain/read.js'
import { finalBlock } from '../events/events.js'
import { followLogs, readCursor, writeCursor } from './following.js'
import {
  checkSending,
  createSubmissions,
  type SendingOptions,
  type SendingParameters,
} from './submitting.js'
import { decodeEvmEvent, type EvmEvent, type EvmReceipt, type EvmTransaction } from './values.js'

/** Parameters of {@link evmChainClient}. */
export type EvmChainClientParameters = SendingParameters & {
  /** ABI of the application's contract. */
  abi: Abi
  /** Names of its events that the enclave answers. Each counts with them in an argument `sequence`. */
  events: readonly string[]
  /** Slot that holds the number of answers the contract has taken. */
  sequenceSlot: Hex
  /** The contract, where no enclave deploys it. */
  contract?: Address | undefined
  /** First block with events. @default 0n */
  startBlock?: bigint | undefined
}

/** The chain client of an EVM chain. */
export type EvmChainClient = ChainClient<EvmEvent, EvmTransaction, EvmReceipt> & {
  query(call: ReadCall, options?: IoOptions): Promise<unknown>
  taken(contract: string, options?: IoOptions): Promise<bigint>
  proveExistence(
    parameters: { contract: string; key: Hex },
    options?: IoOptions,
  ): Promise<Uint8Array>
  /** Proves that an event was emitted; `verifyEventProof` and `chainProofs` take it. */
  proveEvent(event: ChainEvent<EvmEvent>, options?: IoOptions): Promise<Uint8Array>
  /** Ends submissions that are final and sends those again that were undone. Done while events are read. */
  settle(options?: IoOptions): Promise<void>
  /** Submissions that are not final yet. */
  unsettled(): Promise<number>
}

/**
 * Creates the chain client of an enclave application.
 *
 * Events are read at finality, by the rule of the package's followers: at least once, in chain order,
 * again after a reorganization. Submissions keep what they send before it leaves; the same key never
 * makes a second transaction, fees are raised where one waits, and what a reorganization takes back is
 * sent again. The contract's sequence and existence come with proofs, which the enclave checks against
 * blocks that it trusts for a reason of its own.
 *
 * Reads `eth_getBlockByNumber`, `eth_getLogs`, `eth_getProof`, `eth_getStorageAt`,
 * `eth_getBlockReceipts`; sends `eth_sendRawTransaction`.
 *
 * @throws {InvalidInputError} for events that the ABI does not have or that do not count.
 * @example
 * ```ts
 * import { createTypedStore, memoryKv } from '@newton/policy-sdk/enclave'
 * import { evmChainClient } from '@newton/policy-sdk/registry'
 * import { createWalletClient, http, parseAbi } from 'viem'
 * import { privateKeyToAccount } from 'viem/accounts'
 * import { foundry } from 'viem/chains'
 *
 * const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
 * const chain = evmChainClient({
 *   client: createWalletClient({ account, chain: foundry, transport: http() }),
 *   abi: parseAbi(['event Asked(uint256 indexed sequence, uint256 amount)']),
 *   events: ['Asked'],
 *   sequenceSlot: `0x${'00'.repeat(32)}`,
 *   store: createTypedStore(memoryKv()),
 * })
 * ```
 */
export function evmChainClient(parameters: EvmChainClientParameters): EvmChainClient {
  const options = checked(parameters)
  const { client, abi, sequenceSlot, finality, startBlock, pollingInterval } = options
  const topics = topicsOf(abi, parameters.events)
  const submissions = createSubmissions(options)
  const bind = <value>(
    operation: string,
    io: IoOptions | undefined,
    work: (bound: ReadClient) => Promise<value>,
  ): Promise<value> => withClient(`ChainClient.${operation}`, { client, options: io }, work)
  const proveSlot = (
    bound: ReadClient,
    slot: { contract: string; key: Hex },
  ): ReturnType<typeof getSlotProof> =>
    finalBlock(bound, finality).then(({ number: block }) =>
      getSlotProof(bound, { contract: addressOf(slot.contract), slot: slot.key, block }),
    )

  return {
    events: async function* ({ from, contract = parameters.contract, signal }) {
      const address = addressOf(contract)
      const logs = followLogs({
        ...{ client, address, topics, finality, startBlock, pollingInterval, signal },
        from: from === undefined ? undefined : readCursor(from),
        onLook: (lookSignal) => submissions.settle({ signal: lookSignal }),
      })
      for await (const log of logs) yield chainEventOf(abi, contract as string, log)
    },
    submit: (transaction, { idempotencyKey, ...io }) =>
      submissions.submit(transaction, { ...io, key: idempotencyKey }),
    sequence: (contract, options) =>
      bind('sequence', options, async (bound) => {
        const { value, proof } = await proveSlot(bound, { contract, key: sequenceSlot })
        return { sequence: value, proof }
      }),
    taken: (contract, options) =>
      bind('taken', options, async (bound) => {
        const address = addressOf(contract)
        const value = await request('the sequence of a contract', () =>
          getStorageAt(bound, { address, slot: sequenceSlot, blockTag: 'latest' }),
        )
        return BigInt(value ?? '0x0')
      }),
    query: (call, options) =>
      bind('query', options, async (bound) => {
        const block = await finalBlock(bound, finality)
        const [result] = await readAt(bound, { calls: [call], block })
        return valueFrom(result)
      }),
    proveExistence: (slot, options) =>
      bind('proveExistence', options, async (bound) => (await proveSlot(bound, slot)).proof),
    proveEvent: ({ event: { log } }, options) =>
      bind('proveEvent', options, (bound) => getEventProof(bound, log)),
    settle: (options) => submissions.settle(options),
    unsettled: () => submissions.open(),
  }
}

type Checked = EvmChainClientParameters & Omit<SendingOptions, 'abi'> & { startBlock: bigint }

function checked(parameters: EvmChainClientParameters): Checked {
  const { startBlock = 0n, contract } = parameters
  fixedFromHex(parameters.sequenceSlot, 32, 'sequenceSlot')
  if (typeof startBlock !== 'bigint' || startBlock < 0n) {
    throw new InvalidInputError({ field: 'startBlock', reason: 'expected a block number' })
  }
  if (contract !== undefined) addressOf(contract)
  return { ...parameters, ...checkSending(parameters), abi: parameters.abi, startBlock }
}

function topicsOf(abi: Abi, names: readonly string[]): Hex[] {
  if (!Array.isArray(names) || names.length === 0) {
    throw new InvalidInputError({ field: 'events', reason: 'expected one name at least' })
  }
  return names.map((name) => {
    const event = abi.find((item): item is AbiEvent => item.type === 'event' && item.name === name)
    if (event === undefined) {
      throw new InvalidInputError({ field: 'events', reason: `the ABI has no event ${name}` })
    }
    if (!event.inputs.some((input) => input.name === 'sequence' && /^uint/.test(input.type))) {
      throw new InvalidInputError({
        field: 'events',
        reason: `${name} has no unsigned argument \`sequence\``,
        hint: 'Have the contract count its events from 1, and emit the count with each.',
      })
    }
    return toEventSelector(event)
  })
}

function chainEventOf(
  abi: Abi,
  contract: string,
  log: Parameters<typeof decodeEvmEvent>[1],
): ChainEvent<EvmEvent> {
  const event = decodeEvmEvent(abi, log)
  const { blockHash, logIndex } = log
  return {
    cursor: writeCursor(log),
    contract,
    sequence: BigInt(event.args['sequence'] as bigint | number),
    id: `${blockHash}:${numberToHex(logIndex)}`,
    event,
  }
}

function addressOf(contract: string | undefined): Address {
  if (contract !== undefined && isAddress(contract, { strict: false })) return contract
  throw new InvalidInputError({
    field: 'contract',
    reason: 'expected an address',
    hint: 'Give `contract`, or deploy it from the enclave before events are followed.',
  })
}
