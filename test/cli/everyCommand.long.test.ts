/**
 * The built binary for every command: without a terminal, in one, and with `--json`; what it says and how it
 * ends is the same thrice. Secrets go along all the way, and are seen nowhere.
 */
import { spawn } from 'node:child_process'
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { CommandDef } from 'citty'
import { parse, stringify } from 'smol-toml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rootCommand } from '../../src/cli/commands/index.js'
import { type DevnetProcess, startDevnetProcess } from './devnetProcess.js'
import { colour, hasPty, person } from './pty.js'
import { bin, isBuilt, shell } from './runner.js'

const home = mkdtempSync(join(tmpdir(), 'newton-policy-every-'))
let devnet: DevnetProcess
let env: Record<string, string> = {}
/** What no output and no list of processes may have. */
const secrets = {
  apiKey: 'canary-of-the-gateway-5f1c',
  value: 'canary-of-the-secrets-77aa',
  password: 'canary-of-the-keystore-0b3d',
}
let canaries: string[] = []
const seen: { what: string; text: string }[] = []
const processes = new Set<string>()

function watchProcesses(): () => void {
  const look = (): void => {
    for (const pid of readdirSync('/proc')) {
      if (!/^\d+$/.test(pid)) continue
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        for (const canary of canaries) if (line.includes(canary)) processes.add(line)
      } catch {
        // It has ended.
      }
    }
  }
  const timer = setInterval(look, 50)
  return () => clearInterval(timer)
}
let unwatch = (): void => undefined

