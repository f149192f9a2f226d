/**
 * Verifies a signed response from chain state, level by level.
 *
 * 1. `binding`    task, chain, registry, client, intent, reference block; expiry at block `at`
 * 2. `registry`   all rows and slots at the reference block
 * 3. `artifacts`  every artifact fetched and hashed
 * 4. `digest`     rebuilt from chain state and compared, with every signed field that can be
 * 5. `quorum`     the certificate, against the operator table in force at the reference block
 * 6. `result`     the policy run again on the attested outputs
 */

import { ZERO_HASH } from '../../core/artifact.js'
import type { Certificate } from '../../core/bn254/index.js'
import { computeMessageHash } from '../../core/response.js'
import { TimeoutError } from '../../errors/common.js'
import { type IoOptions, withDeadline } from '../../internal/deadline.js'
import { keccakHex } from '../../internal/keccak.js'
import { isChallengeable, judgeQuorum } from './acceptance.js'
import { AttestationError, InconclusiveError } from './errors.js'
import type { Evidence } from './evidence.js'
import { fetchArtifacts } from './levels/artifacts.js'
import { checkBinding, checkReferenceBlock } from './levels/binding.js'
import { type ExpectedState, readExpected } from './levels/expected.js'
import { findDigestMismatch, findRegistryMismatch, type Mismatch } from './levels/mismatch.js'
import { rerunResult } from './levels/rerun.js'
import {
  type AttestationLevel,
  type AttestationOutcome,
  attestationLevels,
  type ConsistentLevel,
  type InconclusiveReason,
  includesLevel,
  type LevelProgress,
} from './outcome.js'
import type { VerifyTaskAttestationParameters } from './parameters.js'
import { obtain } from './reader.js'
import { computeTeeUserData, isSignersDocument, type SignedTeeDocument } from './teeDocument.js'

export type { VerifyTaskAttestationParameters } from './parameters.js'

/**
 * Verifies what operators signed, from chain state. Never throws on hostile input.
 *
 * Only `valid` may be acted on. `slashable` comes with evidence and only after the certificate
 * verified; what could not be obtained is `inconclusive`, never valid and never evidence.
 *
 * @throws The signal's reason, when the caller cancels.
 * @example
 * ```ts
 * import { verifyTaskAttestation } from '@newton/policy-sdk/attestation'
 *
 * const outcome = await verifyTaskAttestation({ reader, task, response, certificate })
 * if (outcome.status === 'valid') act(evaluateResult(response.evaluationResult))
 * ```
 */
export async function verifyTaskAttestation(
  parameters: VerifyTaskAttestationParameters,
): Promise<AttestationOutcome> {
  const { signal, timeout } = parameters ?? {}
  try {
    return await withDeadline('verifyTaskAttestation', { signal, timeout }, (inner) => {
      return verifyLevels(parameters, { signal: inner })
    })
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    if (error instanceof InconclusiveError) {
      return inconclusive(error.reason, error.detail)
    }
    if (error instanceof TimeoutError) {
      return inconclusive('TIMEOUT', error.shortMessage)
    }
    const detail = error instanceof Error ? error.message : 'an unexpected failure'
    return inconclusive('INVALID_ARGUMENTS', detail)
  }
}

// Arguments that are wrong stay wrong: whoever tries again for as long as it helps must not spin.
function inconclusive(reason: InconclusiveReason, detail: string): AttestationOutcome {
  return { status: 'inconclusive', reason, retryable: reason !== 'INVALID_ARGUMENTS', detail }
}

/**
 * {@link verifyTaskAttestation} that throws unless the outcome is `valid`.
 *
 * @throws {AttestationError} with the outcome.
 */
export async function assertTaskAttestation(
  parameters: VerifyTaskAttestationParameters,
): Promise<'quorum' | 'result'> {
  const outcome = await verifyTaskAttestation(parameters)
  if (outcome.status === 'valid') return outcome.level
  throw new AttestationError({ outcome })
}

