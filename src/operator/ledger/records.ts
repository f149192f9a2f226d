/**
 * What the network does, as records of the evaluation ledger. Each has a key and a time that are
 * functions of what happened: whoever records it, and however often, it is one event.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { ZERO_HASH } from '../../core/artifact.js'
import { type Certificate, encodeCertificate } from '../../core/bn254/index.js'
import { canonicalBytes, type Json } from '../../core/canonicalJson.js'
import { type DigestPreimage, encodeDigestPreimage } from '../../core/digest.js'
import type { ChainEvent } from '../../core/interfaces/chainEvents.js'
import type { LedgerRecord } from '../../core/interfaces/ledgerSink.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../core/response.js'
import { concat, fromHex, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'

/** What an operator or a gateway knows of an evaluation. */
export type EvaluatedTask = {
  response: PolicyTaskResponse
  preimage: DigestPreimage
  /** Plugin outputs and hashes of secrets: recorded as a salted hash. */
  inputs: { outputs: Readonly<Record<string, Json>>; secrets: Readonly<Record<string, string>> }
  /** Recorded as a salted hash. */
  reasons: readonly string[]
}

/** An evaluation with its certificate. */
export type AttestedTask = EvaluatedTask & {
  certificate: Certificate
  /** Indices in the operator table. */
  signers: readonly number[]
}

/** Addresses of the registries, whose events have none. */
export type Registries = { chainId: bigint; policyRegistry: string; policyDataRegistry: string }

/** What names an evaluation, whoever made it. */
export function evaluationKey({ response }: Pick<EvaluatedTask, 'response'>): string {
  const { chainId, policyRegistry, taskId } = response
  const messageHash = computeMessageHash(response)
  return `${chainId}/${policyRegistry.toLowerCase()}/${taskId.toLowerCase()}/${messageHash}`
}

/** An evaluation. `time` is that of its reference block, in milliseconds. */
export function evaluationRecord(
  evaluated: EvaluatedTask,
  { time, salt, engine }: { time: number; salt: Uint8Array; engine: string },
): LedgerRecord {
  const { response, preimage, inputs, reasons } = evaluated
  const { outputs, secrets } = inputs
  return {
    domain: 'decisions',
    schemaVersion: 'newton.evaluation/1',
    ...{ key: evaluationKey(evaluated), time },
    own: ['inputsHash', 'reasonsHash', 'engine'],
    fields: {
      ...statedFields(response),
      digestPreimage: toHex(encodeDigestPreimage(preimage)),
      inputsHash: saltedHash(salt, { outputs, secrets } as Json),
      reasonsHash: saltedHash(salt, [...reasons]),
      engine,
    },
  }
}

/** What the event of an evaluation says of the response that was signed. */
export function statedFields(response: PolicyTaskResponse): Record<string, string> {
  return {
    chainId: response.chainId.toString(),
    registry: response.policyRegistry.toLowerCase(),
    taskId: response.taskId.toLowerCase(),
    policyClient: response.policyClient.toLowerCase(),
    intentHash: response.intentHash.toLowerCase(),
    artifactDigest: response.artifactDigest.toLowerCase(),
    evaluationResult: response.evaluationResult.toLowerCase(),
    messageHash: computeMessageHash(response),
    referenceBlock: response.referenceBlock.toString(),
    referenceBlockHash: response.referenceBlockHash.toLowerCase(),
    expirationBlock: response.expirationBlock.toString(),
    pcr0Commitment: response.pcr0Commitment.toLowerCase(),
  }
}

/** A certificate under an evaluation whose event has the id `evaluation`. */
export function attestationRecord(
  attested: AttestedTask,
  { time, evaluation }: { time: number; evaluation: string },
): LedgerRecord {
  const { response, certificate, signers } = attested
  const certificateHash = keccakHex(fromHex(encodeCertificate(certificate)))
  return {
    domain: 'decisions',
    schemaVersion: 'newton.attestation/1',
    ...{ key: `${evaluationKey(attested)}/${certificateHash}`, time },
    fields: {
      evaluationResult: response.evaluationResult.toLowerCase(),
      messageHash: computeMessageHash(response),
      certificateHash,
      signers: [...signers],
    },
    links: { evaluation },
  }
}

/**
 * A registration, deployment or move of a slot. `undefined` for every other event.
 *
 * @param parameters.time - Of its block, in milliseconds.
 */
export function registrationRecord(
  event: ChainEvent,
  parameters: { time: number; registries: Registries },
): LedgerRecord | undefined {
  const fields = registrationFields(event)
  if (fields === undefined) return undefined
  const { time, registries } = parameters
  const { chainId, policyRegistry, policyDataRegistry } = registries
  const isPolicy = fields.kind === 'policy'
  const transactionHash = event.transactionHash.toLowerCase()
  return {
    domain: 'context',
    schemaVersion: fields.schemaVersion,
    ...{ key: `${chainId}/${transactionHash}/${event.logIndex}`, time },
    fields: {
      chainId: chainId.toString(),
      registry: (isPolicy ? policyRegistry : policyDataRegistry).toLowerCase(),
      kind: fields.kind,
      ...fields.own,
      transactionHash,
    },
  }
}

