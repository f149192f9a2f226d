/** Ctrl-C: nothing is signed or sent after it, wherever it comes, and the exit code says so. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '@newton/policy-sdk/testing/node'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { run } from '../../src/cli/main.js'
import { interruption } from '../../src/cli/terminal/interrupt.js'
import { startChain, type TestChain } from '../registry/chain.js'
import { bin, isBuilt, session } from './runner.js'

const key = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const home = mkdtempSync(join(tmpdir(), 'newton-policy-interrupt-'))
let chain: TestChain
let client: `0x${string}`
let proxy: Server
let url = ''
/** Methods that were asked for since the last reset, and who is told of each. */
let asked: string[] = []
let onRequest: (count: number) => void = () => undefined

// A node in between that counts: what reaches it was sent.
async function startProxy(): Promise<void> {
  proxy = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', async () => {
      const calls = [JSON.parse(body) as { method: string } | { method: string }[]].flat()
      asked.push(...calls.map(({ method }) => method))
      onRequest(asked.length)
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(chain.anvil.url, { method: 'POST', headers, body })
      response.writeHead(answer.status, headers).end(await answer.text())
    })
  })
  await new Promise<void>((done) => proxy.listen(0, '127.0.0.1', done))
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

const env = { NEWTON_SIGNER_KEY: key, NEWTON_CONFIG: join(home, 'config.toml') }
const sends = (): string[] => asked.filter((method) => method.startsWith('eth_send'))

/** Runs it in this process, interrupted at the n-th request; `undefined` for never. */
async function interruptedAt(words: string[], n: number | undefined): Promise<number> {
  asked = []
  const controller = new AbortController()
  onRequest = (count) => {
    if (n !== undefined && count >= n) controller.abort(interruption())
  }
  const quiet = () => undefined
  const terminal = { stdout: quiet, stderr: quiet, env, interactive: false, cwd: home, home }
  if (n === 0) controller.abort(interruption())
  return run(words, terminal, controller.signal)
}

beforeAll(async () => {
  chain = await startChain()
  client = await chain.policyClient()
  await startProxy()
  const { fromBlock, ...contracts } = chain.addresses
  const toml = [
    'profile = "devnet"',
    '[profiles.devnet]',
    ...['network = "devnet"', 'default_chain = "local"'],
    `da_directory = ${JSON.stringify(join(home, 'artifacts'))}`,
    '[profiles.devnet.chains.local]',
    ...['chain_id = 31337', `rpc_url = "${url}"`, `from_block = ${fromBlock}`],
    '[profiles.devnet.chains.local.contracts]',
    ...Object.entries(contracts).map(([name, address]) => `${name} = "${address}"`),
  ]
  writeFileSync(join(home, 'config.toml'), toml.join('\n'), { mode: 0o600 })
  writeFileSync(join(home, 'policy.rego'), 'package p\ndefault allow := false\n')
  writeFileSync(join(home, 'plugin.wasm'), '\0asm plugin')
}, 60_000)
afterAll(async () => {
  proxy?.closeAllConnections()
  proxy?.close()
  await chain?.anvil.stop()
  rmSync(home, { recursive: true, force: true })
})

describe('an interruption', () => {
  test('behavior: nothing is sent after it, at whichever request of each write it comes', async () => {
    const template = ['policy', 'template', 'register', 'policy.rego']
    expect(await interruptedAt(template, undefined)).toBe(0)
    const { stdout } = await session(home)('policy', 'template', 'compute-id', 'policy.rego')
    const deploy = (blocks: number): string[] => [
      ...['policy', 'instance', 'deploy', '--template', stdout.trim()],
      ...['--client', client],
      ...['--no-params', '--expire-after', `${blocks}`],
    ]
    // A deployment makes some thirty requests: it is the last ones, of the account and its transaction, that count.
    const writes = [
      { words: ['policy-data', 'template', 'register', 'plugin.wasm'], from: 0 },
      { words: deploy(100), from: 20 },
      { words: ['client', 'deactivate', client], from: 3 },
    ]
    for (const { words, from } of writes) {
      const before = await chain.height()
      let n = from
      // One more request each time, until the first transaction is under way.
      for (; ; n++) {
        const code = await interruptedAt(words, n)
        if (sends().length > 0) break
        expect(code, `${words.join(' ')} at ${n}`).toBe(130)
      }
      expect(n, words.join(' ')).toBeGreaterThan(5)
      // The one that was on its way when it came, and none after it.
      expect(sends(), words.join(' ')).toHaveLength(1)
      expect(await chain.height()).toBeLessThanOrEqual(before + 1n)
    }
  }, 120_000)

  test('behavior: it is heard before anything is read, and by what only reads', async () => {
    expect(await interruptedAt(['policy', 'lint', 'policy.rego'], 0)).toBe(130)
    expect(await interruptedAt(['policy', 'describe', '--client', client], 1)).toBe(130)
  }, 60_000)
})

describe.skipIf(!isBuilt)('the process', () => {
  /** Starts it, interrupts it at its first request, and again a moment later where asked to. */
  async function signalled(words: string[], { twice }: { twice: boolean }): Promise<object> {
    asked = []
    const options = { cwd: home, env: { PATH: process.env['PATH'], HOME: home, ...env } }
    const child = spawn(process.execPath, [bin, ...words], options)
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    let once = false
    onRequest = () => {
      if (once) return
      once = true
      child.kill('SIGINT')
      if (twice) setTimeout(() => child.kill('SIGINT'), 100)
    }
    const ended = await new Promise<object>((done) =>
      child.on('close', (code, signal) => done({ code, signal })),
    )
    return { ...ended, said }
  }

  test('behavior: ends with 130 and has sent nothing; a second signal ends it at once', async () => {
    const words = ['policy', 'template', 'register', 'policy.rego', '--chain', 'local']
    writeFileSync(join(home, 'policy.rego'), 'package other\ndefault allow := false\n')
    const end = await signalled(words, { twice: false })
    expect(end).toMatchObject({ code: 130, said: expect.stringContaining('INTERRUPTED') as string })
    expect(sends()).toEqual([])
    // A node that never answers holds nothing up.
    const silent = createServer(() => onRequest(1))
    await new Promise<void>((done) => silent.listen(0, '127.0.0.1', done))
    const { port } = silent.address() as AddressInfo
    const waiting = ['state', 'root', '--rpc-url', `http://127.0.0.1:${port}`]
    const at = await signalled(waiting, { twice: true })
    silent.closeAllConnections()
    silent.close()
    // As a shell has it, that is 130 too.
    expect(at).toMatchObject({ code: null, signal: 'SIGINT' })
  }, 60_000)

  test('behavior: a devnet that is starting ends what it started, with 130', async () => {
    const words = [bin, 'devnet', '--port', String(await freePort()), '--no-write-profile']
    const child = spawn(process.execPath, words, {
      ...{ cwd: home, env: { PATH: process.env['PATH'], HOME: home } },
    })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      if (said === 'starting…\n') setTimeout(() => child.kill('SIGINT'), 500)
    })
    const code = await new Promise((done) => child.on('close', done))
    expect(code, said).toBe(130)
    expect(said).toMatch(/ending what was started.*INTERRUPTED/s)
    expect(said).not.toContain('Ctrl-C ends')
  }, 60_000)
})
