/** Test tools that need Node: local chains and whole networks. */

export { tunnelTransport } from '../../operator/node/process/enclave/tunnelTransport.js'
export {
  type Anvil,
  AnvilError,
  freePort,
  type StartAnvilOptions,
  startAnvil,
} from './anvil.js'
export type { DevnetOperator } from './devnet/operators.js'
export { devnetNetwork } from './devnet/policyNetwork.js'
export { createDevnet, type Devnet, type DevnetOptions } from './devnet/start.js'
export type { CommitOutcome } from './devnet/windows.js'
export { type FakeEigenDaProxyServer, startFakeEigenDaProxy } from './fakeEigenDaProxyServer.js'
