/** What a process is started with: settings from three places, keys in files, signers elsewhere. */
import { createCipheriv, scryptSync } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createBlsKey, encodeG1, encodeG2, verifySignature } from '../../src/core/bn254/index.js'
import { concat, toHex } from '../../src/internal/bytes.js'
import { keccak } from '../../src/internal/keccak.js'
import { createRemoteSigner } from '../../src/operator/index.js'
import {
  challengerSettings,
  completeSettings,
  encryptBlsKey,
  flagOf,
  gatewaySettings,
  openBlsKeystore,
  operatorSettings,
  randomBlsSecret,
  readSettings,
  replicaSettings,
  variableOf,
  writeBlsKeystore,
} from '../../src/operator/node/index.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'settings-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const file = async (text: string): Promise<string> => {
  const path = join(directory, 'role.toml')
  await writeFile(path, text)
  return path
}
const whole = `
gateways = ["0x00000000000000000000000000000000000000a1"]
[chain]
id = 1
rpc_urls = ["https://one.example", "https://two.example/"]
[data]
directory = "/data"
[account]
keystore = "/keys/account.json"
[enclave]
kind = "none"
[operators]
"0x00000000000000000000000000000000000000b1" = "https://b1.example"
`

describe('readSettings', () => {
  test('default: a file, with what is not said', async () => {
    const settings = await readSettings(operatorSettings, { file: await file(whole) })
    expect(settings).toMatchObject({
      'chain.id': 1,
      'chain.rpc_urls': ['https://one.example', 'https://two.example'],
      'chain.finality': 'finalized',
      'listen.port': 8_700,
      'journal.new': false,
      operators: { '0x00000000000000000000000000000000000000b1': 'https://b1.example' },
    })
    expect(settings['key.keystore']).toBeUndefined()
  })

  test('behavior: flags win over the environment, the environment over the file', async () => {
    const settings = await readSettings(operatorSettings, {
      file: await file(whole),
      env: {
        NEWTON_CHAIN_ID: '2',
        NEWTON_LISTEN_PORT: '9000',
        NEWTON_OPERATORS: '0x00000000000000000000000000000000000000b2=http://b2:1',
        // An empty variable is none.
        NEWTON_DATA_DIRECTORY: '',
      },
      flags: { 'chain-id': '3', 'journal-new': 'true' },
    })
    expect(settings).toMatchObject({
      'chain.id': 3,
      'listen.port': 9_000,
      'journal.new': true,
      'data.directory': '/data',
      operators: { '0x00000000000000000000000000000000000000b2': 'http://b2:1' },
    })
  })

  test('error: five mistakes, five names', async () => {
    const bad = whole
      .replace('id = 1', 'id = "one"')
      .replace('kind = "none"', 'kind = "sgx"')
      .replace('https://two.example/', 'https://user:secret@two.example')
      .replace('directory = "/data"', 'folder = "/data"')
    const failed = readSettings(operatorSettings, {
      file: await file(bad),
      flags: { 'listen-port': '70000' },
    })
    await expect(failed).rejects.toMatchObject({ code: 'CONFIGURATION' })
    const { faults, message } = await failed.catch((error) => error)
    expect(faults.map(({ setting }: { setting: string }) => setting).sort()).toEqual([
      'chain.id',
      'chain.rpc_urls',
      'data.directory',
      'data.folder',
      'enclave.kind',
      'listen.port',
    ])
    expect(message).toContain('--listen-port')
    // What was given may be a secret.
    expect(message).not.toContain('secret@')
  })

  test('error: a pace of nothing, one operator in two letter cases, misspelled variables', async () => {
    const upper = '0x00000000000000000000000000000000000000B1'
    const bad = whole
      .replace('id = 1', 'id = 1\npoll_seconds = 1e-9')
      .concat(`"${upper}" = "https://other.example"\n`)
    const env = {
      ...{ NEWTON_CHAIN_FINALTY: 'latest', NEWTON_KEY_PASWORD_FILE: '/p' },
      // A setting of another role, another command's variable, an empty one, and one of no group.
      ...{ NEWTON_DATABASE_MEMORY: 'true', NEWTON_LISTEN_PORT: '1', NEWTON_KEY_PASSWORD: 'x' },
      ...{ NEWTON_CHAIN_OTHER: '', NEWTON_SIGNER_KEY: '0x', NEWTON_RPC_URL: 'x' },
    }
    const failed = readSettings(operatorSettings, { file: await file(bad), env })
    const { faults } = await failed.catch((error) => error)
    expect(faults.map(({ setting }: { setting: string }) => setting).sort()).toEqual([
      ...['NEWTON_CHAIN_FINALTY', 'NEWTON_KEY_PASWORD_FILE'],
      ...['chain.poll_seconds', 'operators'],
    ])
  })

  test('error: values given in code are checked as those of a file', () => {
    const base = {
      'chain.id': 1,
      'chain.rpc_urls': ['https://one.example/'],
      'data.directory': '/d',
    }
    const url = 'https://b1.example'
    const wrong = {
      'chain.finalty': 'latest',
      'chain.rpc_urls': [],
      'chain.poll_seconds': 0,
      lease_seconds: 0.5,
      'listen.port': 99_999,
      reference_delay: -5,
      shutdown_grace: Number.NaN,
      keep_hours: Number.NaN,
      'callers.anyone': 'no',
      operators: {
        '0x00000000000000000000000000000000000000b1': url,
        '0x00000000000000000000000000000000000000B1': url,
      },
    }
    for (const [setting, value] of Object.entries(wrong)) {
      expect(
        () => completeSettings(gatewaySettings, { ...base, [setting]: value } as never),
        setting,
      ).toThrow(
        expect.objectContaining({
          code: 'CONFIGURATION',
          faults: [expect.objectContaining({ setting })],
        }),
      )
    }
    expect(completeSettings(gatewaySettings, { ...base, lease_seconds: 1 })).toMatchObject({
      'chain.rpc_urls': ['https://one.example'],
      'chain.poll_seconds': 4,
      lease_seconds: 1,
    })
  })

  test('error: a file that is none', async () => {
    const code = 'CONFIGURATION'
    const missing = { file: join(directory, 'nothing.toml') }
    await expect(readSettings(replicaSettings, missing)).rejects.toMatchObject({ code })
    const broken = { file: await file('chain = [') }
    await expect(readSettings(replicaSettings, broken)).rejects.toMatchObject({ code })
  })

  test('behavior: no two settings of a role have one flag or one variable', () => {
    for (const table of [operatorSettings, gatewaySettings, challengerSettings, replicaSettings]) {
      const paths = Object.keys(table)
      expect(new Set(paths.map(flagOf)).size).toBe(paths.length)
      expect(new Set(paths.map(variableOf)).size).toBe(paths.length)
    }
  })
})

