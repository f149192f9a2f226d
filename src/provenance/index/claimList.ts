/** Claims about one plugin, in chain order; what is handed out is frozen, as all who ask get the same. */
import type { Address, Hex } from 'viem'
import type { ProvenanceEvent, VerificationResult } from '../../core/interfaces/provenance.js'
import type { VerificationEvidence } from '../claims/evidence.js'

/** A claim as it stands on chain, and what is known of it. */
export type IndexedClaim = {
  wasmHash: Hex
  verifier: Address
  buildInfoHash: Hex
  result: VerificationResult
  evidenceUri: string
  timestamp: bigint
  blockNumber: bigint
  transactionHash: Hex
  /** What stands behind it, where the document was found and is the claim's. */
  evidence?: VerificationEvidence | undefined
}

/** A place of a claim, whose evidence may come later. */
export type ClaimPlace = { claim: IndexedClaim; setEvidence(evidence: VerificationEvidence): void }

/** Whose claims, and what they say. */
type Said = { verifier?: Hex | undefined; result?: VerificationResult | undefined }

/** Claims about one plugin. */
export type ClaimList = {
  add(wasmHash: Hex, event: Extract<ProvenanceEvent, { type: 'ClaimSubmitted' }>): ClaimPlace
  /** The newest of each verifier about each build. */
  current(): readonly IndexedClaim[]
  /** All, replaced ones too. */
  history(): readonly IndexedClaim[]
  /** Whether one of the newest is of that verifier and says that. */
  has(said: Said): boolean
  readonly size: number
}

/** Creates an empty list. `changed` is called where a claim gets its evidence. */
export function createClaimList(changed: () => void): ClaimList {
  const current = new Map<string, ClaimPlace>()
  const history: ClaimPlace[] = []
  /** How many of the newest are of a verifier, say something, or both: no question counts them. */
  const counts = new Map<string, number>()
  const count = ({ verifier, result }: IndexedClaim, by: number): void => {
    for (const key of [keyOf({ verifier }), keyOf({ result }), keyOf({ verifier, result })]) {
      counts.set(key, (counts.get(key) ?? 0) + by)
    }
  }
  return {
    add: (wasmHash, event) => {
      const { result, evidenceUri, timestamp, blockNumber, transactionHash } = event
      const verifier = event.verifier.toLowerCase() as Address
      const buildInfoHash = event.buildInfoHash.toLowerCase() as Hex
      const place: ClaimPlace = {
        claim: Object.freeze({
          ...{ wasmHash, verifier, buildInfoHash, result, evidenceUri },
          ...{ timestamp, blockNumber, transactionHash },
        }),
        setEvidence: (evidence) => {
          place.claim = Object.freeze({ ...place.claim, evidence: Object.freeze(evidence) })
          changed()
        },
      }
      const key = `${buildInfoHash}:${verifier}`
      const before = current.get(key)
      if (before !== undefined) count(before.claim, -1)
      count(place.claim, 1)
      // The newest is the last.
      current.delete(key)
      current.set(key, place)
      history.push(place)
      return place
    },
    current: () => Object.freeze([...current.values()].map(({ claim }) => claim)),
    history: () => Object.freeze(history.map(({ claim }) => claim)),
    has: (said) => (counts.get(keyOf(said)) ?? 0) > 0,
    get size() {
      return current.size
    },
  }
}

function keyOf({ verifier = '0x', result }: Said): string {
  return `${verifier} ${result ?? ''}`
}
