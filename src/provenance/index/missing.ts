/** What an index lacks, and in which order it is asked for: nobody's many stand before another's few. */
import type { Address, Hex } from 'viem'
import { evidenceHashOf } from '../claims/evidence.js'
import type { IndexedClaim } from './provenanceIndex.js'

/** Something to read. */
export type Missing =
  | { type: 'plugin'; key: string; wasmHash: Hex }
  | {
      type: 'evidence'
      key: string
      evidenceUri: string
      /** The server that has it, or would. */
      place: string
      verifier: Address
    }

/** What could not be had so far. */
export type Failures = {
  /** When each is due again. */
  reads: Map<string, { tries: number; notBefore: number }>
  /** Failures of each server since it last gave something. */
  places: Map<string, number>
}

/** A plugin to read. */
export function pluginOf(wasmHash: Hex): Missing {
  return { type: 'plugin', key: wasmHash, wasmHash }
}

/** Documents that claims name by hash, each once. */
export function documentsOf(claims: readonly IndexedClaim[]): Missing[] {
  const found = new Map<string, Missing>()
  for (const { evidence, evidenceUri, verifier } of claims) {
    // What names no hash can be no evidence, wherever it leads.
    if (evidence !== undefined || evidenceHashOf(evidenceUri) === undefined) continue
    if (found.has(evidenceUri)) continue
    const place = placeOf(evidenceUri)
    found.set(evidenceUri, {
      ...{ type: 'evidence', key: evidenceUri, evidenceUri, place, verifier },
    })
  }
  return [...found.values()]
}

function placeOf(uri: string): string {
  return URL.canParse(uri) ? new URL(uri).host : uri
}

/**
 * Puts them in order: those of named verifiers first, then what never failed before what did, then those at
 * servers that have not failed. Of equals each verifier's first goes before anybody's second, and each
 * server's first before any server's second: one that hangs is asked for one document, not for all.
 */
export function inTurn(
  missing: readonly Missing[],
  failed: Failures,
  named: ReadonlySet<string>,
): Missing[] {
  const turns = new Map<string, number>()
  const turnOf = (who: string): number => {
    const turn = turns.get(who) ?? 0
    turns.set(who, turn + 1)
    return turn
  }
  const ranked = missing.map((one) => {
    const tries = failed.reads.get(one.key)?.tries ?? 0
    if (one.type === 'plugin') return { one, rank: [tries] }
    const isNamed = named.has(one.verifier)
    const failures = failed.places.get(one.place) ?? 0
    const turn = Math.max(turnOf(`verifier ${one.verifier}`), turnOf(`place ${one.place}`))
    return { one, rank: [isNamed ? 0 : 1, Math.max(tries, failures), turn] }
  })
  return ranked.sort((a, b) => compare(a.rank, b.rank)).map(({ one }) => one)
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [at, value] of a.entries()) {
    const difference = value - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
