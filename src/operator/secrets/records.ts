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

/** Committed uploads that are remembered; those that landed first are forgotten first. */
const MOST_LANDED = 10_000
/** Those of one instance: whoever replaces secrets often drives out nobody else's. */
const LANDED_EACH = 4

/** No uploads. */
export function emptyRecords(): UploadRecords {
  return { held: new Map(), landed: new Map() }
}

/** Remembers that an upload was committed, within the bounds of what is remembered. */
export function rememberLanded(landed: UploadRecords['landed'], upload: HeldUpload): void {
  landed.delete(upload.envelopeHash)
  landed.set(upload.envelopeHash, upload)
  forgetOld(landed)
}

function forgetOld(landed: UploadRecords['landed']): void {
  const each = new Map<Hex, number>()
  let kept = 0
  for (const { envelopeHash, policyDataInstanceId: id } of [...landed.values()].reverse()) {
    const newer = each.get(id) ?? 0
    each.set(id, newer + 1)
    if (newer < LANDED_EACH && kept < MOST_LANDED) kept++
    else landed.delete(envelopeHash)
  }
}

/** Writes them. */
export function writeRecords({ held, landed }: UploadRecords): string {
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
    const records = { held: mapOf(held), landed: mapOf(landed) }
    forgetOld(records.landed)
    return records
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
