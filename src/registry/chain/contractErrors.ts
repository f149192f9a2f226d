/** Every custom error that a call can end in, whichever contract raised it. */
import type { Abi, Hex } from 'viem'
import { contractErrors } from '../../core/abi/contractErrors.js'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** The error items of an ABI. */
export type AbiError = Extract<Abi[number], { type: 'error' }>

/**
 * The error of the contracts that revert data begins with, `undefined` where there is none. Calls pass
 * through several contracts, so it is looked up among all of them.
 */
export function errorOf(raw: Hex): AbiError | undefined {
  const selector = raw.slice(0, 10).toLowerCase()
  const signature = contractErrors.find((one) => keccakHex(utf8(one)).startsWith(selector))
  if (signature === undefined) return undefined
  const [name = '', types = ''] = signature.slice(0, -1).split('(')
  const inputs = types === '' ? [] : types.split(',').map((type) => ({ name: '', type }))
  return { type: 'error', name, inputs }
}