async function verifyLevels(
  parameters: VerifyTaskAttestationParameters,
  options: IoOptions,
): Promise<AttestationOutcome> {
  const { reader, task, response, at, preimage, level = 'quorum' } = parameters
  const atIsBlock = at === undefined || typeof at === 'bigint'
  if (!attestationLevels.includes(level) || reader?.registry === undefined || !atIsBlock) {
    const detail = 'expected a known level, a reader with a registry, and a block as a bigint'
    throw new InconclusiveError({ reason: 'INVALID_ARGUMENTS', detail })
  }
  const { registry } = reader
  const taskChecked = task === null && parameters.taskChecked === true
  const tell = teller(parameters)
  tell('binding', 'checking')
  const refusal =
    checkBinding({ registry, task, taskChecked, response }) ??
    (await checkReferenceBlock({ registry, response, at }, options))
  if (refusal !== undefined) return { status: 'reject', ...refusal }
  tell('binding', 'passed')
  if (!includesLevel(level, 'registry')) return consistent(level)

  tell('registry', 'checking')
  const state = await readExpected({ registry, response }, options)
  const context = { registry, response, state, preimage }
  // A mismatch needs chain state alone, so one is found even where an artifact cannot be had.
  const mismatch = await findMismatch({ context, level, tell }, options)
  if (mismatch !== undefined) return judgeMismatch({ parameters, state, mismatch, level }, options)
  if (!includesLevel(level, 'artifacts')) return consistent(level)

  const honest = state.expected.preimage
  if (honest === null) {
    throw new InconclusiveError({ reason: 'REGISTRY_INCONSISTENT', detail: 'there is no digest' })
  }
  // Before the artifacts: a bad certificate is refused without moving megabytes.
  const quorum = includesLevel(level, 'quorum') ? await judgeQuorum(parameters, options) : undefined
  if (quorum?.refusal !== undefined) return { status: 'reject', ...quorum.refusal }
  tell('artifacts', 'checking')
  const artifacts = await fetchArtifacts({ source: reader.artifacts, preimage: honest }, options)
  tell('artifacts', 'passed')
  if (quorum === undefined) return consistent(level)
  if (level !== 'result') return { status: 'valid', level: 'quorum' }

  const { table } = quorum
  tell('result', 'checking')
  const { tee, missing } = await checkDocument({ parameters, table }, options)
  const evidenceOf = (found: FoundEvidence): Evidence => evidence({ parameters, state }, found)
  if (tee !== undefined) {
    const challengeable = await isChallengeable(parameters, options)
    const reason = 'INVALID_TEE_ATTESTATION'
    return { status: 'slashable', reason, evidence: evidenceOf(tee), challengeable }
  }
  if (task === null) {
    throw (
      missing ??
      new InconclusiveError({
        reason: 'INPUTS_UNAVAILABLE',
        detail: 'no task came with the response',
      })
    )
  }
  const { inputs, transcript, resultsSlashable = false } = parameters
  const { snapshot } = state
  // A document that did not come cannot hide a false result.
  const rerun = await rerunResult(
    { reader, task, response, inputs, transcript, snapshot, preimage: honest, artifacts },
    options,
  ).catch((error: unknown) => {
    throw missing ?? error
  })
  if (rerun === undefined) {
    if (missing !== undefined) throw missing
    tell('result', 'passed')
    return { status: 'valid', level: 'result' }
  }
  const detail = `a re-run on the attested inputs gives ${rerun.allow ? 'allow' : 'deny'}`
  const found = evidenceOf({ kind: 'result', reason: 'WRONG_RESULT', detail, rerun })
  if (!resultsSlashable) return { status: 'disputed', reason: 'WRONG_RESULT', evidence: found }
  const challengeable = await isChallengeable(parameters, options)
  return { status: 'slashable', reason: 'WRONG_RESULT', evidence: found, challengeable }
}

type Tell = (level: AttestationLevel, state: LevelProgress['state']) => void

function teller({ onLevel }: VerifyTaskAttestationParameters): Tell {
  return (level, state) => onLevel?.({ level, state })
}

/** Levels `registry`, which was begun, and `digest`. */
async function findMismatch(
  search: {
    context: Parameters<typeof findRegistryMismatch>[0]
    level: AttestationLevel
    tell: Tell
  },
  options: IoOptions,
): Promise<Mismatch | undefined> {
  const { context, level, tell } = search
  const inRegistry = await findRegistryMismatch(context, options)
  if (inRegistry !== undefined) return inRegistry
  tell('registry', 'passed')
  if (!includesLevel(level, 'digest')) return undefined
  tell('digest', 'checking')
  const inDigest = await findDigestMismatch(context, options)
  if (inDigest === undefined) tell('digest', 'passed')
  return inDigest
}

