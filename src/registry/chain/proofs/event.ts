/** Proofs of logs, made from a block's receipts and verified before they are given on. */
import { concatHex, type Hex, numberToHex, toRlp } from 'viem'
import { proveInTrie } from '../../../core/ethereum/buildTrie.js'
import { verifyEventProof } from '../../../core/ethereum/eventProof.js'
import { fromHex, toHex } from '../../../internal/bytes.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { type ReadClient, request, withClient } from '../client.js'
import { BlockNotFoundError, RpcInconsistentError } from '../errors.js'
import type { ChainLog } from '../logs/logs.js'
import { bytesField, encodeHeader, quantityField } from './rawHeader.js'

/**
 * Proves that a log was emitted: the block's header, and the log's receipt in its trie.
 *
 * Reads `eth_getBlockByHash` and `eth_getBlockReceipts`; the trie of the receipts is built anew, and has
 * to have the header's root.
 *
 * @returns Bytes for `verifyEventProof`, and for `chainProofs` inside an enclave.
 * @throws {BlockNotFoundError} where the node does not have the log's block (any more).
 * @throws {RpcInconsistentError} where what the node tells does not fit the block's hash.
 */
export async function getEventProof(
  client: ReadClient,
  log: Pick<
    ChainLog,
    'address' | 'blockHash' | 'blockNumber' | 'transactionIndex' | 'logIndex' | 'topics' | 'data'
  >,
  options: IoOptions = {},
): Promise<Uint8Array> {
  const { blockHash, blockNumber, transactionIndex } = log
  return withClient('Proving an event', { client, options }, async (bound) => {
    const [block, receipts] = await Promise.all([
      ask(bound, 'eth_getBlockByHash', [blockHash, false]),
      ask(bound, 'eth_getBlockReceipts', [blockHash]),
    ])
    if (block === null || receipts === null) {
      throw new BlockNotFoundError({ block: blockNumber, latest: blockNumber })
    }
    if (!Array.isArray(receipts)) throw new RpcInconsistentError('receipts are not a list')
    const header = encodeHeader(block as Record<string, unknown>)
    const entries = receipts.map((receipt, index) => {
      return [indexKey(index), encodeReceipt(receipt)] as const
    })
    const { nodes } = proveInTrie(entries, indexKey(transactionIndex))
    const logs = (receipts[transactionIndex] as { logs?: { logIndex?: unknown }[] } | undefined)
      ?.logs
    const place = logs?.findIndex(({ logIndex }) => Number(logIndex) === log.logIndex) ?? -1
    if (place < 0) throw new RpcInconsistentError(`block ${blockNumber} has no such log`)
    const integers = [transactionIndex, place].map((number) => quantityField(numberToHex(number)))
    const proof = fromHex(toRlp([header, ...integers, nodes.map((node) => toHex(node))] as never))
    const verdict = verifyEventProof(proof, { contract: log.address })
    const same =
      verdict.status === 'valid' &&
      verdict.log.data.toLowerCase() === log.data.toLowerCase() &&
      verdict.log.topics.join().toLowerCase() === log.topics.join().toLowerCase()
    if (!same) {
      const reason = verdict.status === 'reject' ? verdict.code : 'another log is there'
      throw new RpcInconsistentError(`its receipts do not prove an event (${reason})`)
    }
    return proof
  })
}

function ask(client: ReadClient, method: string, params: unknown[]): Promise<unknown> {
  return request(method, () => client.request({ method, params } as never))
}

/** A receipt as its trie holds it (EIP-2718): status, gas, filter and logs, behind the type where there is one. */
function encodeReceipt(receipt: unknown): Uint8Array {
  const { type, status, cumulativeGasUsed, logsBloom, logs } = receipt as Record<string, unknown>
  if (!Array.isArray(logs)) throw new RpcInconsistentError('a receipt has no logs')
  const body = toRlp([
    quantityField(status),
    quantityField(cumulativeGasUsed),
    bytesField(logsBloom),
    logs.map((entry) => {
      const { address, topics, data } = entry as Record<string, unknown>
      if (!Array.isArray(topics)) throw new RpcInconsistentError('a log has no topics')
      return [bytesField(address), topics.map(bytesField), bytesField(data)]
    }),
  ] as never)
  const kind = Number(type ?? '0x0')
  return fromHex(kind === 0 ? body : concatHex([numberToHex(kind, { size: 1 }), body]))
}

function indexKey(index: number): Uint8Array {
  const encoded: Hex = toRlp(quantityField(numberToHex(index)))
  return fromHex(encoded)
}
