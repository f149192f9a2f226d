/** The body of C2SP tlog-witness `add-checkpoint`. */
import { fromBase64, fromDecimal, toBase64, wellFormedText } from '../log/encoding.js'
import { hashSize } from '../log/merkle.js'

/** Most hashes of a consistency proof, and most bytes of a request. */
const maxHashes = 63
export const maxRequestBytes = 1_048_576

/** A request: the size that the witness knows, the proof from there, the signed checkpoint. */
export type AddCheckpoint = { oldSize: bigint; proof: Uint8Array[]; note: string }

/** Writes a request. */
export function formatAddCheckpoint({ oldSize, proof, note }: AddCheckpoint): string {
  return `old ${oldSize}\n${proof.map((hash) => `${toBase64(hash)}\n`).join('')}\n${note}`
}

/** Reads a request; `undefined` for any other bytes. */
export function parseAddCheckpoint(body: Uint8Array | string): AddCheckpoint | undefined {
  const text = wellFormedText(body)
  if (text === undefined || text.length > maxRequestBytes) return undefined
  const split = text.indexOf('\n\n')
  if (split < 0) return undefined
  const [first = '', ...lines] = text.slice(0, split).split('\n')
  const oldSize = first.startsWith('old ') ? fromDecimal(first.slice('old '.length)) : undefined
  if (oldSize === undefined || lines.length > maxHashes) return undefined
  const proof: Uint8Array[] = []
  for (const line of lines) {
    const hash = fromBase64(line)
    if (hash?.length !== hashSize) return undefined
    proof.push(hash)
  }
  return { oldSize, proof, note: text.slice(split + 2) }
}
