/** Settings that all roles of a development network share. */
import type { Chain, Hex } from 'viem'
import type { DeployedContracts } from '../../contracts.js'

/** What all roles are started with. */
export type SharedSettings = {
  'chain.id': number
  'chain.rpc_urls': readonly string[]
  'chain.from_block': number
  'chain.finality': 'latest'
  'chain.confirmations': number
  'chain.poll_seconds': number
  'chain.contracts': Readonly<Record<string, Hex>>
  'da.directory': string
}

/** Settings of one node's chain, where each block stays. */
export function sharedSettings(parameters: {
  chain: Chain
  rpcUrl: string
  contracts: DeployedContracts
  artifacts: string
}): SharedSettings {
  const { chain, rpcUrl, artifacts } = parameters
  const { fromBlock, ...contracts } = parameters.contracts
  const named = Object.entries(contracts).filter(
    (entry): entry is [string, Hex] => typeof entry[1] === 'string',
  )
  return {
    'chain.id': chain.id,
    'chain.rpc_urls': [rpcUrl],
    'chain.from_block': Number(fromBlock),
    'chain.finality': 'latest',
    'chain.confirmations': 0,
    'chain.poll_seconds': 1,
    'chain.contracts': Object.fromEntries(named),
    'da.directory': artifacts,
  }
}
