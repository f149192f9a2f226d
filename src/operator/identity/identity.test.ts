import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Address,
  encodeAbiParameters,
  type Hex,
  keccak256,
  parseAbiParameters,
  stringToHex,
} from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterEach, describe, expect, test } from 'vitest'
import {
  blsKeyFromSeed,
  createOperatorTable,
  encodeG1,
  G1_INFINITY,
} from '../../core/bn254/index.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { listenOperator } from '../node/listen.js'
import { createOperatorClient, type OperatorClient } from '../rpc/client.js'
import { createOperatorRpc } from '../rpc/server.js'
import { createSigningGuard, type SigningGuard } from '../signing/guard.js'
import { openSigningJournal } from '../signing/journal.js'
import { computeJournalDomain } from '../signing/rules.js'
import { memoryJournalStorage } from '../signing/storage.js'
import {
  computeIdentityDigest,
  MAX_IDENTITY_AGE,
  MAX_IDENTITY_BYTES,
  normalizeUrl,
  verifyOperatorIdentity,
  writeIdentity,
} from './identity.js'
import { provenClients } from './proving.js'
import { createIdentity } from './stating.js'

const operator: Address = '0x00000000000000000000000000000000000000b1'
const policyRegistry: Address = '0x00000000000000000000000000000000000000aa'
const chainId = 31_337n
const word = (text: string): Hex => keccakHex(utf8(text))
const key = blsKeyFromSeed(utf8('identity'))
const seconds = 1_800_000_000
const url = 'https://operator.example/base'
const identity = {
  ...{ chainId, policyRegistry, operator, urls: [url, 'http://10.0.0.1:8700'] },
  ...{ pcr0Commitment: word('build'), issuedAt: BigInt(seconds) },
}
const expected = {
  chainId,
  policyRegistry,
  operator,
  url,
  ...{ publicKey: key.publicKey, now: seconds },
}
const written = (change: Partial<typeof identity> = {}, by = key) => {
  const stated = { ...identity, ...change }
  return writeIdentity(stated, by.sign(computeIdentityDigest(stated)))
}
const bytesOf = (value: unknown): Uint8Array => utf8(JSON.stringify(value))
const faultOf = (bytes: Uint8Array, change: Partial<typeof expected> = {}): string => {
  const verdict = verifyOperatorIdentity(bytes, { ...expected, ...change })
  return verdict.status === 'valid' ? 'valid' : verdict.fault
}

