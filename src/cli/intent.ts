/** A transaction as a command takes it. */
import { type Address, type Hex, isAddress, isHex, toHex } from 'viem'
import type { Intent } from '../core/index.js'
import { parseFunctionSignature } from '../eval/index.js'
import { UsageError } from './errors.js'

/** Options of commands that ask about a transaction. */
export const intentArgs = {
  from: {
    type: 'string',
    description: 'Sender of the transaction',
    valueHint: '0x…',
    default: `0x${'11'.repeat(20)}`,
  },
  to: {
    type: 'string',
    description: 'Recipient of the transaction',
    valueHint: '0x…',
    required: true,
  },
  value: { type: 'string', description: 'Wei', default: '0' },
  data: { type: 'string', description: 'Calldata', valueHint: '0x…', default: '0x' },
  function: {
    type: 'string',
    description: 'Signature to decode the calldata by',
    valueHint: 'function f(…)',
  },
} as const

/** Arguments of {@link intentArgs}, as a command has them. */
export type IntentArgs = {
  from?: string | undefined
  to?: string | undefined
  value?: string | undefined
  data?: string | undefined
  function?: string | undefined
}

/**
 * The transaction that the options describe.
 *
 * @throws {UsageError} for a malformed address, number or data, and what the signature's parser throws.
 */
export function intentOf(args: IntentArgs, chainId: bigint): Intent {
  if (args.function !== undefined) parseFunctionSignature(args.function)
  return {
    from: address(args.from, '--from'),
    to: address(args.to, '--to'),
    value: integer(args.value, '--value'),
    data: bytes(args.data, '--data'),
    chainId,
    functionSignature: args.function === undefined ? '0x' : toHex(args.function),
  }
}

function address(text: string | undefined, option: string): Address {
  if (text !== undefined && isAddress(text, { strict: false })) return text
  throw new UsageError(`${option} is an address of 20 bytes, not ${JSON.stringify(text)}.`)
}

function bytes(text: string | undefined, option: string): Hex {
  if (isHex(text) && text.length % 2 === 0) return text
  throw new UsageError(`${option} is whole bytes in hex after 0x, not ${JSON.stringify(text)}.`)
}

/** A whole number of an option, decimal or hex. */
export function integer(text: string | undefined, option: string): bigint {
  if (text === undefined || !/^(?:\d+|0x[\da-fA-F]+)$/.test(text)) {
    throw new UsageError(`${option} is an integer, not ${JSON.stringify(text)}.`)
  }
  return BigInt(text)
}
