/** The roles as processes that users start, over HTTP: killed, lied to, asked twice, answered late. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT } from '../../src/core/artifact.js'
import { fileDa } from '../../src/da/node/index.js'
import {
  appendMetadata,
  type BuildOutcome,
  computeWasmHashes,
  createBuildWorker,
  httpWorkerControl,
  type LeasedBuild,
  toMetadataEntries,
  type WorkerControl,
} from '../../src/provenance/index.js'
import { createProvenanceEvents, registerPolicyDataTemplateSync } from '../../src/registry/index.js'
import { freePort } from '../../src/testing/node/index.js'
import { bin, isBuilt, shell } from '../cli/runner.js'
import { startChain, type TestChain } from '../registry/chain.js'
import { toyPlugin } from './toy.js'

const key: Hex = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const home = mkdtempSync(join(tmpdir(), 'roles-'))
const tokens = ['one', 'two', 'three', 'liar'].map((name) => name.padEnd(40, '.'))
const [one, two, three, liar] = tokens as [string, string, string, string]
const image = `newton-toolchain@sha256:${'ab'.repeat(32)}`
const children: ChildProcess[] = []
let chain: TestChain
let at: string[]
let said = ''

beforeAll(async () => {
  chain = await startChain()
  const { fromBlock: _, ...addresses } = chain.addresses
  writeFileSync(join(home, 'contracts.json'), JSON.stringify(addresses))
  const names = Object.fromEntries(tokens.map((token) => [token, token.slice(0, 5)]))
  writeFileSync(join(home, 'workers.json'), JSON.stringify(names))
  at = ['--rpc-url', chain.anvil.url, '--contracts', 'contracts.json', '--da', 'artifacts']
}, 120_000)
afterEach(async () => {
  for (const child of children.splice(0)) await ended(child, 'SIGKILL')
})
afterAll(async () => {
  rmSync(home, { recursive: true, force: true })
  await chain.anvil.stop()
})

/** A plugin that says that its source gives it, registered as anybody would. */
async function register(text: string): Promise<Uint8Array> {
  const told = { image, args: [text], options: [], sourceSha256: `0x${'04'.repeat(32)}` as Hex }
  const wasm = appendMetadata(toyPlugin(text), toMetadataEntries(told))
  const { artifactHash } = await fileDa({ directory: join(home, 'artifacts') }).put(wasm)
  await registerPolicyDataTemplateSync(chain.owner, {
    ...{ wasmHash: artifactHash, paramsSchemaHash: ARTIFACT_ABSENT },
    ...{ secretsSchemaHash: ARTIFACT_ABSENT, addresses: chain.addresses },
  })
  return wasm
}