describe('an identity', () => {
  test('vector: the digest of an identity', () => {
    const text = (value: string) => keccak256(stringToHex(value))
    const packed = encodeAbiParameters(
      parseAbiParameters('bytes32, uint256, address, address, bytes32, bytes32, uint256'),
      [
        ...([text('NewtonOperatorIdentityV1'), chainId, policyRegistry, operator] as const),
        ...([text(identity.urls.join('\n')), identity.pcr0Commitment, identity.issuedAt] as const),
      ],
    )
    expect(computeIdentityDigest(identity)).toBe(keccak256(packed))
  })
  test('behavior: is valid for its operator, at each of its URLs, until it is old', () => {
    const bytes = bytesOf(written())
    expect(verifyOperatorIdentity(bytes, expected)).toEqual({ status: 'valid', identity })
    expect(faultOf(bytes, { url: `${url}/` })).toBe('valid')
    expect(faultOf(bytes, { url: 'HTTPS://OPERATOR.example/base' })).toBe('valid')
    expect(faultOf(bytes, { url: 'http://10.0.0.1:8700' })).toBe('valid')
    expect(faultOf(bytes, { now: seconds + MAX_IDENTITY_AGE })).toBe('valid')
    expect(faultOf(bytes, { now: seconds - 60 })).toBe('valid')
  })
  test('error: each member is signed', () => {
    const changes: Record<string, unknown> = {
      ...{ chainId: '1', policyRegistry: operator, operator: policyRegistry },
      ...{ urls: [url], pcr0Commitment: word('other build'), issuedAt: String(seconds + 1) },
      signature: toHex(encodeG1(key.sign(word('something else')))),
    }
    const own = {
      ...{ chainId: 1n, policyRegistry: operator, operator: policyRegistry },
    } as Record<string, unknown>
    for (const [name, value] of Object.entries(changes)) {
      const change = name in own ? { [name]: own[name] } : {}
      expect(faultOf(bytesOf({ ...written(), [name]: value }), change), name).toBe(
        'SIGNATURE_INVALID',
      )
    }
    expect(faultOf(bytesOf(written({}, blsKeyFromSeed(utf8('another')))))).toBe('SIGNATURE_INVALID')
  })
  test('error: another chain, registry, operator, URL or time', () => {
    const bytes = bytesOf(written())
    expect(faultOf(bytes, { chainId: 1n })).toBe('FOREIGN_CHAIN')
    expect(faultOf(bytes, { policyRegistry: operator })).toBe('FOREIGN_CHAIN')
    expect(faultOf(bytes, { operator: policyRegistry })).toBe('OTHER_OPERATOR')
    for (const other of [
      'http://operator.example/base',
      'https://operator.example',
      'https://x.example/base',
    ])
      expect(faultOf(bytes, { url: other }), other).toBe('OTHER_URL')
    for (const now of [seconds + MAX_IDENTITY_AGE + 1, seconds - 61, Number.NaN])
      expect(faultOf(bytes, { now }), String(now)).toBe('NOT_FRESH')
  })
  test('error: hostile forms are refused, and nothing is thrown', () => {
    const good = written()
    const { signature: _, ...unsigned } = good
    const forms: readonly (readonly [string, unknown])[] = [
      ...[null, 1, 'text', [], {}, [good]].map((form) => [JSON.stringify(form), form] as const),
      ['no signature', unsigned],
      ['one member more', { ...good, more: 1 }],
      ['another form', { ...good, form: 'newton-operator-identity/2' }],
      ['no URL', { ...good, urls: [] }],
      [
        'nine URLs',
        { ...good, urls: Array.from({ length: 9 }, (_, i) => `https://a.example/${i}`) },
      ],
      ['a URL with a line feed', { ...good, urls: [`${url}\nhttps://b.example`] }],
      ['no http', { ...good, urls: ['ftp://a.example'] }],
      ['not normalized', { ...good, urls: [`${url}/`] }],
      ['a long URL', { ...good, urls: [`https://a.example/${'a'.repeat(600)}`] }],
      ['a number too large', { ...good, issuedAt: '9'.repeat(78) }],
      ['a number as a number', { ...good, issuedAt: seconds }],
      ['a point off the curve', { ...good, signature: `0x${'11'.repeat(64)}` }],
      ['a short point', { ...good, signature: '0x11' }],
    ]
    for (const [name, form] of forms)
      expect(['MALFORMED', 'NOT_FRESH'], name).toContain(faultOf(bytesOf(form)))
    const infinity = { ...good, signature: toHex(encodeG1(G1_INFINITY)) }
    expect(['MALFORMED', 'SIGNATURE_INVALID']).toContain(faultOf(bytesOf(infinity)))
    for (const bytes of [
      new Uint8Array(0),
      Uint8Array.of(0xff, 0xfe),
      utf8('{'),
      utf8(JSON.stringify(good).padEnd(MAX_IDENTITY_BYTES + 1)),
      utf8('['.repeat(8_000)),
      utf8(JSON.stringify(good).replace('"form"', '"form":1,"form"')),
    ])
      expect(faultOf(bytes)).toBe('MALFORMED')
    expect(faultOf(undefined as never)).toBe('MALFORMED')
    expect(faultOf(bytesOf(good), { publicKey: {} as never })).toBe('SIGNATURE_INVALID')
  })
})

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const gateway = privateKeyToAccount(generatePrivateKey())
const table = createOperatorTable([{ operator, ...key.publicKey, weights: [100n] }])
const registry = {
  ...{ chainId, policyRegistry },
  getLatestBlock: async () => ({ number: 5n, hash: word('block'), timestamp: 1n }),
} as never

async function guardOf(
  signer: Parameters<typeof createSigningGuard>[0]['signer'],
): Promise<SigningGuard> {
  const domain = computeJournalDomain({ chainId, policyRegistry, publicKey: key.publicKey })
  const head = { block: 0n, timestamp: 0n }
  const journal = await openSigningJournal({
    ...{ storage: memoryJournalStorage(), domain, head, create: true },
  })
  const assertReady = async () => {
    throw new Error('an identity is stated while nothing else may be signed')
  }
  return createSigningGuard({ operator, chainId, policyRegistry, signer, journal, assertReady })
}

/** An operator that listens, and counts what it was made to do. */
async function startOperator(change: { urls?: string[]; now?: () => number } = {}) {
  const counts = { signed: 0, calls: 0, contexts: [] as unknown[] }
  const guard = await guardOf({
    publicKey: key.publicKey,
    sign: (digest, context) => {
      counts.signed++
      counts.contexts.push(context)
      return key.sign(digest)
    },
  })
  const listening: { url?: string } = {}
  const rpc = createOperatorRpc({
    ...{ operator, chainId, policyRegistry },
    handlers: {
      newt_getOutputs: async () => {
        counts.calls++
        return 'output'
      },
    },
    allow: () => true,
  })
  const server = await listenOperator({
    rpc,
    identity: createIdentity({
      ...{ guard, pcr0Commitment: word('build'), now: change.now },
      urls: () => change.urls ?? [listening.url as string],
    }),
  })
  listening.url = server.url
  closers.push(() => server.close(1_000))
  return { url: server.url, counts }
}

