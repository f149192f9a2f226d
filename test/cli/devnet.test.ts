/** From nothing to an evaluated transaction, by the commands alone, against a devnet of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { computeArtifactHash } from '@newton/policy-sdk'
import { freePort } from '@newton/policy-sdk/testing/node'
import type { Hex } from 'viem'
import { privateKeyToAddress } from 'viem/accounts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bin, isBuilt, session, shell } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-devnet-'))
const run = session(home)
let devnet: ChildProcess
let errors = ''
let ready: {
  client: string
  chainId: number
  rpcUrl: string
  gatewayUrl: string
  artifactsUrl: string
  contracts: object
  operators: { address: Hex; privateKey: Hex; blsPublicKey: Hex }[]
  ledger: { url: string; name: string; module: string; logKey: string }
}

/** Starts it on the directory in which it keeps everything. */
async function start(): Promise<void> {
  const port = String(await freePort())
  const words = [bin, 'devnet', '--json', '--port', port, '--window', '1', '--state', 'state']
  const env = { PATH: process.env['PATH'], HOME: home }
  devnet = spawn(process.execPath, words, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  errors = ''
  devnet.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    devnet.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.endsWith('\n')) resolve()
    })
    devnet.on('close', (code) => reject(new Error(`it ended with ${code}: ${errors}`)))
  })
  ready = (JSON.parse(output) as { data: typeof ready }).data
}

async function end(signal: NodeJS.Signals): Promise<void> {
  if (devnet === undefined || devnet.exitCode !== null || devnet.signalCode !== null) return
  devnet.removeAllListeners('close')
  const closed = new Promise((resolve) => devnet.on('close', resolve))
  devnet.kill(signal)
  await closed
}

/** Whether somebody listens at a URL. */
const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => true,
    () => false,
  )

beforeAll(async () => {
  if (isBuilt) await start()
}, 120_000)
afterAll(async () => {
  await end('SIGINT')
  rmSync(home, { recursive: true, force: true })
})

let taskId = ''

const rego = `package limit
default allow := false
amount := to_number(input.value)
deny contains "over the limit" if amount > data.params.max
allow if { amount <= data.params.max; count(deny) == 0 }
`
const schema = {
  type: 'object',
  properties: { max: { type: 'integer' } },
  required: ['max'],
  additionalProperties: false,
}

