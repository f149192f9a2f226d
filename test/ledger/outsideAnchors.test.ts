/** Receipts of Rekor and OpenTimestamps: verified offline, and what asks for them. */
import { existsSync, readFileSync } from 'node:fs'
import { p256 } from '@noble/curves/nist.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex, hexToBytes } from 'viem'
import { describe, expect, test } from 'vitest'
import {
  type AnchorCandidate,
  createRekorAnchor,
  createTimestampAnchor,
  formatCheckpoint,
  keyOfLog,
  logReader,
  noteSigner,
  type RekorAnchorReceipt,
  rekorAnchorRecord,
  type TimestampReceipt,
  timestampAnchorRecord,
  upgradeTimestamp,
  verifyRekorAnchor,
  verifyRekorEntry,
  verifyTimestamp,
} from '../../src/ledger/index.js'
import { openTestLedger, people, submit } from './ledgerWorld.js'
import { rekorOf, rekorSigner } from './rekorLog.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const root = sha256(utf8('root'))
const checkpoint = { origin: 'ledger.example/eval/meta', size: 7n, root }
const candidate: AnchorCandidate = {
  ...{ note: '', checkpoint },
  reader: logReader({ checkpoint, read: async () => undefined }),
}
const { signal } = new AbortController()

const secretKey = new Uint8Array(32).fill(5)
const anchorKey = p256.getPublicKey(secretKey, false)
const sign = (digest: Uint8Array): Uint8Array =>
  p256.sign(digest, secretKey, { prehash: false, format: 'der' })
const trust = { log: rekorSigner.key, anchorKey }

const answering = (answer: (url: string, init: RequestInit) => Response | Promise<Response>) =>
  (async (url: unknown, init: unknown) =>
    answer(String(url), init as RequestInit)) as unknown as typeof fetch
const textOf = (body: unknown): string => new TextDecoder().decode(body as Uint8Array)
const rekor = answering((_, init) => new Response(rekorOf(textOf(init.body)), { status: 201 }))
const url = 'https://rekor.example'

const sample = new URL('../../../shared/vectors/public/rekor/entry-ecdsa.json', import.meta.url)
const real = existsSync(sample) ? sample : undefined
if (real === undefined) console.warn('skipped: the answer of a real Rekor server is not there')

