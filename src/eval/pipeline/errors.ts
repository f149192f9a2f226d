/**
 * Errors of the pipeline. None of them is a decision: nothing is signed and nothing is allowed.
 */
import type { Hex } from 'viem'
import type { SchemaIssue } from '../../core/interfaces/schemaValidator.js'
import { BaseError, type BaseErrorOptions } from '../../errors/base.js'

export { ArtifactNotCommittedError } from '../../core/artifactNotCommitted.js'

/** The client has no policy in force at the reference block, or its rows are not all there. */
export class PolicyNotDeployedOnChainError extends BaseError {
  override readonly name = 'PolicyNotDeployedOnChainError'
  override readonly code = 'POLICY_NOT_DEPLOYED_ON_CHAIN'

  constructor({ client, block, missing }: { client: string; block: bigint; missing: string }) {
    super(`${client} has no ${missing} at block ${block}.`, {
      metaMessages: [
        'Deploy a policy instance and set it as current, in a block before the reference block.',
      ],
    })
  }
}

/** The client has no data instance in force for a data template its policy needs. */
export class PolicyDataInstanceMissingError extends BaseError {
  override readonly name = 'PolicyDataInstanceMissingError'
  override readonly code = 'POLICY_DATA_INSTANCE_MISSING'
  readonly policyDataTemplateId: Hex

  constructor({
    client,
    block,
    templateId,
    missing,
  }: { client: string; block: bigint; templateId: Hex; missing: string }) {
    super(`${client} has no ${missing} for the data template ${templateId} at block ${block}.`, {
      metaMessages: [
        'Deploy a policy-data instance of that template and set it as current for the client.',
      ],
    })
    this.policyDataTemplateId = templateId
  }
}

/** The data instance in force is of another template than the one the policy names. */
export class PolicyDataKindMismatchError extends BaseError {
  override readonly name = 'PolicyDataKindMismatchError'
  override readonly code = 'POLICY_DATA_KIND_MISMATCH'

  constructor({ expected, actual }: { expected: Hex; actual: Hex }) {
    super(
      `The policy needs an instance of the data template ${expected}, the slot holds one of ${actual}.`,
    )
  }
}

/** Rows that cannot all be true: an id, hash, client or block does not fit the others. */
export class RegistryRowInconsistentError extends BaseError {
  override readonly name = 'RegistryRowInconsistentError'
  override readonly code = 'REGISTRY_ROW_INCONSISTENT'

  constructor(reason: string) {
    super(`The registry rows do not fit together: ${reason}.`, {
      metaMessages: ['The reader of the chain is wrong or dishonest. Use another one.'],
    })
  }
}

/** The task is for another chain, registry, client or block than what was read. */
export class TaskMismatchError extends BaseError {
  override readonly name = 'TaskMismatchError'
  override readonly code = 'TASK_MISMATCH'

  constructor({ field, task, chain }: { field: string; task: string; chain: string }) {
    super(`The task's ${field} is ${task}, the chain has ${chain}.`, {
      metaMessages: field.startsWith('referenceBlock')
        ? [
            'The block was reorganized away, or the task was made for another chain. Submit it anew.',
          ]
        : [],
    })
  }
}

/** An artifact source gave bytes of another hash. */
export class ArtifactHashMismatchError extends BaseError {
  override readonly name = 'ArtifactHashMismatchError'
  override readonly code = 'ARTIFACT_HASH_MISMATCH'

  constructor({ expected, actual, kind }: { expected: Hex; actual: Hex; kind: string }) {
    super(`The bytes given for the ${kind} ${expected} have the hash ${actual}.`)
  }
}

/** Params or secrets do not meet their schema, or the schema itself is refused. */
export class SchemaViolationError extends BaseError {
  override readonly name = 'SchemaViolationError'
  override readonly code = 'SCHEMA_VIOLATION'
  /** What is checked: `policy params`, `data params` or `secrets`. */
  readonly subject: string
  readonly issues: readonly SchemaIssue[]

  constructor({
    subject,
    status,
    issues,
  }: { subject: string; status: 'invalid' | 'unusable-schema'; issues: readonly SchemaIssue[] }) {
    super(
      status === 'invalid'
        ? `The ${subject} do not meet their schema.`
        : `The schema of the ${subject} is refused.`,
      {
        metaMessages: issues
          .slice(0, 10)
          .map(
            ({ profile, path, message }) => `${path === '' ? '/' : path} (${profile}): ${message}`,
          ),
      },
    )
    this.subject = subject
    this.issues = issues
  }
}

/** No sealed secrets are committed for a data instance that needs them. */
export class SecretsMissingError extends BaseError {
  override readonly name = 'SecretsMissingError'
  override readonly code = 'SECRETS_MISSING'

  constructor({ policyDataInstanceId, block }: { policyDataInstanceId: Hex; block: bigint }) {
    super(`No secrets of ${policyDataInstanceId} are committed at block ${block}.`, {
      metaMessages: [
        "Seal and upload them with the client owner's key; they count once committed.",
      ],
    })
  }
}

/** Sealed secrets are there and cannot be used here. */
export class SecretsUnavailableError extends BaseError {
  override readonly name = 'SecretsUnavailableError'
  override readonly code = 'SECRETS_UNAVAILABLE'

  constructor(reason: string, options: BaseErrorOptions = {}) {
    super(`The secrets cannot be used: ${reason}.`, options)
  }
}

/** The policy must run in an enclave and none is named. */
export class EnclaveRequiredError extends BaseError {
  override readonly name = 'EnclaveRequiredError'
  override readonly code = 'ENCLAVE_REQUIRED'

  constructor(reason: string) {
    super(`This policy is evaluated in an enclave only: ${reason}.`, {
      metaMessages: ['Name a whitelisted measurement in the signing request.'],
    })
  }
}

/** The named enclave measurement is not whitelisted at the reference block. */
export class EnclaveNotWhitelistedError extends BaseError {
  override readonly name = 'EnclaveNotWhitelistedError'
  override readonly code = 'ENCLAVE_NOT_WHITELISTED'

  constructor({ pcr0Commitment, block }: { pcr0Commitment: Hex; block: bigint }) {
    super(`The measurement ${pcr0Commitment} is not whitelisted at block ${block}.`)
  }
}

/** The engine ended in no decision: an error, a limit, or a construct it does not support. */
export class PolicyEvaluationError extends BaseError {
  override readonly name = 'PolicyEvaluationError'
  override readonly code = 'POLICY_EVALUATION_FAILED'
  /** The engine's own code, or `UNSUPPORTED`. */
  readonly engineCode: string

  constructor({
    engineCode,
    message,
    at,
  }: { engineCode: string; message: string; at?: string | undefined }) {
    super(`The policy gives no decision: ${message}`, {
      metaMessages: at === undefined ? [] : [`At ${at}.`],
    })
    this.engineCode = engineCode
  }
}
