/** Claims of a record as they are asked for: sorted once for a record, not for each answer. */
import type { IndexedClaim } from './claimList.js'
import type { ProvenanceRecord } from './indexEntry.js'

/** Claims, oldest first. */
export type ClaimsView = { claims: readonly IndexedClaim[]; history: readonly IndexedClaim[] }

/** Claims of everybody, and of one verifier. */
export type RecordView = ClaimsView & { of(verifier: string): ClaimsView }

/** Records of an index are the same until something of them changes. */
const views = new WeakMap<ProvenanceRecord, RecordView>()

const nothing: ClaimsView = { claims: [], history: [] }

/** The claims of a record. */
export function viewOf(record: ProvenanceRecord): RecordView {
  const known = views.get(record)
  if (known !== undefined) return known
  const claims = inOrder(record.claims)
  const history = inOrder(record.history)
  const own = new Map<string, { claims: IndexedClaim[]; history: IndexedClaim[] }>()
  for (const [name, list] of Object.entries({ claims, history })) {
    for (const claim of list) {
      const of = own.get(claim.verifier) ?? { claims: [], history: [] }
      of[name as keyof ClaimsView].push(claim)
      own.set(claim.verifier, of)
    }
  }
  const made: RecordView = { claims, history, of: (verifier) => own.get(verifier) ?? nothing }
  // What is not frozen may be another one by the next answer.
  if (Object.isFrozen(record)) views.set(record, made)
  return made
}

/** Oldest first. */
export function inOrder(claims: readonly IndexedClaim[]): readonly IndexedClaim[] {
  return [...claims].sort((a, b) => Number(a.blockNumber - b.blockNumber))
}

/** The newest of them, oldest first. */
export function newest(claims: readonly IndexedClaim[], count: number): readonly IndexedClaim[] {
  return claims.slice(-count)
}
