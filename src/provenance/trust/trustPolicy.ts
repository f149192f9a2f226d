/**
 * What a reader makes of claims. Trust is read and never written: another policy gives another answer
 * over the same record, and taking an image off the list changes what past results are worth.
 */
import type { Address, Hex } from 'viem'
import type {
  ImageTrust,
  PluginProvenance,
  ProvenanceVerdict,
} from '../../core/interfaces/provenance.js'
import { InvalidInputError } from '../../errors/common.js'
import {
  assertChoice,
  assertCount,
  assertKnown,
  assertList,
  assertObject,
  assertText,
} from '../../internal/options.js'
import { isImage } from '../build/buildInfo.js'
import type { ProvenanceFollower } from '../index/follower.js'
import type { IndexedClaim, ProvenanceIndex, ProvenanceRecord } from '../index/provenanceIndex.js'
import { claimedBuild, shownBuild } from '../index/shownBuild.js'

const ranks: Readonly<Record<ImageTrust, number>> = {
  unknown: 0,
  arbitrary: 1,
  auditable: 2,
  trusted: 3,
}

/** Whom and what a reader believes. */
export type TrustPolicy = {
  /** Trust in build environments, by their digest name. What is not here is `unknown`. */
  images: Readonly<Record<string, Exclude<ImageTrust, 'unknown'>>>
  /** Least trust in the environment of a rebuild that counts. @default 'trusted' */
  minimum?: Exclude<ImageTrust, 'unknown'> | undefined
  /** Verifiers that are believed. */
  verifiers: readonly Address[]
  /** How many of them have to agree about one build. @default 1 */
  threshold?: number | undefined
}

/** Refuses a policy that would not mean what it says. */
export function assertTrustPolicy(policy: TrustPolicy): void {
  assertObject('policy', policy)
  assertKnown('policy', policy, ['images', 'minimum', 'verifiers', 'threshold'])
  assertObject('policy.images', policy.images)
  if (Array.isArray(policy.images) || policy.images instanceof Map) {
    throw new InvalidInputError({ field: 'policy.images', reason: 'expected trust by image names' })
  }
  assertList('policy.verifiers', policy.verifiers)
  for (const [image, trust] of Object.entries(policy.images)) {
    if (!isImage(image)) {
      throw new InvalidInputError({
        field: `policy.images[${image}]`,
        reason: 'it names no environment by its digest, 64 lower-case hex digits',
      })
    }
    assertChoice(`policy.images[${image}]`, trust, ['trusted', 'auditable', 'arbitrary'])
  }
  const { minimum = 'trusted', threshold = 1 } = policy
  assertChoice('policy.minimum', minimum, ['trusted', 'auditable', 'arbitrary'])
  const verifiers = new Set(policy.verifiers.map((verifier) => `${verifier}`.toLowerCase()))
  if ([...verifiers].some((verifier) => !/^0x[0-9a-f]{40}$/.test(verifier))) {
    throw new InvalidInputError({ field: 'policy.verifiers', reason: 'expected addresses' })
  }
  assertCount('policy.threshold', threshold, { most: Math.max(1, verifiers.size) })
}

/**
 * Trust in the environment of one claim. A rebuild without isolation, or one of which nobody shows how
 * it was isolated, is worth no more than `arbitrary`.
 */
export function trustOfClaim(
  policy: TrustPolicy,
  record: ProvenanceRecord,
  claim: IndexedClaim,
): ImageTrust {
  const { images } = policy
  const image = claimedBuild(record, claim)?.info.image
  const listed = image !== undefined && Object.hasOwn(images, image) ? images[image] : undefined
  if (listed === undefined) return 'unknown'
  return shownBuild(record, claim)?.isolation === 'bubblewrap' ? listed : 'arbitrary'
}

/**
 * Evaluates a policy over what is known of a plugin.
 *
 * @example
 * ```ts
 * import { evaluateTrust } from '@newton/policy-sdk/provenance'
 *
 * const policy = { images: {}, verifiers: [] }
 * evaluateTrust(policy, `0x${'00'.repeat(32)}`, undefined).status // 'unverified'
 * ```
 */
export function evaluateTrust(
  policy: TrustPolicy,
  wasmHash: Hex,
  record: ProvenanceRecord | undefined,
): ProvenanceVerdict {
  assertTrustPolicy(policy)
  assertText('wasmHash', wasmHash)
  const nobody = { wasmHash, image: 'unknown' as const, agreeing: [], disagreeing: [] }
  // What is known of another plugin is nothing known of this one.
  if (record?.wasmHash === undefined || record.wasmHash !== wasmHash.toLowerCase()) {
    return { ...nobody, status: 'unverified', reason: 'nothing is known of it' }
  }
  const minimum = ranks[policy.minimum ?? 'trusted']
  const believed = new Set(policy.verifiers.map((verifier) => verifier.toLowerCase()))
  const claims = record.claims.filter(({ verifier }) => believed.has(verifier))
  const best = bestBuild(policy, record, claims)
  const disagreeing = addressesOf(denials(record, claims, best?.buildInfoHash))
  const build = record.builds.find(({ buildInfoHash }) => buildInfoHash === best?.buildInfoHash)
  const common = {
    ...{ wasmHash, image: best?.image ?? ('unknown' as const) },
    ...{ agreeing: best?.agreeing ?? [], disagreeing },
    ...{ buildInfoHash: best?.buildInfoHash },
    ...{ sourceSha256: build?.info.sourceSha256, sourceUri: build?.info.sourceUri },
  }
  const needed = policy.threshold ?? 1
  const enough = best !== undefined && best.counted >= needed
  if (enough && disagreeing.length === 0) return { ...common, status: 'verified' }
  if (enough) return { ...common, status: 'disputed', reason: 'verifiers disagree about it' }
  if (disagreeing.length > 0) {
    return { ...common, status: 'mismatched', reason: 'its source gives other bytes' }
  }
  return { ...common, status: 'unverified', reason: whyNot({ record, best, needed, minimum }) }
}

