import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toHex } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startChain, type TestChain } from '../registry/chain.js'
import { isBuilt, type Run, session, shell } from './runner.js'

const key = '0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80'
const stranger = '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d'
const home = mkdtempSync(join(tmpdir(), 'newton-policy-cli-registry-'))

let chain: TestChain
let client: `0x${string}`

const files = {
  'policy.rego': 'package example\ndefault allow := false\nallow if data.params.open\n',
  'params.schema.json':
    '{"type":"object","properties":{"open":{"type":"boolean"}},"required":["open"],"additionalProperties":false}',
  'data.schema.json': '{"type":"object","properties":{"region":{"type":"string"}}}',
  'secrets.schema.json': '{"type":"object","properties":{"key":{"type":"string"}}}',
  'params.json': '{"open":true}',
  'wrong.json': '{"open":"yes"}',
  'plugin.wasm': '\0asm plugin',
}

beforeAll(async () => {
  chain = await startChain()
  client = await chain.policyClient()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text)
  const { fromBlock, ...contracts } = chain.addresses
  const toml = [
    'profile = "devnet"',
    '[profiles.devnet]',
    'network = "devnet"',
    'default_chain = "local"',
    `da_directory = ${JSON.stringify(join(home, 'artifacts'))}`,
    '[profiles.devnet.chains.local]',
    'chain_id = 31337',
    `rpc_url = "${chain.anvil.url}"`,
    `from_block = ${fromBlock}`,
    '[profiles.devnet.chains.local.contracts]',
    ...Object.entries(contracts).map(([name, address]) => `${name} = "${address}"`),
    '[profiles.devnet.chains.dead]',
    'chain_id = 31337',
    `rpc_url = "${chain.anvil.url}"`,
    '[profiles.half]',
    'network = "devnet"',
    '[profiles.half.chains.gone]',
    'rpc_url = "http://127.0.0.1:1"',
    '[profiles.half.chains.local]',
    `rpc_url = "${chain.anvil.url}"`,
    '[profiles.half.chains.local.contracts]',
    ...Object.entries(contracts).map(([name, address]) => `${name} = "${address}"`),
    '[profiles.prod]',
    'network = "mainnet"',
    'default_chain = "local"',
    '[profiles.prod.chains.local]',
    `rpc_url = "${chain.anvil.url}"`,
    '[profiles.wrong.chains.local]',
    'chain_id = 5',
    `rpc_url = "${chain.anvil.url}"`,
  ]
  writeFileSync(join(home, 'config.toml'), toml.join('\n'), { mode: 0o600 })
}, 60_000)
afterAll(async () => {
  await chain?.anvil.stop()
  rmSync(home, { recursive: true, force: true })
})