describe('completeSettings', () => {
  const given = {
    'chain.id': 1,
    'chain.rpc_urls': ['https://one.example'],
    'data.directory': '/data',
  } as const

  test('default: what is left out is what a file that leaves it out gives', async () => {
    const text =
      '[chain]\nid = 1\nrpc_urls = ["https://one.example"]\n[data]\ndirectory = "/data"\n'
    const read = await readSettings(replicaSettings, { file: await file(text) })
    const completed = completeSettings(replicaSettings, given)
    const known = Object.entries(completed).filter(([, value]) => value !== undefined)
    expect(Object.fromEntries(known)).toEqual(read)
  })

  test('behavior: what is given wins, undefined is left out, and no table is changed', () => {
    const port = replicaSettings['listen.port'].default
    const completed = completeSettings(replicaSettings, {
      ...given,
      ...{ 'listen.port': 0, serve: true },
      // As a caller in JavaScript leaves it out.
      'listen.host': undefined as unknown as string,
    })
    expect(completed).toMatchObject({
      ...{ 'listen.port': 0, serve: true, 'listen.host': '127.0.0.1', 'chain.id': 1 },
    })
    expect(replicaSettings['listen.port'].default).toBe(port)
    expect(completeSettings(replicaSettings, given)['listen.port']).toBe(port)
  })
})

