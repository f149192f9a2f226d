import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { lockDirectory } from '../../internal/node/lock.js'
import { openFileJournal, witnessFile } from './journalFile.js'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'operator-files-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const domain = keccakHex(utf8('domain'))
const head = { block: 0n, timestamp: 0n }
const record = (index: number) =>
  ({
    kind: 'response',
    key: keccakHex(utf8(`key ${index}`)),
    digest: keccakHex(utf8(`digest ${index}`)),
    height: BigInt(index + 1),
    answer: utf8(`answer ${index}`),
  }) as const

describe('openFileJournal', () => {
  test('default: files hold the records, in segments that go when they are old', async () => {
    const options = { directory, domain, head, segmentBytes: 600 }
    const journal = await openFileJournal({ ...options, create: true })
    for (let index = 0; index < 10; index++) await journal.record(record(index))
    const names = (): string[] => readdirSync(directory).filter((name) => name !== 'LOCK')
    const before = names()
    expect(before[0]).toBe('journal-00000001')
    expect(before.length).toBeGreaterThan(2)
    expect(await journal.prune({ block: 6n, timestamp: 1n })).toBeGreaterThan(0)
    expect(names()).not.toContain('journal-00000001')
    await journal.close()
    const again = await openFileJournal(options)
    expect((await again.record(record(9))).answer).toEqual(utf8('answer 9'))
    await expect(again.record(record(0))).rejects.toMatchObject({ code: 'JOURNAL_FLOOR' })
    await again.close()
  })

  test('error: DIRECTORY_LOCKED inside one process too; a refused open lets go', async () => {
    const first = await openFileJournal({ directory, domain, head, create: true })
    await expect(openFileJournal({ directory, domain, head })).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    await first.close()
    const other = keccakHex(utf8('other'))
    await expect(openFileJournal({ directory, domain: other, head })).rejects.toMatchObject({
      code: 'JOURNAL_DAMAGED',
    })
    await (await openFileJournal({ directory, domain, head })).close()
  })
})

describe('witnessFile', () => {
  test('default: none before the first write', async () => {
    const witness = witnessFile(join(directory, 'far', 'witness.json'))
    expect(await witness.read()).toBeUndefined()
    await witness.write({ counter: 7n, hash: domain })
    expect(await witness.read()).toEqual({ counter: 7n, hash: domain })
    await witness.close?.()
  })

  test('behavior: the newest mark is read, and the one before where a write was torn', async () => {
    const path = join(directory, 'witness.json')
    const witness = witnessFile(path)
    for (let counter = 1n; counter <= 12n; counter++) {
      await witness.write({ counter, hash: domain })
      expect(await witnessFile(path).read()).toEqual({ counter, hash: domain })
    }
    const whole = readFileSync(path)
    expect(whole.length).toBe(1_024)
    await witness.write({ counter: 13n, hash: `0x${'13'.repeat(32)}` })
    const next = readFileSync(path)
    // Cut at each byte, as a loss of power may leave it: one of both marks, or one that agrees with nothing.
    for (let at = 0; at <= 1_024; at += 3) {
      writeFileSync(path, Buffer.concat([next.subarray(0, at), whole.subarray(at)]))
      const read = await witnessFile(path).read()
      expect(read?.counter === 12n || read?.counter === 13n, `cut at ${at}`).toBe(true)
      if (read?.counter === 12n) expect(read.hash).toBe(domain)
    }
    await witness.close?.()
  })

  test('behavior: an earlier form is read, and a file that was put in its place is written to', async () => {
    const path = join(directory, 'witness.json')
    writeFileSync(path, `${JSON.stringify({ counter: '5', hash: domain })}\n`)
    const witness = witnessFile(path)
    expect(await witness.read()).toEqual({ counter: 5n, hash: domain })
    await witness.write({ counter: 6n, hash: domain })
    await witness.write({ counter: 7n, hash: domain })
    writeFileSync(`${path}.old`, JSON.stringify({ counter: '1', hash: domain }))
    renameSync(`${path}.old`, path)
    await witness.write({ counter: 8n, hash: domain })
    expect(await witnessFile(path).read()).toEqual({ counter: 8n, hash: domain })
    await witness.close?.()
    await witness.write({ counter: 9n, hash: domain })
    expect(await witnessFile(path).read()).toEqual({ counter: 9n, hash: domain })
    await witness.close?.()
  })

  test.each(['', '{', 'null', '{"counter":7}', '{"counter":"x","hash":"0x"}'])(
    'error: INVALID_INPUT for %j',
    async (text) => {
      const path = join(directory, 'witness.json')
      writeFileSync(path, text)
      await expect(witnessFile(path).read()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    },
  )
})

test('lockDirectory: released once, taken again', async () => {
  const lock = await lockDirectory({ directory, role: 'operator' })
  await expect(lockDirectory({ directory, role: 'gateway' })).rejects.toMatchObject({
    code: 'DIRECTORY_LOCKED',
  })
  await lock.release()
  await lock.release()
  await (await lockDirectory({ directory, role: 'gateway' })).release()
})
