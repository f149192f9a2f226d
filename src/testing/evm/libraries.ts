/** The optional peers that run the EVM. Loaded when a chain is made, never before. */
import { MissingPeerError } from '../../errors/common.js'

/** The libraries of a chain. */
export type EvmLibraries = {
  vm: typeof import('@ethereumjs/vm')
  block: typeof import('@ethereumjs/block')
  common: typeof import('@ethereumjs/common')
  state: typeof import('@ethereumjs/statemanager')
  tx: typeof import('@ethereumjs/tx')
  util: typeof import('@ethereumjs/util')
}

/**
 * Loads them. npm and yarn install all of them with `@ethereumjs/vm`.
 *
 * @throws {MissingPeerError} names the first that is not there.
 */
export async function loadEvm(): Promise<EvmLibraries> {
  const vm = await peer('@ethereumjs/vm', () => import('@ethereumjs/vm'))
  const [block, common, state, tx, util] = await Promise.all([
    peer('@ethereumjs/block', () => import('@ethereumjs/block')),
    peer('@ethereumjs/common', () => import('@ethereumjs/common')),
    peer('@ethereumjs/statemanager', () => import('@ethereumjs/statemanager')),
    peer('@ethereumjs/tx', () => import('@ethereumjs/tx')),
    peer('@ethereumjs/util', () => import('@ethereumjs/util')),
  ])
  return { vm, block, common, state, tx, util }
}

async function peer<module>(name: string, load: () => Promise<module>): Promise<module> {
  try {
    return await load()
  } catch (cause) {
    throw new MissingPeerError({ peer: name, needed: 'mockClient' }, { cause })
  }
}
