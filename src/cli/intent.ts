/** A transaction as a command takes it. */
import { type Address, type Hex, isAddress, isHex, toHex } from 'viem'
import type { Intent, JsonObject } from '../core/index.js'
import { parseFunctionSignature } from '../eval/index.js'
import { UsageError } from './errors.js'
import { quotedWord } from './terminal/quoting.js'

/** Options of commands that ask about a transaction. */
export const intentArgs = {
  from: {
    type: 'string',
    description: 'Sender of the transaction; 0x1111… where left out',
    valueHint: '0x…',
  },
  to: {
    type: 'string',
    description: 'Recipient of the transaction',
    valueHint: '0x…',
    required: true,
  },
  value: { type: 'string', description: 'Wei; 0 where left out' },
  data: { type: 'string', description: 'Calldata; none where left out', valueHint: '0x…' },
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
    from: address(args.from ?? `0x${'11'.repeat(20)}`, '--from'),
    to: address(args.to, '--to'),
    value: integer(args.value ?? '0', '--value'),
    data: bytes(args.data ?? '0x', '--data'),
    chainId,
    functionSignature: args.function === undefined ? '0x' : toHex(args.function),
  }
}

/**
 * A transaction in a file: members named like the options, each of which comes before the file's.
 *
 * @throws {UsageError} for a member that is none of them, or no text.
 */
export function intentArgsOf(args: IntentArgs, file: JsonObject, path: string): IntentArgs {
  const names = ['from', 'to', 'value', 'data', 'function'] as const
  for (const [name, member] of Object.entries(file)) {
    if ((names as readonly string[]).includes(name) && typeof member === 'string') continue
    throw new UsageError(`${path} has ${quotedWord(name)}, which is no text of a transaction.`, {
      metaMessages: [`Its members are texts: ${names.join(', ')}.`],
    })
  }
  return Object.fromEntries(names.map((name) => [name, args[name] ?? file[name]])) as IntentArgs
}

function address(text: string | undefined, option: string): Address {
  if (text !== undefined && isAddress(text, { strict: false })) return text
  throw new UsageError(`${option} is an address of 20 bytes, not ${quotedWord(String(text))}.`)
}

function bytes(text: string | undefined, option: string): Hex {
  if (isHex(text) && text.length % 2 === 0) return text
  throw new UsageError(`${option} is whole bytes in hex after 0x, not ${quotedWord(String(text))}.`)
}

/** A whole number of an option, decimal or hex. */
export function integer(text: string | undefined, option: string): bigint {
  if (text === undefined || !/^(?:\d+|0x[\da-fA-F]+)$/.test(text)) {
    throw new UsageError(`${option} is an integer, not ${quotedWord(String(text))}.`)
  }
  return BigInt(text)
}