const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/${name}`, import.meta.url))

beforeAll(async () => {
  if (!isBuilt || !hasPty) return
  devnet = await startDevnetProcess(home)
  const [owner] = devnet.ready.accounts
  canaries = [...Object.values(secrets), (owner?.privateKey ?? '0x').slice(2)]
  // The key comes from the environment alone.
  const path = join(home, '.newton/config.toml')
  const config = parse(readFileSync(path, 'utf8')) as { profiles: { devnet: object } }
  const { signer_key: _, ...devnetProfile } = config.profiles.devnet as Record<string, string>
  const profiles = { devnet: devnetProfile, empty: { network: 'local' } }
  writeFileSync(path, stringify({ ...config, profiles }), { mode: 0o600 })
  env = {
    NEWTON_SIGNER_KEY: owner?.privateKey as string,
    NEWTON_GATEWAY_API_KEY: secrets.apiKey,
    NEWTON_KEY_PASSWORD: secrets.password,
    NEWTON_ACCOUNT_PASSWORD: secrets.password,
  }
  const policy = 'package p\ndefault allow := false\nallow if input.value <= data.params.max\n'
  const files: Record<string, string> = {
    'policy.rego': policy,
    'policy_test.rego':
      'package p_test\nimport data.p\ntest_yes if p.allow with input as {"value": 1} with data.params as {"max": 2}\ntest_no if not p.allow with input as {"value": 3} with data.params as {"max": 2}\n',
    'schema.json':
      '{"type":"object","properties":{"max":{"type":"integer"}},"required":["max"],"additionalProperties":false}',
    'params.json': '{"max":5}',
    'any.json': '{"type":"object"}',
    'secrets.schema.json': '{"type":"object","properties":{"apiKey":{"type":"string"}}}',
    'secrets.json': JSON.stringify({ apiKey: secrets.value }),
    'plugin.js': 'export function run() { return "{}" }\n',
    'workers.json': JSON.stringify({ ['w'.repeat(40)]: 'worker' }),
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
  copyFileSync(example('plugins/sanctions-score/plugin.wasm'), join(home, 'score.wasm'))
  writeFileSync(join(home, 'data.wasm'), '\0asm data')
  const { ready } = devnet
  Object.assign(ids, {
    ...{ client: ready.client, owner: owner?.address, zero: `0x${'00'.repeat(32)}` },
    ...{ gateway: ready.gatewayUrl, replica: ready.replicaUrl, artifacts: ready.artifactsUrl },
    ...{ ledgerUrl: ready.ledger.url, ledgerName: ready.ledger.name },
    ledgerLog: ready.ledger.logKey,
  })
  ids['rego'] = (await shell(home)('artifact', 'hash', 'policy.rego')).stdout.trim()
  unwatch = watchProcesses()
}, 180_000)
afterAll(async () => {
  unwatch()
  await devnet?.end()
  rmSync(home, { recursive: true, force: true })
})

const ids: Record<string, string> = {}
const to = `0x${'22'.repeat(20)}`
const none = `0x${'12'.repeat(32)}`

type Row = { words: string; code: number; keep?: string; own?: true; again?: number }

/** `$name` is what an earlier row gave; with `own`, `@` differs between the three runs. */
const rows: Row[] = [
  { words: 'init project@', code: 0, own: true },
  { words: 'config show', code: 0 },
  { words: 'config init', code: 2 },
  { words: 'config set gateway_url $gateway --profile other', code: 0 },
  { words: 'config use-profile devnet', code: 0 },
  { words: 'config use-profile nobody', code: 2 },
  { words: 'completions zsh', code: 0 },
  { words: 'policy template compute-id policy.rego schema.json', code: 0 },
  {
    words: 'policy-data template register data.wasm any.json secrets.schema.json',
    code: 0,
    keep: 'data',
  },
  { words: 'policy-data template compute-id data.wasm any.json secrets.schema.json', code: 0 },
  { words: 'policy-data template show $data', code: 0 },
  { words: 'policy-data template list', code: 0 },
  { words: 'policy template register policy.rego schema.json', code: 0, keep: 'policy' },
  { words: 'policy template show $policy --all-chains', code: 0 },
  { words: `policy template show ${none}`, code: 4 },
  { words: 'policy template list --author $owner', code: 0 },
  {
    words:
      'policy-data instance deploy --template $data --client $client --params {} --expire-after 150',
    code: 0,
    keep: 'dataInstance',
  },
  { words: 'policy-data instance show $dataInstance', code: 0 },
  { words: 'policy-data instance list --client $client', code: 0 },
  { words: 'policy-data instance set-current --client $client --instance $dataInstance', code: 0 },
  {
    words: 'policy-data instance set-secrets --instance $dataInstance --secrets secrets.json',
    code: 0,
  },
  {
    words:
      'policy-data instance set-secrets --instance $dataInstance --secrets secrets.json --sequence 9 --insecure-root $zero',
    code: 3,
  },
  { words: 'policy-data instance show-secrets --instance $dataInstance', code: 0 },
  {
    words:
      'policy instance deploy --template $policy --client $client --params params.json --expire-after 150',
    code: 0,
    keep: 'instance',
  },
  { words: 'policy instance show $instance', code: 0 },
  { words: 'policy instance list --client $client', code: 0 },
  { words: 'policy instance set-current --client $client --instance $instance', code: 0 },
  { words: 'policy describe --client $client', code: 0 },
  {
    words: `policy simulate --rego policy.rego --params params.json --params-schema schema.json --to ${to} --value 5`,
    code: 0,
  },
  {
    words: `policy simulate --rego policy.rego --params params.json --params-schema schema.json --to ${to} --value 6`,
    code: 3,
  },
  { words: 'policy lint policy.rego --params-schema schema.json', code: 0 },
  { words: 'policy test policy.rego policy_test.rego', code: 0 },
  { words: 'client show $client', code: 0 },
  { words: 'client register $client', code: 1 },
  { words: 'client deactivate $client', code: 0, again: 1 },
  { words: 'client activate $client', code: 0, again: 1 },
  { words: `task simulate --client $client --to ${to} --value 6`, code: 3 },
  { words: `task create --client $client --to ${to} --value 5 --out answer.json`, code: 0 },
  { words: `task watch --client $client --to ${to} --value 6`, code: 3 },
  { words: `task show ${none}`, code: 4 },
  { words: `policy-data instance show-secrets --instance ${none}`, code: 4 },
  { words: 'policy lint nothing.rego', code: 4 },
  { words: 'attestation verify answer.json', code: 0 },
  { words: 'attestation challenge answer.json --dry-run', code: 3 },
  { words: 'enclave measure --image policy.rego', code: 0 },
  { words: 'enclave simulate --image policy.rego --out document.cbor', code: 0 },
  { words: 'enclave verify document.cbor --pcr0 $zero', code: 3 },
  { words: 'state root', code: 0 },
  { words: 'state commits --last 2', code: 0 },
  { words: 'state prove $rego --namespace rego --server $replica --out proof.json', code: 0 },
  { words: 'state verify proof.json', code: 0 },
  { words: 'doctor', code: 0 },
  { words: 'artifact hash policy.rego', code: 0, keep: 'rego' },
  { words: `artifact verify policy.rego --hash ${none}`, code: 3 },
  { words: 'artifact publish policy.rego', code: 0 },
  { words: 'artifact publish policy.rego --da $artifacts', code: 0 },
  { words: 'artifact fetch $rego --out again.rego', code: 0 },
  { words: 'artifact status $rego', code: 0 },
  { words: `artifact fetch ${none} --out nothing`, code: 4 },
  { words: 'artifact renew $rego --locator 0x12', code: 2 },
  { words: 'ledger key seed@', code: 0, own: true },
  {
    words: 'ledger anchor $ledgerUrl --ledger $ledgerName --log $ledgerLog --out receipt.json',
    code: 0,
  },
  { words: 'ledger replay $ledgerUrl --ledger $ledgerName --log $ledgerLog', code: 0 },
  { words: 'operator init --directory operator@', code: 0, own: true },
  { words: 'operator register --config none.toml', code: 1 },
  { words: 'operator sync --config none.toml', code: 1 },
  { words: 'operator run --config none.toml', code: 1 },
  { words: 'gateway run --config none.toml', code: 1 },
  { words: 'gateway key', code: 0, own: true },
  { words: 'challenger run --config none.toml', code: 1 },
  { words: 'replica run --config none.toml', code: 1 },
  { words: 'plugin inspect score.wasm', code: 0 },
  { words: 'plugin archive plugin.js --out source.tar', code: 0 },
  { words: 'provenance index', code: 0 },
  { words: 'provenance verify score.wasm', code: 4 },
  { words: 'provenance worker --control http://127.0.0.1:1', code: 2 },
]
// Long work, servers, and what is tested beside: `ledger.test`, `verifyBundle.long.test`, `cli-plugin.test`, `examples/provenance`.
const elsewhere = [
  ...['init', 'grant', 'append', 'read', 'verify', 'fsck', 'proof', 'witness', 'serve', 'mcp'].map(
    (name) => `ledger ${name}`,
  ),
  ...[
    'ledger verify-bundle',
    'plugin build',
    'plugin run',
    'provenance control',
    'provenance serve',
    'devnet',
  ],
]

const filled = (words: string, mode: string): string[] =>
  words
    .replaceAll('@', mode)
    .split(' ')
    .map((word) => (word.startsWith('$') ? (ids[word.slice(1)] ?? word) : word))

/** What two runs may differ in: hashes of transactions, documents, keys and times. */
async function untilCommitted(words: string[]): Promise<void> {
  for (let tries = 0; tries < 60; tries++) {
    if ((await shell(home, env)(...words)).code !== 5) return
    await new Promise((done) => setTimeout(done, 1_000))
  }
}

describe.skipIf(!isBuilt || !hasPty)('every command', () => {
  test('behavior: has a row, or a test elsewhere', async () => {
    const resolve = async <value>(value: unknown): Promise<value> =>
      (typeof value === 'function' ? await value() : await value) as value
    const names: string[] = []
    const walk = async (node: CommandDef, path: string): Promise<void> => {
      const children = await resolve<Record<string, unknown> | undefined>(node.subCommands)
      if (children === undefined) names.push(path.trim())
      for (const [name, child] of Object.entries(children ?? {})) {
        await walk(await resolve<CommandDef>(child), `${path} ${name}`)
      }
    }
    await walk(rootCommand, '')
    const without = names.filter(
      (name) =>
        !elsewhere.includes(name) && !rows.some(({ words }) => `${words} `.startsWith(`${name} `)),
    )
    expect(without).toEqual([])
  })

  test.each(rows)(
    'behavior: $words: $code, in a terminal, without one, and with --json',
    async (row) => {
      if (row.words.startsWith('task create')) await untilCommitted(filled(row.words, 'w'))
      const piped = await shell(home, env)(...filled(row.words, 'a'))
      expect(piped.code, piped.stderr).toBe(row.code)
      if (row.keep !== undefined) ids[row.keep] = piped.stdout.trim()
      const [shown, plain, json] = await Promise.all([
        person(home, env)(filled(row.words, 'b')),
        person(home, { ...env, NO_COLOR: '1' })(filled(row.words, 'c')),
        shell(home, env)(...filled(row.words, 'd'), '--json'),
      ])
      // What changes something is there the second time.
      const again = row.again ?? row.code
      const said = `${shown.output}${json.stdout}`
      expect([shown.code, plain.code, json.code], said).toEqual([again, again, again])
      const lines = json.stdout.trim().split('\n')
      expect(lines).toHaveLength(1)
      expect(JSON.parse(lines[0] as string)).toMatchObject({ meta: { exitCode: json.code } })
      for (const text of [piped.stdout, piped.stderr, plain.output, json.stdout, json.stderr]) {
        expect(text).not.toMatch(colour)
        seen.push({ what: row.words, text })
      }
      seen.push({ what: row.words, text: shown.output })
    },
    180_000,
  )

  test('behavior: no secret is printed, nor in a list of processes', () => {
    expect(seen.length).toBeGreaterThan(400)
    const printed = seen.filter(({ text }) => canaries.some((canary) => text.includes(canary)))
    expect(printed).toEqual([])
    expect([...processes]).toEqual([])
  })

  test('error: nothing configured: each level is named', async () => {
    const bare = shell(mkdtempSync(join(home, 'bare-')))
    const cases: [string[], RegExp][] = [
      [['state', 'root'], /--chain, --chain-id or --rpc-url.*NEWTON_CHAIN.*default_chain/s],
      [['state', 'root', '--chain', 'x'], /no chain "x".*config set chains\.x\.rpc_url/s],
      [['state', 'root', '--chain-id', '1'], /no RPC endpoint.*--rpc-url.*config set/s],
      [['artifact', 'publish', '../policy.rego'], /--da.*NEWTON_DA.*config set da_directory/s],
      [['state', 'root', '--profile', 'x'], /no profile "x".*config set/s],
    ]
    for (const [words, message] of cases) {
      const said = await bare(...words)
      expect(said, words.join(' ')).toMatchObject({ code: 2, stdout: '' })
      expect(said.stderr).toMatch(message)
    }
    const rpc = ['--rpc-url', devnet.ready.rpcUrl]
    const addresses = await bare('state', 'root', ...rpc)
    expect(addresses.code).toBe(1)
    expect(addresses.stderr).toMatch(/ADDRESS_REQUIRED/)
    writeFileSync(join(home, 'contracts.json'), JSON.stringify(devnet.ready.contracts))
    const contracts = ['--contracts', join(home, 'contracts.json')]
    expect((await bare('state', 'root', ...rpc, ...contracts)).code).toBe(0)
    const gateway = await bare('task', 'show', none, ...rpc, ...contracts, '--da', home)
    expect(gateway.stderr).toMatch(/--gateway.*NEWTON_GATEWAY_URL.*config set gateway_url/s)
    const key = await bare('client', 'activate', devnet.ready.client, ...rpc, ...contracts)
    expect(key.stderr).toMatch(/--keystore.*NEWTON_SIGNER_KEY.*config set signer-key/s)
  }, 120_000)

  test.each(['serve', 'control'])(
    'behavior: provenance %s answers, and ends by Ctrl-C',
    async (role) => {
      const more =
        role === 'serve'
          ? []
          : ['--workers', 'workers.json', '--directory', 'control', '--memory-queue']
      const words = [bin, 'provenance', role, ...more, '--port', '0', '--interval', '1']
      const options = { cwd: home, env: { PATH: process.env['PATH'], HOME: home, ...env } }
      const child = spawn(process.execPath, words, options)
      let said = ''
      const url = await new Promise<string>((resolve, reject) => {
        child.stderr.on('data', (chunk: Buffer) => {
          said += chunk.toString()
          const at = /listens at (http:\S+?);/.exec(said)?.[1]
          if (at !== undefined) resolve(at)
        })
        child.on('close', (code) => reject(new Error(`it ended with ${code}: ${said}`)))
      })
      expect((await fetch(`${url}/nothing`)).status).toBe(404)
      child.removeAllListeners('close')
      const closed = new Promise((resolve) => child.on('close', resolve))
      child.kill('SIGINT')
      expect(await closed).toBe(0)
    },
    60_000,
  )
})