describe('Rekor', () => {
  test.skipIf(real === undefined)(
    'behavior: the answer of a real server is verified offline',
    () => {
      const entry = readFileSync(real as URL, 'utf8')
      const { canonicalizedBody } = JSON.parse(entry) as { canonicalizedBody: string }
      const { spec } = JSON.parse(Buffer.from(canonicalizedBody, 'base64').toString()) as {
        spec: {
          hashedRekordV0_0_2: {
            data: { digest: string }
            signature: { verifier: { publicKey: { rawBytes: string } } }
          }
        }
      }
      const { data, signature } = spec.hashedRekordV0_0_2
      const digest = Uint8Array.from(Buffer.from(data.digest, 'base64'))
      const spki = Buffer.from(signature.verifier.publicKey.rawBytes, 'base64')
      const server = noteSigner({ name: 'x', seed: new Uint8Array(32) }).key
      const publicKey = hexToBytes(
        '0x444bc9c8d6468d7e81dc3008b83dc14e0f6b230574d0663c5e0e4553e2050d44',
      )
      const log = keyOfLog({ ...server, publicKey }, 'rekor-local')
      expect(log.id).toBe('0xd80b4420')
      const known = { log, anchorKey: Uint8Array.from(spki.subarray(26)) }
      expect(verifyRekorEntry({ entry, digest }, known)).toMatchObject({
        ...{ status: 'verified', index: 0n },
        checkpoint: { origin: 'rekor-local', size: 1n },
      })
      expect(verifyRekorEntry({ entry, digest: sha256(digest) }, known)).toMatchObject({
        reason: 'entry',
      })
      expect(verifyRekorEntry({ entry, digest }, { ...known, anchorKey })).toMatchObject({
        reason: 'entry',
      })
    },
  )

  test('behavior: a checkpoint is anchored, and its receipt is an event of the ledger', async () => {
    const target = createRekorAnchor({ url, trust, sign, fetch: rekor })
    expect(target).toMatchObject({ name: 'rekor:rekor.example', every: 86_400_000 })
    const receipt = (await target.anchor(candidate, { signal })) as RekorAnchorReceipt
    const verdict = verifyRekorAnchor(receipt, trust)
    expect(verdict).toMatchObject({ status: 'verified', checkpoint, rekor: { index: 1n } })
    const ledger = await openTestLedger()
    const record = rekorAnchorRecord(receipt, { url, logIndex: 1n })
    const { domain, schemaVersion, fields } = record as never
    const draft = { domain, schemaVersion, fields, by: people.auditor }
    expect(await submit(ledger, draft)).toMatchObject({ status: 201 })
    await ledger.close()
  })

  test('behavior: no changed byte of a receipt is verified', async () => {
    const target = createRekorAnchor({ url, trust, sign, fetch: rekor })
    const receipt = (await target.anchor(candidate, { signal })) as RekorAnchorReceipt
    const reason = (change: Partial<RekorAnchorReceipt>, by: Partial<typeof trust> = {}) => {
      const verdict = verifyRekorAnchor({ ...receipt, ...change }, { ...trust, ...by })
      return verdict.status === 'invalid' ? verdict.reason : verdict.status
    }
    expect(reason({ size: 8n })).toBe('text')
    expect(reason({ origin: 'other' })).toBe('text')
    expect(reason({ root: bytesToHex(sha256(root)) })).toBe('text')
    const other = formatCheckpoint({ ...checkpoint, size: 8n })
    expect(reason({ text: other, size: 8n })).toBe('entry')
    const stranger = noteSigner({ name: 'rekor.example', seed: new Uint8Array(32).fill(6) })
    expect(reason({}, { log: stranger.key })).toBe('checkpoint')
    expect(reason({}, { anchorKey: p256.getPublicKey(new Uint8Array(32).fill(9), false) })).toBe(
      'entry',
    )
    for (const hostile of ['', '{}', 'null', '[]', '{"inclusionProof":{}}']) {
      expect(reason({ entry: hostile })).toBe('malformed')
    }
    expect(verifyRekorAnchor(null as never, trust).status).toBe('invalid')
    // What is read of the answer: body, hashes, checkpoint, index.
    const read = JSON.parse(receipt.entry) as {
      canonicalizedBody: string
      inclusionProof: { hashes: string[]; logIndex: string; checkpoint: { envelope: string } }
    }
    const flipped = (text: string, at: number): string => {
      const code = text.charCodeAt(at)
      return text.slice(0, at) + String.fromCharCode(code ^ 1) + text.slice(at + 1)
    }
    const changes: string[] = []
    for (let at = 0; at < read.canonicalizedBody.length; at += 23) {
      const canonicalizedBody = flipped(read.canonicalizedBody, at)
      changes.push(JSON.stringify({ ...read, canonicalizedBody }))
    }
    const { inclusionProof: proof } = read
    for (let at = 0; at < proof.checkpoint.envelope.length; at += 3) {
      const envelope = flipped(proof.checkpoint.envelope, at)
      changes.push(
        JSON.stringify({ ...read, inclusionProof: { ...proof, checkpoint: { envelope } } }),
      )
    }
    for (const change of [{ logIndex: '0' }, { logIndex: '2' }, { hashes: [] }]) {
      changes.push(JSON.stringify({ ...read, inclusionProof: { ...proof, ...change } }))
    }
    for (const entry of changes) expect(reason({ entry }), entry).not.toBe('verified')
  })

  test('error: LEDGER_ANCHOR_REFUSED names what went wrong', async () => {
    const fault = async (answer: () => Response | Promise<Response>) => {
      const target = createRekorAnchor({ url, trust, sign, fetch: answering(answer) })
      const error = await Promise.resolve(target.anchor(candidate, { signal })).catch((one) => one)
      expect(error).toMatchObject({ code: 'LEDGER_ANCHOR_REFUSED' })
      return (error as { fault: string }).fault
    }
    expect(await fault(() => Promise.reject(new TypeError('fetch failed')))).toBe('unreachable')
    expect(await fault(() => new Response('', { status: 503 }))).toBe('unreachable')
    expect(await fault(() => new Response('no', { status: 400 }))).toBe('answer')
    expect(await fault(() => new Response('x'.repeat(300_000), { status: 201 }))).toBe('answer')
    expect(await fault(() => new Response('{}', { status: 201 }))).toBe('unverified')
    expect(() => createRekorAnchor({ url: 'nowhere', trust, sign })).toThrow(/url/)
    const bad = { ...trust, anchorKey: new Uint8Array(33) }
    expect(() => createRekorAnchor({ url, trust: bad, sign })).toThrow(/anchorKey/)
    const stopped = new AbortController()
    stopped.abort(new TypeError('stopped'))
    const target = createRekorAnchor({
      url,
      trust,
      sign,
      fetch: answering(() => Promise.reject(new TypeError('aborted'))),
    })
    await expect(target.anchor(candidate, { signal: stopped.signal })).rejects.toThrow('stopped')
  })
})

