/** What the checks of a whole deployment look at. */
import type { Address } from 'viem'
import type { BlockReference } from '../../../core/interfaces/registryReader.js'
import type { IoOptions } from '../../../internal/deadline.js'
import type { PreflightCheck } from '../../chain/preflightCheck.js'
import type { OffchainChecks } from '../../rows/offchain.js'
import type { DeploymentAuthorization, PreparedDeployment } from '../../rows/policyDeployment.js'
import type { Registries } from '../../rows/rows.js'

/** A deployment, and for whom it is made. */
export type DeploymentCheck = {
  registries: Registries
  deployer: Address
  prepared: PreparedDeployment
  /** What the owner signed; without it the sender is who it acts for. */
  authorization?: DeploymentAuthorization | undefined
  /** Whether what was allowed with replaced data instances may stay usable. */
  keepAccepted: boolean
  checks: OffchainChecks
  options: IoOptions
}

/** For whom a deployment is made, at the block that the checks read. */
export type Found = {
  block: BlockReference
  sender: Address
  account: Address
  owner: Address | undefined
  checks: PreflightCheck[]
}
