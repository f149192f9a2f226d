import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  type CheckpointStore,
  collectCosignatures,
  cosign,
  createWitness,
  createWitnessClient,
  formatCheckpoint,
  leafHash,
  logReader,
  memoryCheckpointStore,
  noteSigner,
  openNote,
  parseNote,
  signNote,
  verifyCheckpoint,
  type Witness,
  witnessSigner,
} from '../../src/ledger/index.js'
import { fileCheckpointStore } from '../../src/ledger/node/index.js'
import { definedRoot, writeLog } from './writeLog.js'

const log = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(9) })
const signer = witnessSigner({ name: 'witness.example/w1', seed: new Uint8Array(32).fill(8) })
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)
const entries = Array.from({ length: 600 }, (_, at) => utf8(`entry ${at}`))
const rootOf = (size: number, of = entries): Uint8Array =>
  definedRoot(of.slice(0, size).map(leafHash))
const noteOf = (size: number, root = rootOf(size), by = log): string =>
  signNote({
    text: formatCheckpoint({ origin: by.key.name, size: BigInt(size), root }),
    signers: [by],
  })
const readerAt = (size: number) => {
  const files = writeLog({ entries: entries.slice(0, size), signer: log })
  return logReader({
    checkpoint: { origin: log.key.name, size: BigInt(size), root: rootOf(size) },
    read: async (path) => files.get(path),
  })
}
const proofOf = async (older: number, size: number): Promise<string> => {
  const { proof } = await readerAt(size).prefix(BigInt(older))
  return proof.map((hash) => `${Buffer.from(hash).toString('base64')}\n`).join('')
}
const witnessOf = (store: CheckpointStore = memoryCheckpointStore(), now = 1_800_000_000_000) =>
  createWitness({ signer, logs: [{ keys: [log.key] }], store, now: () => now })
const request = async (older: number, size: number): Promise<string> =>
  `old ${older}\n${older === 0 ? '' : await proofOf(older, size)}\n${noteOf(size)}`

