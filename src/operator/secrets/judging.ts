/**
 * What an upload of secrets says, held against the chain: its form, its instance and client, its owner's
 * signature. Operators judge by it before an enclave opens anything, gateways before they ask operators.
 */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../core/artifact.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import {
  type ContractSignatureCheck,
  decodeEnvelopeV2,
  type EnvelopeV2,
  verifySecretsUpload,
} from '../../enclave/index.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { refuse } from '../rpc/envelope.js'
import type { Refuser } from '../rpc/errors.js'
import type { SecretsUploadRecord } from '../rpc/uploads.js'

/** Whose secrets an upload holds, as the chain says. */
export type JudgedUpload = {
  owner: Address
  client: Address
  secretsSchemaHash: Hex
  envelopeHash: Hex
}

/** What an upload is judged with. */
export type JudgeParameters = {
  registry: RegistryReader
  /** Milliseconds. */
  now: () => number
  /** Asks owners that are contracts. */
  isValidContractSignature?: ContractSignatureCheck | undefined
  /** Whether a signature that is no key's of the owner is left to others to judge, who ask contracts. */
  leavesContracts?: boolean | undefined
  by: Refuser
}

/** Seconds that a deadline may be ahead: nobody's bad upload costs windows for longer. */
const MAX_VALID = 86_400n

/**
 * Judges an upload by its form and by the chain.
 *
 * @throws {OperatorRpcError} `SECRETS_REFUSED` with what is wrong, never with a value, or `FOREIGN_CHAIN`.
 */
export async function judgeUpload(
  upload: SecretsUploadRecord,
  parameters: JudgeParameters,
  io: IoOptions,
): Promise<JudgedUpload> {
  const { registry, by } = parameters
  const opened = openForm(upload, by)
  assertTime(upload, BigInt(Math.floor(parameters.now() / 1_000)), by)
  const owned = await ownedBy(upload, { registry, opened, io, by })
  const envelopeHash = keccakHex(upload.envelope)
  const { policyDataInstanceId, sequence, deadline, ownerSignature: signature } = upload
  const { isValidContractSignature, leavesContracts = false } = parameters
  const signed = await verifySecretsUpload(
    {
      upload: {
        ...{ chainId: registry.chainId, policyDataRegistry: registry.policyDataRegistry },
        ...{ policyDataInstanceId, envelopeHash, sequence, deadline },
      },
      ...{ owner: owned.owner, signature, isValidContractSignature },
    },
    io,
  )
  if (!signed && !leavesContracts) {
    throw refused('the signature is not that of the client’s owner', by)
  }
  return { ...owned, envelopeHash }
}

/** The envelope says the same as what is said about it. */
function openForm(upload: SecretsUploadRecord, by: Refuser): EnvelopeV2 {
  let opened: EnvelopeV2
  try {
    opened = decodeEnvelopeV2(upload.envelope)
  } catch (cause) {
    throw refused('it is no envelope of version 2', by, cause)
  }
  if (
    opened.policyDataInstanceId !== upload.policyDataInstanceId ||
    opened.sequence !== upload.sequence
  ) {
    throw refused('the envelope is of another instance or sequence', by)
  }
  return opened
}

function assertTime({ deadline }: SecretsUploadRecord, now: bigint, by: Refuser): void {
  if (deadline < now) throw refused(`its deadline ${deadline} has passed`, by)
  if (deadline > now + MAX_VALID) {
    throw refused(`its deadline is more than ${MAX_VALID} seconds ahead`, by)
  }
}

/** The client of an instance, and the schema of its secrets. @throws {OperatorRpcError} `SECRETS_REFUSED`. */
export async function instanceOf(
  id: Hex,
  { registry, io, by }: { registry: RegistryReader; io: IoOptions; by: Refuser },
): Promise<{ client: Address; secretsSchemaHash: Hex }> {
  const row = await registry.getPolicyDataInstance(id, io)
  if (row === null) throw refused('the chain has no such policy-data instance', by)
  const template = await registry.getPolicyDataTemplate(row.templateId, io)
  const secretsSchemaHash = template?.secretsSchemaHash
  if (secretsSchemaHash === undefined || secretsSchemaHash === ARTIFACT_ABSENT) {
    throw refused('its template takes no secrets', by)
  }
  return { client: row.client, secretsSchemaHash }
}

async function ownedBy(
  upload: SecretsUploadRecord,
  at: { registry: RegistryReader; opened: EnvelopeV2; io: IoOptions; by: Refuser },
): Promise<{ owner: Address; client: Address; secretsSchemaHash: Hex }> {
  const { registry, opened, io, by } = at
  if (opened.chainId !== registry.chainId) {
    throw refuse('FOREIGN_CHAIN', `this ${by} takes secrets for chain ${registry.chainId}`, { by })
  }
  const { client, secretsSchemaHash } = await instanceOf(upload.policyDataInstanceId, {
    ...{ registry, io, by },
  })
  if (client.toLowerCase() !== opened.client) throw refused('the envelope is of another client', by)
  const record = await registry.getClient(client, io)
  if (record === null) throw refused('its client is not registered', by)
  return { owner: record.owner.toLowerCase() as Address, client, secretsSchemaHash }
}

function refused(detail: string, by: Refuser, cause?: unknown): Error {
  return refuse('SECRETS_REFUSED', detail, { by, ...(cause === undefined ? {} : { cause }) })
}
