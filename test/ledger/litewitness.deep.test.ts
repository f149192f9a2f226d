/** A witness of somebody else (torchwood's litewitness) cosigns our checkpoints, and refuses a fork. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sha256 } from '@noble/hashes/sha2.js'
import { afterAll, describe, expect, test } from 'vitest'
import {
  createWitnessClient,
  formatNoteKey,
  leafHash,
  logReader,
  noteSigner,
  openCheckpoint,
  parseNoteKey,
  verifyCheckpoint,
} from '../../src/ledger/index.js'
import { definedRoot, writeLog } from './writeLog.js'

const run = promisify(execFile)
const directory = mkdtempSync(join(tmpdir(), 'ledger-lw-'))
const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})
const program = join(directory, 'litewitness')
const name = 'witness.example/w'
const signer = noteSigner({ name: 'example.com/lw', seed: new Uint8Array(32).fill(3) })

const built = await (async () => {
  try {
    await run('ssh-add', ['-h'], { timeout: 10_000 }).catch((error: { code?: unknown }) => {
      if (error.code === 'ENOENT') throw error
    })
    await run('go', ['build', '-o', program, 'filippo.io/torchwood/cmd/litewitness'], {
      cwd: new URL('goWitness/', import.meta.url).pathname,
      env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
      timeout: 800_000,
    })
    return true
  } catch (error) {
    if (process.env['CI_REQUIRE_ALL']) throw error
    console.warn(`skipped: litewitness cannot be built: ${String(error).split('\n')[0]}`)
    return false
  }
})()

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Starts it with a key in an agent and our log in its database. */
async function start() {
  const [agent, key, database] = ['agent', 'key', 'w.db'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ]
  children.push(spawn('ssh-agent', ['-D', '-a', agent], { stdio: 'ignore' }))
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key], { timeout: 10_000 })
  const env = { ...process.env, SSH_AUTH_SOCK: agent }
  for (let tries = 0; ; tries += 1) {
    const added = await run('ssh-add', ['-q', key], { env, timeout: 10_000 }).catch(() => undefined)
    if (added !== undefined) break
    if (tries > 40) throw new Error('the agent takes no key')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  const { stdout } = await run('ssh-keygen', ['-l', '-f', `${key}.pub`], { timeout: 10_000 })
  const fingerprint = stdout.split(' ')[1] as string
  const empty = Buffer.from(sha256(new Uint8Array())).toString('base64')
  const script = `
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)")
db.execute("CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL)")
db.execute("INSERT INTO log VALUES (?, 0, ?)", (sys.argv[2], sys.argv[4]))
db.execute("INSERT INTO key VALUES (?, ?)", (sys.argv[2], sys.argv[3]))
db.commit()
`
  const words = ['-c', script, database, signer.key.name, formatNoteKey(signer.key), empty]
  await run('python3', words, { timeout: 10_000 })
  const listen = `127.0.0.1:${await freePort()}`
  const options = ['-db', database, '-key', fingerprint, '-name', name, '-ssh-agent', agent]
  const child = spawn(program, [...options, '-listen', listen], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  children.push(child)
  let told = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
  }
  for (let tries = 0; ; tries += 1) {
    const up = await fetch(`http://${listen}/`).catch(() => undefined)
    if (up !== undefined) break
    if (tries > 100 || child.exitCode !== null) throw new Error(told)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  // The raw key is the last 32 bytes of what ssh keeps.
  const [, blob = ''] = readFileSync(`${key}.pub`, 'utf8').split(' ')
  const publicKey = Uint8Array.from(Buffer.from(blob, 'base64').subarray(-32))
  const typed = Uint8Array.of(4, ...publicKey)
  const id = Buffer.from(sha256(Uint8Array.of(...new TextEncoder().encode(`${name}\n`), ...typed)))
  const text = `${name}+${id.subarray(0, 4).toString('hex')}+${Buffer.from(typed).toString('base64')}`
  return { url: `http://${listen}`, key: parseNoteKey(text) }
}

describe.skipIf(!built)('litewitness', () => {
  test('behavior: it cosigns our log as it grows, and neither a fork nor a step back', async () => {
    const { url, key } = await start()
    const at = (size: number, from = 0) => {
      const entries = Array.from({ length: size }, (_, place) =>
        new TextEncoder().encode(`e${place < 5 ? place + from : place}`),
      )
      const files = writeLog({ entries, signer })
      const root = definedRoot(entries.map(leafHash))
      const checkpoint = { origin: signer.key.name, size: BigInt(size), root }
      const reader = logReader({ checkpoint, read: async (path) => files.get(path) })
      const note = new TextDecoder().decode(files.get('checkpoint'))
      return { note, prove: async (older: bigint) => (await reader.prefix(older)).proof }
    }
    const client = createWitnessClient({ url, key })
    const trust = { log: signer.key, witnesses: { keys: [key], quorum: 1 } }
    for (const size of [1, 7, 256, 300]) {
      const { note, prove } = at(size)
      const { line, time } = await client.cosign({ note, prove }, { timeout: 20_000 })
      expect(verifyCheckpoint(`${note}${line}`, trust).status).toBe('verified')
      expect(Math.abs(Number(time) - Date.now() / 1_000)).toBeLessThan(120)
    }
    // A client that knows nothing yet is told the size, and asks again.
    const fresh = createWitnessClient({ url, key })
    expect((await fresh.cosign(at(400), { timeout: 20_000 })).line).toContain(name)
    await expect(fresh.cosign(at(500, 900), { timeout: 20_000 })).rejects.toMatchObject({
      ...{ code: 'WITNESS_REFUSED', fault: 'inconsistent' },
    })
    await expect(createWitnessClient({ url, key }).cosign(at(300))).rejects.toMatchObject({
      fault: 'ahead',
    })
    const stranger = noteSigner({ name: signer.key.name, seed: new Uint8Array(32).fill(4) })
    const forged = new TextDecoder().decode(
      writeLog({ entries: [Uint8Array.of(1)], signer: stranger }).get('checkpoint'),
    )
    expect(openCheckpoint(forged, { log: stranger.key }).status).toBe('verified')
    await expect(
      createWitnessClient({ url, key }).cosign({ note: forged, prove: async () => [] }),
    ).rejects.toMatchObject({ fault: 'refused' })
  }, 120_000)
})
