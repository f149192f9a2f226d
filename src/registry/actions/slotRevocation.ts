/** What follows a move of data slots: the end of what was allowed with the instances before. */
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import { resolveAddress } from '../chain/addresses.js'
import type { WriteClient } from '../chain/client.js'
import { PreflightError, RevocationFailedError } from '../chain/errors.js'
import type { WriteOptions } from '../rows/writeOptions.js'
import { revokeResponsesBeforeSync } from './revocations.js'
import type { SyncOptions } from './sending/write.js'

/** What follows a move of a data slot. */
export type RevocationOptions = {
  /**
   * Leaves what was allowed with the instance before usable until it expires. Without it, responses
   * of reference blocks before the move are revoked in a second transaction.
   */
  keepAccepted?: boolean | undefined
}

/** The revocation that followed a move. */
export type SlotRevocation = { transactionHash: Hex; blockNumber: bigint }

/** Checks the option, and that a move which has to be followed by a revocation can be. */
export function keepsAccepted(
  client: WriteClient,
  { keepAccepted = false, addresses }: RevocationOptions & WriteOptions,
): boolean {
  if (typeof keepAccepted !== 'boolean') {
    throw new InvalidInputError({ field: 'keepAccepted', reason: 'expected a boolean' })
  }
  if (!keepAccepted) resolveAddress('responseRegistry', { addresses, chainId: client.chain.id })
  return keepAccepted
}

/**
 * Revokes a client's responses of reference blocks before a move.
 *
 * @throws {RevocationFailedError} when the slot moved and the revocation did not succeed.
 */
export async function revokeAfterMove(
  client: WriteClient,
  parameters: { client: Address } & WriteOptions & SyncOptions,
  move: { receipt: { blockNumber: bigint }; transactionHash: Hex },
): Promise<SlotRevocation | null> {
  const { transactionHash, receipt } = move
  const blockNumber = receipt.blockNumber - 1n
  // The gas, the nonce and the earlier sendings that were given are the move’s.
  const { gas: _gas, nonce: _nonce, previous: _previous, ...options } = parameters
  try {
    const revoked = await revokeResponsesBeforeSync(client, { ...options, blockNumber })
    return { transactionHash: revoked.transactionHash, blockNumber }
  } catch (cause) {
    // Somebody else’s revocation reaches further: there is nothing left to revoke.
    if (cause instanceof PreflightError && onlyLowered(cause)) return null
    throw new RevocationFailedError(
      { client: parameters.client, transactionHash, blockNumber },
      { cause },
    )
  }
}

function onlyLowered({ checks }: PreflightError): boolean {
  const broken = checks.filter(({ ok, level }) => !ok && level === 'error')
  return broken.length > 0 && broken.every(({ rule }) => rule === 'RevocationLowered')
}