/** Made by another implementation (python-opentimestamps 0.4.5): a fork, each operation, two attestations. */
const stamped = {
  text: 'ledger.example/eval/meta\n1\nm5JVGx4ESzbU2kFUPgYQ9adCA7e7mjnwQRluEmGJbHU=\n',
  file: '0x004f70656e54696d657374616d7073000050726f6f6600bf89e2e884e8929401084f542fc6df743f7e8aebdcd5673e0214eefad0b7031bccca4b97cb5738fd49e1f010000102030405060708090a0b0c0d0e0f08fff020111111111111111111111111111111111111111111111111111111111111111108f10274780808030208000588960d73d7190103f7ef15f10465000001f00861626364313233340083dfe30d2ef90c8e2e2d68747470733a2f2f616c6963652e6274632e63616c656e6461722e6f70656e74696d657374616d70732e6f7267',
  merkleRoot: '0x5ca6e434577941200d2d2e05caedd67086be726dbcc0594163eca0437a227b38',
} as const
const [origin, size, encoded] = stamped.text.split('\n') as [string, string, string]
const receipt: TimestampReceipt = {
  ...{ kind: 'opentimestamps', origin, size: BigInt(size), text: stamped.text },
  root: bytesToHex(Uint8Array.from(Buffer.from(encoded, 'base64'))),
  file: stamped.file,
}
const headerOf = (merkleRoot: Uint8Array): Uint8Array => {
  const header = new Uint8Array(80)
  header.set(merkleRoot, 36)
  new DataView(header.buffer).setUint32(68, 1_432_827_678, true)
  return header
}
const headers = {
  header: (height: bigint) =>
    height === 358_391n ? headerOf(hexToBytes(stamped.merkleRoot)) : undefined,
}
const alice = 'https://alice.btc.calendar.opentimestamps.org'

