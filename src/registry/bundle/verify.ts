/** Verifies a bundle with nothing but itself and what the verifier was told. */
import type { Hex } from 'viem'
import { decodeCertificate, encodeCertificate, verifyCertificate } from '../../core/bn254/index.js'
import { type DigestPreimage, decodeDigestPreimage } from '../../core/digest.js'
import { evaluateResult } from '../../core/evaluationResult.js'
import {
  computeMessageHash,
  decodeResponse,
  encodeResponse,
  type PolicyTaskResponse,
} from '../../core/response.js'
import { bytesEqual, fromHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import type { LedgerEvent } from '../../ledger/events/event.js'
import { decodeMetaRecord } from '../../ledger/events/metaRoot.js'
import { verifyEvent } from '../../ledger/events/verify.js'
import type { Checkpoint, CheckpointTrust } from '../../ledger/log/checkpoint.js'
import { keyOfLog, type NoteKey } from '../../ledger/log/keys.js'
import { verifyTlogProof } from '../../ledger/log/tlogProof.js'
import { type EvaluationBundle, parseEvaluationBundle } from './bundle.js'
import { checkAnchors, checkProvenance, checkTree } from './optional.js'
import {
  type BundleCheck,
  type BundleCheckName,
  type BundleTrust,
  type BundleVerdict,
  bundleChecks,
  type OptionalPart,
  optionalParts,
} from './trust.js'
import { assertBundleTrust } from './wholeTrust.js'

/** What one check leaves to the next. */
type Findings = {
  response?: PolicyTaskResponse
  preimage?: DigestPreimage
  event?: LedgerEvent
  domain?: Checkpoint
  meta?: Checkpoint
}

type Check = (bundle: EvaluationBundle, trust: BundleTrust, findings: Findings) => BundleCheck

/** Thrown by no one: a check answers what it found. */
const passed: BundleCheck = { status: 'passed' }
const failed = (reason: string): BundleCheck => ({ status: 'failed', reason })
const unknown = (reason: string): BundleCheck => ({ status: 'not_checked', reason })

/**
 * Verifies one evaluation offline, in a browser too: who attested it, that it was logged, where its
 * artifacts stand, and where the log is anchored. Never throws, whatever the file or the trust is.
 *
 * @returns `verified` where every check that has to pass passed; `invalid` where one failed; `incomplete`
 * where nothing failed and something could not be shown, such as an operator table that is not known.
 * Where the check `trust` failed it is the trust that is wrong, and nothing was said of the bundle.
 * @example
 * ```ts
 * import { type BundleTrust, verifyEvaluationBundle } from '@newton/policy-sdk/bundle'
 *
 * declare const file: string
 * declare const trust: BundleTrust
 * const verdict = verifyEvaluationBundle(file, trust)
 * if (verdict.status === 'verified') verdict.evaluation?.allowed
 * ```
 */
export function verifyEvaluationBundle(
  file: string | Uint8Array,
  trust: BundleTrust,
): BundleVerdict {
  const checks = Object.fromEntries(
    bundleChecks.map((name) => [name, unknown('an earlier check failed')]),
  ) as Record<BundleCheckName, BundleCheck>
  checks.trust = run(() => {
    assertBundleTrust(trust)
    return passed
  })
  if (checks.trust.status === 'failed') return { status: 'invalid', checks }
  let bundle: EvaluationBundle
  try {
    bundle = parseEvaluationBundle(file)
    checks.form = passed
  } catch (error) {
    checks.form = failed(messageOf(error))
    return { status: 'invalid', checks }
  }
  const findings: Findings = {}
  for (const [name, check] of Object.entries(checkers) as [BundleCheckName, Check][]) {
    checks[name] = run(() => check(bundle, trust, findings))
    if (checks[name].status === 'failed') return { status: 'invalid', checks }
  }
  const demanded: readonly BundleCheckName[] = trust.demand ?? []
  const isComplete = bundleChecks.every((name) => {
    const mayBeAbsent = (optionalParts as readonly string[]).includes(name)
    if (checks[name].status === 'passed') return true
    return mayBeAbsent && !demanded.includes(name) && isAbsent(bundle, name as OptionalPart)
  })
  if (!isComplete) return { status: 'incomplete', checks }
  const { response, event } = findings as Required<Findings>
  const evaluation = {
    allowed: evaluateResult(response.evaluationResult),
    ...{ taskId: response.taskId, policyClient: response.policyClient as Hex },
    ...{ eventId: event.event_id, at: event.timestamp },
  }
  return { status: 'verified', checks, evaluation }
}

function isAbsent(bundle: EvaluationBundle, part: OptionalPart): boolean {
  const { tree, anchors = [], provenance = [] } = bundle
  return {
    tree: tree === undefined,
    anchor: anchors.length === 0,
    provenance: provenance.length === 0,
  }[part]
}

const checkers: Readonly<Record<Exclude<BundleCheckName, 'trust' | 'form'>, Check>> = {
  digest: ({ attestation }, { operators }, findings) => {
    const response = decodeResponse(attestation.response)
    if (encodeResponse(response) !== attestation.response) return failed('not the one encoding')
    if (response.chainId !== operators.chainId) return failed(`chain ${response.chainId}`)
    if (!same(response.policyRegistry, operators.policyRegistry)) {
      return failed(`policy registry ${response.policyRegistry}`)
    }
    const bytes = fromHex(attestation.digestPreimage)
    const preimage = decodeDigestPreimage(bytes)
    if (keccakHex(bytes) !== response.artifactDigest) return failed('not what the response names')
    for (const name of [
      'chainId',
      'policyInstanceId',
      'referenceBlock',
      'expirationBlock',
    ] as const) {
      if (String(preimage[name]) !== String(response[name])) return failed(`another ${name}`)
    }
    Object.assign(findings, { response, preimage })
    return passed
  },
  event: ({ ledger }, trust, findings) => {
    const verdict = verifyEvent({ entry: utf8(ledger.entry), ledger: trust.ledger.name })
    if (verdict.status !== 'valid') return failed(verdict.detail)
    const { event } = verdict
    const { ets } = event.payload
    if (ets.schema_version !== 'newton.evaluation/1' || ets.domain !== 'decisions') {
      return failed(`a ${ets.schema_version} in ${ets.domain}`)
    }
    if (!trust.ledger.writers.includes(event.key_id)) {
      return failed(`the key ${event.key_id} is not trusted to say it`)
    }
    findings.event = event
    return passed
  },
  binding: ({ attestation }, _, { response, event }) => {
    if (response === undefined || event === undefined) return unknown('nothing to compare')
    const said = event.payload as unknown as Record<string, unknown>
    const signed: Record<string, string> = {
      ...{ chainId: String(response.chainId), registry: response.policyRegistry.toLowerCase() },
      ...{ taskId: response.taskId, policyClient: response.policyClient.toLowerCase() },
      ...{ intentHash: response.intentHash, artifactDigest: response.artifactDigest },
      ...{ evaluationResult: response.evaluationResult, messageHash: computeMessageHash(response) },
      ...{ referenceBlock: String(response.referenceBlock) },
      ...{ referenceBlockHash: response.referenceBlockHash },
      ...{ expirationBlock: String(response.expirationBlock) },
      ...{ pcr0Commitment: response.pcr0Commitment, digestPreimage: attestation.digestPreimage },
    }
    const differs = Object.keys(signed).find((name) => said[name] !== signed[name])
    return differs === undefined ? passed : failed(`the event has another ${differs}`)
  },
  domainProof: ({ ledger }, trust, findings) => {
    const origin = `${trust.ledger.name}/decisions`
    for (const key of metaKeys(trust)) {
      const result = verifyTlogProof({
        ...{ file: ledger.domainProof, entry: utf8(ledger.entry) },
        trust: { log: keyOfLog(key, origin) },
      })
      if (result.status === 'verified') {
        findings.domain = result.checkpoint
        return passed
      }
    }
    return failed('the entry is not shown to be in the log')
  },
  metaProof: ({ ledger }, trust, findings) => {
    const result = verifyTlogProof({
      ...{ file: ledger.metaProof, entry: utf8(ledger.metaRecord), trust: trust.ledger.meta },
    })
    if (result.status !== 'verified') return failed(result.reason)
    if (result.checkpoint.origin !== `${trust.ledger.name}/meta`) return failed('another log')
    findings.meta = result.checkpoint
    return passed
  },
  metaRoot: ({ ledger }, _, { domain }) => {
    const record = decodeMetaRecord(utf8(ledger.metaRecord))
    if (record === undefined) return failed('no record whose root is its own')
    const named = record.domains.find(({ name }) => name === 'decisions')
    if (named === undefined || domain === undefined) return failed('it does not name the log')
    const isSame = named.size === domain.size && bytesEqual(named.root, domain.root)
    return isSame ? passed : failed('it names another size or root of the log')
  },
  tree: (bundle, trust, { preimage }) => checkTree(bundle, trust, preimage),
  anchor: (bundle, trust, { meta }) => checkAnchors(bundle, trust, meta),
  provenance: (bundle, trust, { preimage }) => checkProvenance(bundle, trust, preimage),
  // The pairing comes last: what is wrong otherwise is found without it.
  attestation: ({ attestation }, { operators }, { response }) => {
    if (response === undefined) return unknown('there is no response')
    const { referenceTimestamp } = response
    const known = operators.tables.find((entry) => entry.referenceTimestamp === referenceTimestamp)
    if (known === undefined)
      return unknown(`the operator table of ${referenceTimestamp} is not known`)
    const certificate = decodeCertificate(attestation.certificate)
    if (encodeCertificate(certificate) !== attestation.certificate) {
      return failed('not the one encoding of its certificate')
    }
    const outcome = verifyCertificate({
      certificate,
      ...{ table: known.table, referenceTimestamp, quorumBps: operators.quorumBps },
      messageHash: computeMessageHash(response),
    })
    return outcome.status === 'valid' ? passed : failed(`${outcome.code}: ${outcome.detail}`)
  },
}

/** Keys of the meta log: the ledger's other logs are signed with the same ones. */
function metaKeys({ ledger }: BundleTrust): readonly NoteKey[] {
  const meta: CheckpointTrust = ledger.meta
  const keys = 'quorum' in meta ? meta.logs.map(({ key }) => key) : [meta.log]
  return keys.filter(({ name }) => name === `${ledger.name}/meta`)
}

function run(check: () => BundleCheck): BundleCheck {
  try {
    return check()
  } catch (error) {
    return failed(messageOf(error))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : 'malformed'
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}
