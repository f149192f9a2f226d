/** What an operator remembers of uploads over a restart: one JSON text. Envelopes are kept as bytes. */
import type { Address, Hex } from 'viem'
import { InvalidInputError } from '../../errors/common.js'
import type { SecretsUploadRecord } from '../rpc/uploads.js'

/** An upload that was judged. */
export type HeldUpload = Omit<SecretsUploadRecord, 'envelope'> & {
  envelopeHash: Hex
  owner: Address
  /** Unix milliseconds when it came in. */
  time: number
}

/** Uploads by the hash of their envelope. */
export type UploadRecords = {
  /** Those that wait for a commit. */
  held: Map<Hex, HeldUpload>
  /** Those that were committed, so that peers that slept can have them. */
  landed: Map<Hex, HeldUpload>
}

/** Committed uploads that are remembered; older ones are forgotten first. */
const MOST_LANDED = 10_000

/** No uploads. */
export function emptyRecords(): UploadRecords {
  return { held: new Map(), landed: new Map() }
}

/** Writes them. */
export function writeRecords({ held, landed }: UploadRecords): string {
  for (const oldest of landed.keys()) {
    if (landed.size <= MOST_LANDED) break
    landed.delete(oldest)
  }
  const list = (uploads: Map<Hex, HeldUpload>): object[] =>
    [...uploads.values()].map(({ sequence, deadline, ...rest }) => {
      return { ...rest, sequence: String(sequence), deadline: String(deadline) }
    })
  return JSON.stringify({ held: list(held), landed: list(landed) })
}

/** Reads them. @throws {InvalidInputError} for a text that is none. */
export function readRecords(text: string | null): UploadRecords | undefined {
  if (text === null) return undefined
  try {
    const { held, landed } = JSON.parse(text) as Record<'held' | 'landed', Written[]>
    return { held: mapOf(held), landed: mapOf(landed) }
  } catch (cause) {
    const reason = 'it holds no uploads; remove it, and let owners upload again what was pending'
    throw new InvalidInputError({ field: 'secrets.json', reason }, { cause })
  }
}

type Written = Omit<HeldUpload, 'sequence' | 'deadline'> & { sequence: string; deadline: string }

function mapOf(list: readonly Written[]): Map<Hex, HeldUpload> {
  return new Map(
    list.map((one) => {
      const { sequence, deadline } = one
      return [one.envelopeHash, { ...one, sequence: BigInt(sequence), deadline: BigInt(deadline) }]
    }),
  )
}
