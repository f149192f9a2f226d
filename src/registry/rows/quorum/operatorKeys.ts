/** Whole operator tables with both keys of each operator, rebuilt from the chain's logs. */
import { type Address, decodeEventLog, type Hex, toEventSelector } from 'viem'
import * as BN254CertificateVerifier from '../../../core/abi/bn254CertificateVerifierAbi.js'
import type { G1Point, G2Point } from '../../../core/bn254/curve/points.js'
import {
  createOperatorTable,
  type OperatorTable,
  type TableOperator,
} from '../../../core/bn254/operatorTable.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { PolicyAddressesInput } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import { chainIdOf, type ReadClient, withClient } from '../../chain/client.js'
import { RpcInconsistentError } from '../../chain/errors.js'
import { readLogs } from '../../chain/logs/logs.js'
import { readTag } from '../../chain/read.js'
import { readOperatorTable } from './certificates.js'

/**
 * Reads a published table with both keys of each operator: what signers and aggregators work with. The
 * entries are checked against the root on chain, and each G2 key against the entry's G1 key.
 *
 * @param parameters.referenceTimestamp - Unix seconds, names the table.
 * @param parameters.fromBlock - First block to look in.
 * @throws {RpcInconsistentError} where no such table was published, or a key of it was never registered.
 */
export async function readFullOperatorTable(
  client: ReadClient,
  parameters: IoOptions & {
    referenceTimestamp: number
    addresses?: PolicyAddressesInput | undefined
    fromBlock?: bigint | undefined
    maxRange?: bigint | undefined
  },
): Promise<OperatorTable> {
  const { addresses, fromBlock = 0n, maxRange } = parameters
  const { tree, operators } = await readOperatorTable(client, parameters)
  const keys = await withClient(
    'readFullOperatorTable',
    { client, options: parameters },
    async (bound) => {
      const address = resolveAddress('certificateVerifier', {
        addresses,
        chainId: await chainIdOf(bound),
      })
      const { number: toBlock } = await readTag(bound, 'latest')
      const logs = await readLogs(bound, {
        addresses: [address],
        topics: [keyTopic],
        ...{ fromBlock, toBlock, maxRange },
      })
      return logs.map(({ data, topics }) => {
        const { args } = decodeEventLog({
          abi: [BN254CertificateVerifier.OperatorKeyRegistered],
          data,
          topics: topics as [Hex, ...Hex[]],
        })
        return args as unknown as { operator: Address; pkG1: G1Point; pkG2: G2Point }
      })
    },
  )
  const full = tree.operators.map((info, index): TableOperator => {
    const operator = operators[index] as Address
    const found = keys.find(
      ({ operator: owner, pkG1 }) =>
        owner.toLowerCase() === operator.toLowerCase() &&
        pkG1.X === info.pubkey.X &&
        pkG1.Y === info.pubkey.Y,
    )
    if (found === undefined) {
      throw new RpcInconsistentError(`the key of operator ${operator} was never registered`)
    }
    return { ...info, operator, pubkeyG2: found.pkG2 }
  })
  return createOperatorTable(full)
}

const keyTopic: Hex = toEventSelector(BN254CertificateVerifier.OperatorKeyRegistered)
