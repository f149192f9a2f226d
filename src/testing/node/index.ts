/** Test tools that need Node: local chains and whole networks. */

export { tunnelTransport } from '../../operator/node/process/tunnelTransport.js'
export {
  type Anvil,
  AnvilError,
  freePort,
  type StartAnvilOptions,
  startAnvil,
} from './anvil.js'
export type { CommitOutcome } from './commitWindow.js'
export { createDevnet, type Devnet, type DevnetOptions } from './devnet.js'
export { devnetNetwork } from './devnetNetwork.js'
export {
  createEnclaveOperator,
  type EnclaveOperator,
  type EnclaveOperatorParameters,
} from './enclaveOperator.js'
export { type FakeEigenDaProxyServer, startFakeEigenDaProxy } from './fakeEigenDaProxyServer.js'
