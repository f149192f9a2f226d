/** Test tools: development deployments of the contracts. Never imported by the rest. */
export {
  type DeployConfig,
  type DeployedContracts,
  DeploymentError,
  deployContract,
  deployContracts,
  deployGuardedTransfer,
} from './contracts.js'
