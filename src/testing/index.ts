/** Test tools: development deployments of the contracts. Never imported by the rest. */
export {
  type DeployConfig,
  type DeployedContracts,
  DeploymentError,
  deployContract,
  deployContracts,
  deployGuardedTransfer,
} from './contracts.js'
export {
  createFakeEigenDaProxy,
  type FakeAnswer,
  type FakeEigenDaProxy,
  type FakeEigenDaProxyOptions,
  type FakeMemstoreConfig,
  type FakeProxyFault,
  type FakeRequest,
  TOY_TAU,
  toyCommitment,
} from './fakeEigenDaProxy.js'
export { createTestOperator, type OperatorParts, type TestOperator } from './operator.js'
export { createPrivateData, type PrivateData } from './privateData.js'
