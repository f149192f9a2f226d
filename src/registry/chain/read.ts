/** Batched reads at one block. */
import type { Abi, Address, ContractFunctionParameters } from 'viem'
import { multicall, getBlock as viemGetBlock } from 'viem/actions'
import type { BlockReference } from '../../core/interfaces/registryReader.js'
import { checkedBlock } from './blocks.js'
import { type ReadClient, request } from './client.js'
import { BlockNotFoundError, ContractRevertError, RpcInconsistentError } from './errors.js'
import { toCallError } from './revert.js'

/** One call of a batch. */
export type ReadCall = {
  address: Address
  abi: Abi
  functionName: string
  args?: readonly unknown[] | undefined
}

/** Outcome of one call: its value, or the revert. Anything else throws for the whole batch. */
export type ReadResult = { ok: true; value: unknown } | { ok: false; error: ContractRevertError }

/**
 * Makes all calls in one request, at one block.
 *
 * The block is named by its hash, so that the answer cannot come from another chain of the same
 * height. Multicall3 is used where the chain has it, else its code travels with the call.
 *
 * @throws {ContractNotFoundError} where an address has no code.
 * @throws {MalformedReturnDataError} where an answer does not decode.
 * @throws {RpcError} when the node does not answer.
 */
export async function readAt(
  client: ReadClient,
  parameters: {
    calls: readonly ReadCall[]
    block: BlockReference
    /** Block number that the contracts see, on the state of `block`. */
    asBlock?: bigint | undefined
  },
): Promise<ReadResult[]> {
  const { calls, block, asBlock } = parameters
  if (calls.length === 0) return []
  const deployed = client.chain?.contracts?.['multicall3'] as
    | { address: Address; blockCreated?: number }
    | undefined
  const usable = deployed !== undefined && BigInt(deployed.blockCreated ?? 0) <= block.number
  const results = await request('a batch of calls', () =>
    multicall(client, {
      contracts: calls as readonly ContractFunctionParameters[],
      allowFailure: true,
      batchSize: 0,
      blockHash: block.hash,
      requireCanonical: true,
      ...(asBlock === undefined ? {} : { blockOverrides: { number: asBlock } }),
      ...(usable ? { multicallAddress: deployed.address } : { deployless: true }),
    }),
  )
  if (results.length !== calls.length) {
    throw new RpcInconsistentError(`${results.length} answers to ${calls.length} calls`)
  }
  return results.map((result, index) => {
    if (result.status === 'success') return { ok: true, value: result.result }
    const error = toCallError(result.error, calls[index] as ReadCall)
    if (error instanceof ContractRevertError) return { ok: false, error }
    throw error
  })
}

/** Value of a result; a revert is thrown. */
export function valueFrom(result: ReadResult | undefined): unknown {
  if (result === undefined) throw new RpcInconsistentError('an answer is missing')
  if (!result.ok) throw result.error
  return result.value
}

/** A block by number, `null` where it is not mined yet. */
export async function readBlock(
  client: ReadClient,
  number: bigint,
): Promise<BlockReference | null> {
  const block = await request(`block ${number}`, async () => {
    try {
      return await viemGetBlock(client, { blockNumber: number })
    } catch (error) {
      if ((error as { name?: string }).name === 'BlockNotFoundError') return null
      throw error
    }
  })
  if (block === null) return null
  const checked = checkedBlock(block, `block ${number}`)
  if (checked.number === number) return checked
  throw new RpcInconsistentError(`block ${checked.number} came for block ${number}`)
}

/** The newest block, or the newest finalized one. */
export async function readTag(
  client: ReadClient,
  blockTag: 'latest' | 'finalized' | 'safe',
): Promise<BlockReference> {
  const block = await request(`the ${blockTag} block`, () => viemGetBlock(client, { blockTag }))
  return checkedBlock(block, `the ${blockTag} block`)
}

/**
 * The block a question about block `number` is asked at, with the block itself.
 *
 * A slot's value at the end of a past block is asked at the newest block, so that no archive node
 * is needed.
 *
 * @throws {BlockNotFoundError} where `number` is not mined yet.
 */
export async function readAnchor(
  client: ReadClient,
  number: bigint,
): Promise<{ block: BlockReference; at: BlockReference }> {
  const at = await readTag(client, 'latest')
  if (number > at.number) throw new BlockNotFoundError({ block: number, latest: at.number })
  if (number === at.number) return { block: at, at }
  const block = await readBlock(client, number)
  if (block === null) throw new RpcInconsistentError(`block ${number} is gone below ${at.number}`)
  return { block, at }
}
