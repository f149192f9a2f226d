/**
 * Claims for tools that know nothing of this system: in-toto statements with SLSA provenance and SLSA
 * verification summaries.
 */
import type { Address, Hex } from 'viem'
import type { JsonObject } from '../../core/canonicalJson.js'
import { assertMembers } from '../../internal/options.js'
import type { BuildInfo } from '../build/buildInfo.js'
import { assertEvidence, type VerificationEvidence } from './evidence.js'

/** What an in-toto statement is of. */
export const statementTypes = {
  statement: 'https://in-toto.io/Statement/v1',
  provenance: 'https://slsa.dev/provenance/v1',
  summary: 'https://slsa.dev/verification_summary/v1',
  build: 'https://newton.xyz/plugin-build/v1',
} as const

/** Media type of statements in envelopes. */
export const STATEMENT_MEDIA_TYPE = 'application/vnd.in-toto+json'

/** Who made a claim, where and when. */
export type ClaimOrigin = {
  verifier: Address
  chainId: bigint
  /** Unix seconds. */
  timestamp: bigint
  evidenceUri: string
}

const originMembers = ['verifier', 'chainId', 'timestamp', 'evidenceUri'] as const

/** An in-toto statement. */
export type Statement = JsonObject & { _type: string; predicateType: string }

/** The build that build information describes, as SLSA provenance of the plugin. */
export function provenanceStatement(info: BuildInfo, origin: ClaimOrigin): Statement {
  assertMembers('info', info, ['wasmSha256', 'sourceSha256', 'image', 'args', 'options'])
  assertMembers('origin', origin, originMembers)
  return statement(info.wasmSha256, statementTypes.provenance, {
    buildDefinition: {
      buildType: statementTypes.build,
      externalParameters: { args: [...info.args], options: [...info.options] },
      internalParameters: info.determinism === undefined ? {} : { determinism: info.determinism },
      resolvedDependencies: [
        {
          digest: { sha256: info.sourceSha256.slice(2) },
          name: 'source',
          ...(info.sourceUri === undefined ? {} : { uri: info.sourceUri }),
        },
        { digest: { sha256: info.image.slice(-64) }, name: 'image', uri: info.image },
      ],
    },
    runDetails: {
      builder: { id: verifierId(origin) },
      metadata: { finishedOn: timeOf(origin.timestamp) },
    },
  })
}

/**
 * A claim, as a summary of a verification: `PASSED` for a match of an isolated build alone. What a build
 * without walls gave is worth `arbitrary` at most, which a summary has no word for.
 *
 * @throws {InvalidInputError} for evidence that contradicts itself.
 */
export function summaryStatement(evidence: VerificationEvidence, origin: ClaimOrigin): Statement {
  assertEvidence(evidence)
  assertMembers('origin', origin, originMembers)
  const passed = evidence.result === 'match' && evidence.isolation === 'bubblewrap'
  return statement(evidence.wasmSha256, statementTypes.summary, {
    inputAttestations: [
      { digest: { sha256: hashOf(origin.evidenceUri) }, uri: origin.evidenceUri },
    ].filter(({ digest }) => digest.sha256 !== ''),
    policy: { digest: { sha256: evidence.buildInfoHash.slice(2) }, uri: statementTypes.build },
    resourceUri: `urn:newton:wasm:${evidence.wasmHash}`,
    timeVerified: timeOf(origin.timestamp),
    verificationResult: passed ? 'PASSED' : 'FAILED',
    verifiedLevels: passed ? ['NEWTON_REBUILT_EXACT'] : [],
    verifier: { id: verifierId(origin) },
  })
}

function statement(subject: Hex, predicateType: string, predicate: JsonObject): Statement {
  return {
    _type: statementTypes.statement,
    predicate,
    predicateType,
    subject: [{ digest: { sha256: subject.slice(2) }, name: 'plugin.wasm' }],
  }
}

function verifierId({ chainId, verifier }: ClaimOrigin): string {
  return `did:pkh:eip155:${chainId}:${verifier.toLowerCase()}`
}

function timeOf(seconds: bigint): string {
  return new Date(Number(seconds) * 1_000).toISOString()
}

function hashOf(uri: string): string {
  return /([0-9a-f]{64})(?:\.json)?$/.exec(uri)?.[1] ?? ''
}
