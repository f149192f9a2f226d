/** Checks of what operators and gateways are made with: an address or a build that is none matches nothing. */
import type { Address, Hex } from 'viem'
import { ZERO_HASH } from '../../core/artifact.js'
import { InvalidInputError } from '../../errors/common.js'

/** An address in lower case. */
export function readGivenAddress(field: string, given: unknown): Address {
  if (typeof given === 'string' && /^0x[0-9a-fA-F]{40}$/.test(given)) {
    return given.toLowerCase() as Address
  }
  throw new InvalidInputError({ field, reason: 'expected an address' })
}

/** Addresses in lower case. */
export function readGivenAddresses(field: string, given: readonly unknown[]): readonly Address[] {
  return given.map((one, index) => readGivenAddress(`${field}[${index}]`, one))
}

/** `keccak256(PCR0)` in lower case, zero where none is given. */
export function readGivenBuild(field: string, given: unknown): Hex {
  if (given === undefined) return ZERO_HASH
  if (typeof given === 'string' && /^0x[0-9a-fA-F]{64}$/.test(given)) {
    return given.toLowerCase() as Hex
  }
  throw new InvalidInputError({ field, reason: 'expected 32 bytes' })
}
