/** The state of a chain: the EVM over a Merkle Patricia trie, and a second one that only looks. */
import type { Block } from '@ethereumjs/block'
import type { MerkleStateManager } from '@ethereumjs/statemanager'
import type { VM } from '@ethereumjs/vm'
import type { Address, Hex } from 'viem'
import { fromHex, toHex } from '../../../internal/bytes.js'
import { keccak } from '../../../internal/keccak.js'
import { accelerateKeccak } from '../../../internal/longKeccak.js'
import type { EvmLibraries } from '../libraries.js'

type Evm = VM['evm'] & { readonly transientStorage: { clear(): void } }

/** What running code gives. */
export type EvmResult = Awaited<ReturnType<Evm['runCall']>>

/** An EVM and its state. */
export type Machine = { vm: VM; evm: Evm; state: MerkleStateManager }

/** What blocks are mined with, and what calls look at. */
export type ChainState = {
  /** The state that blocks change. */
  readonly writer: Machine
  /** Runs `look` on a state of any time; what it changes is gone afterwards. */
  view<value>(root: Uint8Array, look: (machine: Machine) => Promise<value>): Promise<value>
}

/**
 * Creates the state of an empty chain.
 *
 * @param blockAt - What `BLOCKHASH` is answered from.
 */
export async function createChainState(
  libraries: EvmLibraries,
  { chainId, blockAt }: { chainId: number; blockAt: (number: number) => Block | undefined },
): Promise<ChainState> {
  const { common: commons, state: states, vm: vms } = libraries
  const common = commons.createCustomCommon({ chainId }, commons.Mainnet, {
    hardfork: commons.Hardfork.Cancun,
    customCrypto: { keccak256: (bytes) => keccak(bytes) },
  })
  const blockchain = {
    getBlock: async (number: number) => {
      const block = blockAt(number)
      return { hash: () => block?.hash() ?? new Uint8Array(32) }
    },
    putBlock: async () => undefined,
    shallowCopy: () => blockchain,
  }
  const machineOn = async (state: MerkleStateManager): Promise<Machine> => {
    const vm = await vms.createVM({ common: common.copy(), stateManager: state, blockchain })
    return { vm, evm: vm.evm as Evm, state }
  }
  accelerateKeccak()
  const caches = new states.Caches()
  const writer = await machineOn(new states.MerkleStateManager({ common, caches }))
  // Both have one database of nodes: what was committed is seen under its root.
  const viewer = await machineOn(writer.state.shallowCopy(false))
  let shown = ''
  const view: ChainState['view'] = async (root, look) => {
    // Another root empties the caches: it is set where it changes.
    if (shown !== toHex(root)) await viewer.state.setStateRoot(root)
    shown = toHex(root)
    await viewer.evm.journal.checkpoint()
    try {
      return await look(viewer)
    } finally {
      await viewer.evm.journal.revert()
      viewer.evm.journal.cleanJournal()
      viewer.state.originalStorageCache.clear()
      viewer.evm.transientStorage.clear()
    }
  }
  return { writer, view }
}

/** What tests set by hand, outside any transaction. */
export type AccountChange = {
  balance?: bigint | undefined
  nonce?: bigint | undefined
  code?: Hex | undefined
  storage?: readonly (readonly [slot: Hex, value: Hex])[] | undefined
  /** Whether slots that `storage` does not name are empty from now on. */
  clear?: boolean | undefined
}

/** Sets balance, nonce, code and slots of an account. */
export async function changeAccount(
  { state }: Machine,
  { util }: EvmLibraries,
  { address, ...change }: AccountChange & { address: Address },
): Promise<void> {
  const at = util.createAddressFromString(address)
  const account = (await state.getAccount(at)) ?? new util.Account()
  if (change.balance !== undefined) account.balance = change.balance
  if (change.nonce !== undefined) account.nonce = change.nonce
  await state.putAccount(at, account)
  if (change.code !== undefined) await state.putCode(at, fromHex(change.code))
  if (change.clear === true) await state.clearStorage(at)
  for (const [slot, value] of change.storage ?? []) {
    const trimmed = util.unpadBytes(fromHex(value))
    await state.putStorage(at, util.setLengthLeft(fromHex(slot), 32), trimmed)
  }
}