describe('OpenTimestamps', () => {
  test('behavior: a file of another implementation is verified against a header', () => {
    expect(verifyTimestamp(receipt, headers)).toEqual({
      status: 'verified',
      checkpoint: { origin, size: 1n, root: hexToBytes(receipt.root) },
      ...{ height: 358_391n, time: 1_432_827_678n },
    })
    expect(verifyTimestamp(receipt, { header: () => undefined })).toEqual({
      ...{ status: 'pending', calendars: [alice], heights: [358_391n] },
    })
    const wrong = { header: () => headerOf(new Uint8Array(32)) }
    expect(verifyTimestamp(receipt, wrong)).toMatchObject({ reason: 'block' })
    expect(verifyTimestamp(receipt, { header: () => new Uint8Array(79) })).toMatchObject({
      reason: 'block',
    })
    expect(verifyTimestamp({ ...receipt, size: 2n }, headers)).toMatchObject({ reason: 'text' })
    const text = formatCheckpoint({ origin, size: 2n, root: hexToBytes(receipt.root) })
    const other = { ...receipt, text, size: 2n }
    expect(verifyTimestamp(other, headers)).toMatchObject({ reason: 'digest' })
    expect(verifyTimestamp(null as never, headers).status).toBe('invalid')
  })

  test('behavior: no changed, missing or added byte before a block’s proof is verified', () => {
    const bytes = hexToBytes(stamped.file)
    const end = stamped.file.indexOf('0588960d73d71901') / 2 - 1
    const status = (file: Uint8Array): string =>
      verifyTimestamp({ ...receipt, file: bytesToHex(file) }, headers).status
    for (let at = 0; at < end; at += 1) {
      const changed = bytes.slice()
      changed[at] = (changed[at] as number) ^ 1
      expect(status(changed), `byte ${at}`).not.toBe('verified')
    }
    for (let at = 0; at < bytes.length; at += 1) expect(status(bytes.slice(0, at))).toBe('invalid')
    expect(status(Uint8Array.of(...bytes, 0))).toBe('invalid')
    expect(status(new Uint8Array(100_001))).toBe('invalid')
    // Deep, and large: refused, not followed.
    const head = bytes.slice(0, 31 + 2 + 32)
    expect(status(Uint8Array.of(...head, ...new Uint8Array(300).fill(8)))).toBe('invalid')
    expect(status(Uint8Array.of(...head, 0xf0, 0xff, 0xff, 0x7f))).toBe('invalid')
    expect(status(Uint8Array.of(...head, ...new Uint8Array(9_000).fill(0xff)))).toBe('invalid')
  })

  test('behavior: calendars promise, and a block comes later', async () => {
    const digest = sha256(utf8(formatCheckpoint(checkpoint)))
    const pending = (uri: string): number[] => {
      const name = [...utf8(uri)]
      return [0, ...hexToBytes('0x83dfe30d2ef90c8e'), name.length + 1, name.length, ...name]
    }
    const bitcoin = [0, ...hexToBytes('0x0588960d73d71901'), 3, 0xf7, 0xef, 0x15]
    const [one, two] = ['https://one.example', 'https://two.example']
    const asked: string[] = []
    let isInBlock = false
    const calendars = answering((at, init) => {
      asked.push(`${init.method} ${at}`)
      if (at.startsWith('https://down.example')) return new Response('', { status: 500 })
      const name = at.startsWith(one) ? one : two
      if (init.method === 'POST') {
        expect(init.body).toEqual(digest)
        return new Response(Uint8Array.from([0x08, ...pending(name)]))
      }
      if (!isInBlock || name === one) return new Response('', { status: 404 })
      return new Response(Uint8Array.from([0xf1, 1, 9, 0x08, ...bitcoin]))
    })
    const names = [one, 'https://down.example', `${two}/`]
    const target = createTimestampAnchor({ calendars: names, fetch: calendars })
    const promised = (await target.anchor(candidate, { signal })) as TimestampReceipt
    expect(verifyTimestamp(promised, headers)).toEqual({
      ...{ status: 'pending', calendars: [one, two], heights: [] },
    })
    const upgrade = (of = names) =>
      upgradeTimestamp({ receipt: promised, calendars: of, fetch: calendars })
    expect(await upgrade()).toBeUndefined()
    isInBlock = true
    asked.length = 0
    // A host that only the file names is not asked.
    expect(await upgrade([one])).toBeUndefined()
    expect(asked).toEqual([`GET ${one}/timestamp/${bytesToHex(sha256(digest)).slice(2)}`])
    const proven = (await upgrade()) as TimestampReceipt
    const merkleRoot = sha256(Uint8Array.of(9, ...sha256(digest)))
    const known = {
      header: (height: bigint) => (height === 358_391n ? headerOf(merkleRoot) : undefined),
    }
    expect(verifyTimestamp(proven, known)).toMatchObject({ status: 'verified', checkpoint })
    const ledger = await openTestLedger()
    for (const file of [promised, proven]) {
      const { domain, schemaVersion, fields } = timestampAnchorRecord(file, {
        calendars: names,
      }) as never
      const draft = { domain, schemaVersion, fields, by: people.auditor }
      expect(await submit(ledger, draft)).toMatchObject({ status: 201 })
    }
    await ledger.close()
    const down = createTimestampAnchor({ calendars: ['https://down.example'], fetch: calendars })
    await expect(down.anchor(candidate, { signal })).rejects.toMatchObject({
      ...{ code: 'LEDGER_ANCHOR_REFUSED', fault: 'unreachable' },
    })
    const lying = answering(() => new Response(Uint8Array.of(1, 2, 3)))
    const liar = createTimestampAnchor({ calendars: [one], fetch: lying })
    await expect(liar.anchor(candidate, { signal })).rejects.toMatchObject({ fault: 'answer' })
    expect(() => createTimestampAnchor({ calendars: [] })).toThrow(/calendars/)
    expect(() => createTimestampAnchor({ calendars: ['x'] })).toThrow(/calendars/)
  })
})
