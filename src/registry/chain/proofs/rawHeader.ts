/** A block's header as the bytes that its hash is of, built anew from what a node tells. */
import { type Hex, isHex, toRlp } from 'viem'
import { fromHex, toHex } from '../../../internal/bytes.js'
import { keccakHex } from '../../../internal/keccak.js'
import { RpcInconsistentError } from '../errors.js'

/** Fields of a header in their order, with those that forks have added since. */
const words = [
  'parentHash',
  'sha3Uncles',
  'miner',
  'stateRoot',
  'transactionsRoot',
  'receiptsRoot',
  'logsBloom',
] as const
const quantities = ['difficulty', 'number', 'gasLimit', 'gasUsed', 'timestamp'] as const
const tail = ['extraData', 'mixHash', 'nonce'] as const
const added = [
  'baseFeePerGas',
  'withdrawalsRoot',
  'blobGasUsed',
  'excessBlobGas',
  'parentBeaconBlockRoot',
  'requestsHash',
] as const

/** Builds the header's bytes anew; they are right where their hash is the block's. */
export function encodeHeader(block: Record<string, unknown>): Hex {
  const fields = [
    ...words.map((name) => bytesField(block[name])),
    ...quantities.map((name) => quantityField(block[name])),
    ...tail.map((name) => bytesField(block[name])),
    ...added
      .filter((name) => block[name] !== undefined && block[name] !== null)
      .map((name) =>
        /Root$|Hash$/.test(name) ? bytesField(block[name]) : quantityField(block[name]),
      ),
  ]
  const encoded = toRlp(fields)
  const hash = block['hash']
  if (typeof hash !== 'string' || keccakHex(fromHex(encoded)) !== hash.toLowerCase()) {
    throw new RpcInconsistentError('the fields of a block do not hash to its hash')
  }
  return encoded
}

/** Bytes. @throws {RpcInconsistentError} for what are none. */
export function bytesField(value: unknown): Hex {
  if (isHex(value) && value.length % 2 === 0) return value
  throw new RpcInconsistentError('a field of a block is missing')
}

/** A quantity as RLP writes integers. @throws {RpcInconsistentError} for what is none. */
export function quantityField(value: unknown): Hex {
  if (!isHex(value)) throw new RpcInconsistentError('a field of a block is missing')
  const digits = value.slice(2).replace(/^0+/, '')
  return digits === '' ? '0x' : toHex(fromHex(`0x${digits.length % 2 === 0 ? '' : '0'}${digits}`))
}
