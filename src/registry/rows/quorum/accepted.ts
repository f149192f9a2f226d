/** What a response registry keeps of an accepted response, and what its event says beside that. */
import type { Address, Hex } from 'viem'
import * as ResponseRegistry from '../../../core/abi/responseRegistryAbi.js'
import type { Certificate } from '../../../core/bn254/certificate.js'
import type { PolicyTaskResponse } from '../../../core/response.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { type ChainLog, readLogs } from '../../chain/logs/logs.js'
import { type ReadCall, readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf } from '../../chain/slices.js'
import { acceptedTopic, decodeAccepted } from './challenges.js'

/** What is kept of an accepted response; `acceptedAt` is 0 where there is none. */
export type KeptResponse = {
  /** `keccak256(messageHash ‖ keccak256(abi.encode(certificate)))`. */
  commitment: Hex
  /** First 19 bytes of the message hash. */
  messagePrefix: Hex
  acceptedAt: number
  expirationBlock: number
  allowed: boolean
  consumed: boolean
  blockHashChecked: boolean
}

/** The call that reads what is kept of a task's response. */
export function keptResponseCall(address: Address, taskId: Hex): ReadCall {
  return callsOf(address)(ResponseRegistry.getResponse, [taskId])
}

/** Whether what is kept is of this message. */
export function isKept(kept: KeptResponse, messageHash: Hex): boolean {
  return kept.acceptedAt !== 0 && messageHash.toLowerCase().startsWith(kept.messagePrefix)
}

/** What is kept of a task's response at a block, `null` where none is accepted. */
export async function readKept(
  client: ReadClient,
  parameters: { address: Address; taskId: Hex; tag: 'latest' | 'finalized' | 'safe' },
): Promise<KeptResponse | null> {
  const { address, taskId, tag } = parameters
  const block = await readTag(client, tag)
  const [result] = await readAt(client, { block, calls: [keptResponseCall(address, taskId)] })
  const kept = valueFrom(result) as KeptResponse
  return kept.acceptedAt === 0 ? null : kept
}

/** The event of an acceptance that the registry knows of. */
export async function readAcceptance(
  client: ReadClient,
  parameters: { address: Address; taskId: Hex; kept: KeptResponse },
): Promise<{ messageHash: Hex; log: ChainLog }> {
  const { address, taskId, kept } = parameters
  const block = BigInt(kept.acceptedAt)
  const [log] = await readLogs(client, {
    addresses: [address],
    topics: [acceptedTopic],
    indexed: [taskId],
    fromBlock: block,
    toBlock: block,
  })
  const messageHash = log?.topics[3]
  if (log !== undefined && messageHash !== undefined && isKept(kept, messageHash)) {
    return { messageHash, log }
  }
  throw new RpcInconsistentError(`task ${taskId} is answered on chain, and the event is not there`)
}

/** An accepted response as its client needs it: whole, with the certificate that was accepted. */
export type AcceptedAnswer = Omit<
  KeptResponse,
  'messagePrefix' | 'acceptedAt' | 'expirationBlock'
> & {
  messageHash: Hex
  response: PolicyTaskResponse
  certificate: Certificate
  /** Block of acceptance. */
  acceptedAt: bigint
}

/**
 * Reads the accepted response of a task with the certificate it was accepted with: what
 * {@link executeIntent} and a challenge need. `null` where none is accepted.
 *
 * @throws {RpcError} when the node does not answer.
 * @throws {RpcInconsistentError} when it knows of the acceptance and not of its event.
 * @example
 * ```ts
 * const accepted = await getAcceptedResponse(client, { taskId })
 * ```
 */
export async function getAcceptedResponse(
  client: ReadClient,
  parameters: IoOptions & { taskId: Hex; addresses?: PolicyAddressesInput | undefined },
): Promise<AcceptedAnswer | null> {
  const { taskId, addresses } = parameters
  return withClient('getAcceptedResponse', { client, options: parameters }, async (bound) => {
    const chainId = await chainIdOf(bound)
    const address = resolveAddress('responseRegistry', { addresses, chainId })
    const kept = await readKept(bound, { address, taskId, tag: 'latest' })
    if (kept === null) return null
    const { messageHash, log } = await readAcceptance(bound, { address, taskId, kept })
    const { commitment, allowed, consumed, blockHashChecked } = kept
    const acceptedAt = log.blockNumber
    const flags = { commitment, allowed, consumed, blockHashChecked, acceptedAt }
    return { ...flags, messageHash, ...decodedOf(log) }
  })
}

function decodedOf(log: ChainLog): Pick<AcceptedAnswer, 'response' | 'certificate'> {
  const { response, certificate } = decodeAccepted(log)
  return { response, certificate }
}