/** Events of a chain that {@link registrationRecord} makes records of. */
export const registrationTypes = [
  'PolicyTemplateRegistered',
  'PolicyDataTemplateRegistered',
  'PolicyInstanceDeployed',
  'PolicyDataInstanceDeployed',
  'CurrentPolicyInstanceSet',
  'CurrentPolicyDataInstanceSet',
] as const satisfies readonly ChainEvent['type'][]

type OwnFields = { schemaVersion: string; kind: string; own: Record<string, Json> }

function registrationFields(event: ChainEvent): OwnFields | undefined {
  switch (event.type) {
    case 'PolicyTemplateRegistered': {
      const artifacts = named([event.regoHash, event.paramsSchemaHash])
      return template('policy', { templateId: event.id, artifacts })
    }
    case 'PolicyDataTemplateRegistered': {
      const { wasmHash, paramsSchemaHash, secretsSchemaHash } = event
      const artifacts = named([wasmHash, paramsSchemaHash, secretsSchemaHash])
      return template('policyData', { templateId: event.id, artifacts })
    }
    case 'PolicyInstanceDeployed':
    case 'PolicyDataInstanceDeployed':
      return {
        schemaVersion: 'newton.instance/1',
        kind: event.type === 'PolicyInstanceDeployed' ? 'policy' : 'policyData',
        own: {
          instanceId: event.id,
          templateId: event.templateId,
          policyClient: event.client.toLowerCase(),
          paramsHash: event.paramsHash,
          expireAfter: event.expireAfter.toString(),
        },
      }
    case 'CurrentPolicyInstanceSet':
    case 'CurrentPolicyDataInstanceSet':
      return {
        schemaVersion: 'newton.slot/1',
        kind: event.type === 'CurrentPolicyInstanceSet' ? 'policy' : 'policyData',
        own: {
          policyClient: event.client.toLowerCase(),
          instanceId: event.current,
          blockNumber: event.blockNumber.toString(),
        },
      }
    default:
      return undefined
  }
}

function template(kind: string, own: Record<string, Json>): OwnFields {
  return { schemaVersion: 'newton.template/1', kind, own }
}

/** Artifacts that are there: a template without an optional schema names the zero hash. */
function named(hashes: readonly string[]): string[] {
  return [...new Set(hashes.map((hash) => hash.toLowerCase()))].filter((hash) => hash !== ZERO_HASH)
}

/** A commit that landed. */
export type RecordedCommit = {
  commit: Extract<ChainEvent, { type: 'StateRootCommitted' }>
  deltaHash: string
  cutoffBlock: bigint
}

/** A commit of the network's state. Its time is that of its window. */
export function commitRecord(
  { commit, deltaHash, cutoffBlock }: RecordedCommit,
  { chainId }: Pick<Registries, 'chainId'>,
): LedgerRecord {
  const transactionHash = commit.transactionHash.toLowerCase()
  return {
    domain: 'decisions',
    schemaVersion: 'newton.commit/1',
    key: `${chainId}/${transactionHash}/${commit.logIndex}`,
    time: Number(commit.timestamp) * 1_000,
    fields: {
      sequenceNo: commit.sequenceNo.toString(),
      root: commit.newStateRoot,
      deltaHash,
      cutoffBlock: cutoffBlock.toString(),
      transactionHash,
    },
  }
}

/** A challenge, by one of its transactions. `time` is that of the response's reference block. */
export function challengeRecord(challenge: {
  messageHash: string
  mismatch: string
  /** Indices of the operators that this transaction names. */
  operators: readonly number[]
  transactionHash: string
  time: number
}): LedgerRecord {
  const { messageHash, mismatch, operators, time } = challenge
  const transactionHash = challenge.transactionHash.toLowerCase()
  return {
    domain: 'decisions',
    schemaVersion: 'newton.challenge/1',
    ...{ key: `${messageHash}/${mismatch}/${transactionHash}`, time },
    fields: { messageHash, mismatch, operators: [...operators], transactionHash },
  }
}

/** Something that must not happen. Each time it is seen is an event. */
export function anomalyRecord(seen: {
  kind: string
  subject: string
  detail: string
}): LedgerRecord {
  const { kind, subject, detail } = seen
  return {
    domain: 'decisions',
    schemaVersion: 'newton.anomaly/1',
    fields: {
      kind: kind.slice(0, 100),
      subject: subject.slice(0, 400),
      detail: detail.slice(0, 4_000),
    },
  }
}

/** SHA-256 of salt and canonical form: without the salt nobody can try what it may be the hash of. */
function saltedHash(salt: Uint8Array, value: Json): string {
  return toHex(sha256(concat(salt, canonicalBytes(value))))
}
