/**
 * What the published crate says of the recorded cases, as digests: so the package is held to it where
 * no Rust toolchain is. Written by `npm run fuzz:eval -- --record`.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Policies behind one digest. */
export const batchSize = 23

/** Policies of every construct, or of little but loops. */
export type Kind = 'outcomes' | 'loops'

export function recordFile(kind: Kind): URL {
  return new URL(`../vectors/eval-fuzz/${kind}.json`, import.meta.url)
}

export type Recorded = {
  /** Evaluations: policies times documents. */
  cases: number
  /** SHA-256 of the outcomes of each batch, a line each. */
  batches: readonly string[]
}

export function readRecorded(kind: Kind): Recorded {
  return JSON.parse(readFileSync(recordFile(kind), 'utf8')) as Recorded
}

export function digestOf(outcomes: readonly string[]): string {
  return createHash('sha256').update(outcomes.join('\n')).digest('hex')
}
