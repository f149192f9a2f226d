/** `doctor --role`: what a role lacks is found before it is started, all of it at once, with the fix. */
import { createSocket, type Socket } from 'node:dgram'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'smol-toml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BlsKey, createBlsKey } from '../../src/core/bn254/index.js'
import { computeIdentityDigest } from '../../src/operator/identity/identity.js'
import {
  createIdentity,
  createOperatorRpc,
  type OperatorIdentity,
} from '../../src/operator/index.js'
import {
  encryptBlsKey,
  listenOperator,
  type OperatorServer,
  randomBlsSecret,
} from '../../src/operator/node/index.js'
import { createNetworkWorld, type NetworkWorld } from '../network/world.js'
import { session } from './runner.js'

type Finding = { what: string; ok: boolean; level: string; detail: string; fix: string }
type Table = Record<string, unknown>

let directory: string
let world: NetworkWorld
/** Seconds that the time server is ahead of this machine. */
let ahead = 0
let clock: Socket
let ntp: string

let operator: OperatorServer

/** What answers at the operator's URL, under a key. */
async function listenAs(key: BlsKey, port: number, time = Date.now()): Promise<OperatorServer> {
  const { address, link } = world.operators[0]!
  const { policyRegistry } = world.contracts
  const rpc = createOperatorRpc({
    ...{ operator: address, chainId: 31_337n, policyRegistry },
    ...{ handlers: {}, allow: () => false },
  })
  const guard = {
    signIdentity: async (stated: object) => {
      const identity = {
        ...(stated as Stated),
        chainId: 31_337n,
        policyRegistry,
        operator: address,
      }
      return { identity, signature: key.sign(computeIdentityDigest(identity)) }
    },
  }
  const pcr0Commitment = world.pcr0Commitment
  const identity = createIdentity({ guard, pcr0Commitment, urls: () => [link], now: () => time })
  return listenOperator({ rpc, identity, port })
}
type Stated = Pick<OperatorIdentity, 'urls' | 'pcr0Commitment' | 'issuedAt'>

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'doctor-'))
  world = await createNetworkWorld({ directory, operators: 1 })
  clock = createSocket('udp4')
  clock.on('message', (_asked, from) => {
    const answer = Buffer.alloc(48)
    const seconds = Date.now() / 1_000 + ahead + 2_208_988_800
    answer.writeUInt32BE(Math.floor(seconds), 40)
    answer.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), 44)
    clock.send(answer, from.port, from.address)
  })
  await new Promise<void>((bound) => clock.bind(0, '127.0.0.1', bound))
  ntp = `127.0.0.1:${clock.address().port}`
  for (const one of world.members) mkdirSync(one.directory, { recursive: true })
  operator = await listenAs(world.operators[0]!.key, world.operators[0]!.port)
  for (const name of ['operator-0', 'operator-0-bls', 'gateway-0', 'challenger']) {
    chmodSync(join(directory, 'keys', `${name}.json`), 0o600)
  }
  chmodSync(join(directory, 'keys', 'password'), 0o600)
}, 60_000)
afterAll(async () => {
  await operator?.close(1_000)
  clock?.close()
  await world?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const configOf = (role: string): string => world.members.find((one) => one.role === role)!.config

/** A configuration with some of its settings changed. */
function changed(role: string, change: (settings: Record<string, Table>) => void): string {
  const settings = parse(readFileSync(configOf(role), 'utf8')) as Record<string, Table>
  change(settings)
  const path = join(directory, `${role}-changed.toml`)
  writeFileSync(path, stringify(settings))
  return path
}

async function doctor(role: string, config: string, server = ntp) {
  const words = ['doctor', '--role', role, '--config', config, '--ntp', server, '--json']
  const { code, stdout, stderr } = await session(directory)(...words)
  if (stdout === '') return { code, stderr, findings: [], faults: {} as Record<string, Finding> }
  const { findings } = (JSON.parse(stdout) as { data: { findings: Finding[] } }).data
  const faults = Object.fromEntries(findings.filter(({ ok }) => !ok).map((one) => [one.what, one]))
  return { code, stderr, findings, faults }
}

test.each(['operator', 'gateway', 'challenger', 'replica'])(
  'default: a %s of a network that works lacks nothing but a second endpoint',
  async (role) => {
    const { code, faults, findings } = await doctor(role, configOf(role))
    expect(Object.keys(faults)).toEqual(['endpoints'])
    expect(faults['endpoints']).toMatchObject({ level: 'warning', detail: '1 answer' })
    expect(code).toBe(0)
    const looked = findings.map(({ what }) => what)
    expect(looked).toEqual(expect.arrayContaining(['clock', 'data directory', 'contracts']))
    if (role !== 'replica') expect(looked).toContain('account')
    if (role === 'operator') expect(looked).toContain('operator table')
    if (role === 'operator' || role === 'gateway') expect(looked).toContain('operators')
    if (role === 'gateway') {
      expect(looked).toEqual(expect.arrayContaining(['response window', 'block hashes']))
    }
  },
)

test('error: an operator that is down is a warning, one that is another a fault', async () => {
  const address = world.operators[0]!.address
  const at = (server: OperatorServer | string) =>
    changed('gateway', (settings) => {
      settings['operators'] = { [address]: typeof server === 'string' ? server : server.url }
    })
  const down = await doctor('gateway', at('http://127.0.0.1:9'))
  expect([down.code, down.faults['operators']?.level]).toEqual([0, 'warning'])
  expect(down.faults['operators']?.detail).toBe('0 of 1 prove their URLs')
  for (const [server, fault] of [
    [await listenAs(world.operators[0]!.key, 0), 'OTHER_URL'],
  ] as const) {
    const { code, faults } = await doctor('gateway', at(server))
    await server.close(1_000)
    expect([code, faults['operators']?.level]).toEqual([1, 'error'])
    expect(faults['operators']?.detail).toContain(`${address}: ${fault}`)
  }
  await operator.close(1_000)
  operator = await listenAs(createBlsKey(7n), world.operators[0]!.port)
  const { faults } = await doctor('operator', configOf('operator'))
  expect(faults['operators']?.detail).toContain('SIGNATURE_INVALID')
  await operator.close(1_000)
  operator = await listenAs(world.operators[0]!.key, world.operators[0]!.port)
})

test('error: a clock that is off by more than a second, and a server that is not there', async () => {
  ahead = 3
  const wrong = await doctor('replica', configOf('replica'))
  ahead = 0
  expect(wrong.code).toBe(1)
  expect(wrong.faults['clock']?.detail).toMatch(/^(2\.9\d|3\.0\d) s behind 127/)
  const silent = await doctor('replica', configOf('replica'), '127.0.0.1:9')
  expect(silent.faults['clock']).toMatchObject({ level: 'warning' })
  expect(silent.code).toBe(0)
})

test('error: every mistake in a configuration is named at once', async () => {
  const config = changed('gateway', (settings) => {
    settings['chain'] = { ...settings['chain'], id: 'one', rpc_urls: [] }
    settings['listen'] = { port: 70_000 }
    settings['data'] = {}
    settings['sirens'] = {}
  })
  const { code, faults } = await doctor('gateway', config)
  expect(code).toBe(1)
  expect(Object.keys(faults).sort()).toEqual([
    ...['chain.id', 'chain.rpc_urls', 'data.directory', 'listen.port', 'sirens'],
  ])
})

test('error: what is there and is not right, each with its fix', async () => {
  const config = changed('operator', (settings) => {
    settings['data'] = { directory: join(directory, 'nowhere') }
    settings['account'] = { ...settings['account'], keystore: join(directory, 'no.json') }
  })
  const { code, faults } = await doctor('operator', config)
  expect(code).toBe(1)
  expect(faults['data directory']?.fix).toContain('mkdir -p')
  expect(faults['account.keystore']?.detail).toContain('is not there')
  expect(faults['account']?.fix).toContain('account.keystore')
  chmodSync(join(directory, 'keys', 'operator-0.json'), 0o644)
  const open = await doctor('operator', configOf('operator'))
  chmodSync(join(directory, 'keys', 'operator-0.json'), 0o600)
  expect(open.faults['account.keystore']).toMatchObject({
    level: 'warning',
    fix: expect.stringContaining('chmod 600'),
  })
})

test('error: a chain that does not answer, or is another one', async () => {
  const silent = changed('replica', (settings) => {
    settings['chain'] = { ...settings['chain'], rpc_urls: ['http://127.0.0.1:9'] }
  })
  expect((await doctor('replica', silent)).faults['chain']).toMatchObject({ level: 'error' })
  const other = changed('replica', (settings) => {
    settings['chain'] = { ...settings['chain'], id: 1 }
  })
  expect((await doctor('replica', other)).code).toBe(1)
})

test('error: a BLS key that the table does not have, an account that it does not have', async () => {
  const keystore = join(directory, 'keys', 'other-bls.json')
  const password = readFileSync(join(directory, 'keys', 'password'), 'utf8').trim()
  const secret = randomBlsSecret()
  writeFileSync(keystore, await encryptBlsKey({ secret, password, cost: 1_024 }), { mode: 0o600 })
  const key = changed('operator', (settings) => {
    settings['key'] = { ...settings['key'], keystore }
  })
  expect((await doctor('operator', key)).faults['operator table']?.detail).toBe(
    'it has another key for this account',
  )
  const account = changed('operator', (settings) => {
    settings['account'] = {
      ...settings['account'],
      keystore: join(directory, 'keys', 'gateway-0.json'),
    }
  })
  expect((await doctor('operator', account)).faults['operator table']?.detail).toContain(
    'is not in it',
  )
})

test('error: a gateway whose tasks would be too old when they land', async () => {
  const config = changed('gateway', (settings) => {
    Object.assign(settings, { reference_delay: 150 })
  })
  const { code, faults } = await doctor('gateway', config)
  expect(code).toBe(1)
  expect(faults['response window']?.detail).toContain('with a reference delay of 150')
})

test('error: a chain that keeps too few hashes for its response window', async () => {
  const history = '0x0000F90827F1C53a10cb7A02335B175320002935'
  const code = await world.client.getCode({ address: history })
  for (const [bytes, ok] of [
    ['0x', false],
    ['0x00', true],
  ] as const) {
    await world.anvil.rpc('anvil_setCode', [history, bytes])
    const { faults, code: exit } = await doctor('gateway', configOf('gateway'))
    expect(faults['block hashes'] === undefined).toBe(ok)
    expect(exit).toBe(0)
  }
  // On a chain with ArbSys another chain's contract of EIP-2935 reaches nothing; Arbitrum's asks ArbSys.
  const arbSys = '0x0000000000000000000000000000000000000064'
  await world.anvil.rpc('anvil_setCode', [arbSys, '0xfe'])
  for (const [bytes, ok] of [
    ['0x00', false],
    ['0x5f3563a3b1b31d5f52', true],
  ] as const) {
    await world.anvil.rpc('anvil_setCode', [history, bytes])
    const { faults } = await doctor('gateway', configOf('gateway'))
    expect(faults['block hashes'] === undefined).toBe(ok)
  }
  await world.anvil.rpc('anvil_setCode', [arbSys, '0x'])
  await world.anvil.rpc('anvil_setCode', [history, code ?? '0x'])
})

test('error: contracts that do not say how long responses can be challenged', async () => {
  const config = changed('replica', (settings) => {
    const { challengeVerifier: _, ...contracts } = (settings['chain']?.['contracts'] ?? {}) as Table
    settings['chain'] = { ...settings['chain'], contracts }
  })
  const { code, faults } = await doctor('replica', config)
  expect(code).toBe(1)
  expect(faults['contracts']?.fix).toContain('challengeVerifier')
})

test('error: USAGE for a role that is none', async () => {
  const { code, stderr } = await session(directory)('doctor', '--role', 'king')
  expect(code).toBe(2)
  expect(stderr).toContain('--role is one of operator, gateway, challenger, replica')
})
