/**
 * The enclave simulator. An entry point of its own: nothing in the package's other entry points
 * imports it, so a production bundle holds none of it.
 */
export {
  type CertificateSpec,
  issueCertificate,
  type SignatureForm,
  type SigningKey,
  signingKey,
} from './certificates.js'
export type { DocumentFault } from './device.js'
export type { DocumentFields, DocumentForm } from './document.js'
export {
  type DocumentFaultEntry,
  documentFaults,
  faultyCalls,
  faultyTransport,
  type PkiFaultEntry,
  pkiFaults,
  type SequenceFaultEntry,
  sequenceFaults,
  type WireFaultEntry,
  wireFaults,
} from './faults.js'
export {
  extendPcr,
  type ImagePart,
  measureImage,
  SIMULATOR_VERSION,
  type SimulatorMeasurements,
} from './measurement.js'
export { createSimulatorPki, type PkiOverrides, type SimulatorPki } from './pki.js'
export { createSimulator, type Simulator, type SimulatorParameters } from './simulator.js'
