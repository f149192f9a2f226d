/** Writes that only the owner of a contract may send, in the forms of every write. */

import type { AbiEvent, AbiFunction, Address } from 'viem'
import type { PolicyContract } from '../../chain/addressBook.js'
import { resolveAddress } from '../../chain/addresses.js'
import type { WriteClient } from '../../chain/client.js'
import type { PreflightCheck } from '../../chain/preflightCheck.js'
import { functionOf } from '../../chain/slices.js'
import { checkOwner } from '../../preflight/admin/gates.js'
import type { WriteOptions } from '../../rows/writeOptions.js'
import { defineWrite, type WriteTriple } from '../sending/write.js'

/** What is particular about one of them. */
export type OwnerWrite<parameters, event> = {
  name: string
  /** The contract, or the one that the parameters name. */
  contract: PolicyContract | ((parameters: parameters) => PolicyContract)
  /** Its function, by the parameters where there are several. */
  item: AbiFunction | ((parameters: parameters) => AbiFunction)
  args: (parameters: parameters) => readonly unknown[]
  emits: AbiEvent
  event: (args: Record<string, unknown>) => event
  /** Checks beside the owner's. */
  check?:
    | ((
        client: WriteClient,
        parameters: parameters & { address: Address },
      ) => Promise<readonly PreflightCheck[]>)
    | undefined
}

/** Makes the forms of a write that only a contract's owner may send. */
export function defineOwnerWrite<parameters extends object, event>(
  definition: OwnerWrite<parameters, event>,
): WriteTriple<parameters, event, undefined> {
  const { name, contract, item, args, emits, event, check } = definition
  const addressFor = (client: WriteClient, parameters: parameters & WriteOptions): Address =>
    resolveAddress(typeof contract === 'function' ? contract(parameters) : contract, {
      addresses: parameters.addresses,
      chainId: client.chain.id,
    })
  return defineWrite<parameters, event, undefined>({
    name,
    prepare: (client, parameters) => ({
      address: addressFor(client, parameters),
      ...functionOf(typeof item === 'function' ? item(parameters) : item),
      args: args(parameters),
    }),
    preflight: async (client, parameters) => {
      const address = addressFor(client, parameters)
      return [
        ...(await checkOwner(client, address)),
        ...((await check?.(client, { ...parameters, address })) ?? []),
      ]
    },
    emits,
    event,
    result: () => undefined,
  })
}
