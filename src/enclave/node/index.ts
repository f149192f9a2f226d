/** The parts of the enclave layer that need Node: sockets, child processes, files. */
export { DatabaseDamagedError, DatabaseUnavailableError } from '../../errors/common.js'
export {
  type ChildProcessTransport,
  childProcessTransport,
  standardStreams,
} from './childProcess.js'
export { fileAnchor } from './fileAnchor.js'
export { fileBlobs } from './fileBlobs.js'
export { lmdbKv } from './lmdbKv.js'
export { nsmBridgeDevice } from './nsmBridge.js'
export {
  duplexListener,
  duplexStream,
  duplexTransport,
  tcpListener,
  tcpTransport,
  unixListener,
  unixTransport,
} from './tcp.js'
