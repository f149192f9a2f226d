/**
 * The NSM in software: its seven requests, its limits and its errors.
 *
 * PCRs 0 to 15 are locked from the start, 16 to 31 are zero and open, as AWS's `nsm-check` expects.
 */
import { concat } from '../../internal/bytes.js'
import { EnclaveCborError } from '../cbor/errors.js'
import { type CborMap, type CborValue, readCbor } from '../cbor/read.js'
import { type CborInput, writeCbor } from '../cbor/write.js'
import {
  NSM_MAX_REQUEST,
  NSM_MAX_RESPONSE,
  type NsmDevice,
  NsmError,
  type NsmErrorName,
} from '../nsm.js'
import type { SignP384 } from './certificates.js'
import { type DocumentFields, type DocumentForm, encodePayload, signDocument } from './document.js'
import { extendPcr } from './measurement.js'
import type { SimulatorPki } from './pki.js'

/** A change to the next documents, for faults. */
export type DocumentFault = {
  fields?: Partial<DocumentFields> | undefined
  form?: Partial<DocumentForm> | undefined
  /** Judges the certificates at another time, so that a leaf of the past signs. */
  credentialAt?: number | undefined
  /** Changes the finished document. */
  after?: ((document: Uint8Array) => Uint8Array) | undefined
}

/** What the device is made of. */
export type DeviceParameters = {
  moduleId: string
  pki: SimulatorPki
  /** PCR values at the start, by index. */
  pcrs: ReadonlyMap<number, Uint8Array>
  form: DocumentForm
  sign?: SignP384 | undefined
  now: () => number
  randomBytes: (length: number) => Uint8Array
  /** Asked before each document. */
  fault: () => DocumentFault | undefined
}

/** A refusal by the module, turned into its answer below. */
function refusal(fault: NsmErrorName): NsmError {
  return new NsmError({ request: 'a request', fault })
}

/** One register. */
type Pcr = { value: Uint8Array; locked: boolean }

/** Answers one request from its fields; `null` is an answer without content. */
type Handlers = Readonly<Record<string, (fields: CborMap) => CborInput>>

/** Creates the device. */
export function createSimulatedDevice(parameters: DeviceParameters): NsmDevice {
  const bank: Pcr[] = Array.from({ length: 32 }, (_, index) => ({
    value: parameters.pcrs.get(index)?.slice() ?? new Uint8Array(48),
    locked: index < 16,
  }))
  const handlers: Handlers = {
    ...pcrHandlers(bank),
    DescribeNSM: () => ({
      version_major: 1,
      version_minor: 0,
      version_patch: 0,
      module_id: parameters.moduleId,
      max_pcrs: 32,
      locked_pcrs: bank.flatMap((entry, index) => (entry.locked ? [index] : [])),
      digest: 'SHA384',
    }),
    Attestation: (fields) => ({
      document: attest(parameters, bank, {
        userData: callerField(fields, 'user_data'),
        nonce: callerField(fields, 'nonce'),
        publicKey: callerField(fields, 'public_key'),
      }),
    }),
    GetRandom: () => ({ random: parameters.randomBytes(256) }),
  }
  return { call: async (request) => answer(handlers, request) }
}

function answer(handlers: Handlers, request: Uint8Array): Uint8Array {
  if (request.length > NSM_MAX_REQUEST) return refuse('InputTooLarge')
  try {
    const [name, fields] = parseRequest(request)
    const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined
    if (handler === undefined) return refuse('InvalidOperation')
    const content = handler(fields)
    const encoded = writeCbor(content === null ? name : { [name]: content })
    return encoded.length > NSM_MAX_RESPONSE ? refuse('BufferTooSmall') : concat(encoded)
  } catch (error) {
    if (error instanceof NsmError) return refuse(error.fault)
    if (error instanceof EnclaveCborError) return refuse('InvalidArgument')
    throw error
  }
}

/** The four requests on registers. */
function pcrHandlers(bank: readonly Pcr[]): Handlers {
  const pcr = (index: CborValue | undefined): Pcr => {
    if (typeof index !== 'number') throw refusal('InvalidArgument')
    const entry = bank[index]
    if (entry === undefined) throw refusal('InvalidIndex')
    return entry
  }
  return {
    DescribePCR: (fields) => {
      const { locked, value } = pcr(fields.get('index'))
      return { lock: locked, data: value }
    },
    ExtendPCR: (fields) => {
      const entry = pcr(fields.get('index'))
      const data = fields.get('data')
      if (!(data instanceof Uint8Array) || data.length === 0) throw refusal('InvalidArgument')
      if (entry.locked) throw refusal('ReadOnlyIndex')
      entry.value = extendPcr(entry.value, data)
      return { data: entry.value }
    },
    LockPCR: (fields) => {
      const entry = pcr(fields.get('index'))
      if (entry.locked) throw refusal('ReadOnlyIndex')
      entry.locked = true
      return null
    },
    LockPCRs: (fields) => {
      const range = fields.get('range')
      if (typeof range !== 'number' || range > 32) throw refusal('InvalidIndex')
      for (const entry of bank.slice(0, range)) entry.locked = true
      return null
    },
  }
}

/** A field of an attestation request, which is the caller's to fill or to leave out. */
function callerField(fields: CborMap, name: string): Uint8Array | undefined {
  const value = fields.get(name)
  if (value === undefined || value === null) return undefined
  if (!(value instanceof Uint8Array)) throw refusal('InvalidArgument')
  if (value.length > 1024) throw refusal('InputTooLarge')
  return value
}

function attest(
  parameters: DeviceParameters,
  bank: readonly Pcr[],
  given: Pick<DocumentFields, 'userData' | 'nonce' | 'publicKey'>,
): Uint8Array {
  const fault = parameters.fault()
  const timestamp = parameters.now()
  const credential = parameters.pki.credentialAt(fault?.credentialAt ?? timestamp)
  const locked = bank.flatMap((entry, index) =>
    entry.locked ? [[index, entry.value] as const] : [],
  )
  const fields: DocumentFields = {
    moduleId: parameters.moduleId,
    digest: 'SHA384',
    timestamp,
    pcrs: new Map(locked),
    ...given,
    ...fault?.fields,
  }
  const form = { ...parameters.form, ...fault?.form }
  const document = signDocument(encodePayload(fields, credential, form), credential, {
    ...form,
    sign: parameters.sign,
  })
  return fault?.after?.(document) ?? document
}

function parseRequest(request: Uint8Array): [string, CborMap] {
  const value = readCbor(request, { form: 'lenient', depth: 4, items: 64 })
  if (typeof value === 'string') return [value, new Map()]
  const [entry] = value instanceof Map && value.size === 1 ? [...value] : []
  if (entry === undefined || typeof entry[0] !== 'string' || !(entry[1] instanceof Map)) {
    throw refusal('InvalidArgument')
  }
  return [entry[0], entry[1]]
}

function refuse(fault: NsmErrorName): Uint8Array {
  return writeCbor({ Error: fault })
}
