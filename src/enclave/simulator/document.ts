/** Writes attestation documents as AWS's two encoders do. */
import { concat } from '../../internal/bytes.js'
import { type CborInput, cborHead, writeCbor } from '../cbor/write.js'
import { encodeCoseSign1, es384ProtectedHeader, signatureStructure } from '../nitro/cose.js'
import { type SignatureForm, type SignP384, signP384 } from './certificates.js'
import type { SimulatorCredential } from './pki.js'

/** What a document says. */
export type DocumentFields = {
  moduleId: string
  digest: string
  /** Milliseconds since 1970. */
  timestamp: number
  pcrs: ReadonlyMap<number, Uint8Array>
  publicKey: Uint8Array | undefined
  userData: Uint8Array | undefined
  nonce: Uint8Array | undefined
}

/** How a document is written. */
export type DocumentForm = {
  /** `indefinite` since 2025-06, `definite` before. */
  map: 'indefinite' | 'definite'
  signatures: SignatureForm
  /** Writes the document of an ordinary machine: `nitrotpm_pcrs` in place of `pcrs`. */
  nitroTpm?: boolean | undefined
}

/** Encodes the payload, in the order of AWS's struct. */
export function encodePayload(
  fields: DocumentFields,
  credential: Pick<SimulatorCredential, 'cabundle' | 'certificate'>,
  form: DocumentForm,
): Uint8Array {
  const entries: [string, CborInput][] = [
    ['module_id', fields.moduleId],
    ['digest', fields.digest],
    ['timestamp', fields.timestamp],
    [form.nitroTpm === true ? 'nitrotpm_pcrs' : 'pcrs', fields.pcrs],
    ['certificate', credential.certificate],
    ['cabundle', credential.cabundle],
    ['public_key', fields.publicKey ?? null],
    ['user_data', fields.userData ?? null],
    ['nonce', fields.nonce ?? null],
  ]
  return encodeMap(entries, form.map)
}

/** Encodes a map in the given order of its entries. */
export function encodeMap(
  entries: readonly (readonly [string, CborInput])[],
  form: DocumentForm['map'],
): Uint8Array {
  const body = entries.flatMap(([key, value]) => [writeCbor(key), writeCbor(value)])
  return form === 'definite'
    ? concat(cborHead(5, entries.length), ...body)
    : concat(Uint8Array.of(0xbf), ...body, Uint8Array.of(0xff))
}

/** Signs a payload and joins the document. */
export function signDocument(
  payload: Uint8Array,
  credential: Pick<SimulatorCredential, 'key'>,
  form: Pick<DocumentForm, 'signatures'> & { sign?: SignP384 | undefined },
): Uint8Array {
  const protectedHeader = es384ProtectedHeader()
  const message = signatureStructure({ protectedHeader, payload, signature: new Uint8Array(0) })
  return encodeCoseSign1({
    protectedHeader,
    payload,
    signature: signP384(credential.key, message, form.signatures, form.sign),
  })
}
