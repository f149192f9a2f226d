/** What every write takes besides its own parameters; the checks before signing take it too. */
import type { IoOptions } from '../../internal/deadline.js'
import type { PolicyAddressesInput } from '../chain/addressBook.js'
import type { OffchainChecks } from './offchain.js'

/** Parameters that every write takes. */
export type WriteOptions = IoOptions & {
  addresses?: PolicyAddressesInput | undefined
  /** `false` leaves the checks before signing out; the call is still simulated. @default true */
  preflight?: boolean | undefined
  /** What the checks before signing may use besides the chain. */
  checks?: OffchainChecks | undefined
  /** Gas limit; estimated where left out. */
  gas?: bigint | undefined
  nonce?: number | undefined
}
