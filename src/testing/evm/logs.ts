/** `eth_getLogs`. */
import { type Hex, isHex } from 'viem'
import { logsOf, type RpcLog } from './answers.js'
import { findBlock } from './blockNames.js'
import type { MinedBlock } from './chain/blocks.js'
import type { Chain } from './chain/chain.js'
import { invalidParams, nodeError } from './nodeError.js'

type Topic = Hex | null | readonly Hex[]
type Filter = {
  address?: Hex | readonly Hex[] | null
  topics?: readonly Topic[] | null
  fromBlock?: unknown
  toBlock?: unknown
  blockHash?: unknown
}

/** The logs that a filter asks for, in order. */
export function getLogs(chain: Chain, given: unknown): RpcLog[] {
  if (typeof given !== 'object' || given === null) throw invalidParams('expected a filter')
  const filter = given as Filter
  assertWords(filter)
  return blocksOf(chain, filter)
    .flatMap(logsOf)
    .filter((log) => matches(log, filter))
}

/** A topic or an address that is none would match nothing, and nobody would know why. */
function assertWords({ address, topics }: Filter): void {
  const hex = (value: unknown, bytes: number): boolean =>
    typeof value === 'string' && isHex(value) && value.length === 2 + 2 * bytes
  for (const one of [address ?? []].flat()) {
    if (!hex(one, 20)) throw invalidParams(`not an address: ${String(one)}`)
  }
  for (const one of (topics ?? []).flat()) {
    if (one !== null && !hex(one, 32)) throw invalidParams(`not a topic: ${String(one)}`)
  }
}

function blocksOf(chain: Chain, filter: Filter): readonly MinedBlock[] {
  if (filter.blockHash !== undefined && filter.blockHash !== null) {
    if ((filter.fromBlock ?? filter.toBlock ?? null) !== null) {
      throw invalidParams('cannot specify both blockHash and fromBlock/toBlock')
    }
    const found = findBlock(chain, { blockHash: filter.blockHash })
    if (found === undefined) throw nodeError({ code: -32_000, message: 'unknown block' })
    return [found.mined]
  }
  const top = chain.blocks.length - 1
  const [from, to] = [heightOf(chain, filter.fromBlock), heightOf(chain, filter.toBlock)]
  if (from > top) {
    throw nodeError({
      code: -32_602,
      message: `BlockOutOfRangeError: block height is ${top} but requested was ${from}`,
    })
  }
  return chain.blocks.slice(from, to + 1)
}

// A number may be of a block that is not there yet.
function heightOf(chain: Chain, name: unknown): number {
  if (typeof name === 'string' && /^0x[0-9a-fA-F]{1,16}$/.test(name)) return Number(BigInt(name))
  const found = findBlock(chain, name)
  if (found === undefined) throw invalidParams(`not a block: ${String(name)}`)
  return Number(found.mined.block.header.number)
}

function matches(log: RpcLog, { address, topics }: Filter): boolean {
  const lower = (value: string): string => value.toLowerCase()
  const addresses = address === undefined || address === null ? [] : [address].flat().map(lower)
  if (addresses.length > 0 && !addresses.includes(log.address)) return false
  return (topics ?? []).every((wanted, index) => {
    if (wanted === null || wanted === undefined) return true
    const choices = [wanted].flat().map(lower)
    return choices.length === 0 || choices.includes(log.topics[index] ?? '')
  })
}
