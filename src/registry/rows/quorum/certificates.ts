/** Operator tables and certificates, as the verifier on chain sees them. */
import type { Address, Hex } from 'viem'
import { decodeEventLog, toEventSelector } from 'viem'
import * as BN254CertificateVerifier from '../../../core/abi/bn254CertificateVerifierAbi.js'
import {
  createOperatorTree,
  type OperatorSetInfo,
  type OperatorTree,
} from '../../../core/bn254/operatorTable.js'
import type { OperatorInfo } from '../../../core/bn254/table/proofs.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { BlockNotFoundError, RpcInconsistentError } from '../../chain/errors.js'
import { readLogs } from '../../chain/logs/logs.js'
import { type ReadCall, type ReadResult, readAt, readTag, valueFrom } from '../../chain/read.js'
import { callsOf } from '../../chain/slices.js'

/** Parameters of {@link createCertificateReader}. */
export type CreateCertificateReaderParameters = {
  client: ReadClient
  addresses?: PolicyAddressesInput | undefined
}

/**
 * Creates the reader of operator tables and of the contract's own verdict on certificates.
 *
 * @throws {AddressRequiredError} when the verifier's address is missing.
 */
export async function createCertificateReader(
  parameters: CreateCertificateReaderParameters,
  options: IoOptions = {},
): Promise<CertificateReader> {
  const { addresses } = parameters
  const chainId = await withClient(
    'createCertificateReader',
    { client: parameters.client, options },
    chainIdOf,
  )
  const address = resolveAddress('certificateVerifier', { addresses, chainId })
  const run = <value>(
    operation: string,
    io: IoOptions | undefined,
    work: (client: ReadClient) => Promise<value>,
  ): Promise<value> =>
    withClient(`CertificateReader.${operation}`, { client: parameters.client, options: io }, work)
  const call = callsOf(address)

  return {
    tableAt: (block, io) =>
      run('tableAt', io, async (client) => {
        const at = await readTag(client, 'latest')
        const [table, set] = await readMined(client, {
          block,
          at,
          calls: [
            call(BN254CertificateVerifier.tableAt, [block]),
            call(BN254CertificateVerifier.operatorSet),
          ],
        })
        if (table?.ok === false && table.error.errorName === 'NoTable') return null
        const [referenceTimestamp, quorumBps] = valueFrom(table) as [number, number]
        if (referenceTimestamp === 0) return null
        const [info, staleness] = await readAt(client, {
          block: at,
          calls: [
            call(BN254CertificateVerifier.getOperatorSetInfo, [valueFrom(set), referenceTimestamp]),
            call(BN254CertificateVerifier.maxOperatorTableStaleness, [valueFrom(set)]),
          ],
        })
        return {
          referenceTimestamp,
          quorumBps,
          table: valueFrom(info) as OperatorSetInfo,
          maxStaleness: valueFrom(staleness) as number,
        }
      }),
    verifyCertificateAt: ({ block, certificate }, io) =>
      run('verifyCertificateAt', io, async (client) => {
        const at = await readTag(client, 'latest')
        const [result] = await readMined(client, {
          block,
          at,
          calls: [call(BN254CertificateVerifier.verifyCertificateAt, [block, certificate])],
        })
        return result?.ok === true
      }),
  }
}

// For the contract the newest block is not over yet: the call is made as if one block later. Where
// a node cannot do that, the answer is `BlockNotMined`, and the caller waits for the next block.
async function readMined(
  client: ReadClient,
  parameters: { block: bigint; at: BlockReference; calls: readonly ReadCall[] },
): Promise<ReadResult[]> {
  const { block, at, calls } = parameters
  if (block > at.number) throw new BlockNotFoundError({ block, latest: at.number })
  const results = await readAt(client, {
    calls,
    block: at,
    ...(block === at.number ? { asBlock: at.number + 1n } : {}),
  })
  for (const result of results) {
    if (!result.ok && result.error.errorName === 'BlockNotMined') {
      throw new BlockNotFoundError(
        { block: block + 1n, latest: at.number },
        { cause: result.error },
      )
    }
  }
  return results
}

/**
 * Reads a published operator table from its event, with proofs for every entry. Challengers need
 * it to name signers.
 *
 * @param parameters.referenceTimestamp - Unix seconds, names the table.
 * @param parameters.fromBlock - First block to look in.
 * @returns The tree, checked against the root on chain, and the operators' addresses in its order.
 * @throws {RpcInconsistentError} when no such table was published or it misses the root.
 */
export async function readOperatorTable(
  client: ReadClient,
  parameters: IoOptions & {
    referenceTimestamp: number
    addresses?: PolicyAddressesInput | undefined
    fromBlock?: bigint | undefined
    maxRange?: bigint | undefined
  },
): Promise<{ tree: OperatorTree; operators: readonly Address[] }> {
  const { referenceTimestamp, addresses, fromBlock = 0n, maxRange } = parameters
  return withClient('readOperatorTable', { client, options: parameters }, async (bound) => {
    const chainId = await chainIdOf(bound)
    const address = resolveAddress('certificateVerifier', { addresses, chainId })
    const at = await readTag(bound, 'latest')
    const timestampTopic: Hex = `0x${referenceTimestamp.toString(16).padStart(64, '0')}`
    const logs = await readLogs(bound, {
      addresses: [address],
      topics: [tableTopic],
      indexed: [timestampTopic],
      fromBlock,
      toBlock: at.number,
      // The topic names one table: most nodes give one log of any number of blocks.
      maxRange: maxRange ?? at.number + 1n,
    })
    const log = logs[0]
    if (log === undefined) {
      throw new RpcInconsistentError(`no table was published for ${referenceTimestamp}`)
    }
    const { args } = decodeEventLog({
      abi: [BN254CertificateVerifier.OperatorTablePublished],
      data: log.data,
      topics: log.topics as [Hex, ...Hex[]],
    })
    const { operators, infos } = args as unknown as {
      operators: readonly Address[]
      infos: readonly OperatorInfo[]
    }
    const tree = createOperatorTree(infos)
    const own = callsOf(address)
    const [set] = await readAt(bound, {
      block: at,
      calls: [own(BN254CertificateVerifier.operatorSet)],
    })
    const [info] = await readAt(bound, {
      block: at,
      calls: [
        own(BN254CertificateVerifier.getOperatorSetInfo, [valueFrom(set), referenceTimestamp]),
      ],
    })
    const { operatorInfoTreeRoot } = valueFrom(info) as OperatorSetInfo
    if (tree.info.operatorInfoTreeRoot !== operatorInfoTreeRoot) {
      throw new RpcInconsistentError(`the table of ${referenceTimestamp} misses its root`)
    }
    return { tree, operators }
  })
}

const tableTopic: Hex = toEventSelector(BN254CertificateVerifier.OperatorTablePublished)
