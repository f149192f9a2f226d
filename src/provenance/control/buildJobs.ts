/** Jobs of builds: what one holds, whose it is, and what its answers come to. */
import type { Address, Hex } from 'viem'
import { canonicalJson, type JsonObject } from '../../core/canonicalJson.js'
import type { ClaimSink } from '../../core/interfaces/provenance.js'
import { InvalidInputError } from '../../errors/common.js'
import { bytesEqual, fromHex, toHex } from '../../internal/bytes.js'
import { type BuildInfo, decodeBuildInfo, encodeBuildInfo } from '../build/buildInfo.js'
import { computeWasmHashes } from '../build/compareBuild.js'
import { splitMetadata } from '../build/metadata.js'
import type { VerificationEvidence } from '../claims/evidence.js'
import type { StoredJob } from '../queue/jobQueue.js'
import type { BuildJob, BuildOutcome } from '../worker/protocol.js'
import { type Answers, agreedOutcome, noAnswers, type WorkerAnswer } from './answers.js'

/** What a job is of. */
export type Payload = {
  /** Whose claim it is. */
  verifier?: Address | undefined
  wasmHash: Hex
  buildInfoHash: Hex
  xdr: Hex
  metadata: Hex
  wasmSha256: Hex
  codeSha256: Hex
  /** Whether all metadata is at the end, where a rebuild has it too. */
  atEnd: boolean
  /** Whether nobody named this build: then it is claimed only where it matches. */
  guessed?: boolean | undefined
}

/** Names the job of a build. One that was guessed and is then named is built anew: now it is claimed. */
export function idOf(wasmHash: Hex, buildInfoHash: Hex, guessed = false): string {
  return `${wasmHash}:${buildInfoHash}${guessed ? ':guess' : ''}`
}

/** A queue is one verifier's: of two, the one that came second would never claim anything. */
export function assertOwn(job: StoredJob, { verifier }: ClaimSink): void {
  const { verifier: owner } = payloadOf(job)
  if (owner === undefined || lower(owner) === lower(verifier)) return
  throw new InvalidInputError({
    field: 'queue',
    reason: `it is the queue of ${owner}: each verifier has one of its own`,
  })
}

/** Whether a job is over, with the plugin's own bytes. */
export function isMatch(job: StoredJob, confirmations: number): boolean {
  return isolationOfMatch(job, confirmations) !== undefined
}

/** What kept the build of a match from the machine; `undefined` where there is no match. */
export function isolationOfMatch(
  job: StoredJob,
  confirmations: number,
): WorkerAnswer['outcome']['isolation'] | undefined {
  if (job.state !== 'done' && job.state !== 'failed') return undefined
  const payload = payloadOf(job)
  const agreed = outcomeOf(payload, answersOf(job), { confirmations, last: true })
  const isMatch = agreed?.status === 'built' && agreed.rebuiltSha256 === payload.wasmSha256
  return isMatch ? agreed.isolation : undefined
}

/**
 * What the answers about a build come to. A mismatch that would be claimed is doubted: a fault of one worker
 * gives one as well, and no fault gives a match.
 */
export function outcomeOf(
  { guessed = false, wasmSha256 }: Payload,
  answers: Answers,
  options: { confirmations: number; last: boolean },
): WorkerAnswer['outcome'] | undefined {
  const isDoubted = (outcome: WorkerAnswer['outcome']): boolean =>
    !guessed && outcome.status === 'built' && outcome.rebuiltSha256 !== wasmSha256
  return agreedOutcome(answers, { ...options, isDoubted })
}

/** What an answer says that cannot be so together. */
export function contradictionIn(payload: Payload, outcome: BuildOutcome): string | undefined {
  if (outcome.status !== 'built') return undefined
  const sameCode = outcome.codeSha256 === payload.codeSha256
  const sameBytes = outcome.rebuiltSha256 === payload.wasmSha256
  if (sameBytes && !sameCode) return 'the same bytes cannot hold other code'
  if (sameCode && payload.atEnd && !sameBytes) return 'the same code gives the same bytes'
  return undefined
}

/** What stands behind the claim of an outcome. */
export function evidenceOf(
  payload: Payload,
  info: BuildInfo,
  outcome: WorkerAnswer['outcome'],
): VerificationEvidence {
  const { wasmHash, wasmSha256, buildInfoHash } = payload
  const common = {
    schema: 'newton.verification-evidence/1' as const,
    ...{ wasmHash, wasmSha256, buildInfoHash },
    ...{ image: info.image, sourceSha256: info.sourceSha256 },
    ...{ logSha256: outcome.logSha256, isolation: outcome.isolation },
  }
  if (outcome.status === 'did_not_run') {
    return { ...common, result: 'did_not_run', reason: outcome.reason }
  }
  const { codeSha256: rebuiltCodeSha256, rebuiltSha256 } = outcome
  const hashes = { rebuiltSha256, rebuiltCodeSha256 }
  if (rebuiltSha256 === wasmSha256) return { ...common, ...hashes, result: 'match', level: 'exact' }
  const level = rebuiltCodeSha256 === payload.codeSha256 ? 'code' : 'none'
  return { ...common, ...hashes, result: 'no_match', level }
}

/** What a job holds, as text. */
export function payloadText(of: {
  wasm: Uint8Array
  info: BuildInfo
  buildInfoHash: Hex
  verifier: Address
  guessed: boolean
}): string {
  const { wasm, info, buildInfoHash, verifier, guessed } = of
  const { wasmHash, wasmSha256, codeSha256 } = computeWasmHashes(wasm)
  const { code, metadata } = splitMetadata(wasm)
  const payload: Payload = {
    verifier: lower(verifier),
    ...{ wasmHash, wasmSha256, codeSha256, buildInfoHash },
    xdr: toHex(encodeBuildInfo(info)),
    metadata: toHex(metadata),
    atEnd: startsWith(wasm, code),
    ...(guessed ? { guessed } : {}),
  }
  return canonicalJson(payload as unknown as JsonObject)
}

/** What a job holds. */
export function payloadOf(job: StoredJob): Payload {
  return JSON.parse(job.payload) as Payload
}

/** What a worker is told of it: how to build, and not what comes out. */
export function jobOf({ xdr, metadata }: Payload): BuildJob {
  const { wasmSha256: _, ...info } = decodeBuildInfo(fromHex(xdr))
  return { ...info, metadata }
}

/** What workers have said of it. */
export function answersOf(job: StoredJob): Answers {
  return job.result === undefined ? noAnswers : (JSON.parse(job.result) as Answers)
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return bytesEqual(bytes.subarray(0, beginning.length), beginning)
}

/** A hash or an address in the one spelling that is compared. */
export function lower<hex extends Hex>(value: hex): hex {
  return value.toLowerCase() as hex
}