/**
 * Answers from an index under a policy.
 *
 * @param parameters.follower - Brings the index up to its chain before each answer, and reads what the
 * answer rests on: an index that is behind goes on calling verified what a verifier has taken back. `'none'`
 * where somebody else keeps it up.
 * @example
 * ```ts
 * import { createProvenanceIndex, indexedProvenance } from '@newton/policy-sdk/provenance'
 *
 * const provenance = indexedProvenance({
 *   ...{ index: createProvenanceIndex(), follower: 'none' },
 *   policy: { images: {}, verifiers: [] },
 * })
 * const { status } = await provenance.getProvenance(`0x${'00'.repeat(32)}`) // 'unverified'
 * ```
 */
export function indexedProvenance(parameters: {
  index: Pick<ProvenanceIndex, 'get'>
  policy: TrustPolicy
  follower: Pick<ProvenanceFollower, 'follow' | 'load'> | 'none'
}): PluginProvenance {
  assertKnown('parameters', parameters, ['index', 'policy', 'follower'])
  const { index, follower } = parameters
  assertTrustPolicy(parameters.policy)
  // Whoever changes their policy later has not asked for another answer.
  const policy = structuredClone(parameters.policy)
  if (follower !== 'none' && typeof follower?.follow !== 'function') {
    throw new InvalidInputError({
      field: 'follower',
      reason: "expected what createProvenanceFollower returns, or 'none'",
    })
  }
  return {
    getProvenance: async (wasmHash, options = {}) => {
      if (follower !== 'none') {
        // What this throws is thrown: there is no answer from an index that may be behind.
        await follower.follow(options)
        await follower.load(wasmHash, policy.verifiers, options)
      }
      return evaluateTrust(policy, wasmHash, index.get(wasmHash))
    },
  }
}

type Best = {
  buildInfoHash: Hex
  agreeing: Address[]
  counted: number
  denied: number
  image: ImageTrust
}

/** The build that most believed verifiers confirm in an environment that counts. */
function bestBuild(
  policy: TrustPolicy,
  record: ProvenanceRecord,
  claims: readonly IndexedClaim[],
): Best | undefined {
  const minimum = ranks[policy.minimum ?? 'trusted']
  let best: Best | undefined
  for (const { buildInfoHash } of record.builds) {
    const matches = claims
      .filter((claim) => claim.buildInfoHash === buildInfoHash && claim.result === 'match')
      .map((claim) => ({ ...claim, trust: trustOfClaim(policy, record, claim) }))
    if (matches.length === 0) continue
    const counted = matches.filter(({ trust }) => ranks[trust] >= minimum)
    // An answer is worth what the weakest of those it rests on is worth.
    const resting = counted.length > 0 ? counted : matches
    const image = resting.reduce<ImageTrust>(
      (least, { trust }) => (ranks[trust] < ranks[least] ? trust : least),
      'trusted',
    )
    const agreeing = addressesOf(resting)
    const found = { buildInfoHash, agreeing, counted: addressesOf(counted).length, image }
    const denied = denials(record, claims, buildInfoHash).length
    // Of two that as many confirm, whichever entry came first means nothing.
    const isBetter =
      best === undefined ||
      found.counted > best.counted ||
      (found.counted === best.counted && denied < best.denied)
    if (isBetter) best = { ...found, denied }
  }
  return best
}

/**
 * Claims that deny what the answer rests on: that this build gives the plugin, or that any does. Builds are
 * tried one after another: that one gave other bytes and the next the plugin is one verifier's whole
 * word for the plugin, not two against each other.
 */
function denials(
  record: ProvenanceRecord,
  claims: readonly IndexedClaim[],
  buildInfoHash: Hex | undefined,
): readonly IndexedClaim[] {
  const confirming = new Set(
    claims
      .filter((claim) => claim.result === 'match' && claimedBuild(record, claim) !== undefined)
      .map(({ verifier }) => verifier),
  )
  return claims.filter(
    (claim) =>
      claim.result === 'no_match' &&
      (claim.buildInfoHash === buildInfoHash || !confirming.has(claim.verifier)),
  )
}

function whyNot(found: {
  record: ProvenanceRecord
  best: Best | undefined
  needed: number
  minimum: number
}): string {
  const { record, best, needed } = found
  if (record.metadataFault !== undefined) return 'its metadata is malformed'
  if (record.hashes === undefined) return 'its bytes have not been seen'
  if (record.builds.length === 0) return 'nobody says how it was built'
  if (best === undefined) return 'no believed verifier has rebuilt it'
  if (best.counted === 0) return `it was rebuilt in an environment that is ${best.image} only`
  return `${best.counted} of ${needed} verifiers have rebuilt it`
}

function addressesOf(claims: readonly IndexedClaim[]): Address[] {
  return [...new Set(claims.map(({ verifier }) => verifier))].sort()
}
