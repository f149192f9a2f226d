/** Carries an enclave's steps to the contract `StateAnchor`, and proofs of it back. */
import type { Abi } from 'viem'
import { stateAnchorAbi } from '../../core/abi/stateAnchorAbi.js'
import type { AnchorCarrier } from '../../enclave/app/chainAnchor.js'
import { withClient } from '../chain/client.js'
import { getSlotProof } from '../chain/proofs/slot.js'
import { finalBlock } from '../events/events.js'
import { checkSending, createSubmissions, type SendingParameters } from './submitting.js'

/**
 * Creates what `chainAnchor` of `/enclave` asks of a chain. The enclave signs each step and checks each
 * proof: what runs this can delay its state, and no more.
 *
 * Reads `eth_getBlockByNumber` and `eth_getProof`; sends `eth_sendRawTransaction`, each step once, with
 * fees raised where it waits, and again where a reorganization took it back.
 *
 * @throws {InvalidInputError} for options that are none.
 * @example
 * ```ts
 * import { createTypedStore, memoryKv } from '@newton/policy-sdk/enclave'
 * import { createAnchorCarrier } from '@newton/policy-sdk/registry'
 * import { createWalletClient, http } from 'viem'
 * import { privateKeyToAccount } from 'viem/accounts'
 * import { foundry } from 'viem/chains'
 *
 * const account = privateKeyToAccount(`0x${'01'.repeat(32)}`)
 * const carrier = createAnchorCarrier({
 *   client: createWalletClient({ account, chain: foundry, transport: http() }),
 *   store: createTypedStore(memoryKv()),
 * })
 * ```
 */
export function createAnchorCarrier(parameters: SendingParameters): AnchorCarrier {
  const options = checkSending({ ...parameters, abi: stateAnchorAbi as Abi })
  const { client, finality, final } = options
  const submissions = createSubmissions(options)
  return {
    prove: async ({ contract, slots, at }, io) => {
      // Whoever waits for a step looks here: what a reorganization took back is seen by it.
      await submissions.settle(io)
      return withClient('Proving a state', { client, options: io }, async (bound) => {
        const { number: block } = await finalBlock(bound, at === 'final' ? final : finality)
        const read = slots.map((slot) => getSlotProof(bound, { contract, slot, block }))
        return (await Promise.all(read)).map(({ proof }) => proof)
      })
    },
    submit: async ({ contract, data, key }, io) => {
      await submissions.submit({ to: contract, data }, { ...io, key })
    },
  }
}