async function judgeMismatch(
  found: {
    parameters: VerifyTaskAttestationParameters
    state: ExpectedState
    mismatch: Mismatch
    level: AttestationLevel
  },
  options: IoOptions,
): Promise<AttestationOutcome> {
  const { parameters, state, mismatch, level } = found
  if (!includesLevel(level, 'quorum')) return { status: 'reject', ...mismatch }
  // A lie under a table that is too old is a lie all the same.
  const quorum = await judgeQuorum({ ...parameters, acceptance: false }, options)
  if (quorum.refusal !== undefined) return { status: 'reject', ...quorum.refusal }
  const kind = mismatch.reason === 'INVALID_TEE_ATTESTATION' ? 'tee' : 'digest'
  return {
    status: 'slashable',
    reason: mismatch.reason,
    evidence: evidence({ parameters, state }, { kind, ...mismatch }),
    challengeable: await isChallengeable(parameters, options),
  }
}

/** A document that a signer answers for and that does not verify, or what is missing to tell. */
async function checkDocument(
  found: {
    parameters: VerifyTaskAttestationParameters
    table: Parameters<typeof isSignersDocument>[0]['table']
  },
  options: IoOptions,
): Promise<{ tee?: FoundEvidence; missing?: InconclusiveError | undefined }> {
  const { parameters, table } = found
  const { reader, response, document, signedDocuments = [] } = parameters
  if (reader.documents === undefined || response.pcr0Commitment === ZERO_HASH) return {}
  const given = [...(document === undefined ? [] : [document]), ...signedDocuments]
  if (given.length === 0) return { missing: missingDocument('no document came with the response') }
  // One that says nothing about anyone hides no false one that comes after it.
  let missing: InconclusiveError | undefined
  for (const one of given) {
    try {
      const tee = await judgeDocument({ parameters, table, document: one }, options)
      if (tee !== undefined) return { tee }
    } catch (error) {
      if (!(error instanceof InconclusiveError)) throw error
      missing ??= error
    }
  }
  return { missing }
}

function missingDocument(detail: string): InconclusiveError {
  return new InconclusiveError({ reason: 'DOCUMENT_UNAVAILABLE', detail })
}

async function judgeDocument(
  found: {
    parameters: VerifyTaskAttestationParameters
    table: Parameters<typeof isSignersDocument>[0]['table']
    document: SignedTeeDocument
  },
  options: IoOptions,
): Promise<FoundEvidence | undefined> {
  const { parameters, table, document } = found
  const { reader, response, certificate } = parameters
  const { pcr0Commitment } = response
  const userData = computeTeeUserData(response)
  const { signal } = options
  const what = { reason: 'DOCUMENT_UNAVAILABLE', detail: 'verifying the document', signal } as const
  const verdict = await obtain(what, () =>
    (reader.documents as NonNullable<typeof reader.documents>).verifyDocument(
      { document: document.bytes, pcr0Commitment, userData, archived: true },
      options,
    ),
  )
  if (verdict.status === 'valid') return undefined
  if (verdict.status !== 'reject') throw missingDocument(verdict.reason)
  if (!isSignersDocument({ document, response, certificate: certificate as Certificate, table })) {
    const detail = `the document is false (${verdict.code}) and no signer answers for it`
    throw missingDocument(detail)
  }
  const { operatorIndex } = document.operator
  const detail = `operator ${operatorIndex} signed for a false document: ${verdict.code}`
  const documentHash = keccakHex(document.bytes)
  return { kind: 'tee', reason: 'INVALID_TEE_ATTESTATION', detail, operatorIndex, documentHash }
}

type FoundEvidence = Pick<
  Evidence,
  'kind' | 'reason' | 'detail' | 'rerun' | 'operatorIndex' | 'documentHash'
>

function evidence(
  { parameters, state }: { parameters: VerifyTaskAttestationParameters; state: ExpectedState },
  found: FoundEvidence,
): Evidence {
  const { task, response, certificate } = parameters
  return {
    ...found,
    messageHash: computeMessageHash(response),
    task,
    response,
    certificate: certificate as Certificate,
    block: state.snapshot.block,
    expected: state.expected,
  }
}

function consistent(level: AttestationLevel): AttestationOutcome {
  return { status: 'consistent', level: level as ConsistentLevel }
}
