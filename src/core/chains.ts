/** The one table of chains: what differs between them and has to be the same for all operators. */
import { BaseError, type BaseErrorOptions } from '../errors/base.js'

/** How long a response can be given and challenged, in blocks of its chain. */
export type ChallengeWindows = {
  /** Blocks after acceptance or expiry, whichever is later, in which a response can be challenged. */
  challengeWindow: bigint
  /** Blocks after a task's reference block in which its response is accepted. */
  taskResponseWindow: bigint
}

/** Constants of one chain. */
export type ChainConstants = ChallengeWindows & {
  name: string
  /** Most blocks that an evaluation result stays valid: the registries refuse more. */
  maxExpireAfter: bigint
  /** Seconds after which an operator table signs no new work; 0 for never. */
  maxStaleness: number
  /** Seconds that a block takes. */
  blockSeconds: number
  /** Blocks that the reference block of a new task is behind the head. */
  referenceDelay: bigint
  /** Seconds that the cutoff block of a commit is behind its timestamp. */
  finalityDelay: bigint
  /** Blocks that artifacts stay beyond the last one in which they can be needed. */
  safetyMargin: bigint
}

/** The chain is not in the table. */
export class UnknownChainError extends BaseError {
  override readonly name = 'UnknownChainError'
  override readonly code = 'UNKNOWN_CHAIN'

  constructor({ chainId }: { chainId: bigint | number }, options: BaseErrorOptions = {}) {
    super(`There are no constants for chain ${chainId}.`, {
      metaMessages: [
        `The table has chains ${Object.keys(chains).join(', ')}.`,
        'Give the constants of the network yourself: all its operators have to use the same.',
      ],
      ...options,
    })
  }
}

const day = 86_400
const week = 7 * day
const marginSeconds = 600

// The windows are those of contracts/config; what is deployed is read from the chain where it can be.
function chain(
  name: string,
  kind: Pick<ChainConstants, 'blockSeconds' | 'referenceDelay' | 'finalityDelay'> &
    Partial<Pick<ChainConstants, 'taskResponseWindow'>>,
): ChainConstants {
  const inBlocks = (seconds: number): bigint => BigInt(Math.ceil(seconds / kind.blockSeconds))
  return Object.freeze({
    name,
    taskResponseWindow: 200n,
    ...kind,
    safetyMargin: inBlocks(marginSeconds),
    challengeWindow: inBlocks(week),
    maxExpireAfter: inBlocks(5 * day),
    maxStaleness: day,
  })
}

const l1 = { blockSeconds: 12, referenceDelay: 2n, finalityDelay: 1_200n }
// Half an hour, nearly the 40 minutes of L1: what waits for a sequencer that rests may still land.
const opStack = {
  ...{ blockSeconds: 2, referenceDelay: 5n, finalityDelay: 1_800n },
  taskResponseWindow: 900n,
}
// Half an hour too: from ArbOS 40 on its contract of EIP-2935 reaches 393,168 blocks back, a day.
const arbitrum = {
  ...{ blockSeconds: 0.25, referenceDelay: 20n, finalityDelay: 1_800n },
  taskResponseWindow: 7_200n,
}
const devnet = { blockSeconds: 12, referenceDelay: 0n, finalityDelay: 0n }

/** Constants by chain id. */
export const chains: Readonly<Record<number, ChainConstants>> = Object.freeze({
  1: chain('Ethereum', l1),
  11155111: chain('Sepolia', l1),
  560048: chain('Hoodi', l1),
  8453: chain('Base', opStack),
  84532: chain('Base Sepolia', opStack),
  10: chain('OP Mainnet', opStack),
  11155420: chain('OP Sepolia', opStack),
  42161: chain('Arbitrum One', arbitrum),
  421614: chain('Arbitrum Sepolia', arbitrum),
  31337: Object.freeze({ ...chain('Devnet', devnet), challengeWindow: 1_000n, maxStaleness: 0 }),
})

/**
 * The constants of a chain.
 *
 * @throws {UnknownChainError} where the table has none.
 * @example
 * ```ts
 * import { chainConstants } from '@newton/policy-sdk'
 *
 * chainConstants(8453).challengeWindow // 302400n, seven days
 * ```
 */
export function chainConstants(chainId: bigint | number): ChainConstants {
  const found = Object.hasOwn(chains, String(chainId)) ? chains[Number(chainId)] : undefined
  if (found === undefined) throw new UnknownChainError({ chainId })
  return found
}

/** Selector of ArbSys's `arbBlockNumber()`. */
const ARB_BLOCK_NUMBER = 'a3b1b31d'

/**
 * How many blocks back the contracts know hashes: the last 256, and those of EIP-2935's contract where there is
 * one. On chains with ArbSys it counts only where it is Arbitrum's own, which asks ArbSys for the block's
 * number. A response window is at most half of it: a transaction may have to wait.
 *
 * @param parameters.arbSys - Whether block numbers are those of ArbSys.
 * @param parameters.history - Code of EIP-2935's contract, `undefined` or `0x` where there is none.
 */
export function blockHashReach(parameters: {
  arbSys: boolean
  history: string | undefined
}): bigint {
  const { arbSys, history = '0x' } = parameters
  if (arbSys) return history.toLowerCase().includes(ARB_BLOCK_NUMBER) ? 393_168n : 256n
  return history === '0x' ? 256n : 8_191n
}

/**
 * Blocks from a task's reference block in which an answer can land: two reference delays and a minute. Windows
 * and validity that are shorter are of no use.
 */
export function blocksToAnswer({
  referenceDelay,
  blockSeconds,
}: Pick<ChainConstants, 'referenceDelay' | 'blockSeconds'>): bigint {
  return 2n * referenceDelay + BigInt(Math.ceil(60 / blockSeconds))
}
