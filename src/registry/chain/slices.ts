/** Parts of ABIs: a call carries the function that it calls, and a bundle those that it uses. */
import type { Abi, AbiFunction, Address } from 'viem'
import type { ReadCall } from './read.js'

/** The part of an ABI that a call of `item` needs, and its name. */
export function functionOf(item: AbiFunction): { abi: Abi; functionName: string } {
  return { abi: [item], functionName: item.name }
}

/** Makes reads of one contract. */
export function callsOf(
  address: Address,
): (item: AbiFunction, args?: readonly unknown[]) => ReadCall {
  return (item, args = []) => ({ address, ...functionOf(item), args })
}