const clientOf = (base: string): OperatorClient =>
  createOperatorClient({
    ...{ operator, chainId, policyRegistry, account: gateway },
    url: `${base}/rpc`,
  })
const proven = (base: string, change: object = {}): OperatorClient =>
  provenClients({
    ...{ clients: [clientOf(base)], registry, timeout: 1_500 },
    tables: { tableAt: async () => ({ table }) },
    ...change,
  })[0] as OperatorClient
const ask = (client: OperatorClient): Promise<unknown> =>
  client.call('newt_getOutputs', { taskId: word('task'), hash: word('hash') })

describe('a client that proves whom it calls', () => {
  test('behavior: asks once, then calls; strangers make nobody sign', async () => {
    const { url: base, counts } = await startOperator()
    const client = proven(base)
    expect(await Promise.all([ask(client), ask(client), ask(client)])).toEqual(
      Array(3).fill('output'),
    )
    for (let i = 0; i < 20; i++) expect((await fetch(`${base}/identity`)).status).toBe(200)
    expect(counts.signed).toBe(1)
    const padded = `0x${operator.slice(2).padStart(64, '0')}`
    expect(counts.contexts).toEqual([{ kind: 'identity', chainId, policyRegistry, key: padded }])
  })

  test('behavior: an operator that restarts is asked again in time, one that lost its key is not called', async () => {
    let time = Date.now()
    const now = () => time
    const { url: base, counts } = await startOperator({ now })
    let known = table
    const client = proven(base, { now, tables: { tableAt: async () => ({ table: known }) } })
    await ask(client)
    known = createOperatorTable([
      { operator, ...blsKeyFromSeed(utf8('rotated')).publicKey, weights: [100n] },
    ])
    await ask(client)
    // Beside a call, which is not kept waiting: the refusal then holds.
    time += 300_001
    await ask(client)
    await expect
      .poll(() => ask(client).catch((error: { code: string }) => error.code))
      .toBe('OPERATOR_IDENTITY')
    const before = counts.calls
    await expect(ask(client)).rejects.toMatchObject({ fault: 'SIGNATURE_INVALID' })
    expect(counts.calls).toBe(before)
    known = table
    time += 2_001
    expect(await ask(client)).toBe('output')
  })

  test('error: who proves nothing, or something else, gets no call', async () => {
    const other = await startOperator({ urls: ['https://elsewhere.example'] })
    await expect(ask(proven(other.url))).rejects.toMatchObject({ fault: 'OTHER_URL' })
    const old = await startOperator({ now: () => Date.now() - 3_600_000 })
    await expect(ask(proven(old.url))).rejects.toMatchObject({ fault: 'NOT_FRESH' })
    const good = await startOperator()
    const nobody = { tables: { tableAt: async () => null } }
    await expect(ask(proven(good.url, nobody))).rejects.toMatchObject({ fault: 'NOT_IN_TABLE' })
    const [a, b] = [other, old].map(({ counts }) => counts.calls)
    expect([a, b, good.counts.calls]).toEqual([0, 0, 0])
  })

  test('error: hostile servers', async () => {
    const good = await startOperator()
    const answers: Record<string, (response: import('node:http').ServerResponse) => void> = {
      garbage: (response) => response.end('garbage'),
      'no such route': (response) => response.writeHead(404).end('not found'),
      'a redirect': (response) =>
        response.writeHead(302, { location: `${good.url}/identity` }).end(),
      'an endless body': (response) => {
        const timer = setInterval(() => response.write('x'.repeat(4_096)), 1)
        response.on('close', () => clearInterval(timer))
      },
      silence: () => undefined,
      'a failure': (response) => response.writeHead(500).end('it failed'),
    }
    const outcomes: Record<string, string> = {}
    for (const [name, answer] of Object.entries(answers)) {
      let calls = 0
      const server: Server = createServer((request, response) => {
        if (request.url === '/identity') answer(response)
        else {
          calls++
          response.end()
        }
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      closers.push(async () => {
        server.closeAllConnections()
        server.close()
      })
      const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      outcomes[name] = await ask(proven(base, { timeout: 500 })).then(
        () => 'called',
        (error: { code: string }) => error.code,
      )
      expect(calls, name).toBe(0)
    }
    expect(outcomes).toEqual({
      garbage: 'OPERATOR_IDENTITY',
      'no such route': 'OPERATOR_IDENTITY',
      'a redirect': 'OPERATOR_UNREACHABLE',
      'an endless body': 'OPERATOR_IDENTITY',
      silence: 'OPERATOR_UNREACHABLE',
      'a failure': 'OPERATOR_UNREACHABLE',
    })
  })

  test('behavior: normalizes URLs in one way', () => {
    expect(normalizeUrl('HTTP://A.example:80/')).toBe('http://a.example')
    expect(normalizeUrl('https://a.example/b/')).toBe('https://a.example/b')
  })
})