describe.skipIf(!isBuilt)('commands on a chain', () => {
  const ids: Record<string, string> = {}
  // One round goes through the built program; what comes after needs no process of its own.
  let open: typeof shell = shell
  const step = async (name: string, words: string[], code = 0): Promise<Run> => {
    const env = { NEWTON_SIGNER_KEY: key, NEWTON_CONFIG: join(home, 'config.toml') }
    const result = await open(home, env)(...words)
    expect({ code: result.code, stderr: result.stderr }, name).toMatchObject({ code })
    ids[name] = result.stdout.trim()
    return result
  }
  const dataTemplate = [
    ...['policy-data', 'template', 'register', '--wasm', 'plugin.wasm'],
    ...['--params-schema', 'data.schema.json', '--secrets-schema', 'secrets.schema.json'],
  ]

  test('behavior: the ten commands, then again with nothing changed', async () => {
    for (const round of [1, 2]) {
      const again = round === 2
      open = again ? session : shell
      const registered = await step('data', dataTemplate)
      expect(registered.stdout).toMatch(/^0x[\da-f]{64}\n$/)
      expect(registered.stderr).toContain(again ? 'already registered' : 'local: registered')
      const policyWords = [
        ...['policy', 'template', 'register', 'policy.rego', 'params.schema.json'],
        ...['--data-templates', ids['data'] as string],
      ]
      await step('policy', policyWords)
      const dataWords = [
        ...['policy-data', 'instance', 'deploy', '--template', ids['data'] as string],
        ...['--client', client, '--params', '{"region":"us"}', '--expire-after', '150'],
      ]
      const data = await step('dataInstance', dataWords)
      expect(data.stderr).toContain(again ? 'already deployed' : 'deployed 0x')
      // A template with a schema of secrets says what comes next.
      expect(data.stderr).toContain(
        'next: newton-policy policy-data instance set-secrets --instance',
      )
      const instanceWords = [
        ...['policy', 'instance', 'deploy', '--template', ids['policy'] as string],
        ...['--client', client, '--params', 'params.json', '--expire-after', '150'],
        ...['--data-instances', ids['dataInstance'] as string],
      ]
      const instance = await step('instance', instanceWords)
      expect(instance.stderr).toContain(again ? 'current already' : 'current  0x')
      if (again) expect(instance.stderr).not.toContain('sent ')
      const shown = await step('shown', ['policy', 'instance', 'show', ids['instance'] as string])
      expect(shown.stdout).toContain('current      yes')
      expect(shown.stdout).toContain('{"open":true}')
    }
  }, 60_000)

  test('behavior: lists, show and describe tell what was made', async () => {
    const owner = chain.owner.account.address
    const listed = await step('list', ['policy', 'template', 'list', '--author', owner])
    expect(listed.stdout).toContain(ids['policy'])
    const plugins = await step('list', ['policy-data', 'template', 'list', '--author', owner])
    expect(plugins.stdout).toContain(ids['data'])
    const none = await step('none', ['policy', 'template', 'list', '--author', client])
    expect(none.stdout).toBe('none\n')
    const instances = await step('list', ['policy', 'instance', 'list', '--client', client])
    expect(instances.stdout).toMatch(new RegExp(`${ids['instance']}.*current`))
    const data = await step('list', [
      'policy-data',
      'instance',
      'list',
      '--client',
      client,
      '--json',
    ])
    expect(JSON.parse(data.stdout)).toMatchObject({
      data: { instances: [{ id: ids['dataInstance'], current: true }] },
    })
    const shown = await step('show', ['policy-data', 'template', 'show', ids['data'] as string])
    expect(shown.stdout).toContain(`by ${owner}`)
    const matrix = await step(
      'matrix',
      ['policy', 'template', 'show', ids['policy'] as string, '--all-chains'],
      1,
    )
    // One of the two chains has no addresses: the other one's answer is shown, and not as if it were all.
    expect(matrix.stderr).toMatch(/dead: ADDRESS_REQUIRED.*--contracts.*config set chains/s)
    expect(matrix.stderr).not.toContain('addresses: {')
    expect(matrix.stdout).toMatch(/local: registered in block \d+/)
    expect(matrix.stdout).toContain('dead: not known (ADDRESS_REQUIRED)')
    const described = await step(
      'described',
      [
        'policy',
        'describe',
        '--policy-template',
        ids['policy'] as string,
        '--all-chains',
        '--json',
      ],
      1,
    )
    expect(JSON.parse(described.stdout)).toMatchObject({
      ok: false,
      error: { code: 'FAILED' },
      data: {
        chains: [
          { chain: 'local', node: { status: 'ok' } },
          { chain: 'dead', error: { code: 'ADDRESS_REQUIRED' } },
        ],
      },
    })
    const tree = await step('tree', ['policy', 'describe', '--client', client])
    expect(tree.stdout).toContain('✓ policy instance')
    expect(tree.stdout).toContain('└─ ')
    expect(tree.stdout).toMatch(/next:\n {2}newton-policy policy-data instance set-secrets/)
    const record = await step('client', ['client', 'show', client])
    expect(record.stdout).toContain(owner)
  }, 60_000)

  test('behavior: two chains at once, of which one fails, is run again for that one', async () => {
    const words = [
      'policy',
      'template',
      'register',
      '--rego',
      'policy.rego',
      '--chains',
      'local,dead',
    ]
    const half = await step('half', [...words, '--json'], 1)
    const { data } = JSON.parse(half.stdout) as { data: { chains: object[] } }
    expect(data.chains).toMatchObject([
      { chain: 'local', chainId: 31_337, status: 'registered', code: null },
      { chain: 'dead', status: 'failed', code: 'ADDRESS_REQUIRED' },
    ])
    // An endpoint that nobody answers at is one more that failed, and the rest is there.
    const more = words.map((word) => (word === 'local,dead' ? 'gone,local' : word))
    const other = ['--profile', 'half', '--da', join(home, 'artifacts')]
    const again = await step('again', [...more, ...other], 1)
    expect(again.stderr).toContain('local: already registered')
    expect(again.stderr).toMatch(/gone: failed\n {2}.*eth_chainId/)
    expect(again.stderr).toContain('run it again for the chains that failed')
    const none = await step('none', [...words.slice(0, -1), 'gone', ...other], 5)
    expect(none.stdout).toBe('')
  }, 60_000)

  test('behavior: operators that are named get the files, and what they say is printed', async () => {
    const paths: string[] = []
    const operator = createServer((request, response) => {
      paths.push(`${request.method} ${request.url}`)
      request.resume()
      const hash = request.url?.split('/').at(-1)
      request.on('end', () => response.writeHead(201).end(`taken ${hash}`))
    })
    await new Promise<void>((resolve) => operator.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(operator.address() as AddressInfo).port}`
    try {
      writeFileSync(join(home, 'handed.rego'), `${files['policy.rego']}# handed in\n`)
      const words = ['policy', 'template', 'register', 'handed.rego', '--operators', url, '--json']
      const done = await step('handed', words)
      const { data } = JSON.parse(done.stdout) as {
        data: { chains: { pushed: { hash: string; results: object[] }[] }[] }
      }
      const [pushed] = data.chains[0]?.pushed ?? []
      expect(pushed?.results).toEqual([{ url, status: 'taken', httpStatus: 201 }])
      expect(paths).toEqual([`PUT /artifacts/4/${pushed?.hash}`])
      expect(done.stderr).toContain(`${url} taken`)
      await step('no url', [...words.slice(0, -2), 'operator.example'], 2)
      expect(paths).toHaveLength(1)
    } finally {
      operator.closeAllConnections()
      operator.close()
    }
  }, 60_000)

  test('behavior: a dry run prints the id and signs nothing', async () => {
    const before = await chain.height()
    const words = [
      ...['policy', 'instance', 'deploy', '--template', ids['policy'] as string],
      ...['--client', client, '--params', '{"open":false}', '--expire-after', '9', '--dry-run'],
    ]
    const dry = await step('dry', words)
    expect(dry.stdout).toMatch(/^0x[\da-f]{64}\n$/)
    expect(dry.stderr).toContain('would send ensurePolicyInstance')
    expect(dry.stderr).not.toContain('sent ')
    expect(await chain.height()).toBe(before)
  }, 60_000)

  const deploy = (...more: string[]) => [
    ...['policy', 'instance', 'deploy', '--client', client],
    ...more,
  ]

  test('error: data and secrets that are missing stop it before anything is signed', async () => {
    writeFileSync(join(home, 'other.wasm'), '\0asm other')
    const other = await step('other', ['policy-data', 'template', 'register', 'other.wasm'])
    const words = ['policy', 'template', 'register', 'policy.rego', '--data-templates']
    const needing = await step('needing', [...words, other.stdout.trim()])
    const before = await chain.height()
    const after = ['--expire-after', '150']
    const empty = deploy('--template', needing.stdout.trim(), '--no-params', ...after)
    const none = await step('none', empty, 2)
    expect(none.stderr).toContain(
      `newton-policy policy-data instance deploy --template ${other.stdout.trim()} --client ${client}`,
    )
    let secrets: object = { committed: null, pending: null }
    const gateway = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      request.on('end', () => {
        const { id } = JSON.parse(text) as { id: unknown }
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ jsonrpc: '2.0', id, result: secrets }))
      })
    })
    await new Promise<void>((done) => gateway.listen(0, '127.0.0.1', done))
    const { port } = gateway.address() as AddressInfo
    const ask = session(home, {
      ...{ NEWTON_SIGNER_KEY: key, NEWTON_CONFIG: join(home, 'config.toml') },
      NEWTON_GATEWAY_URL: `http://127.0.0.1:${port}/rpc`,
    })
    try {
      const sealed = deploy('--template', ids['policy'] as string, ...after, '--params')
      const missing = await ask(...sealed, '{"open":false}')
      expect(missing).toMatchObject({ code: 2, stdout: '' })
      expect(missing.stderr).toContain(
        `newton-policy policy-data instance set-secrets --instance ${ids['dataInstance']} --secrets`,
      )
      expect(await chain.height()).toBe(before)
      // On their way into the tree they are as good as there.
      secrets = { committed: null, pending: { sequence: '1' } }
      const dry = await ask(...sealed, '{"open":false}', '--dry-run')
      expect(dry.code, dry.stderr).toBe(0)
    } finally {
      gateway.close()
    }
    expect(await chain.height()).toBe(before)
  }, 60_000)

  test('error: every mistake stops before signing and says what to run', async () => {
    const before = await chain.height()
    const unknown = toHex(7n, { size: 32 })
    const good = ['--template', ids['policy'] as string]
    const after = ['--expire-after', '150']
    const open = ['--params', 'params.json']
    const stranger20 = `0x${'59'.repeat(20)}`
    const deployed =
      /not deployed.*newton-policy policy-data instance list --client.*newton-policy policy-data instance deploy/s
    const wrong =
      /CHAIN_MISMATCH|config set chains\.local\.rpc_url.*config set chains\.local\.chain_id 31337/s
    const cases: [string[], number, RegExp][] = [
      [
        deploy('--template', unknown, '--no-params', ...after),
        1,
        /TemplateNotRegistered.*run: newton-policy policy template register .*--chain-id 31337/s,
      ],
      [
        deploy(...good, ...open, ...after).map((word) => (word === client ? stranger20 : word)),
        1,
        /ClientNotRegistered.*run: newton-policy client register 0x/s,
      ],
      [
        deploy(...good, ...open, ...after).map((word) => (word === client ? '0x12' : word)),
        2,
        /`client` is not valid.*It is what --client takes: Address of the policy client/s,
      ],
      [['policy', 'template', 'show', '0x12'], 2, /It is what ID takes/],
      [
        deploy(...good, ...open, '--expire-after', '40000'),
        1,
        /run it again with --expire-after \d+\n/,
      ],
      [deploy(...good, '--no-params', '--params', 'params.json', ...after), 2, /contradict/],
      [deploy(...good, ...open, ...after, ...after), 2, /--expire-after is given twice/],
      [deploy(...good, ...open, ...after, '--chain-id', '1e+24'), 2, /--chain-id is the number/],
      [deploy(...good, ...open, ...after, '--chain-id', '1'.repeat(25)), 2, /--chain-id is the/],
      [deploy(...good, ...open, ...after, '--rpc-url', 'ftp://x'), 2, /not an http or https URL/],
      [deploy(...good, ...open, ...after, '--chain', 'local', '--chain-id', '5'), 1, /MISMATCH/],
      [deploy(...good, ...after), 2, /schema of params.*no params/s],
      [deploy(...good, ...after, '--params', 'wrong.json'), 1, /FAILED {2}ParamsMatchSchema/],
      [deploy(...good, ...open, '--expire-after', '0'), 2, /above 0.*\n--expire-after 150/s],
      [deploy(...good, ...open), 2, /--expire-after/],
      [deploy(...good, ...open, ...after, '--data-instances', unknown), 2, deployed],
      [deploy(...good, ...open, ...after, '--chains', 'local'), 2, /no option --chains/],
      [deploy(...good, ...open, ...after, '--chain', 'nope'), 2, /no chain "nope"/],
      [deploy(...good, ...open, ...after, '--profile', 'nope'), 2, /no profile "nope"/],
      [deploy(...good, ...open, ...after, '--profile', 'prod'), 2, /mainnet.*--yes/s],
      [deploy(...good, ...open, ...after, '--profile', 'wrong', '--chain', 'local'), 1, wrong],
      [
        ['policy', 'instance', 'set-current', '--client', client, '--instance', unknown],
        4,
        /^run: newton-policy policy instance list --chain-id 31337\n$/,
      ],
      [['policy', 'template', 'regster'], 2, /Did you mean register\?/],
      [['policy', 'describe'], 2, /Name one of/],
      [['client', 'register', client], 1, /ClientAlreadyRegistered/],
    ]
    for (const [words, code, message] of cases) {
      const result = await step(words.join(' '), words, code)
      expect(result.stderr, words.join(' ')).toMatch(message)
      expect(result.stderr).not.toContain('sent ')
    }
    expect(await chain.height()).toBe(before)
  }, 120_000)

  test('error: a signer that does not own the client deploys, and is told who moves the slot', async () => {
    const config = { NEWTON_CONFIG: join(home, 'config.toml') }
    const words = deploy(
      ...['--template', ids['policy'] as string, '--params', '{"open":false}'],
      ...['--expire-after', '150'],
    )
    const deployed = await session(home, { ...config, NEWTON_SIGNER_KEY: stranger })(...words)
    expect(deployed.code).toBe(0)
    expect(deployed.stderr).toContain('the signer does not own')
    expect(deployed.stderr).toContain('policy instance set-current --client')
    const move = [
      ...['policy', 'instance', 'set-current', '--client', client],
      ...['--policy-instance', deployed.stdout.trim()],
    ]
    const refused = await session(home, { ...config, NEWTON_SIGNER_KEY: stranger })(...move)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain('FAILED')
    // The very words that it was told, by the owner.
    await step('move', move)
  }, 60_000)

  test('error: what could not become current in the end is not begun, nor does a dry run pass', async () => {
    const before = await chain.height()
    const words = deploy(
      ...['--template', ids['policy'] as string, '--params', '{"open":false}'],
      ...['--expire-after', '151', '--set-current'],
    )
    const env = { NEWTON_CONFIG: join(home, 'config.toml'), NEWTON_SIGNER_KEY: stranger }
    for (const more of [[], ['--dry-run'], ['--data-instances', ids['dataInstance'] as string]]) {
      const refused = await session(home, env)(...words, ...more)
      expect(refused, more.join(' ')).toMatchObject({ code: 1, stdout: '' })
      expect(refused.stderr).toMatch(/FAILED {2}NotClientOwner.*NEWTON_SIGNER_KEY/s)
      expect(refused.stderr).not.toMatch(/sent |would send/)
    }
    expect(await chain.height()).toBe(before)
    const owner = await step('dry', [...words, '--dry-run'])
    expect(owner.stderr).toMatch(/would send ensurePolicyInstance.*would send setCurrentPolicy/s)
    expect(await chain.height()).toBe(before)
  }, 60_000)

  test('behavior: a data template that is not there is warned about, with what to run', async () => {
    const words = ['policy', 'template', 'register', 'policy.rego', '--dry-run', '--data-templates']
    const missing = await step('missing', [...words, toHex(9n, { size: 32 })])
    expect(missing.stderr).toMatch(
      /warning PolicyDataTemplateNotRegistered: .*run: newton-policy policy-data template register/s,
    )
    const there = await step('there', [...words, ids['data'] as string])
    expect(there.stderr).not.toContain('warning')
  }, 60_000)

  test('behavior: without an answer `ok` is false, and what was found is there all the same', async () => {
    const unknown = toHex(7n, { size: 32 })
    const cases: [string[], number, object][] = [
      [['policy', 'instance', 'show', unknown], 4, { instance: null }],
      [['policy', 'template', 'show', unknown], 4, { id: unknown }],
      [['client', 'show', `0x${'59'.repeat(20)}`], 4, { record: null }],
      [['policy', 'describe', '--policy-instance', unknown], 4, { status: 'missing' }],
      [['policy-data', 'instance', 'show-secrets', '--instance', unknown], 4, { metadata: null }],
      [['policy', 'lint', '--rego', 'nope.rego'], 4, {}],
      [['doctor'], 1, { profile: 'devnet' }],
    ]
    for (const [words, code, data] of cases) {
      const said = await step(words.join(' '), [...words, '--json'], code)
      const envelope = JSON.parse(said.stdout) as { error: { message: string }; data?: object }
      expect(envelope, words.join(' ')).toMatchObject({
        ok: false,
        error: { retryable: false },
        meta: { exitCode: code },
      })
      expect(envelope.error.message).not.toBe('')
      expect(envelope.data ?? {}).toMatchObject(data)
    }
  }, 60_000)

  test('error: no key, a wrong key and a key on the command line', async () => {
    const config = { NEWTON_CONFIG: join(home, 'config.toml') }
    const words = ['client', 'activate', client]
    const none = await session(home, config)(...words)
    expect(none).toMatchObject({ code: 2, stdout: '' })
    expect(none.stderr).toMatch(/--keystore.*NEWTON_SIGNER_KEY.*config set signer-key/s)
    const wrong = await session(home, { ...config, NEWTON_SIGNER_KEY: '0x1234secret' })(...words)
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).not.toContain('secret')
    const seen = await session(home, config)(...words, '--signer-key', key)
    expect(seen.stderr).toContain('warning: a key on the command line')
    expect(seen.stderr + seen.stdout).not.toContain(key.slice(4))
  }, 60_000)
})
