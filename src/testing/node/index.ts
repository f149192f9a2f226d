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
export type { DevnetOptions } from './devnet/options.js'
export { devnetNetwork } from './devnet/policyNetwork.js'
export { createDevnet, type Devnet } from './devnet/start.js'
export type { CommitOutcome } from './devnet/windows.js'
export { type FakeEigenDaProxyServer, startFakeEigenDaProxy } from './fakeEigenDaProxyServer.js'