describe('BLS keys in files', () => {
  const password = 'pässword of tests'
  const bare = (bytes: Uint8Array): string => toHex(bytes).slice(2)

  test('default: what is written opens, for its owner alone', async () => {
    const secret = randomBlsSecret()
    const { publicKey } = createBlsKey(Uint8Array.from(secret))
    const path = join(directory, 'bls.json')
    await writeBlsKeystore(path, await encryptBlsKey({ secret, password, cost: 1_024 }))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const key = await openBlsKeystore(path, password)
    expect(key.publicKey).toEqual(publicKey)
    // EIP-2335: passwords that look alike are one, control characters count for nothing.
    const typed = `${password.normalize('NFD')}\u0007`
    expect((await openBlsKeystore(path, typed)).publicKey).toEqual(publicKey)
    expect(await readFile(path, 'utf8')).not.toContain(bare(secret))
  })

  test('error: a wrong password, another curve, another key, a derivation without a bound', async () => {
    const secret = randomBlsSecret()
    const text = await encryptBlsKey({ secret, password, cost: 1_024 })
    const path = join(directory, 'bls.json')
    const opened = async (changed: string, by = password): Promise<string> => {
      await writeFile(path, changed)
      return openBlsKeystore(path, by).then(
        () => 'opened',
        (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
      )
    }
    const other = bare(encodeG1(createBlsKey(5n).publicKey.pubkey))
    const value = JSON.parse(text) as { pubkey: string; curve: string }
    expect(await opened(text, 'wrong')).toMatch(/^KEYSTORE: .*password/)
    expect(await opened(JSON.stringify({ ...value, curve: 'bls12-381' }))).toMatch(/curve/)
    expect(await opened(JSON.stringify({ ...value, pubkey: other }))).toMatch(/public key/)
    expect(await opened(text.replace('"n": 1024', '"n": 1073741824'))).toMatch(/bounded/)
    expect(await opened(text.replace('"n": 1024', '"n": 1000'))).toMatch(/bounded/)
    expect(await opened('{}')).toMatch(/^KEYSTORE/)
    expect(await opened('no json')).toMatch(/^KEYSTORE/)
    await rm(path)
    await expect(openBlsKeystore(path, password)).rejects.toMatchObject({ code: 'KEYSTORE' })
  })

  test('behavior: eigensdk-go’s files are read, and those of accounts are not', async () => {
    const key = createBlsKey(123_456_789n)
    const { X, Y } = key.publicKey.pubkey
    const salt = new Uint8Array(32).fill(7)
    const iv = new Uint8Array(16).fill(9)
    const derived = scryptSync(password, salt, 32, { N: 1_024, r: 8, p: 1 })
    const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv)
    const secret = new Uint8Array(32)
    new DataView(secret.buffer).setUint32(28, 123_456_789)
    const ciphertext = concat(cipher.update(secret), cipher.final())
    const crypto = {
      cipher: 'aes-128-ctr',
      ciphertext: bare(ciphertext),
      cipherparams: { iv: bare(iv) },
      kdf: 'scrypt',
      kdfparams: { dklen: 32, n: 1_024, p: 1, r: 8, salt: bare(salt) },
      mac: bare(keccak(concat(derived.subarray(16, 32), ciphertext))),
    }
    const path = join(directory, 'eigen.json')
    await writeFile(path, JSON.stringify({ pubKey: `E([${X},${Y}])`, crypto }))
    expect((await openBlsKeystore(path, password)).publicKey).toEqual(key.publicKey)
    await writeFile(path, JSON.stringify({ address: '00', crypto, version: 3 }))
    await expect(openBlsKeystore(path, password)).rejects.toMatchObject({ code: 'KEYSTORE' })
  })
})

