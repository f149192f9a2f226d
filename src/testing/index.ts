/** Test tools: a chain in this process, the contracts on it, operators. Never imported by the rest. */

// Suites that a backend of your own has to pass, the same that ours pass.
export { daConformance } from '../da/conformance/index.js'
export { testKvStore } from '../enclave/index.js'
export { testNodeStore } from '../statetree/index.js'
export {
  type DeployConfig,
  type DeployedContracts,
  DeploymentError,
  deployContract,
  deployContracts,
  deployGuardedTransfer,
} from './contracts.js'
export type { FakeAnswer, FakeProxyFault, FakeRequest } from './eigenDaProxy/answers.js'
export { TOY_TAU, toyCommitment } from './eigenDaProxy/certificate.js'
export type { FakeMemstoreConfig } from './eigenDaProxy/config.js'
export { createFakeEigenDaProxy, type FakeEigenDaProxy } from './eigenDaProxy/fakeProxy.js'
export type { FakeEigenDaProxyOptions } from './eigenDaProxy/state.js'
export { type MockClient, type MockClientOptions, mockClient } from './evm/client.js'
export { createMockNode } from './evm/node.js'
export type { MockNode, MockNodeOptions, NodeError, NodeFault, RpcArguments } from './evm/types.js'
export { type MockArtifacts, mockArtifacts } from './mock/artifacts.js'
export { type Dishonesty, dishonestKinds } from './mock/dishonesty.js'
export {
  type SimulatedEnclave,
  type SimulatedEnclaveOptions,
  simulatedEnclave,
} from './mock/enclave.js'
export { mockEvaluator } from './mock/evaluator.js'
export { type MockGateway, type MockGatewayOptions, mockGateway } from './mock/gateway.js'
export {
  type IpfsGatewayFault,
  type MockIpfsGateway,
  mockIpfsGateway,
} from './mock/ipfsGateway.js'
export {
  type MockNetwork,
  mockNetwork,
  type NetworkPolicyInput,
  type PolicyNetwork,
} from './mock/network.js'
export type { OperatorBehaviour } from './mock/operator.js'
export { type MockOperators, type MockOperatorsOptions, mockOperators } from './mock/operators.js'
export {
  guardedTransferRego,
  type MockPlugin,
  type MockPolicy,
  type MockPolicyInput,
} from './mock/policies.js'
export {
  type MockRegistries,
  type MockRegistriesOptions,
  type MockTaskInput,
  mockRegistries,
} from './mock/registries.js'
