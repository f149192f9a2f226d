/**
 * Uploads of sealed secrets as they travel between gateway and operators, and what is told of them.
 */
import type { Address, Hex } from 'viem'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { InvalidInputError } from '../../errors/common.js'
import { fromHex, toHex } from '../../internal/bytes.js'
import { readAddress, readHex, readMembers, readUint, readWord } from './fields.js'

/** Largest envelope that is taken. */
const MAX_ENVELOPE_BYTES = 140_000

/** Sealed secrets with their owner's word for them. */
export type SecretsUploadRecord = {
  policyDataInstanceId: Hex
  /** Bytes of the envelope, version 2. */
  envelope: Uint8Array
  /** `SecretsUpload`, EIP-712, by the owner of the client. */
  ownerSignature: Hex
  sequence: bigint
  /** Unix seconds. */
  deadline: bigint
}

/** What anybody may know of sealed secrets. */
export type SecretsDescription = {
  envelopeHash: Hex
  sequence: bigint
  epoch: bigint
  keyId: Hex
  /** Length of the envelope. */
  bytes: number
  /** Unix milliseconds when this operator took it; `undefined` where it was away then. */
  time: number | undefined
  /** Who signed for it. */
  uploader: Address | undefined
}

/** What an instance has, and what waits for a commit. */
export type SecretsMetadata = {
  policyDataInstanceId: Hex
  /** keccak-256 of the schema that its secrets fit. */
  schemaHash: Hex
  committed: SecretsDescription | null
  pending: SecretsDescription | null
}

/** The key that secrets are sealed to, with the enclave's document that names it. */
export type EnclaveKey = {
  /** Raw X25519 key. */
  publicKey: Hex
  epoch: bigint
  document: Hex
}

/** What `newt_putEnvelope` takes. */
export type PutEnvelopeParams = { upload: SecretsUploadRecord; validate: boolean }

/** Codecs of the methods that secrets travel by. */
export const secretsMethods = {
  newt_putEnvelope: {
    writeParams: ({ upload, validate }: PutEnvelopeParams): JsonObject => ({
      upload: writeUpload(upload),
      validate,
    }),
    readParams: (value: Json | undefined): PutEnvelopeParams => {
      const { upload, validate } = readMembers(value, 'params', {
        required: ['upload', 'validate'],
      })
      return { upload: readUpload(upload, 'params.upload'), validate: validate === true }
    },
    writeResult: ({ envelopeHash }: { envelopeHash: Hex }): Json => ({ envelopeHash }),
    readResult: (value: Json | undefined): { envelopeHash: Hex } => {
      const { envelopeHash } = readMembers(value, 'result', { required: ['envelopeHash'] })
      return { envelopeHash: readWord(envelopeHash, 'result.envelopeHash') }
    },
  },
  newt_getEnvelope: {
    writeParams: ({ envelopeHash }: { envelopeHash: Hex }): JsonObject => ({ envelopeHash }),
    readParams: (value: Json | undefined): { envelopeHash: Hex } => {
      const { envelopeHash } = readMembers(value, 'params', { required: ['envelopeHash'] })
      return { envelopeHash: readWord(envelopeHash, 'params.envelopeHash') }
    },
    writeResult: (upload: SecretsUploadRecord | null): Json =>
      upload === null ? null : writeUpload(upload),
    readResult: (value: Json | undefined): SecretsUploadRecord | null =>
      value === null ? null : readUpload(value, 'result'),
  },
  newt_getSecretsMetadata: {
    writeParams: ({ policyDataInstanceId }: { policyDataInstanceId: Hex }): JsonObject => ({
      policyDataInstanceId: policyDataInstanceId.toLowerCase(),
    }),
    readParams: (value: Json | undefined): { policyDataInstanceId: Hex } => {
      const { policyDataInstanceId: id } = readMembers(value, 'params', {
        required: ['policyDataInstanceId'],
      })
      return { policyDataInstanceId: readWord(id, 'params.policyDataInstanceId') }
    },
    writeResult: writeMetadata,
    readResult: (value: Json | undefined): SecretsMetadata => readMetadata(value, 'result'),
  },
  newt_getSecretsKey: {
    writeParams: ({ pcr0Commitment }: { pcr0Commitment: Hex }): JsonObject => ({ pcr0Commitment }),
    readParams: (value: Json | undefined): { pcr0Commitment: Hex } => {
      const { pcr0Commitment } = readMembers(value, 'params', { required: ['pcr0Commitment'] })
      return { pcr0Commitment: readWord(pcr0Commitment, 'params.pcr0Commitment') }
    },
    writeResult: ({ publicKey, epoch, document }: EnclaveKey): Json => ({
      publicKey,
      epoch: epoch.toString(),
      document,
    }),
    readResult: (value: Json | undefined): EnclaveKey => {
      const required = ['publicKey', 'epoch', 'document']
      const key = readMembers(value, 'result', { required })
      return {
        publicKey: readWord(key['publicKey'], 'result.publicKey'),
        epoch: readUint(key['epoch'], 'result.epoch'),
        document: readSome(key['document'], 'result.document', 65_536),
      }
    },
  },
}

