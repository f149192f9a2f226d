import { ed25519 } from '@noble/curves/ed25519.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { describe, expect, test } from 'vitest'
import { concat, uintToBytes, utf8 } from '../../internal/bytes.js'
import { formatCheckpoint, parseCheckpoint, verifyCheckpoint } from './checkpoint.js'
import { fromBase64, fromDecimal, toBase64 } from './encoding.js'
import { formatNoteKey, noteSigner, parseNoteKey, verifyEd25519 } from './keys.js'
import { emptyRoot } from './merkle.js'
import { openNote, parseNote, signNote } from './note.js'

const neumann = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW'
const neumannSeed = fromBase64('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz')?.slice(
  1,
) as Uint8Array
const neumannText =
  "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
const neumannLine =
  '\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'

describe('signed notes', () => {
  test('behavior: the note of Go’s package is opened, and signed byte for byte', () => {
    const note = `${neumannText}\n${neumannLine}`
    expect(openNote(note, [parseNoteKey(neumann)])).toMatchObject({
      status: 'verified',
      text: neumannText,
    })
    const signer = noteSigner({ name: 'PeterNeumann', seed: neumannSeed })
    expect(signNote({ text: neumannText, signers: [signer] })).toBe(note)
    expect(formatNoteKey(signer.key)).toBe(neumann)
  })

  test('behavior: the note of the specification is opened', () => {
    const key = parseNoteKey(
      'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    )
    const note =
      'This is an example message.\n\n\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n'
    expect(openNote(note, [key]).status).toBe('verified')
  })

  test('behavior: no part and no mangling of a key is a key', () => {
    for (let end = 0; end < neumann.length; end += 1) {
      expect(() => parseNoteKey(neumann.slice(0, end))).toThrow(/not valid/)
      const changed = String.fromCharCode(neumann.charCodeAt(end) + 1)
      const mangled = neumann.slice(0, end) + changed + neumann.slice(end + 1)
      expect(() => parseNoteKey(mangled)).toThrow(/not valid/)
    }
  })

  test('behavior: no changed byte leaves a note valid', () => {
    const bytes = utf8(`${neumannText}\n${neumannLine}`)
    const keys = [parseNoteKey(neumann)]
    for (let at = 0; at < bytes.length; at += 1) {
      for (const bit of [1, 128]) {
        const mutated = bytes.slice()
        mutated[at] = (mutated[at] as number) ^ bit
        expect(openNote(mutated, keys).status).toBe('invalid')
      }
      expect(openNote(bytes.slice(0, at), keys).status).toBe('invalid')
    }
  })

  test('behavior: unknown and repeated lines are passed over, a wrong known one is not', () => {
    const keys = [parseNoteKey(neumann)]
    const unknown = `\u2014 other ${toBase64(new Uint8Array(80).fill(7))}\n`
    const all = `${neumannText}\n${unknown}${neumannLine}${neumannLine}`
    const opened = openNote(all, keys)
    expect(opened.status === 'verified' && opened.signed.length).toBe(1)
    const wrong = toBase64(concat(Uint8Array.of(0xc7, 0x4f, 0x20, 0xa3), new Uint8Array(64)))
    expect(openNote(`${neumannText}\n\u2014 PeterNeumann ${wrong}\n${neumannLine}`, keys)).toEqual({
      status: 'invalid',
      reason: 'signature',
    })
    expect(openNote(`${neumannText}\n${unknown}`, keys)).toEqual({
      status: 'invalid',
      reason: 'unsigned',
    })
    expect(openNote(`${neumannText}\n${neumannLine}`, [])).toMatchObject({ reason: 'unsigned' })
  })

  test('behavior: a note is split at its last blank line and bounded', () => {
    const text = 'a\n\nb\n'
    const signer = noteSigner({ name: 'x', seed: new Uint8Array(32) })
    expect(parseNote(signNote({ text, signers: [signer] }))?.text).toBe(text)
    expect(parseNote(`${neumannText}\n${neumannLine.repeat(100)}`)).toBeDefined()
    expect(parseNote(`${neumannText}\n${neumannLine.repeat(101)}`)).toBeUndefined()
    expect(parseNote(`${'a'.repeat(1_000_000)}\n\n${neumannLine}`)).toBeUndefined()
    expect(parseNote(`a\tb\n\n${neumannLine}`)).toBeUndefined()
    expect(parseNote(`\ud800\n\n${neumannLine}`)).toBeUndefined()
    for (const hostile of [undefined, null, 3, {}, [], new Uint8Array([0xff, 0x0a, 0x0a])]) {
      expect(openNote(hostile as string, [parseNoteKey(neumann)]).status).toBe('invalid')
    }
    expect(() => signNote({ text: 'no newline', signers: [signer] })).toThrow(/not valid/)
    expect(() => noteSigner({ name: 'a b', seed: new Uint8Array(32) })).toThrow(/not valid/)
    expect(() => noteSigner({ name: 'a', seed: new Uint8Array(31) })).toThrow(/not valid/)
  })

  test('behavior: signatures that implementations disagree on are refused', () => {
    const key = parseNoteKey(neumann).publicKey
    const message = utf8('m')
    const good = ed25519.sign(message, neumannSeed)
    expect(verifyEd25519(good, message, key)).toBe(true)
    const order = ed25519.Point.Fn.ORDER
    const s = ed25519.Point.Fn.fromBytes(good.slice(32)) + order
    const high = uintToBytes(s, 32).reverse()
    expect(verifyEd25519(concat(good.slice(0, 32), high), message, key)).toBe(false)
    const identity = ed25519.Point.ZERO.toBytes()
    expect(verifyEd25519(concat(identity, new Uint8Array(32)), message, identity)).toBe(false)
    expect(() =>
      parseNoteKey(
        formatNoteKey({ name: 'a', kind: 'log', id: '0x00000000', publicKey: identity }),
      ),
    ).toThrow(/prime order/)
  })
})

describe('checkpoints', () => {
  const seed = new Uint8Array(32).fill(1)
  const log = noteSigner({ name: 'example.com/log', seed })
  const text = formatCheckpoint({ origin: 'example.com/log', size: 7n, root: new Uint8Array(32) })
  const note = signNote({ text, signers: [log] })
  const witness = (name: string, fill: number) => {
    const secret = new Uint8Array(32).fill(fill)
    const publicKey = ed25519.getPublicKey(secret)
    const id = sha256(concat(utf8(name), Uint8Array.of(10, 4), publicKey)).slice(0, 4)
    const key = parseNoteKey(
      `${name}+${Buffer.from(id).toString('hex')}+${toBase64(concat(Uint8Array.of(4), publicKey))}`,
    )
    const signature = ed25519.sign(utf8(`cosignature/v1\ntime 1700000000\n${text}`), secret)
    const line = `\u2014 ${name} ${toBase64(concat(id, uintToBytes(1_700_000_000, 8), signature))}\n`
    return { key, line }
  }
  const one = witness('w1', 2)
  const two = witness('w2', 3)

  test('behavior: a quorum of different witnesses is demanded', () => {
    const witnesses = { keys: [one.key, two.key], quorum: 2 }
    const trust = { log: log.key, witnesses }
    expect(verifyCheckpoint(note + one.line + two.line, trust)).toMatchObject({
      status: 'verified',
      checkpoint: { size: 7n },
      cosigned: [{ time: 1_700_000_000n }, { time: 1_700_000_000n }],
    })
    for (const lines of ['', one.line, one.line + one.line]) {
      expect(verifyCheckpoint(note + lines, trust)).toEqual({ status: 'invalid', reason: 'quorum' })
    }
    const withoutLog = `${text}\n${one.line}${two.line}`
    expect(verifyCheckpoint(withoutLog, trust)).toEqual({ status: 'invalid', reason: 'unsigned' })
  })

  test('behavior: wrong trust is an error, not a weaker check', () => {
    const verify = (witnesses: unknown) => () =>
      verifyCheckpoint(note, { log: log.key, witnesses: witnesses as never })
    const again = { ...one.key, name: 'another' }
    expect(verify({ keys: [one.key], quorum: 0 })).toThrow(/quorum/)
    expect(verify({ keys: [one.key], quorum: 2 })).toThrow(/quorum/)
    expect(verify({ keys: [one.key], quorum: Number.NaN })).toThrow(/quorum/)
    expect(verify({ keys: [one.key, again], quorum: 2 })).toThrow(/once/)
    expect(verify({ keys: [log.key], quorum: 1 })).toThrow(/cosigner/)
    expect(verify({ keys: [{ ...one.key, publicKey: log.key.publicKey }], quorum: 1 })).toThrow(
      /own/,
    )
    expect(() => verifyCheckpoint(note, { log: one.key })).toThrow(/log/)
  })

  test('behavior: another origin is refused, unless it is the one asked for', () => {
    const foreign = formatCheckpoint({
      origin: 'example.com/x',
      size: 7n,
      root: new Uint8Array(32),
    })
    const signed = signNote({ text: foreign, signers: [log] })
    expect(verifyCheckpoint(signed, { log: log.key })).toMatchObject({ reason: 'origin' })
    expect(verifyCheckpoint(signed, { log: log.key, origin: 'example.com/x' }).status).toBe(
      'verified',
    )
  })

  test('behavior: there is one text of a size and a root', () => {
    expect(parseCheckpoint(text)).toMatchObject({ origin: 'example.com/log', size: 7n })
    expect(parseCheckpoint(`${text}extension\n`)).toMatchObject({ size: 7n })
    for (const size of ['07', '+7', '-1', '7 ', '0x7', '', '9223372036854775808', '1e3']) {
      expect(parseCheckpoint(text.replace('\n7\n', `\n${size}\n`))).toBeUndefined()
    }
    for (const bad of ['', 'a\n', 'a\n1\n', text.slice(0, -1), `${text}\n`, `a\n1\nAAAA\n`]) {
      expect(parseCheckpoint(bad)).toBeUndefined()
    }
    expect(parseCheckpoint(`a\n0\n${toBase64(new Uint8Array(32))}\n`)).toBeUndefined()
    expect(parseCheckpoint(`a\n0\n${toBase64(emptyRoot())}\n`)?.size).toBe(0n)
    expect(() => formatCheckpoint({ origin: 'a b', size: 1n, root: new Uint8Array(32) })).toThrow()
    expect(() => formatCheckpoint({ origin: 'a', size: -1n, root: new Uint8Array(32) })).toThrow()
    expect(() => formatCheckpoint({ origin: 'a', size: 1n, root: new Uint8Array(31) })).toThrow()
  })

  test('behavior: base64 and numbers have one form', () => {
    for (const text of ['AB', 'AB=', 'AB==', 'A===', 'AA=A', 'A-A_', 'AAA\n', ' AAAA']) {
      expect(fromBase64(text)).toBeUndefined()
    }
    expect(fromBase64('AA==')).toEqual(Uint8Array.of(0))
    expect(fromDecimal('9223372036854775807')).toBe(2n ** 63n - 1n)
  })
})
