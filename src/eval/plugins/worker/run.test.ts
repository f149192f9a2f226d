import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { buildPluginWorkers } from '../../../../engine/buildPluginWorkers.js'
import { keccakHex } from '../../../internal/keccak.js'
import type { RunJob } from '../protocol.js'
import { hashJob, type Instantiate, identityOf, prepareHash, type Realm, runJob } from './run.js'

const realm: Realm = {
  instantiateCore: (module, imports) => new WebAssembly.Instance(module, imports),
  createAbort: (message) => new Error(message),
}
const job = (more: Partial<RunJob> = {}): RunJob => ({
  id: 1,
  key: 'k',
  input: '{}',
  secrets: undefined,
  answers: [],
  wallClockSeconds: 0n,
  seed: new Uint8Array(64),
  limits: { outputBytes: 100, requests: 2, stderrBytes: 10, randomBytes: 100, memoryBytes: 65_536 },
  ...more,
})
type Http = { fetch: (request: unknown) => unknown }

/** Runs a guest written in JavaScript against the host's imports. */
function guest(
  body: (imports: Record<string, unknown>, http: Http) => unknown,
  more: Partial<RunJob> = {},
) {
  const instantiate: Instantiate = (_, imports) => ({
    run: () => body(imports, imports['newton:provider/http'] as Http),
  })
  return runJob(job(more), { glue: '', modules: [] }, instantiate, realm)
}
const ask = { url: 'https://a.example/', method: 'GET', headers: [], body: undefined }
const answers = [
  { request: identityOf(ask), answer: { status: 200, headers: [], body: new Uint8Array() } },
]

describe('runJob', () => {
  test('behavior: a guest that swallows the end of its run does not decide how it ended', () => {
    const swallowed = guest((_, http) => {
      try {
        http.fetch(ask)
      } catch {
        return '{"sanctioned":false}'
      }
    })
    expect(swallowed).toMatchObject({ status: 'request', request: { url: 'https://a.example/' } })
    const tooMany = guest(
      (_, http) => {
        for (let i = 0; i < 5; i++) {
          try {
            http.fetch(ask)
          } catch {}
        }
        return '{}'
      },
      { answers: [...answers, ...answers] },
    )
    expect(tooMany).toMatchObject({ status: 'limit', limit: 'requests' })
  })

  test('behavior: a request that differs from the last round is reported', () => {
    const other = guest(
      (_, http) => {
        http.fetch({ ...ask, body: Uint8Array.of(1) })
        return '{}'
      },
      { answers },
    )
    expect(other).toMatchObject({ status: 'diverged', index: 0 })
  })

  test('behavior: what the guest prints is captured up to its limit', () => {
    const printed = guest((imports) => {
      const { getStderr } = imports['wasi:cli/stderr'] as {
        getStderr: () => { write: (bytes: Uint8Array) => void }
      }
      getStderr().write(new TextEncoder().encode('hello '))
      getStderr().write(new TextEncoder().encode('and more than ten'))
      return '{}'
    })
    expect(printed.stderr).toBe('hello and ')
  })

  test('behavior: secrets are copied to the guest and gone afterwards', () => {
    const secrets = Uint8Array.of(1, 2, 3)
    let got: Uint8Array | undefined
    const get = (imports: Record<string, unknown>) =>
      (imports['newton:provider/secrets'] as { get: () => { value: Uint8Array } }).get()
    guest(
      (imports) => {
        got = get(imports).value
        expect([...got]).toEqual([1, 2, 3])
        return '{}'
      },
      { secrets },
    )
    expect([...secrets]).toEqual([0, 0, 0])
    const none = guest((imports) => get(imports))
    expect(none).toMatchObject({
      status: 'guest-error',
      message: 'there are no secrets for this plugin',
    })
  })

  test('behavior: TLSNotary is refused to the guest, not to the component', () => {
    const refused = guest((imports) =>
      (imports['newton:provider/tlsn'] as { verify: () => void }).verify(),
    )
    expect(refused).toMatchObject({ status: 'guest-error' })
  })

  test('behavior: exit ends the run without an output', () => {
    const left = guest((imports) => {
      ;(imports['wasi:cli/exit'] as { exit: () => void }).exit()
      return '{}'
    })
    expect(left).toMatchObject({ status: 'trap', message: 'it called exit' })
  })

  test('behavior: no files, no environment, no arguments, closed input', () => {
    guest((imports) => {
      const call = (name: string, member: string): unknown =>
        (imports[name] as Record<string, () => unknown>)[member]?.()
      expect(call('wasi:filesystem/preopens', 'getDirectories')).toEqual([])
      expect(call('wasi:cli/environment', 'getEnvironment')).toEqual([])
      expect(call('wasi:cli/environment', 'getArguments')).toEqual([])
      const input = call('wasi:cli/stdin', 'getStdin') as { read: () => void }
      expect(() => input.read()).toThrow(expect.objectContaining({ payload: { tag: 'closed' } }))
      return '{}'
    })
  })

  test('behavior: any other answer than text is a trap', () => {
    for (const value of [1, undefined, {}, Promise.resolve('{}')]) {
      expect(guest(() => value)).toMatchObject({ status: 'trap' })
    }
  })
})

describe('hashJob', () => {
  test('default', () => {
    expect(hashJob({ id: 3, hash: Uint8Array.of(1, 2) })).toEqual({
      id: 3,
      wasmHash: keccakHex(Uint8Array.of(1, 2)),
    })
  })

  test('behavior: is what it was once the hash is made ahead', () => {
    prepareHash()
    for (const length of [0, 1, 16_384, 200_000]) {
      const hash = new Uint8Array(length).map((_, at) => at % 251)
      expect(hashJob({ id: 4, hash })).toEqual({ id: 4, wasmHash: keccakHex(hash) })
    }
  })
})

describe('the bundled workers', () => {
  test('behavior: are what their sources give', async () => {
    for (const [path, text] of await buildPluginWorkers()) {
      const file = fileURLToPath(new URL(`../../../../${path}`, import.meta.url))
      expect(
        readFileSync(file, 'utf8') === text,
        `${path}: run npx tsx engine/buildPluginWorkers.ts`,
      ).toBe(true)
    }
  })
})
