/** What a challenger reads from the chain: accepted responses, and the tables their signers are in. */
import {
  decodeEventLog,
  decodeFunctionData,
  encodeFunctionData,
  type Hex,
  toEventSelector,
} from 'viem'
import { getTransaction } from 'viem/actions'
import * as ResponseRegistry from '../../../core/abi/responseRegistryAbi.js'
import type { Certificate } from '../../../core/bn254/certificate.js'
import type { OperatorTree } from '../../../core/bn254/operatorTable.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type {
  AcceptedResponse,
  AcceptedResponses,
  OperatorTrees,
} from '../../../core/interfaces/responses.js'
import type { PolicyTaskResponse } from '../../../core/response.js'
import { computeTaskId, type Task } from '../../../core/task.js'
import { mapBounded } from '../../../internal/mapBounded.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { type ChainLog, readLogs } from '../../chain/logs/logs.js'
import { createCertificateReader, readOperatorTable } from './certificates.js'

/** Parameters of the readers that a challenger needs. */
export type ChallengeReaderParameters = {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
  /** Most blocks of one request for logs. */
  maxRange?: bigint | undefined
  /** Blocks below the newest whose logs are proven complete. @default 256 */
  proofDepth?: bigint | undefined
}

/**
 * Creates the reader of accepted responses.
 *
 * Response and certificate come from the event, so that none is missed whoever made the call. The
 * task comes from the call's data where the transaction called `accept` itself and can be had.
 */
export function createAcceptedResponses(parameters: ChallengeReaderParameters): AcceptedResponses {
  const { client, addresses, maxRange, proofDepth } = parameters
  return {
    getAcceptedResponses: ({ fromBlock, toBlock, parentHash, blockHash }, options) =>
      withClient('getAcceptedResponses', { client, options }, async (bound) => {
        const chainId = await chainIdOf(bound)
        const address = resolveAddress('responseRegistry', { addresses, chainId })
        const logs = await readLogs(bound, {
          addresses: [address],
          topics: [acceptedTopic],
          fromBlock,
          toBlock,
          maxRange,
          proofDepth,
          parentHash,
          blockHash,
        })
        return mapBounded(logs, MAX_REQUESTS, (log) => readAccepted(bound, log))
      }),
  }
}

/**
 * Creates the reader of whole operator tables, rebuilt from their events and checked against the
 * root on chain. Tables never change, so each is read once, as long as it is among the last ones.
 *
 * @param parameters.fromBlock - First block to look for tables in.
 */
export function createOperatorTrees(
  parameters: ChallengeReaderParameters & { fromBlock?: bigint | undefined },
): OperatorTrees {
  const { client, addresses, fromBlock, maxRange } = parameters
  const trees = new Map<number, OperatorTree>()
  let certificates: CertificateReader | undefined
  return {
    operatorTreeAt: async (block, options = {}) => {
      certificates ??= await createCertificateReader({ client, addresses }, options)
      const inForce = await certificates.tableAt(block, options)
      if (inForce === null) return null
      const { referenceTimestamp } = inForce
      const known = trees.get(referenceTimestamp)
      if (known !== undefined) return known
      const { tree } = await readOperatorTable(client, {
        ...options,
        referenceTimestamp,
        addresses,
        fromBlock,
        maxRange,
      })
      trees.set(referenceTimestamp, tree)
      for (const oldest of trees.keys()) {
        if (trees.size <= MAX_TREES) break
        trees.delete(oldest)
      }
      return tree
    },
  }
}

/** Response and certificate of the event of an acceptance. */
export function decodeAccepted(log: Pick<ChainLog, 'data' | 'topics'>): {
  response: PolicyTaskResponse
  certificate: Certificate
} {
  try {
    const { args } = decodeEventLog({
      abi: [ResponseRegistry.ResponseAccepted],
      data: log.data,
      topics: log.topics as [Hex, ...Hex[]],
    })
    return args as unknown as { response: PolicyTaskResponse; certificate: Certificate }
  } catch (cause) {
    throw new RpcInconsistentError('an accepted response does not decode', { cause })
  }
}

async function readAccepted(client: ReadClient, log: ChainLog): Promise<AcceptedResponse> {
  const { blockNumber, blockHash, transactionIndex, logIndex, transactionHash } = log
  const { response, certificate } = decodeAccepted(log)
  const task = await obtainTask(client, { transactionHash, taskId: response.taskId })
  const position = { blockNumber, blockHash, transactionIndex, logIndex, transactionHash }
  return { ...position, response, certificate, task }
}

/** The task is a convenience: where its transaction cannot be had, the response still counts. */
async function obtainTask(
  client: ReadClient,
  { transactionHash, taskId }: { transactionHash: Hex; taskId: Hex },
): Promise<Task | null> {
  try {
    const { input } = await getTransaction(client, { hash: transactionHash })
    return readTask(input, taskId)
  } catch {
    return null
  }
}

/** The task in a call of `accept`, if this is one and the task is the response's. */
function readTask(input: Hex, taskId: Hex): Task | null {
  try {
    const { functionName, args } = decodeFunctionData({ abi: acceptAbi, data: input })
    const task = args[2] as Task
    // Data behind the arguments, or another layout of them, is somebody's wrapper.
    if (encodeFunctionData({ abi: acceptAbi, functionName, args }) !== input) return null
    return computeTaskId(task) === taskId ? task : null
  } catch {
    return null
  }
}

/** Most transactions asked for at once. */
const MAX_REQUESTS = 8
/** Tables that are kept: those of windows that are open, and some. */
const MAX_TREES = 16

const acceptAbi = [ResponseRegistry.accept] as const
/** First topic of the event of an acceptance. */
export const acceptedTopic: Hex = toEventSelector(ResponseRegistry.ResponseAccepted)
