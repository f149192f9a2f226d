/** A ledger by the commands alone: keys, events, proofs, a server, strangers, a witness. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run as inProcess } from '../../src/cli/main.js'
import {
  formatNoteKey,
  type RekorAnchorReceipt,
  type TimestampReceipt,
  verifyRekorAnchor,
  verifyTimestamp,
  witnessSigner,
} from '../../src/ledger/index.js'
import { rekorOf, rekorSigner } from '../ledger/rekorLog.js'
import { bin, isBuilt, session, shell } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-ledger-'))
const children: ChildProcess[] = []
afterAll(async () => {
  for (const child of children) await end(child)
  rmSync(home, { recursive: true, force: true })
})
const run = session(home)
const name = 'ledger.example/eval'
const at = ['ledger', '--ledger', name, '--checkpoint-key', 'log.seed']
let log = ''

/** The built command line, once it has said where it listens. */
async function start(
  ...words: string[]
): Promise<{ child: ChildProcess; data: Record<string, string> }> {
  const child = spawn(process.execPath, [bin, 'ledger', ...words, '--json'], {
    ...{ cwd: home, env: { PATH: process.env['PATH'], HOME: home } },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  children.push(child)
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const line = await new Promise<string>((resolve, reject) => {
    let output = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.includes('\n')) resolve(output.split('\n')[0] as string)
    })
    child.on('close', (code) => reject(new Error(`it ended with ${code}: ${errors}`)))
  })
  return { child, data: (JSON.parse(line) as { data: Record<string, string> }).data }
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve))
  child.kill('SIGINT')
  return closed
}

