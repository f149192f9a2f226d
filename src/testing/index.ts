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
  type FakeEigenDaProxy,
  type FakeEigenDaProxyOptions,
} from './fakeEigenDaProxy.js'
export type { FakeAnswer, FakeProxyFault, FakeRequest } from './fakeProxyAnswers.js'
export { TOY_TAU, toyCommitment } from './fakeProxyCert.js'
export type { FakeMemstoreConfig } from './fakeProxyConfig.js'
export { createTestOperator, type OperatorParts, type TestOperator } from './operator.js'
export { createPrivateData, type PrivateData } from './privateData.js'
