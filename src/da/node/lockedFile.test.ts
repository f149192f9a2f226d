/** Files that remember what was paid for: one process has them at a time. */
import { spawn } from 'node:child_process'
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { certAt } from '../../../test/support/retentionWorld.js'
import { computeArtifactHash } from '../../core/artifact.js'
import type { DaReceipt } from '../../core/interfaces/daClient.js'
import { utf8 } from '../../internal/bytes.js'
import { lockDirectory } from '../../internal/node/lock.js'
import { createFakeEigenDaProxy } from '../../testing/eigenDaProxy/fakeProxy.js'
import { encodeEigenDaCommitment } from '../eigenda/cert/cert.js'
import { eigenDa } from '../eigenda/eigenDa.js'
import { memoryPayments } from '../eigenda/payments.js'
import { fileJournal } from './fileJournal.js'
import { filePayments } from './filePayments.js'
import { createLockedFile } from './lockedFile.js'

const root = await mkdtemp(join(tmpdir(), 'locked-file-'))
afterAll(() => rm(root, { recursive: true, force: true }))
const files = { fileJournal, filePayments }

/** A process that holds the lock on a file until it is killed. */
async function holder(path: string): Promise<{ pid: number; kill(): Promise<void> }> {
  const script = `
    const fs = require('node:fs')
    const lock = require('fs-native-extensions')
    const fd = fs.openSync(process.argv[1] + '.lock', 'a+')
    if (!lock.tryLock(fd)) process.exit(3)
    fs.ftruncateSync(fd)
    fs.writeSync(fd, 'another keeper, process ' + process.pid)
    console.log('held')
    setInterval(() => undefined, 1_000)`
  const child = spawn(process.execPath, ['-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    pid: child.pid as number,
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

test.each(Object.entries(files))(
  'error: DIRECTORY_LOCKED from %s while another process has it, naming that one',
  async (name, open) => {
    const path = join(root, `${name}-others.json`)
    const other = await holder(path)
    const file = open({ path })
    try {
      for (const call of [() => file.read(), () => file.write([])]) {
        await expect(call()).rejects.toMatchObject({
          code: 'DIRECTORY_LOCKED',
          message: expect.stringContaining(`another keeper, process ${other.pid}`),
        })
      }
    } finally {
      await other.kill()
    }
    // The kernel frees it with its holder: the same object may go on.
    expect(await file.read()).toEqual([])
    await file.close()
  },
)

test.each(Object.entries(files))(
  'error: DIRECTORY_LOCKED from a second %s of one process, until the first is closed',
  async (name, open) => {
    const path = join(root, 'deep', `${name}.json`)
    const first = open({ path })
    await first.write([])
    const second = open({ path })
    await expect(second.read()).rejects.toMatchObject({
      code: 'DIRECTORY_LOCKED',
      message: expect.stringContaining(`process ${process.pid}`),
    })
    await first.close()
    await first.close()
    expect(await second.read()).toEqual([])
    await second.close()
  },
)

test.each(Object.entries(files))(
  'error: %s has a file once, whatever links lead to it',
  async (name, open) => {
    const folder = join(root, `links-${name}`)
    await mkdir(folder)
    await symlink(folder, `${folder}-linked`)
    const path = join(folder, 'file.json')
    await symlink('file.json', join(folder, 'early.json'))
    const early = open({ path: join(folder, 'early.json') })
    await early.write([])
    await symlink(path, join(folder, 'late.json'))
    const names = [path, join(`${folder}-linked`, 'file.json'), join(folder, 'late.json')]
    for (const other of names) {
      const second = open({ path: other })
      for (const call of [() => second.read(), () => second.write([])])
        await expect(call(), other).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
      await second.close()
    }
    await early.close()
    // The file was written, and no link was replaced by one.
    const after = open({ path: join(folder, 'late.json') })
    await after.write([])
    await after.close()
    expect(await readFile(path, 'utf8')).toBe('[]')
    await writeFile(path, 'no JSON')
    const through = open({ path: join(folder, 'late.json') })
    await expect(through.read()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await through.close()

    await writeFile(path, '[]')
    await link(path, join(folder, 'hard.json'))
    for (const other of [path, join(folder, 'hard.json')]) {
      const several = open({ path: other })
      await expect(several.write([])).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('several names'),
      })
      await several.close()
    }
  },
)

test.each(Object.entries(files))(
  'error: DIRECTORY_LOCKED from %s once its lock was removed, and nothing of others is undone',
  async (name, open) => {
    const path = join(root, `${name}-removed.json`)
    const first = open({ path })
    await first.write([])
    await unlink(`${path}.lock`)
    const second = open({ path })
    await second.write([])
    await writeFile(path, '[ ]')
    for (const call of [() => first.read(), () => first.write([])])
      await expect(call()).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' })
    expect(await readFile(path, 'utf8')).toBe('[ ]')
    await first.close()
    expect(await second.read()).toEqual([])
    await second.close()
  },
)

const commitment = encodeEigenDaCommitment(certAt(1, 1))
const payment = { key: 'a', commitment, at: 1 }
const artifactHash = `0x${'11'.repeat(32)}`
const oddRecords: Record<keyof typeof files, unknown[]> = {
  filePayments: [
    ...[undefined, null, 'x', {}, [null], [{}], [undefined]],
    [{ ...payment, at: Number.NaN }],
    ...[
      '0x0',
      '0x00',
      '0x0201',
      `${commitment}00`,
      commitment.slice(0, -2),
      commitment.toUpperCase(),
    ].map((commitment) => [{ ...payment, commitment }]),
    [{ ...payment, key: 1 }],
  ],
  fileJournal: [
    ...[undefined, null, 'x', {}, [null], [{}], [undefined]],
    [{ state: 'sending', artifactHash, startedAt: Number.NaN }],
    [{ state: 'paid', artifactHash }],
    [{ state: 'paid', artifactHash, locator: { kind: 'none' } }],
    [{ state: 'sending', artifactHash: '0x', startedAt: 1 }],
  ],
}
test.each(Object.entries(files))(
  'error: INVALID_INPUT from %s for what it could not read again, which leaves what was there',
  async (name, open) => {
    const file = open({ path: join(root, `${name}-odd.json`) })
    await file.write([])
    for (const odd of oddRecords[name as keyof typeof files]) {
      await expect(file.write(odd as never), JSON.stringify(odd)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
      expect(await file.read()).toEqual([])
    }
    await file.close()
  },
)

test.each(Object.entries(files))(
  'error: INVALID_INPUT from %s for a path that names no file, and for calls after its end',
  async (name, open) => {
    for (const path of ['', 'a\0b', '\0'])
      expect(() => open({ path })).toThrow(expect.objectContaining({ code: 'INVALID_INPUT' }))
    const path = join(root, `${name}-closed.json`)
    const file = open({ path })
    const writing = file.write([])
    await file.close()
    await writing
    for (const call of [() => file.read(), () => file.write([])])
      await expect(call()).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining('closed'),
      })
    const next = open({ path })
    expect(await next.read()).toEqual([])
    await next.close()
  },
)

/** A proxy whose reads fail while `down.is`. */
function behind(down: { is: boolean }) {
  const proxy = createFakeEigenDaProxy()
  const fetch = async (input: string, init: RequestInit): Promise<Response> =>
    down.is && input.includes('/get/')
      ? new Response('no', { status: 503 })
      : proxy.fetch(input, init)
  const retry = { reads: 1, writes: 1, baseDelay: 1, maxDelay: 1 }
  return { proxy, options: { url: 'http://proxy.test', fetch, retry } }
}
const unknown = { code: 'DA_OUTCOME_UNKNOWN', locator: { kind: 'eigenDa' } }

test('behavior: two clients of one record pay once, at once and one after a failure of the other', async () => {
  const down = { is: false }
  const { proxy, options } = behind(down)
  for (const [name, payments] of Object.entries({
    memory: memoryPayments(),
    file: filePayments({ path: join(root, 'shared.json') }),
  })) {
    const before = proxy.dispersals()
    const one = eigenDa({ ...options, payments })
    const other = eigenDa({ ...options, payments })
    const bytes = utf8(`at once ${name}`)
    const receipts = await Promise.all([one, other, one].map((da) => da.put(bytes)))
    expect(new Set(receipts.map(({ locator }) => JSON.stringify(locator))).size).toBe(1)
    expect(proxy.dispersals() - before).toBe(1)
    // Renewals of one copy too.
    const renewals = await Promise.all(
      [one, other].map((da) => da.renew((receipts[0] as DaReceipt).locator, bytes)),
    )
    expect(renewals[0]).toEqual(renewals[1])
    expect(proxy.dispersals() - before).toBe(2)

    const later = utf8(`later ${name}`)
    down.is = true
    const failed = await one.put(later).catch((error: unknown) => error)
    expect(failed).toMatchObject(unknown)
    down.is = false
    const { locator } = await other.put(later)
    expect(locator).toEqual((failed as { locator: unknown }).locator)
    expect(proxy.dispersals() - before).toBe(3)
    // What was checked is no debt any more: bytes that are put again are paid for again.
    await one.put(later)
    expect(proxy.dispersals() - before).toBe(4)
  }
})

test('behavior: a process that begins anew reads back what was paid for before', async () => {
  const down = { is: true }
  const { proxy, options } = behind(down)
  const path = join(root, 'anew.json')
  const bytes = utf8('anew')
  const before = filePayments({ path })
  await expect(eigenDa({ ...options, payments: before }).put(bytes)).rejects.toMatchObject(unknown)
  await before.close()
  down.is = false
  const after = filePayments({ path })
  const da = eigenDa({ ...options, payments: after })
  const { locator, artifactHash } = await da.put(bytes)
  expect(proxy.dispersals()).toBe(1)
  expect(await da.getWithVerification(locator, artifactHash)).toEqual(bytes)
  expect(await readFile(path, 'utf8')).toBe('[]')
  await after.close()
})

test('error: nothing is paid for where it could not be remembered', async () => {
  const { proxy, options } = behind({ is: false })
  const damaged = join(root, 'damaged.json')
  const texts = ['{}', 'no', '[null]', '[{"key":"a","commitment":"x","at":1}]']
  for (const text of [...texts, '[{"key":"a","commitment":"0x0201","at":1}]']) {
    await writeFile(damaged, text)
    const payments = filePayments({ path: damaged })
    const call = eigenDa({ ...options, payments }).put(utf8('x'))
    await expect(call).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await payments.close()
  }
  const records = {
    unreadable: { read: () => Promise.reject(new TypeError('no')), write: async () => undefined },
    unwritable: { read: async () => [], write: () => Promise.reject(new TypeError('full')) },
    odd: { read: async () => 5 as never, write: async () => undefined },
    // A certificate that is none would be handed out as a copy that was paid for.
    forged: {
      read: async () => [{ key: 'a', commitment: '0x0201' as const, at: 1 }],
      write: async () => undefined,
    },
  }
  for (const payments of Object.values(records))
    await expect(eigenDa({ ...options, payments }).put(utf8('x'))).rejects.toThrow()
  expect(proxy.dispersals()).toBe(0)
})

test('behavior: calls that are not waited for are done in the order of being made', async () => {
  for (let round = 0; round < 5; round++) {
    const file = createLockedFile({ path: join(root, `order-${round}.json`), what: 'record' })
    const reads: Promise<string | undefined>[] = []
    const writes = Array.from({ length: 30 }, (_, at) => {
      // The first ones take longest.
      const write = file.write(`${at} `.repeat(at % 3 === 0 ? 200_000 : 1))
      reads.push(file.read())
      return write
    })
    await Promise.all(writes)
    const seen = await Promise.all(reads)
    expect(seen.map((text) => text?.split(' ', 1)[0])).toEqual([...writes.keys()].map(String))
    expect(await file.read()).toBe('29 ')
    // One that fails holds up none after it.
    await Promise.allSettled([file.write(5 as never), file.write('after')])
    expect(await file.read()).toBe('after')
    await file.close()
  }
})

const inItsPlace: [string, (lock: string, victim: string) => Promise<unknown>][] = [
  ['a link', (lock, victim) => symlink(victim, lock)],
  ['a link to nothing', (lock) => symlink(`${lock}-nowhere`, lock)],
  ['a second name of another file', (lock, victim) => link(victim, lock)],
  ['a folder', (lock) => mkdir(lock)],
]
test.each(inItsPlace)('error: %s in the place of a lock is left as it is', async (what, put) => {
  const folder = await mkdtemp(join(root, 'lock-'))
  const victim = join(folder, 'victim')
  await writeFile(victim, 'precious')
  await put(join(folder, 'file.json.lock'), victim)
  const file = createLockedFile({ path: join(folder, 'file.json'), what: 'record' })
  for (const call of [() => file.read(), () => file.write('x')])
    await expect(call(), what).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'path' })
  await put(join(folder, 'LOCK'), victim)
  await expect(lockDirectory({ directory: folder, role: 'test' })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  })
  expect(await readFile(victim, 'utf8')).toBe('precious')
  expect((await readdir(folder)).filter((name) => name.endsWith('nowhere'))).toEqual([])
  await file.close()
})