describe.skipIf(!isBuilt)('ledger', () => {
  beforeAll(async () => {
    mkdirSync(join(home, 'ledger'))
    chmodSync(join(home, 'ledger'), 0o700)
    for (const key of ['log', 'genesis', 'admin', 'operator', 'auditor', 'witness']) {
      const made = await run('ledger', 'key', `${key}.seed`)
      expect(made).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/^sha256:[0-9a-f]{64}\n$/),
      })
    }
    const made = await run('ledger', 'init', ...at, '--key', 'genesis.seed')
    expect(made).toMatchObject({ code: 0 })
    log = made.stdout.trim()
    const grant = (key: string, added: string, role: string) =>
      run(
        'ledger',
        'grant',
        ...at,
        '--key',
        `${key}.seed`,
        '--new',
        `${added}.seed`,
        '--role',
        role,
      )
    expect((await grant('genesis', 'admin', 'admin')).code).toBe(0)
    expect((await grant('admin', 'operator', 'operator')).code).toBe(0)
    expect((await grant('operator', 'auditor', 'auditor')).code).toBe(3)
    expect((await grant('admin', 'auditor', 'king')).code).toBe(2)
  })

  test('behavior: keys are their owner’s alone, and none is written over', async () => {
    expect(statSync(join(home, 'log.seed')).mode & 0o777).toBe(0o600)
    const before = readFileSync(join(home, 'log.seed'))
    expect((await run('ledger', 'key', 'log.seed')).code).not.toBe(0)
    expect(readFileSync(join(home, 'log.seed'))).toEqual(before)
    expect((await run('ledger', 'init', ...at, '--key', 'genesis.seed')).code).toBe(2)
  })

  test('behavior: append, read, prove, verify offline, fsck, replay; each says no where it is no', async () => {
    const fields = JSON.stringify({ kind: 'late', subject: 'task 7', detail: '' })
    const append = (key: string, type: string) =>
      run(
        ...['ledger', 'append', ...at, '--key', key, '--domain', 'decisions'],
        ...['--type', type, '--fields', fields, '--json'],
      )
    const appended = await append('operator.seed', 'newton.anomaly/1')
    expect(appended.code).toBe(0)
    const { data } = JSON.parse(appended.stdout) as {
      data: { receipt: { event: { event_id: string }; seq: string } }
    }
    expect(data.receipt.seq).toBe('3')
    expect((await append('auditor.seed', 'newton.anomaly/1')).code).toBe(3)
    expect((await append('operator.seed', 'newton.anomaly/9')).code).toBe(3)
    expect((await append('log.txt', 'newton.anomaly/1')).code).toBe(4)
    const read = await run('ledger', 'read', ...at, '--since', '3', '--json')
    expect(JSON.parse(read.stdout)).toMatchObject({ data: { cursor: '4', events: [{ seq: '3' }] } })
    expect((await run('ledger', 'read', ...at, '--limit', '0')).code).toBe(2)

    // Interrupted before it is signed: nothing is recorded, and the directory is free again.
    const quiet = () => undefined
    const away = { stdout: quiet, stderr: quiet, env: {}, interactive: false, cwd: home, home }
    const controller = new AbortController()
    const late = ['--key', 'operator.seed', '--domain', 'decisions', '--type', 'newton.anomaly/1']
    const ended = inProcess(
      ['ledger', 'append', ...at, ...late, '--fields', fields],
      away,
      controller.signal,
    )
    controller.abort(new DOMException('interrupted', 'AbortError'))
    expect(await ended).toBe(130)
    const unchanged = await run('ledger', 'read', ...at, '--since', '4', '--json')
    expect(JSON.parse(unchanged.stdout)).toMatchObject({ data: { events: [] } })

    const { event_id: id } = data.receipt.event
    const words = ['proof', 'ledger', id, ...at.slice(1), '--out', 'event.proof']
    expect((await run('ledger', ...words)).code).toBe(0)
    const nobody = '01970000-0000-7000-8000-00000000ffff'
    expect(
      (await run('ledger', 'proof', 'ledger', nobody, ...at.slice(1), '--out', 'x')).code,
    ).toBe(4)
    const verify = (proof: string, entry: string, key: string) =>
      run('ledger', 'verify', proof, entry, '--log', key)
    const meta = await verify('event.proof.meta', 'event.proof.meta.entry', log)
    expect(meta).toMatchObject({ code: 0, stdout: expect.stringContaining('verified: entry') })
    const both = (...files: string[]) => run('ledger', 'verify', ...files, '--log', log)
    const pair = ['event.proof', 'event.proof.entry', 'event.proof.meta', 'event.proof.meta.entry']
    const verified = await both(...pair)
    expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining(`${id} of `) })
    for (const files of [
      [pair[0], pair[3], pair[2], pair[3]],
      [pair[2], pair[1], pair[2], pair[3]],
      [pair[0], pair[1], pair[0], pair[3]],
      [pair[0], pair[1], pair[2], pair[1]],
    ] as string[][]) {
      expect((await both(...files)).code, files.join()).toBe(3)
    }
    expect((await both(...pair.slice(0, 3))).code).toBe(2)
    // Another log's key, and another entry.
    expect((await verify('event.proof', 'event.proof.entry', log)).code).toBe(3)
    expect((await verify('event.proof.meta', 'event.proof.entry', log)).code).toBe(3)

    expect(await run('ledger', 'fsck', ...at)).toMatchObject({
      code: 0,
      stdout: 'clean: 4 events\n',
    })
    const replay = ['ledger', 'replay', 'ledger', '--ledger', name, '--log', log]
    const good = await run(...replay)
    expect(good).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^4 events, state root [0-9a-f]{64}\n$/),
    })
    const path = join(home, 'ledger/decisions/tile/entries/000.p')
    const file = join(path, readdirSync(path).sort().at(-1) as string)
    const bytes = readFileSync(file)
    const bad = Uint8Array.from(bytes)
    bad[400] = (bad[400] as number) ^ 1
    rmSync(file)
    writeFileSync(file, bad)
    const broken = await run(...replay)
    expect(broken.code).not.toBe(0)
    expect((await run('ledger', 'fsck', ...at)).code).toBe(1)
    rmSync(file)
    writeFileSync(file, bytes, { mode: 0o444 })
    expect((await run(...replay)).stdout).toBe(good.stdout)
    expect((await run(...replay, '--from', '3', '--to', '2')).code).toBe(2)
  }, 120_000)

  test('error: a place without a ledger is said to be one, and nothing is made there', async () => {
    const open = ['--ledger', name, '--log', log]
    const own = ['--ledger', name, '--checkpoint-key', 'log.seed']
    const id = '01970000-0000-7000-8000-00000000ffff'
    mkdirSync(join(home, 'empty'), { mode: 0o700 })
    writeFileSync(join(home, 'x.seed'), 'ab'.repeat(32))
    for (const place of ['nowhere', 'empty']) {
      for (const words of [
        ['read', place, ...open],
        ['read', place, ...own],
        ['proof', place, id, ...open, '--out', 'x'],
        ['fsck', place, ...open],
        ['fsck', place, ...own],
        ['replay', place, ...open],
        [
          ...['append', place, ...own, '--key', 'operator.seed', '--domain', 'decisions'],
          ...['--type', 'newton.anomaly/1', '--fields', '{}'],
        ],
        ['grant', place, ...own, '--key', 'admin.seed', '--new', 'x.seed', '--role', 'admin'],
        ['serve', place, ...own, '--port', '0'],
      ]) {
        const refused = await run('ledger', ...words)
        expect(refused, words.join(' ')).toMatchObject({
          ...{ code: 4, stdout: '', stderr: expect.stringContaining('LEDGER_NOT_FOUND') },
        })
      }
    }
    expect(existsSync(join(home, 'nowhere'))).toBe(false)
    expect(readdirSync(join(home, 'empty'))).toEqual([])
    for (const words of [
      ['read', 'ledger', '--ledger', name],
      ['fsck', 'ledger', '--ledger', name],
      ['read', 'ledger', '--ledger', 'another.example/eval', '--log', log],
    ]) {
      expect((await run('ledger', ...words)).code, words.join(' ')).toBe(2)
    }
    const other = await run(
      'ledger',
      'read',
      'ledger',
      '--ledger',
      name,
      '--checkpoint-key',
      'admin.seed',
    )
    expect(other.stderr).toContain('LEDGER_LOG_INVALID')
  }, 120_000)

  test('behavior: a trust file counts for proofs: one witness too few is no', async () => {
    const words = ['event.proof.meta', 'event.proof.meta.entry', '--log', log, '--policy']
    const key = formatNoteKey(
      witnessSigner({ name: 'witness.example/w9', seed: new Uint8Array(32).fill(9) }).key,
    )
    writeFileSync(join(home, 'alone'), `log ${log}\nquorum none\n`)
    writeFileSync(join(home, 'cosigned'), `log ${log}\nwitness w9 ${key}\nquorum w9\n`)
    writeFileSync(join(home, 'other'), `log ${key}\nquorum none\n`)
    const pair = ['event.proof', 'event.proof.entry']
    for (const before of [[], pair]) {
      const verify = (policy: string) => run('ledger', 'verify', ...before, ...words, policy)
      expect((await verify('alone')).code).toBe(0)
      const short = await verify('cosigned')
      expect(short).toMatchObject({ code: 3, stdout: expect.stringContaining('quorum') })
      expect((await verify('nowhere')).code).toBe(4)
      expect((await verify('other')).code).toBe(2)
    }
  })

  test('behavior: a checkpoint is anchored in a Rekor log and with a calendar, and upgraded later', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    writeFileSync(join(home, 'anchor.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }))
    const asked: string[] = []
    let isInBlock = false
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const body = Buffer.concat(chunks)
        if (request.url === '/api/v2/log/entries') {
          return response.writeHead(201).end(rekorOf(body.toString()))
        }
        const uri = [...Buffer.from(url)]
        const promise = [...Buffer.from('0083dfe30d2ef90c8e', 'hex'), uri.length + 1, uri.length]
        if (request.method === 'POST') return response.end(Buffer.from([8, ...promise, ...uri]))
        if (!isInBlock) return response.writeHead(404).end()
        return response.end(Buffer.from('f1010908000588960d73d7190103f7ef15', 'hex'))
      })
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const anchor = (...words: string[]) =>
      run('ledger', 'anchor', 'ledger', '--ledger', name, '--log', log, ...words)
    try {
      const rekor = ['--to', 'rekor', '--rekor-url', url, '--anchor-key', 'anchor.pem']
      const rekorLog = ['--rekor-log', formatNoteKey(rekorSigner.key)]
      const done = await anchor(...rekor, ...rekorLog, '--out', 'rekor.json')
      expect(done, done.stderr).toMatchObject({
        code: 0,
        stdout: expect.stringMatching(/at \d+: anchored as entry 1 of rekor\.example\n$/),
      })
      const kept = JSON.parse(readFileSync(join(home, 'rekor.json'), 'utf8')) as { size: string }
      const receipt = { ...kept, size: BigInt(kept.size) } as unknown as RekorAnchorReceipt
      const point = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(26)
      const trust = { log: rekorSigner.key, anchorKey: Uint8Array.from(point) }
      expect(verifyRekorAnchor(receipt, trust)).toMatchObject({ status: 'verified' })

      const stamps = ['--to', 'opentimestamps', '--calendars', url]
      const promised = await anchor(...stamps, '--out', 'stamp.json')
      expect(promised, promised.stderr).toMatchObject({ code: 0 })
      expect(promised.stdout).toContain('--upgrade <receipt>')
      const later = [...stamps, '--upgrade', 'stamp.json', '--out', 'proven.json']
      expect(await anchor(...later)).toMatchObject({ code: 5 })
      isInBlock = true
      const proven = await anchor(...later)
      expect(proven, proven.stderr).toMatchObject({ code: 0 })
      expect(proven.stdout).toContain('proven under a block')
      const file = JSON.parse(readFileSync(join(home, 'proven.json'), 'utf8')) as TimestampReceipt
      const known = verifyTimestamp(
        { ...file, size: BigInt(file.size) },
        { header: () => undefined },
      )
      expect(known).toMatchObject({ status: 'pending', heights: [358_391n] })

      const before = asked.length
      for (const [words, message] of [
        [['--to', 'nowhere'], /chain, rekor or opentimestamps/],
        [['--to', 'rekor'], /--rekor-url.*openssl genpkey/s],
        [[...rekor.slice(0, -1), 'log.seed', ...rekorLog], /private key in PEM/],
        [['--to', 'opentimestamps', '--calendars', 'ftp://x'], /http or https URLs/],
        [['--upgrade', 'stamp.json'], /--to opentimestamps/],
        [[...stamps, '--upgrade', 'rekor.json'], /holds no receipt/],
      ] as const) {
        const refused = await anchor(...words)
        expect(refused, words.join(' ')).toMatchObject({ code: 2, stdout: '' })
        expect(refused.stderr).toMatch(message)
      }
      expect(asked).toHaveLength(before)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  test('behavior: served: a stranger replays it, MCP over stdio answers, a witness cosigns', async () => {
    const key = await start(
      ...['witness', 'witness', '--name', 'witness.example/w1', '--key', 'witness.seed'],
      ...['--log', log, '--port', '0'],
    )
    writeFileSync(
      join(home, 'trust'),
      `log ${log}\nwitness w1 ${key.data['key']} ${key.data['url']}\nquorum w1\n`,
    )
    const served = await start(
      ...[
        'serve',
        ...at,
        '--module',
        'eval',
        '--port',
        '0',
        '--policy',
        'trust',
        '--interval',
        '1',
      ],
    )
    const url = served.data['url'] as string
    // Its directory has a writer; who only reads needs neither its lock nor its seed.
    const late = ['--domain', 'decisions', '--type', 'newton.anomaly/1', '--fields', '{}']
    const second = await run('ledger', 'append', ...at, '--key', 'operator.seed', ...late)
    expect(second.stderr).toContain('LEDGER_LOCKED')
    const open = ['--ledger', name, '--log', log]
    for (const source of ['ledger', url]) {
      const read = await run('ledger', 'read', source, ...open, '--since', '3', '--json')
      expect(JSON.parse(read.stdout), source).toMatchObject({ data: { events: [{ seq: '3' }] } })
    }
    const replay = ['ledger', 'replay', url, '--ledger', name]
    expect((await run(...replay, '--log', log)).code).toBe(0)
    expect((await run(...replay, '--log', log.replace(/.$/, 'x'))).code).not.toBe(0)

    const headers = { 'X-Module-ID': 'eval' }
    const page = (await (await fetch(`${url}/api/ledger/events?cursor=3`, { headers })).json()) as {
      events: { event: { event_id: string } }[]
    }
    const id = page.events[0]?.event.event_id
    let proof = ''
    for (let tries = 0; tries < 40 && !proof.includes('witness.example/w1'); tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 250))
      const answer = await fetch(`${url}/api/merkle/proof/${id}`, { headers })
      proof = ((await answer.json()) as { metaProof: string }).metaProof
    }
    expect(proof).toContain('\u2014 witness.example/w1 ')

    const bridge = spawn(
      process.execPath,
      [bin, 'ledger', 'mcp', '--url', url, '--module', 'eval'],
      {
        cwd: home,
        env: { PATH: process.env['PATH'], HOME: home },
        stdio: ['pipe', 'pipe', 'ignore'],
      },
    )
    children.push(bridge)
    let output = ''
    bridge.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    const closed = new Promise((resolve) => bridge.on('close', resolve))
    const messages = [
      { id: 1, method: 'initialize', params: { protocolVersion: '2025-06-18' } },
      { method: 'notifications/initialized' },
      { id: 2, method: 'tools/call', params: { name: 'get_event', arguments: { event_id: id } } },
    ]
    for (const message of messages) {
      bridge.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
    }
    bridge.stdin?.end()
    expect(await closed).toBe(0)
    const [one, two, ...none] = output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as object)
    expect(one).toMatchObject({ id: 1, result: { protocolVersion: '2025-06-18' } })
    expect(two).toMatchObject({
      id: 2,
      result: { isError: false, structuredContent: { seq: '3' } },
    })
    expect(none).toEqual([])
    expect(await end(served.child)).toBe(0)
    expect(await run('ledger', 'fsck', ...at)).toMatchObject({ code: 0 })
  }, 180_000)

  test('behavior: the built command line has each command', async () => {
    const built = shell(home)
    const help = await built('ledger', '--help')
    for (const command of [
      ...['key', 'init', 'grant', 'append', 'read', 'verify', 'fsck', 'proof', 'replay'],
      ...['anchor', 'witness', 'serve', 'mcp', 'verify-bundle'],
    ]) {
      expect(help.stdout).toContain(command)
    }
    const usage = await built(
      'ledger',
      'anchor',
      'ledger',
      '--ledger',
      name,
      '--log',
      log,
      '--key',
      'x',
    )
    expect(usage).toMatchObject({ code: 2, stderr: expect.stringContaining('by its URL') })
    expect((await run('ledger', 'mcp', '--url', 'nowhere')).code).toBe(2)
  }, 180_000)
})