const directory = mkdtempSync(join(tmpdir(), 'witness-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

describe('a witness', () => {
  test('behavior: what extends the last checkpoint is cosigned', async () => {
    const witness = witnessOf()
    let older = 0
    for (const size of [1, 2, 255, 256, 300, 300, 511, 600]) {
      const body = older === size ? `old ${size}\n\n${noteOf(size)}` : await request(older, size)
      const { status, body: line } = await witness.addCheckpoint(body)
      expect(status).toBe(200)
      const verified = verifyCheckpoint(noteOf(size) + line, {
        log: log.key,
        witnesses: { keys: [signer.key], quorum: 1 },
      })
      expect(verified).toMatchObject({ status: 'verified', cosigned: [{ time: 1_800_000_000n }] })
      older = size
    }
  })

  test('behavior: each refusal has its code, and moves nothing', async () => {
    const store = memoryCheckpointStore()
    const witness = witnessOf(store)
    await witness.addCheckpoint(await request(0, 300))
    const other = noteSigner({ name: 'example.com/other', seed: new Uint8Array(32).fill(7) })
    const impostor = noteSigner({ name: log.key.name, seed: new Uint8Array(32).fill(6) })
    const fork = leafHash(utf8('fork'))
    const growth = await proofOf(300, 400)
    const good = await request(300, 400)
    const cases: [string, number, string | Uint8Array][] = [
      ['no request', 400, 'nonsense'],
      ['no bytes', 400, ''],
      ['no UTF-8', 400, new Uint8Array([0xff, 0x0a, 0x0a])],
      ['another first line', 400, good.replace('old ', 'new ')],
      ['a leading zero', 400, good.replace('old 300', 'old 0300')],
      ['a hash that is too short', 400, `old 300\nAAAA\n\n${noteOf(400)}`],
      ['64 hashes', 400, `old 300\n${`${'A'.repeat(43)}=\n`.repeat(64)}\n${noteOf(400)}`],
      ['old size above the new one', 400, `old 401\n\n${noteOf(400)}`],
      ['unknown origin', 404, `old 0\n\n${noteOf(400, rootOf(400), other)}`],
      ['unknown key', 403, `old 300\n${growth}\n${noteOf(400, rootOf(400), impostor)}`],
      ['wrong signature', 403, good.replace(/\n400\n/, '\n401\n')],
      ['stale size', 409, await request(200, 400)],
      ['first size again', 409, await request(0, 400)],
      ['same size, other root', 422, `old 300\n\n${noteOf(300, fork)}`],
      ['a fork', 422, `old 300\n${growth}\n${noteOf(400, fork)}`],
      ['no proof', 422, `old 300\n\n${noteOf(400)}`],
      ['another proof', 422, `old 300\n${await proofOf(299, 400)}\n${noteOf(400)}`],
      ['a proof where none is', 422, `old 300\n${growth}\n${noteOf(300)}`],
    ]
    for (const [name, status, body] of cases) {
      const answer = await witness.addCheckpoint(body)
      expect(answer.status, name).toBe(status)
      expect(answer.body, name).not.toContain('\u2014')
      if (status === 409) {
        expect(answer).toMatchObject({ contentType: 'text/x.tlog.size', body: '300\n' })
      }
    }
    const empty = witnessOf()
    const zero = (root: Uint8Array) =>
      signNote({
        text: `${log.key.name}\n0\n${Buffer.from(root).toString('base64')}\n`,
        signers: [log],
      })
    expect((await empty.addCheckpoint(`old 0\n\n${zero(fork)}`)).status).toBe(422)
    const hash = `${'A'.repeat(43)}=\n`
    expect((await empty.addCheckpoint(`old 0\n${hash}\n${noteOf(5)}`)).status).toBe(422)
    expect((await empty.addCheckpoint(`old 0\n\n${zero(rootOf(0))}`)).status).toBe(200)
    expect((await witness.addCheckpoint(good)).status).toBe(200)
  })

  test('behavior: no changed byte of a request is cosigned', async () => {
    const store = memoryCheckpointStore()
    await witnessOf(store).addCheckpoint(await request(0, 3))
    const body = utf8(await request(3, 4))
    for (let at = 0; at < body.length; at += 1) {
      const changed = body.slice()
      changed[at] = (changed[at] as number) ^ 1
      const { status } = await witnessOf(store).addCheckpoint(changed)
      expect([400, 403, 404, 409, 422], `byte ${at}`).toContain(status)
    }
  })

  test('behavior: of checkpoints that race, one history is cosigned', async () => {
    const store = memoryCheckpointStore()
    const witness = witnessOf(store)
    const bodies = await Promise.all([100, 200, 300, 400].map((size) => request(0, size)))
    const answers = await Promise.all(bodies.map((body) => witness.addCheckpoint(body)))
    const statuses = answers.map(({ status }) => status)
    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(3)
  })

  test('behavior: the latest cosigned note is served, without lines of strangers', async () => {
    const witness = witnessOf()
    const stranger = witnessSigner({ name: 'stranger', seed: new Uint8Array(32).fill(5) })
    const text = parseNote(noteOf(300))?.text as string
    const extra = cosign({ text, time: 5n, signer: stranger })
    await witness.addCheckpoint(`old 0\n\n${noteOf(300)}${extra}`)
    const hash = Buffer.from(
      await crypto.subtle.digest('SHA-256', utf8(log.key.name) as Uint8Array<ArrayBuffer>),
    ).toString('hex')
    const response = await witness.fetch(new Request(`https://w.example/m/${hash}/checkpoint`))
    expect(response.status).toBe(200)
    const note = await response.text()
    expect(parseNote(note)?.signatures.map(({ name }) => name)).toEqual([
      log.key.name,
      signer.key.name,
    ])
    expect(openNote(note, [log.key, signer.key]).status).toBe('verified')
    const status = async (path: string, init?: RequestInit) =>
      (await witness.fetch(new Request(`https://w.example${path}`, init))).status
    expect(await status(`/${'0'.repeat(64)}/checkpoint`)).toBe(404)
    expect(await status(`/${hash}/other`)).toBe(404)
    expect(await status(`/${hash}/checkpoint`, { method: 'PUT' })).toBe(405)
    expect(await status('/add-checkpoint')).toBe(405)
    const large = 'x'.repeat(1_048_577)
    expect(await status('/add-checkpoint', { method: 'POST', body: large })).toBe(413)
  })

  test('behavior: a clock that steps back dates no larger tree before a smaller one', async () => {
    const store = memoryCheckpointStore()
    await witnessOf(store, 2_000_000).addCheckpoint(await request(0, 300))
    const { body } = await witnessOf(store, 1_000_000).addCheckpoint(await request(300, 400))
    const opened = openNote(noteOf(400) + body, [signer.key])
    expect(opened).toMatchObject({ signed: [{ time: 2_000n }] })
  })

  test('error: WITNESS_STATE, a damaged memory cosigns nothing', async () => {
    const hash = (await keptHash()) as string
    for (const kept of ['', 'nonsense', noteOf(300)]) {
      const store = memoryCheckpointStore()
      await store.swap(hash, { expected: undefined, next: kept })
      const errors: unknown[] = []
      const witness = createWitness({
        ...{ signer, logs: [{ keys: [log.key] }], store },
        onError: (error) => errors.push(error),
      })
      const init = { method: 'POST', body: await request(300, 400) }
      const response = await witness.fetch(new Request('https://w.example/add-checkpoint', init))
      expect(response.status).toBe(500)
      expect(errors).toMatchObject([{ code: 'WITNESS_STATE', retryable: false }])
    }
    const stubborn: CheckpointStore = { read: async () => undefined, swap: async () => false }
    await expect(witnessOf(stubborn).addCheckpoint(await request(0, 300))).rejects.toMatchObject({
      code: 'WITNESS_STATE',
      retryable: true,
    })
  })

  test('error: InvalidInputError, for logs and keys that are none', () => {
    const store = memoryCheckpointStore()
    const make = (logs: Parameters<typeof createWitness>[0]['logs']) => () =>
      createWitness({ signer, logs, store })
    expect(make([{ keys: [] }])).toThrow(/logs/)
    expect(make([{ keys: [signer.key] }])).toThrow(/logs/)
    expect(make([{ keys: [log.key] }, { keys: [log.key] }])).toThrow(/once/)
    const own = noteSigner({ name: 'example.com/log', seed: new Uint8Array(32).fill(8) })
    expect(make([{ keys: [own.key] }])).toThrow(/own witness/)
    expect(() => createWitness({ signer: log as never, logs: [], store })).toThrow(/signer/)
    expect(() => cosign({ text: 'a\n', time: 0n, signer })).toThrow(/time/)
  })
})

const keptHash = async (): Promise<string | undefined> => {
  const hashes: string[] = []
  const inner = memoryCheckpointStore()
  const store: CheckpointStore = {
    read: async (hash) => {
      hashes.push(hash)
      return inner.read(hash)
    },
    swap: (hash, change) => inner.swap(hash, change),
  }
  await witnessOf(store).addCheckpoint(await request(0, 1))
  return hashes[0]
}

describe('asking witnesses', () => {
  const prove = (size: number) => async (older: bigint) =>
    (await readerAt(size).prefix(older)).proof
  const clientOf = (witness: Pick<Witness, 'fetch'>, asked: string[] = []) =>
    createWitnessClient({
      url: 'https://w.example/',
      key: signer.key,
      fetch: async (url, init) => {
        asked.push(String(init?.body).split('\n')[0] as string)
        return witness.fetch(new Request(url as string, init))
      },
    })

  test('behavior: the size that the witness knows is asked for once', async () => {
    const asked: string[] = []
    const witness = witnessOf()
    await witness.addCheckpoint(await request(0, 100))
    const client = clientOf(witness, asked)
    for (const size of [300, 400, 400]) {
      const { line, time } = await client.cosign({ note: noteOf(size), prove: prove(size) })
      expect(time).toBe(1_800_000_000n)
      const trust = { log: log.key, witnesses: { keys: [signer.key], quorum: 1 } }
      expect(verifyCheckpoint(noteOf(size) + line, trust).status).toBe('verified')
    }
    expect(asked).toEqual(['old 0', 'old 100', 'old 300', 'old 400'])
  })

  test('error: WITNESS_REFUSED, with what to do', async () => {
    const witness = witnessOf()
    await witness.addCheckpoint(await request(0, 300))
    const refusal = (client = clientOf(witness), size = 400, note = noteOf(size)) =>
      client.cosign({ note, prove: prove(size) })
    await expect(refusal(undefined, 200)).rejects.toMatchObject({ fault: 'ahead' })
    const fork = leafHash(utf8('fork'))
    await expect(refusal(undefined, 400, noteOf(400, fork))).rejects.toMatchObject({
      code: 'WITNESS_REFUSED',
      fault: 'inconsistent',
      witness: signer.key.name,
    })
    const answering = (status: number, body = '', headers = {}) =>
      clientOf({ fetch: async () => new Response(body, { status, headers }) })
    const sized = { 'content-type': 'text/x.tlog.size' }
    const line = `\u2014 ${signer.key.name} ${Buffer.alloc(76).toString('base64')}\n`
    const cases: [Parameters<typeof answering>, string][] = [
      [[403], 'refused'],
      [[404], 'unknown'],
      [[422], 'inconsistent'],
      [[500], 'unreachable'],
      [[429], 'unreachable'],
      [[400], 'answer'],
      [[302], 'answer'],
      [[200, 'nothing\n'], 'answer'],
      [[200, line], 'answer'],
      [[200, 'x'.repeat(70_000)], 'answer'],
      [[409, '300\n'], 'answer'],
      [[409, '0300\n', sized], 'answer'],
      [[409, '300', sized], 'answer'],
      [[409, '399\n', sized], 'answer'],
      [[409, '401\n', sized], 'ahead'],
    ]
    for (const [answer, fault] of cases) {
      await expect(refusal(answering(...answer)), String(answer)).rejects.toMatchObject({ fault })
    }
    const down = clientOf({ fetch: () => Promise.reject(new TypeError('down')) })
    await expect(refusal(down)).rejects.toMatchObject({ fault: 'unreachable', retryable: true })
    expect(() => createWitnessClient({ url: 'no url', key: signer.key })).toThrow(/url/)
    expect(() => createWitnessClient({ url: 'https://w.example', key: log.key })).toThrow(/key/)
    await expect(refusal(undefined, 400, 'no note')).rejects.toThrow(/note/)
  })

  test('behavior: one slow witness holds up no other', async () => {
    const slow = clientOf({ fetch: () => new Promise(() => undefined) })
    const fast = clientOf(witnessOf())
    const { note, signed, failed } = await collectCosignatures(
      { note: noteOf(400), witnesses: [slow, fast], prove: prove(400) },
      { timeout: 100 },
    )
    expect(signed).toMatchObject([{ key: signer.key }])
    expect(failed).toMatchObject([{ error: { code: 'TIMEOUT' } }])
    const trust = { log: log.key, witnesses: { keys: [signer.key], quorum: 1 } }
    expect(verifyCheckpoint(note, trust).status).toBe('verified')
    const aborted = AbortSignal.abort(new TypeError('stop'))
    const all = { note: noteOf(400), witnesses: [fast], prove: prove(400) }
    await expect(collectCosignatures(all, { signal: aborted })).rejects.toThrow('stop')
  })
})

describe('fileCheckpointStore', () => {
  const hash = 'ab'.repeat(32)
  const fresh = () => mkdtempSync(join(directory, 'store-'))

  test('behavior: one of two writers wins, whichever process it is in', async () => {
    const folder = fresh()
    const stores = [
      fileCheckpointStore({ directory: folder }),
      fileCheckpointStore({ directory: folder }),
    ]
    let expected: string | undefined
    for (let round = 0; round < 20; round += 1) {
      const tries = await Promise.all(
        stores.flatMap((store, who) =>
          [0, 1].map(async (at) => {
            const next = `${round} ${who} ${at}`
            return (await store.swap(hash, { expected, next })) ? [next] : []
          }),
        ),
      )
      const won = tries.flat()
      expect(won).toHaveLength(1)
      expected = await (stores[round % 2] as CheckpointStore).read(hash)
      expect(expected).toBe(won[0])
      expect(readdirSync(folder)).toEqual([`${hash}.${round + 1}`])
    }
  })

  test('behavior: a version that a slow writer left behind does not count', async () => {
    const folder = fresh()
    const store = fileCheckpointStore({ directory: folder })
    expect(await store.read(hash)).toBeUndefined()
    await store.swap(hash, { expected: undefined, next: 'one' })
    await store.swap(hash, { expected: 'one', next: 'two' })
    writeFileSync(join(folder, `${hash}.1`), 'late')
    writeFileSync(join(folder, `${hash}.x`), 'no version')
    expect(await store.read(hash)).toBe('two')
    expect(await store.swap(hash, { expected: 'one', next: 'three' })).toBe(false)
    expect(await store.swap(hash, { expected: 'two', next: 'three' })).toBe(true)
    expect(await store.read(hash)).toBe('three')
    await expect(store.read('../x')).rejects.toThrow(/originHash/)
    expect(() => fileCheckpointStore({ directory: '' })).toThrow(/directory/)
  })

  test('behavior: a witness on files goes on after a restart', async () => {
    const folder = fresh()
    const open = () => witnessOf(fileCheckpointStore({ directory: join(folder, 'new') }))
    expect((await open().addCheckpoint(await request(0, 300))).status).toBe(200)
    expect((await open().addCheckpoint(await request(0, 400))).status).toBe(409)
    expect((await open().addCheckpoint(await request(300, 400))).status).toBe(200)
  })
})