describe('createRemoteSigner', () => {
  const key = createBlsKey(77n)
  const digest = `0x${'12'.repeat(32)}` as const
  const context = {
    kind: 'response',
    chainId: 1n,
    policyRegistry: '0x00000000000000000000000000000000000000aa',
    key: digest,
  } as const
  const token = 'a token of tests'

  /** A signer on a socket, which answers as it is told. */
  async function remote(sign: (body: Record<string, string>) => { status: number; body: unknown }) {
    const asked: { body: Record<string, string>; authorization: string | undefined }[] = []
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (chunk: Uint8Array) => {
        text += String(chunk)
      })
      request.on('end', () => {
        const { pubkey, pubkeyG2 } = key.publicKey
        const keys = { g1: toHex(encodeG1(pubkey)), g2: toHex(encodeG2(pubkeyG2)) }
        let answer: { status: number; body: unknown } = { status: 200, body: keys }
        if (request.url === '/sign') {
          const body = JSON.parse(text) as Record<string, string>
          asked.push({ body, authorization: request.headers.authorization })
          answer = sign(body)
        }
        response.writeHead(answer.status, { 'content-type': 'application/json' })
        response.end(JSON.stringify(answer.body))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as { port: number }
    const url = `http://127.0.0.1:${port}`
    return { url, asked, close: () => server.close() }
  }

  test('error: INVALID_INPUT for a URL that sends the token in the clear, and no token in any error', async () => {
    for (const url of [
      'http://signer.example:9000',
      'https://a:b@signer.example',
      'ftp://x',
      'x',
    ]) {
      await expect(createRemoteSigner({ url, token })).rejects.toMatchObject({
        ...{ code: 'INVALID_INPUT', field: 'url' },
      })
    }
    for (const timeout of [0, Number.NaN]) {
      await expect(
        createRemoteSigner({ url: 'https://signer.example', timeout }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
    const echo: typeof fetch = async (_, init) =>
      new Response(new Headers(init?.headers).get('authorization'))
    const error = await createRemoteSigner({
      url: 'https://signer.example',
      token,
      fetch: echo,
    }).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'REMOTE_SIGNER' })
    for (let each: unknown = error; each instanceof Error; each = each.cause) {
      expect(`${each.message} ${each.stack}`).not.toContain(token)
    }
  })

  test('default: it is told kind and context, and never a bare point', async () => {
    const signer = await remote(({ digest: given }) => ({
      status: 200,
      body: { signature: toHex(encodeG1(key.sign(given as never))) },
    }))
    const { publicKey, sign } = await createRemoteSigner({ url: signer.url, token })
    const signature = await sign(digest, context)
    expect(verifySignature({ digest, signature, ...publicKey })).toBe(true)
    expect(signer.asked).toEqual([
      {
        body: { ...context, chainId: '1', digest },
        authorization: `Bearer ${token}`,
      },
    ])
    signer.close()
  })

  test('error: refusals, other keys and garbage are named, the token is not', async () => {
    const answers: [{ status: number; body: unknown }, boolean][] = [
      [{ status: 403, body: {} }, false],
      [{ status: 503, body: {} }, true],
      [
        { status: 200, body: { signature: toHex(encodeG1(createBlsKey(78n).sign(digest))) } },
        false,
      ],
      [{ status: 200, body: { signature: '0x00' } }, false],
      [{ status: 200, body: [] }, false],
      [{ status: 200, body: { signature: 'x'.repeat(10_000) } }, false],
    ]
    for (const [answer, retryable] of answers) {
      const signer = await remote(() => answer)
      const { sign } = await createRemoteSigner({ url: signer.url, token })
      const error = await Promise.resolve(sign(digest, context)).catch((cause) => cause)
      expect(error).toMatchObject({ code: 'REMOTE_SIGNER', retryable })
      expect(`${error.message}${error.stack}`).not.toContain(token)
      signer.close()
    }
    const gone = createRemoteSigner({ url: 'http://127.0.0.1:9', token })
    await expect(gone).rejects.toMatchObject({ code: 'REMOTE_SIGNER', retryable: true })
  })
})