test('error: INVALID_INPUT for a path that is a folder', async () => {
  const path = await mkdtemp(join(root, 'folder-'))
  const file = createLockedFile({ path, what: 'record' })
  await expect(file.read()).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('no file'),
  })
  await file.close()
})

test('behavior: a record that fails after the payment fails no write, and what was paid is told', async () => {
  const down = { is: true }
  const { proxy, options } = behind(down)
  let isFull = false
  const payments = {
    read: async () => [],
    write: async () => {
      if (isFull) throw new TypeError('full')
    },
  }
  const fetch = async (input: string, init: RequestInit): Promise<Response> => {
    const answer = await options.fetch(input, init)
    if (input.includes('/put?')) isFull = true
    return answer
  }
  const da = eigenDa({ ...options, fetch, payments })
  await expect(da.put(utf8('x'))).rejects.toMatchObject(unknown)
  isFull = false
  down.is = false
  const { artifactHash } = await da.put(utf8('x'))
  expect(artifactHash).toBe(computeArtifactHash(utf8('x')))
  expect(proxy.dispersals()).toBe(1)
})

test('error: what could not be read again is not written, and the file stays as it was', async () => {
  const file = createLockedFile({ path: join(root, 'long.json'), what: 'journal' })
  await file.write('short')
  const most = 64 * 1024 * 1024
  await expect(file.write('x'.repeat(most + 1))).rejects.toMatchObject({ code: 'DA_UNAVAILABLE' })
  expect(await file.read()).toBe('short')
  await file.write('x'.repeat(most))
  expect((await file.read())?.length).toBe(most)
  await file.close()
})