function writeUpload(upload: SecretsUploadRecord): JsonObject {
  return {
    policyDataInstanceId: upload.policyDataInstanceId.toLowerCase(),
    envelope: toHex(upload.envelope),
    ownerSignature: upload.ownerSignature.toLowerCase(),
    sequence: upload.sequence.toString(),
    deadline: upload.deadline.toString(),
  }
}

function readUpload(value: Json | undefined, path: string): SecretsUploadRecord {
  const required = ['policyDataInstanceId', 'envelope', 'ownerSignature', 'sequence', 'deadline']
  const upload = readMembers(value, path, { required })
  return {
    policyDataInstanceId: readWord(upload['policyDataInstanceId'], `${path}.policyDataInstanceId`),
    envelope: fromHex(readSome(upload['envelope'], `${path}.envelope`, MAX_ENVELOPE_BYTES)),
    ownerSignature: readSome(upload['ownerSignature'], `${path}.ownerSignature`, 8_192),
    sequence: readUint(upload['sequence'], `${path}.sequence`),
    deadline: readUint(upload['deadline'], `${path}.deadline`),
  }
}

/** Writes what is told of an instance's secrets: the form between operators, and to clients. */
export function writeMetadata(metadata: SecretsMetadata): JsonObject {
  const { policyDataInstanceId, schemaHash, committed, pending } = metadata
  return {
    policyDataInstanceId,
    schemaHash,
    committed: committed === null ? null : writeDescription(committed),
    pending: pending === null ? null : writeDescription(pending),
  }
}

function writeDescription(description: SecretsDescription): JsonObject {
  const { envelopeHash, sequence, epoch, keyId, bytes, time, uploader } = description
  return {
    ...{ envelopeHash, keyId, bytes },
    sequence: sequence.toString(),
    epoch: epoch.toString(),
    time: time ?? null,
    uploader: uploader?.toLowerCase() ?? null,
  }
}

function readMetadata(value: Json | undefined, path: string): SecretsMetadata {
  const required = ['policyDataInstanceId', 'schemaHash', 'committed', 'pending']
  const metadata = readMembers(value, path, { required })
  const description = (name: 'committed' | 'pending'): SecretsDescription | null =>
    metadata[name] === null
      ? null
      : readDescription(metadata[name] as Json | undefined, `${path}.${name}`)
  return {
    policyDataInstanceId: readWord(
      metadata['policyDataInstanceId'],
      `${path}.policyDataInstanceId`,
    ),
    schemaHash: readWord(metadata['schemaHash'], `${path}.schemaHash`),
    committed: description('committed'),
    pending: description('pending'),
  }
}

function readDescription(value: Json | undefined, path: string): SecretsDescription {
  const required = ['envelopeHash', 'sequence', 'epoch', 'keyId', 'bytes', 'time', 'uploader']
  const given = readMembers(value, path, { required })
  const { time, uploader } = given
  return {
    envelopeHash: readWord(given['envelopeHash'], `${path}.envelopeHash`),
    sequence: readUint(given['sequence'], `${path}.sequence`),
    epoch: readUint(given['epoch'], `${path}.epoch`),
    keyId: readWord(given['keyId'], `${path}.keyId`),
    bytes: readCount(given['bytes'], `${path}.bytes`),
    time: time === null ? undefined : readCount(time, `${path}.time`),
    uploader: uploader === null ? undefined : readAddress(uploader, `${path}.uploader`),
  }
}

function readCount(value: Json | undefined, field: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidInputError({ field, reason: 'expected a whole number' })
}

/** Hex that is not empty. */
function readSome(value: Json | undefined, field: string, maxBytes: number): Hex {
  const hex = readHex(value, field, maxBytes)
  if (hex !== '0x') return hex
  throw new InvalidInputError({ field, reason: 'expected bytes' })
}
