/** The ten commands of a deployment as one script: twice, and interrupted wherever it can be. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DevnetProcess, startDevnetProcess } from './devnetProcess.js'
import { bin, isBuilt, type Run, session } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-deployment-'))
const run = session(home)
let devnet: DevnetProcess

const schema = (name: string): string =>
  JSON.stringify({ type: 'object', properties: { [name]: { type: 'string' } } })

// As a user has it: ids are chained, and the first command that fails ends it.
const script = `set -e
D1=$($NP policy-data template register one.wasm one.schema.json one.secrets.schema.json)
D2=$($NP policy-data template register two.wasm two.schema.json two.secrets.schema.json)
D3=$($NP policy-data template register --wasm three.wasm)
P=$($NP policy template register policy.rego policy.schema.json --data-templates $D1,$D2,$D3)
I1=$($NP policy-data instance deploy --template $D1 --client $CLIENT --params one.json --expire-after 150)
I2=$($NP policy-data instance deploy --template $D2 --client $CLIENT --params two.json --expire-after 150)
I3=$($NP policy-data instance deploy --template $D3 --client $CLIENT --no-params --expire-after 150)
$NP policy-data instance set-secrets --instance $I1 --secrets one.secrets.json > /dev/null
$NP policy-data instance set-secrets --instance $I2 --secrets two.secrets.json > /dev/null
$NP policy instance deploy --template $P --client $CLIENT --params policy.json --expire-after 150 \\
  --data-instances $I1,$I2,$I3
`

/** Files of a deployment of its own: other ones have other ids. */
function write(mark: string): void {
  const secrets = JSON.stringify({ apiKey: 'k' })
  const files: Record<string, string> = {
    'deploy.sh': script,
    'policy.rego': `package p_${mark}\ndefault allow := false\nallow if data.params.open\n`,
    'policy.schema.json':
      '{"type":"object","properties":{"open":{"type":"boolean"}},"required":["open"]}',
    'policy.json': '{"open":true}',
    'one.secrets.json': secrets,
    'two.secrets.json': secrets,
  }
  for (const name of ['one', 'two', 'three']) {
    files[`${name}.wasm`] = `\0asm ${name} ${mark}`
    files[`${name}.schema.json`] = schema(`of${name}`)
    files[`${name}.secrets.schema.json`] = schema('apiKey')
    files[`${name}.json`] = JSON.stringify({ [`of${name}`]: 'x' })
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
}

/** Runs the script, and ends it by a signal as soon as the n-th such line was printed. */
function deploy(stop?: { signal: NodeJS.Signals; at: number; line: RegExp }): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['deploy.sh'], {
      ...{ cwd: home, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
      env: {
        ...{ PATH: process.env['PATH'], HOME: home },
        ...{ NP: `${process.execPath} ${bin}`, CLIENT: devnet.ready.client },
      },
    })
    let [stdout, stderr, seen] = ['', '', 0]
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
      if (stop === undefined) return
      const count = stderr.match(new RegExp(stop.line, 'gm'))?.length ?? 0
      if (seen < stop.at && count >= stop.at) process.kill(-(child.pid as number), stop.signal)
      seen = count
    })
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

async function rpc(method: string, params: readonly unknown[]): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(devnet.ready.rpcUrl, { method: 'POST', headers, body })
  return ((await answer.json()) as { result: unknown }).result
}

const sentBy = async (): Promise<number> =>
  Number(await rpc('eth_getTransactionCount', [devnet.ready.accounts[0]?.address as Hex, 'latest']))

/** All is there, and current: what the tree of the client says. */
async function assertThere(instance: string): Promise<void> {
  const tree = await run('policy', 'describe', '--client', devnet.ready.client)
  expect(tree.stdout).toContain(`✓ policy instance ${instance}`)
  expect(tree.stdout.match(/policy-data instance 0x/g)?.length).toBeGreaterThanOrEqual(3)
  expect(tree.stdout).not.toContain('✗')
}

beforeAll(async () => {
  if (isBuilt) devnet = await startDevnetProcess(home)
}, 180_000)
afterAll(async () => {
  await devnet?.end()
  rmSync(home, { recursive: true, force: true })
})

describe.skipIf(!isBuilt)('the ten commands', () => {
  test('behavior: the second run sends nothing and says the same', async () => {
    write('twice')
    const first = await deploy()
    expect(first.code, first.stderr).toBe(0)
    const before = await sentBy()
    const second = await deploy()
    expect(second.code, second.stderr).toBe(0)
    expect(second.stdout).toBe(first.stdout)
    expect(second.stderr).not.toMatch(/^sent /m)
    expect(second.stderr.match(/already there: sequence 1/g)).toHaveLength(2)
    expect(await sentBy()).toBe(before)
    await assertThere(first.stdout.trim())
  }, 300_000)

  const stops = [
    // Between two commands, by the line that one prints at its end.
    { signal: 'SIGINT', at: 2, line: /: registered/ },
    { signal: 'SIGKILL', at: 5, line: /^deployed|: registered/ },
    // After a transaction has left and before anything is known of it.
    { signal: 'SIGINT', at: 2, line: /^sent / },
    { signal: 'SIGKILL', at: 3, line: /^sent / },
    { signal: 'SIGKILL', at: 7, line: /^sent / },
    // Between checks and signature.
    { signal: 'SIGTERM', at: 3, line: /^ok / },
  ] as const
  test.each(stops)(
    'behavior: ended by $signal at $line, it goes on where it was',
    async (stop) => {
      write(`${stop.signal}${stop.at}${stop.line.source.replace(/\W/g, '')}`)
      const before = await sentBy()
      const ended = await deploy(stop)
      expect(ended.code).not.toBe(0)
      const again = await deploy()
      expect(again.code, again.stderr).toBe(0)
      await assertThere(again.stdout.trim())
      // Nothing was sent twice: four templates, four instances, four slots.
      expect((await sentBy()) - before).toBe(12)
    },
    300_000,
  )

  test('behavior: a transaction that waits while its command is killed is not lost and not repeated', async () => {
    write('waiting')
    await rpc('evm_setAutomine', [false])
    try {
      const ended = await deploy({ signal: 'SIGKILL', at: 1, line: /^sent |: registered/ })
      expect(ended.code).not.toBe(0)
    } finally {
      await rpc('evm_setAutomine', [true])
      await rpc('anvil_mine', ['0x1'])
    }
    const again = await deploy()
    expect(again.code, again.stderr).toBe(0)
    await assertThere(again.stdout.trim())
  }, 300_000)
})