/** Starts a role and waits until it listens. */
async function role(...words: string[]): Promise<{ url: string; child: ChildProcess }> {
  const child = spawn(process.execPath, [bin, 'provenance', ...words, '--interval', '1', ...at], {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home, NEWTON_SIGNER_KEY: key },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  children.push(child)
  let own = ''
  const url = await new Promise<string>((resolve, reject) => {
    child.stderr?.on('data', (chunk: Buffer) => {
      own += chunk.toString()
      said += chunk.toString()
      const found = /listens at (http:\S+?);/.exec(own)?.[1]
      if (found !== undefined) resolve(found)
    })
    child.once('exit', (code, by) => reject(new TypeError(`it ended with ${code ?? by}: ${own}`)))
  })
  return { url, child }
}
const control = (directory: string, port: number, ...more: string[]) =>
  role(
    ...['control', '--workers', 'workers.json', '--directory', directory, '--port', `${port}`],
    ...['--finality', 'latest', ...more],
  )

async function ended(child: ChildProcess, by: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill(by)
  return exit
}

/** What a build gives that says that its source is `text`. */
function built({ job }: LeasedBuild, text = job.args[0] as string): BuildOutcome {
  const code = toyPlugin(text)
  const whole = Buffer.concat([code, Buffer.from(job.metadata.slice(2), 'hex')])
  return {
    ...{ status: 'built', isolation: 'bubblewrap', logSha256: `0x${'00'.repeat(32)}` },
    codeSha256: computeWasmHashes(code).wasmSha256,
    rebuiltSha256: computeWasmHashes(new Uint8Array(whole)).wasmSha256,
  }
}

/** A lease, as soon as there is one. */
async function leased(worker: WorkerControl): Promise<LeasedBuild> {
  return until(() => worker.lease())
}
async function until<value>(look: () => Promise<value | undefined>): Promise<value> {
  for (let tries = 0; tries < 300; tries++) {
    const found = await look().catch(() => undefined)
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new TypeError(`it did not come:\n${said.slice(-4_000)}`)
}

/** Claims about a plugin, as the chain has them. */
async function claimsOf(wasm: Uint8Array) {
  const { wasmHash } = computeWasmHashes(wasm)
  const { owner: client, addresses } = chain
  const events = await createProvenanceEvents({ client, addresses, finality: 'latest' })
  const toBlock = await events.getFinalizedBlock()
  const all = await events.getEvents({ fromBlock: 0n, toBlock })
  return all.filter((event) => event.type === 'ClaimSubmitted' && event.wasmHash === wasmHash)
}
const claimed = (wasm: Uint8Array) =>
  until(async () => {
    const claims = await claimsOf(wasm)
    return claims.length > 0 ? claims : undefined
  })

describe.skipIf(!isBuilt)('provenance roles as processes', () => {
  test('behavior: a control plane that is killed has its jobs, and a lease outlives it', async () => {
    const port = await freePort()
    const first = await control('killed', port)
    const [a, b] = [await register('killed a'), await register('killed b')]
    const worker = httpWorkerControl({ url: first.url, token: one })
    const lease = await leased(worker)
    await ended(first.child, 'SIGKILL')
    await expect(worker.renew(lease.leaseId)).rejects.toMatchObject({
      ...{ code: 'CONTROL_PLANE_FAILED', retryable: true },
    })
    // PGlite's directory is locked by a process that is no more.
    const second = await control('killed', port)
    expect(await worker.renew(lease.leaseId)).toBe(true)
    expect(await worker.finish(lease.leaseId, built(lease))).toBe(true)
    // Once more, and for a job that is another's: too late.
    expect(await worker.finish(lease.leaseId, built(lease))).toBe(false)
    const next = await leased(httpWorkerControl({ url: second.url, token: two }))
    expect(next.job.args).not.toEqual(lease.job.args)
    expect(await worker.lease()).toBeUndefined()
    // Between a result and its claim, once more.
    expect(await worker.finish(next.leaseId, built(next))).toBe(true)
    await ended(second.child, 'SIGKILL')
    await control('killed', port)
    for (const wasm of [a, b]) expect(await claimed(wasm)).toMatchObject([{ result: 'match' }])
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    for (const wasm of [a, b]) expect(await claimsOf(wasm)).toHaveLength(1)
  }, 120_000)

  test('behavior: a liar with a token makes no claim where two have to agree', async () => {
    const { url, child } = await control('liar', await freePort(), '--confirmations', '2')
    const wasm = await register('lied about')
    const worker = (token: string) => httpWorkerControl({ url, token })
    const leased = (token: string): Promise<LeasedBuild> =>
      until(async () => {
        const found = await worker(token).lease()
        // Plugins of the test before are found anew: they are left alone.
        if (found !== undefined && found.job.args[0] !== 'lied about') {
          await worker(token).finish(found.leaseId, {
            ...{ status: 'did_not_run', reason: 'build_failed', isolation: 'bubblewrap' },
          })
          return undefined
        }
        return found
      })
    const answer = async (token: string, text?: string): Promise<boolean> => {
      const lease = await leased(token)
      return worker(token).finish(lease.leaseId, built(lease, text))
    }
    expect(await answer(liar, 'something else')).toBe(true)
    // Nobody is asked twice.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    const again = await worker(liar).lease()
    expect(again?.job.args).not.toEqual(['lied about'])
    // Another repeats what stands on chain and nothing of the rest: that cannot be so together.
    const lease = await leased(one)
    const { wasmSha256 } = computeWasmHashes(wasm)
    const { codeSha256: _, ...rest } = built(lease) as Extract<BuildOutcome, { status: 'built' }>
    const lie = { ...rest, codeSha256: wasmSha256, rebuiltSha256: wasmSha256 }
    expect(await worker(one).finish(lease.leaseId, lie)).toBe(false)
    expect(await answer(two)).toBe(true)
    expect(await claimsOf(wasm)).toEqual([])
    expect(await answer(three)).toBe(true)
    expect(await claimed(wasm)).toMatchObject([{ result: 'match' }])
    expect(await ended(child, 'SIGINT')).toBe(0)
  }, 120_000)

  test('behavior: many workers at once build each plugin once, and strangers nothing', async () => {
    const { url, child } = await control('many', await freePort(), '--memory-queue')
    const plugins: Uint8Array[] = []
    for (let index = 0; index < 12; index++) plugins.push(await register(`many ${index}`))
    const builds: string[] = []
    const stop = new AbortController()
    const workers = [one, two, three, liar].map((token) =>
      createBuildWorker({
        ...{ control: httpWorkerControl({ url, token }), idle: 100 },
        builder: {
          build: async (job) => {
            builds.push(job.args[0] as string)
            return built({ leaseId: '', leaseMs: 1, job })
          },
        },
      }).run({ signal: stop.signal }),
    )
    await expect(httpWorkerControl({ url, token: 'x'.repeat(40) }).lease()).rejects.toMatchObject({
      code: 'CONTROL_PLANE_FAILED',
    })
    for (const wasm of plugins) expect(await claimed(wasm)).toMatchObject([{ result: 'match' }])
    stop.abort()
    await Promise.all(workers)
    const own = builds.filter((name) => name.startsWith('many '))
    expect([...own].sort()).toEqual([...new Set(own)].sort())
    expect(own).toHaveLength(12)

    // What others make of it, from other processes.
    const shown = await role('serve', '--finality', 'latest', '--allow-private')
    const { wasmHash, wasmSha256 } = computeWasmHashes(plugins[0] as Uint8Array)
    const claims = await until(async () => {
      const response = await fetch(`${shown.url}/wasms/${wasmHash}/claims.json`)
      const body = (await response.json()) as { claims: { evidence?: { result: string } }[] }
      return body.claims[0]?.evidence === undefined ? undefined : body.claims
    })
    expect(claims).toMatchObject([
      { result: 'match', evidence: { result: 'match', level: 'exact' } },
    ])
    const bySha = await fetch(`${shown.url}/wasms/${wasmSha256.slice(2)}.json`)
    expect(await bySha.json()).toMatchObject({
      source_code_verifications: [{ status: 'verified' }],
    })
    const listed = await shell(home)('provenance', 'index', '--allow-private', '--json', ...at)
    const { data } = JSON.parse(listed.stdout) as { data: { plugins: { wasmHash: Hex }[] } }
    expect(data.plugins.find((each) => each.wasmHash === wasmHash)).toMatchObject({
      claims: [{ result: 'match', evidence: { isolation: 'bubblewrap' } }],
    })
    expect(await ended(shown.child, 'SIGINT')).toBe(0)
    expect(await ended(child, 'SIGINT')).toBe(0)
  }, 180_000)

  test('behavior: a worker as a user starts it, without the toolchain, and without a token', async () => {
    const { url, child } = await control('worker', await freePort(), '--memory-queue')
    const wasm = await register('built by nobody here')
    const start = (token: string) =>
      shell(home, { NEWTON_WORKER_TOKEN: token })(
        ...['provenance', 'worker', '--control', url, '--once', '--json'],
      )
    // Each of them asks until there is nothing; what failed comes back after its pause.
    const runs = await until(async () => {
      const run = await start(one)
      expect(run.code, run.stderr).toBe(0)
      return /toolchain_unavailable/.test(run.stderr) ? run : undefined
    })
    expect(runs.stderr).toContain('"accepted":true')
    expect(await claimsOf(wasm)).toEqual([])
    const refused = await start('y'.repeat(40))
    expect(refused.code).not.toBe(0)
    expect(refused.stdout).toContain('CONTROL_PLANE_FAILED')
    expect(refused.stdout + refused.stderr).not.toContain('yyyy')
    expect((await start('')).code).toBe(2)
    expect(await ended(child, 'SIGINT')).toBe(0)
  }, 240_000)
})