describe.skipIf(!isBuilt)('devnet', () => {
  test('behavior: it says at once where everything is, and keeps it as a profile', async () => {
    expect(ready).toMatchObject({
      chainId: 31_337,
      client: expect.stringMatching(/^0x[\da-fA-F]{40}$/) as string,
      gatewayUrl: expect.stringMatching(/^http:/) as string,
    })
    for (const { address, privateKey, blsPublicKey } of ready.operators) {
      expect(privateKeyToAddress(privateKey)).toBe(address)
      expect(blsPublicKey).toMatch(/^0x[\da-f]{256}$/)
    }
    // The other commands find it without another word.
    const doctor = await run('doctor')
    expect(doctor.stdout).toContain('ok      chain devnet')
    expect(doctor.stdout).toContain('ok      store of artifacts: file')
    const shown = await run('client', 'show', ready.client)
    expect(shown.stdout).toContain('active  yes')
  })

  test('behavior: a policy is deployed, committed and decides', async () => {
    writeFileSync(join(home, 'policy.rego'), rego)
    writeFileSync(join(home, 'schema.json'), JSON.stringify(schema))
    const { client } = ready
    const template = await run('policy', 'template', 'register', 'policy.rego', 'schema.json')
    expect(template).toMatchObject({ code: 0 })
    const instance = await run(
      ...['policy', 'instance', 'deploy', '--template', template.stdout.trim()],
      ...['--client', client, '--params', '{"max":5}', '--expire-after', '150'],
    )
    expect(instance.stderr).toContain('current  0x')
    const ask = (value: string) =>
      run('task', 'create', '--client', client, '--to', `0x${'22'.repeat(20)}`, '--value', value)
    // Operators attest to what is committed only: until then there is no decision.
    let allowed = await ask('5')
    for (let tries = 0; allowed.code !== 0 && tries < 40; tries++) {
      expect(allowed.stdout).toBe('')
      await new Promise((resolve) => setTimeout(resolve, 500))
      allowed = await ask('5')
    }
    expect(allowed).toMatchObject({ code: 0, stdout: 'allow\n' })
    expect(allowed.stderr).toMatch(/verified task 0x[\da-f]{64}: [34] operators signed/)
    const denied = await ask('6')
    expect(denied).toMatchObject({ code: 3, stdout: 'deny\n  - over the limit\n' })
    // The same without operators, from the chain and the store alone.
    const words = ['--client', client, '--to', `0x${'22'.repeat(20)}`]
    const simulated = await run('task', 'simulate', ...words, '--value', '6')
    expect(simulated).toMatchObject({ code: 3, stdout: 'deny\n  - over the limit\n' })
    const kept = await run('task', 'create', ...words, '--value', '4', '--out', 'answer.json')
    expect(kept).toMatchObject({ code: 0 })
    const verified = await run('attestation', 'verify', 'answer.json')
    expect(verified).toMatchObject({ code: 0, stdout: 'valid: operators signed allow\n' })
    taskId = kept.stderr.match(/verified task (0x[\da-f]{64})/)?.[1] as string
    const again = await run('task', 'show', taskId)
    expect(again).toMatchObject({ code: 0, stdout: 'allow\n' })
    expect(again.stderr).toContain(`task ${taskId}: signed`)
    const nowhere = await run('task', 'show', `0x${'12'.repeat(32)}`)
    expect(nowhere.code).not.toBe(0)
    expect(nowhere.stdout).toBe('')
    const root = await run('state', 'root')
    expect(root.stdout).toMatch(/^0x[\da-f]{64}\n$/)
    const commits = await run('state', 'commits', '--json')
    const listed = JSON.parse(commits.stdout) as { data: { commits: { root: string }[] } }
    expect(listed.data.commits.at(-1)?.root).toBe(root.stdout.trim())
    expect(errors).toMatch(/commit \d+: 0x/)
    expect(errors).toContain(`template ${template.stdout.trim()} registered`)
    // The bytes, by their hash, for who has not the directory.
    const hash = computeArtifactHash(new TextEncoder().encode(rego))
    const served = await fetch(`${ready.artifactsUrl}/artifacts/${hash}`)
    expect(await served.text()).toBe(rego)
    expect(served.headers.get('access-control-allow-origin')).toBe('*')
    // All of it is in the ledger, for whoever has its key.
    const { url, name, module, logKey } = ready.ledger
    let logged = ''
    for (let tries = 0; !logged.includes('newton.attestation/1') && tries < 40; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 250))
      const headers = { 'X-Module-ID': module }
      logged = await (await fetch(`${url}/api/ledger/events?limit=1000`, { headers })).text()
    }
    expect(logged).toContain(taskId)
    expect(errors).toContain(`task ${taskId}: allow`)
    const replayed = await run('ledger', 'replay', url, '--ledger', name, '--log', logKey)
    expect(replayed).toMatchObject({ code: 0, stdout: expect.stringContaining('state root') })
    // And run again: the gateway has the inputs, the chain the rows, the store the policy.
    const source = [url, '--ledger', name, '--log', logKey]
    const ran = await run('ledger', 'replay', ...source, '--evaluate', '--json')
    expect(ran).toMatchObject({ code: 0 })
    const { data: state } = JSON.parse(ran.stdout) as {
      data: { evaluated: string; unknown: string; faults: unknown[] }
    }
    expect(Number(state.evaluated)).toBeGreaterThan(0)
    expect(state.faults).toEqual([])
    // Anchored on the chain, once for each checkpoint, with a receipt; a fork is not.
    const anchored = await run('ledger', 'anchor', ...source, '--out', 'receipt.json')
    expect(anchored).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/meta at \d+: anchored by 0x[\da-f]{64}\n$/),
    })
    const receipt = JSON.parse(readFileSync(join(home, 'receipt.json'), 'utf8')) as object
    expect(receipt).toMatchObject({ kind: 'chain', origin: `${name}/meta`, position: 0 })
  }, 120_000)

  test('behavior: it goes on from what it kept, however it ended', async () => {
    const before = ready
    const shown = await run('state', 'root')
    // What is killed has no time to keep anything, nor to end the chain.
    await end('SIGKILL')
    for (let tries = 0; tries < 100 && (await answers(before.rpcUrl)); tries++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(await answers(before.rpcUrl)).toBe(false)
    await start()
    expect(errors).toContain('goes on from')
    expect(ready).toMatchObject({ client: before.client, contracts: before.contracts })
    expect(ready.ledger).toMatchObject({ name: before.ledger.name, logKey: before.ledger.logKey })
    expect((await run('state', 'root')).stdout).toBe(shown.stdout)
    const task = await run('task', 'show', taskId)
    expect(task).toMatchObject({ code: 0, stdout: 'allow\n' })
    const words = ['task', 'create', '--client', ready.client, '--to', `0x${'22'.repeat(20)}`]
    expect(await run(...words, '--value', '6')).toMatchObject({
      code: 3,
      stdout: 'deny\n  - over the limit\n',
    })
    // The directory is one network's.
    const second = await shell(home)(
      'devnet',
      '--state',
      'state',
      '--port',
      String(await freePort()),
    )
    expect(second.code).toBe(1)
    expect(second.stderr).toContain('DIRECTORY_LOCKED')
    const taken = await shell(home)('devnet', '--port', new URL(ready.rpcUrl).port)
    expect(taken.code).toBe(1)
    expect(taken.stderr).toMatch(/Port \d+ is taken.*another port/s)
  }, 120_000)

  test('error: a gateway that is not there is not waited for, and no task without one', async () => {
    const words = ['task', 'create', '--client', ready.client, '--to', `0x${'22'.repeat(20)}`]
    const none = await session(home, { NEWTON_CONFIG: 'none.toml', NEWTON_CHAIN: '1' })(...words)
    expect(none.code).toBe(2)
    const unknown = await run(
      ...words.slice(0, 2),
      '--client',
      `0x${'99'.repeat(20)}`,
      ...words.slice(4),
    )
    expect(unknown.code).not.toBe(0)
    expect(unknown.stdout).toBe('')
    const bad = await run(...words, '--value', 'x')
    expect(bad.code).toBe(2)
  }, 60_000)
})
