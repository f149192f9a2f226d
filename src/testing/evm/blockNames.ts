/** Which block a request means: a number, a tag, a hash. */
import type { MinedBlock } from './chain/blocks.js'
import type { Chain } from './chain/chain.js'
import { invalidParams, nodeError } from './nodeError.js'

/** A block, or the one that comes next. */
export type NamedBlock = { mined: MinedBlock; pending: boolean }

/** Finds a block by what a request names it with; `undefined` where the chain has none such. */
export function findBlock(chain: Chain, name: unknown): NamedBlock | undefined {
  const { blocks, slotsInAnEpoch } = chain
  const at = (height: number): NamedBlock | undefined => {
    const mined = blocks[height]
    return mined === undefined ? undefined : { mined, pending: false }
  }
  const top = blocks.length - 1
  switch (name) {
    case undefined:
    case null:
    case 'latest':
      return at(top)
    case 'pending':
      return { mined: chain.head(), pending: true }
    case 'earliest':
      return at(0)
    case 'safe':
      return at(Math.max(0, top - slotsInAnEpoch))
    case 'finalized':
      return at(Math.max(0, top - 2 * slotsInAnEpoch))
  }
  if (typeof name === 'object') {
    const { blockHash, blockNumber } = name as { blockHash?: unknown; blockNumber?: unknown }
    if (blockHash === undefined) return findBlock(chain, blockNumber)
    const mined = chain.byHash(String(blockHash))
    return mined === undefined ? undefined : { mined, pending: false }
  }
  if (typeof name !== 'string' || !/^0x[0-9a-fA-F]{1,16}$/.test(name)) {
    throw invalidParams(`not a block: ${String(name)}`)
  }
  return at(Number(BigInt(name)))
}

/** The same for requests that need the block. */
export function requireBlock(chain: Chain, name: unknown): NamedBlock {
  const found = findBlock(chain, name)
  if (found !== undefined) return found
  const height = chain.blocks.length - 1
  if (typeof name === 'object') throw nodeError({ code: -32_001, message: 'block not found' })
  throw nodeError({
    code: -32_602,
    message: `BlockOutOfRangeError: block height is ${height} but requested was ${BigInt(name as string)}`,
  })
}
