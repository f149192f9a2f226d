import { InvalidInputError } from '../../errors/common.js'
import { bytesToUint, concat, fromHex, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { fromBase64, toBase64, wellFormedText } from './encoding.js'
import {
  isKeyName,
  type NoteKey,
  type NoteSigner,
  verifyEd25519,
  type WitnessSigner,
} from './keys.js'

/** Longest note that is read, in characters, and most signature lines. */
const maxNoteLength = 1_000_000
const maxSignatures = 100

/** A signature line of a note. */
export type NoteSignature = { name: string; id: `0x${string}`; signature: Uint8Array }

/** Why a note or checkpoint is not believed. */
export type NoteFault = 'malformed' | 'signature' | 'unsigned'

/** A key whose signature was verified; `time` in seconds is a cosigner's. */
export type NoteSigned = { key: NoteKey; time?: bigint }

/** What `openNote` answers. */
export type OpenedNote =
  | { status: 'verified'; text: string; signed: NoteSigned[] }
  | { status: 'invalid'; reason: NoteFault }

/** Splits a note at its last blank line; `undefined` where it is not a C2SP signed note. */
export function parseNote(
  note: Uint8Array | string,
): { text: string; signatures: NoteSignature[] } | undefined {
  const all = wellFormedText(note)
  if (all === undefined || all.length > maxNoteLength) return undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]/.test(all) || !all.endsWith('\n')) return undefined
  const split = all.lastIndexOf('\n\n')
  if (split < 0) return undefined
  const lines = all.slice(split + 2, -1).split('\n')
  if (lines.length > maxSignatures) return undefined
  const signatures: NoteSignature[] = []
  for (const line of lines) {
    const [, name, encoded] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? []
    const bytes = encoded === undefined ? undefined : fromBase64(encoded)
    if (name === undefined || !isKeyName(name) || bytes === undefined || bytes.length < 5) {
      return undefined
    }
    signatures.push({ name, id: toHex(bytes.slice(0, 4)), signature: bytes.slice(4) })
  }
  return { text: all.slice(0, split + 1), signatures }
}

/**
 * Verifies a note with the keys that are trusted. Lines of unknown keys are passed over, as are
 * repeated lines; a wrong signature under a known name and id makes the whole note invalid. Never
 * throws.
 *
 * @example
 * const opened = openNote(bytes, [parseNoteKey(text)])
 * if (opened.status === 'verified') read(opened.text)
 */
export function openNote(note: Uint8Array | string, keys: readonly NoteKey[]): OpenedNote {
  try {
    const parsed = parseNote(note)
    if (parsed === undefined) return { status: 'invalid', reason: 'malformed' }
    const signed: NoteSigned[] = []
    const seen = new Set<string>()
    for (const line of parsed.signatures) {
      const key = keys.find(({ name, id }) => name === line.name && id === line.id)
      if (key === undefined || seen.has(`${line.name} ${line.id}`)) continue
      seen.add(`${line.name} ${line.id}`)
      const entry = verifyLine(parsed.text, line.signature, key)
      if (entry === undefined) return { status: 'invalid', reason: 'signature' }
      signed.push(entry)
    }
    if (signed.length === 0) return { status: 'invalid', reason: 'unsigned' }
    return { status: 'verified', text: parsed.text, signed }
  } catch {
    return { status: 'invalid', reason: 'malformed' }
  }
}

/**
 * Signs a text, which ends with a newline, as a C2SP signed note.
 *
 * @throws InvalidInputError for a text that a note cannot hold.
 */
export function signNote({
  text,
  signers,
}: {
  text: string
  signers: readonly NoteSigner[]
}): string {
  const bytes = utf8(text)
  const lines = signers.map(({ key, sign }) => {
    return `\u2014 ${key.name} ${toBase64(concat(fromHex(key.id), sign(bytes)))}\n`
  })
  const note = `${text}\n${lines.join('')}`
  if (signers.length === 0 || parseNote(note)?.text !== text) {
    throw new InvalidInputError({
      field: 'text',
      reason: 'a note is UTF-8 that ends with a newline, with at least one signer',
    })
  }
  return note
}

function verifyLine(text: string, signature: Uint8Array, key: NoteKey): NoteSigned | undefined {
  if (key.kind === 'log') {
    return verifyEd25519(signature, utf8(text), key.publicKey) ? { key } : undefined
  }
  if (signature.length !== 72) return undefined
  const time = bytesToUint(signature.slice(0, 8))
  if (time === 0n || time >= 1n << 63n) return undefined
  const message = cosignedMessage(text, time)
  return verifyEd25519(signature.slice(8), message, key.publicKey) ? { key, time } : undefined
}

/**
 * Cosigns the text of a checkpoint (C2SP tlog-cosignature, Ed25519) and answers the signature line.
 * What is cosigned has to be checked first: `createWitness` does.
 */
export function cosign(parameters: { text: string; time: bigint; signer: WitnessSigner }): string {
  const { text, time, signer } = parameters
  if (typeof time !== 'bigint' || time <= 0n || time >= 1n << 63n) {
    throw new InvalidInputError({ field: 'time', reason: 'it is seconds above 0, as a bigint' })
  }
  const signature = signer.sign(cosignedMessage(text, time))
  const line = concat(fromHex(signer.key.id), uintToBytes(time, 8), signature)
  return `\u2014 ${signer.key.name} ${toBase64(line)}\n`
}

function cosignedMessage(text: string, time: bigint): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`)
}
