/** What every write takes besides its own parameters; the checks before signing take it too. */
import type { Account, Address, Chain } from 'viem'
import type { IoOptions } from '../../internal/deadline.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import type { OffchainChecks } from './offchain.js'

/** Parameters that every write takes. */
export type WriteOptions = IoOptions & {
  addresses?: PolicyAddressesInput | undefined
  /** Who sends, where the client has no account or another is meant. */
  account?: Account | Address | undefined
  /** The chain to send to, where the client has none. */
  chain?: Chain | undefined
  /** `false` leaves the checks before signing out; the call is still simulated. @default true */
  preflight?: boolean | undefined
  /** What the checks before signing may use besides the chain. */
  checks?: OffchainChecks | undefined
  /** Gas limit; estimated where left out. */
  gas?: bigint | undefined
  nonce?: number | undefined
}
