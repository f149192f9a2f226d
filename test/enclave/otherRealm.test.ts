/** Values of another realm (an iframe, jsdom, `node:vm`), and verdicts that say whose fault it was. */
import { existsSync, readFileSync } from 'node:fs'
import vm from 'node:vm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { canonicalJson, type Json } from '../../src/core/index.js'
import {
  assertNitroAttestation,
  createDecryptionKey,
  createSecretsOpener,
  hpkeSeal,
  type NitroPolicy,
  pinnedRecipient,
  sealSecrets,
  verifyArchivedNitroAttestation,
  verifyNitroAttestation,
} from '../../src/enclave/index.js'
import { createSimulator } from '../../src/enclave/simulator/index.js'

const foreign = (bytes: Uint8Array): Uint8Array =>
  vm.runInNewContext('Uint8Array.from(values)', { values: [...bytes] }) as Uint8Array
const vectors = new URL('../../../shared/vectors/public/nitro/', import.meta.url)
const simulator = createSimulator({ image: [{ name: 'x', bytes: Uint8Array.of(1) }] })
const policy = {
  ...simulator.policy,
  freshness: { kind: 'maxAge', maxAge: 60_000 },
  binding: { userData: 'any', publicKey: 'any' },
} as const satisfies NitroPolicy

describe('another realm', () => {
  test.skipIf(!existsSync(vectors))(
    "real documents read the same in either realm's bytes",
    async () => {
      const samples = JSON.parse(readFileSync(new URL('MANIFEST.json', vectors), 'utf8')) as {
        file: string
        pcr0: string
      }[]
      expect(samples.length).toBeGreaterThan(5)
      let valid = 0
      for (const { file, pcr0 } of samples) {
        const bytes = new Uint8Array(readFileSync(new URL(file, vectors)))
        const measurements = [{ 0: `0x${pcr0.replace(/^0x/, '')}` as const }]
        const past = { binding: policy.binding, at: 'document', measurements } as const
        const [own, other] = await Promise.all(
          [bytes, foreign(bytes)].map((one) => verifyArchivedNitroAttestation(one, past)),
        )
        expect(other).toEqual(own)
        if (own?.status === 'valid') valid++
      }
      expect(valid).toBeGreaterThan(3)
    },
  )

  test('bytes of a policy and of a document', async () => {
    const [nonce, userData] = [new Uint8Array(32).fill(5), Uint8Array.of(1, 2, 3)]
    const document = await simulator.nsm.attest({ nonce, userData })
    const strict = (make: (bytes: Uint8Array) => Uint8Array): NitroPolicy => ({
      ...policy,
      freshness: { kind: 'nonce', nonce: make(nonce) },
      binding: { userData: make(userData), publicKey: 'absent' },
    })
    const { assurance } = await assertNitroAttestation(foreign(document), strict(foreign))
    expect(assurance).toBe('simulator')
    const other = {
      ...strict(foreign),
      binding: { userData: foreign(nonce), publicKey: 'any' } as const,
    }
    expect(await verifyNitroAttestation(document, other)).toMatchObject({
      ...{ status: 'reject', code: 'USER_DATA_MISMATCH' },
    })
    for (const wrong of [document.buffer, new DataView(document.buffer), new Uint16Array(4), 'x']) {
      expect(await verifyNitroAttestation(wrong as never, policy)).toEqual({
        ...{ status: 'reject', code: 'MALFORMED', stage: 'size' },
      })
    }
  })

  test('secrets as bytes and as objects', async () => {
    const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(3) })
    const place = {
      chainId: 1n,
      client: `0x${'11'.repeat(20)}`,
      policyDataInstanceId: `0x${'22'.repeat(32)}`,
    } as const
    const seal = (secrets: unknown) =>
      sealSecrets({
        ...place,
        ...{
          sequence: 1n,
          validation: 'skip',
          recipient: pinnedRecipient({ publicKey: key.publicKey }),
        },
        secrets: secrets as never,
      })
    const opener = createSecretsOpener({ keys: [key] })
    const text = '{"apiKey":"k","list":[1,{"a":null}]}'
    const object = vm.runInNewContext(`(${text})`) as object
    for (const secrets of [object, foreign(new TextEncoder().encode(text))]) {
      const { envelope } = await seal(secrets)
      const opened = await opener.openSecrets({ ...place, envelope: foreign(envelope) })
      expect(new TextDecoder().decode(opened)).toBe(text)
    }
    await expect(seal(new DataView(new ArrayBuffer(4)))).rejects.toThrow('Uint8Array')
    const { enc } = await hpkeSeal(
      foreign(new Uint8Array(Buffer.from(key.publicKey.slice(2), 'hex'))),
      foreign(Uint8Array.of(1)),
      {
        aad: foreign(Uint8Array.of(2)),
      },
    )
    expect(enc).toHaveLength(32)
  })

  test('canonical JSON takes plain values of any realm, and no class of any', () => {
    const run = (code: string): Json => vm.runInNewContext(code) as Json
    expect(canonicalJson(run('({ b: [1, { c: "x" }], a: null })'))).toBe(
      '{"a":null,"b":[1,{"c":"x"}]}',
    )
    for (const code of [
      'new (class { a = 1 })()',
      'new Map()',
      'new Date(0)',
      'new (class extends Array {})()',
      'Uint8Array.of(1)',
      'Object.create({ a: 1 })',
      'Object.setPrototypeOf([1], [2])',
      'new String("x")',
    ]) {
      expect(() => canonicalJson(run(code))).toThrow()
    }
  })
})

describe('secrets that are not JSON', () => {
  test('the place is told where the schema names it, and the value never', async () => {
    const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(3) })
    const sealed = sealSecrets({
      ...{
        chainId: 1n,
        client: `0x${'11'.repeat(20)}`,
        policyDataInstanceId: `0x${'22'.repeat(32)}`,
      },
      ...{ sequence: 1n, recipient: pinnedRecipient({ publicKey: key.publicKey }) },
      secrets: { list: ['x', { known: undefined, hidden: 1 }] } as never,
      validation: {
        validator: { validate: async () => ({ status: 'valid' }) } as never,
        schemaJson: '{"properties":{"list":{"items":{"properties":{"known":{}}}}}}',
      },
    })
    await expect(sealed).rejects.toMatchObject({ code: 'SECRETS_INVALID' })
    await expect(sealed).rejects.toThrow('json:/list/1/known')
    const unnamed = sealSecrets({
      ...{
        chainId: 1n,
        client: `0x${'11'.repeat(20)}`,
        policyDataInstanceId: `0x${'22'.repeat(32)}`,
      },
      ...{ sequence: 1n, recipient: pinnedRecipient({ publicKey: key.publicKey }) },
      ...{ secrets: { hunter2: undefined } as never, validation: 'skip' },
    })
    await expect(unnamed).rejects.toThrow('json:/*')
    await expect(unnamed).rejects.not.toThrow('hunter2')
  })
})

describe('verdicts', () => {
  /** Whoever is asked never answers, and time goes by. */
  const never = (): Promise<never> => {
    // A call that was aborted may ask after its test has ended.
    queueMicrotask(() => {
      if (vi.isFakeTimers()) vi.advanceTimersByTime(60_000)
    })
    return new Promise<never>(() => undefined)
  }
  const hanging = { isEnclaveWhitelistedAt: never, getLatestBlock: never }
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('a registry, a list or a log that does not answer is no fault of the policy', async () => {
    const document = await simulator.nsm.attest({ nonce: new Uint8Array(32) })
    const late: [Partial<NitroPolicy>, object][] = [
      [
        { registry: { reader: hanging, block: 'latest' } },
        { code: 'REGISTRY_UNAVAILABLE', stage: 'registry' },
      ],
      [{ revoked: never }, { code: 'REVOKED', stage: 'revocation' }],
      [
        {
          freshness: { kind: 'nonce', nonce: new Uint8Array(32), log: { consume: never } as never },
        },
        { code: 'NONCE_REUSED', stage: 'nonce' },
      ],
    ]
    for (const [more, verdict] of late) {
      const asked = verifyNitroAttestation(document, { ...policy, ...more }, { timeout: 30_000 })
      expect(await asked).toEqual({ status: 'reject', ...verdict })
    }
    const retryable = assertNitroAttestation(
      document,
      { ...policy, registry: { reader: hanging, block: 'latest' } },
      { timeout: 30_000 },
    )
    await expect(retryable).rejects.toMatchObject({ retryable: true })
    const past = { ...simulator.policy, binding: policy.binding, at: 'document' } as const
    const { clock: _, ...archived } = past
    const asked = verifyArchivedNitroAttestation(
      document,
      { ...archived, registry: { reader: hanging, block: 1n } },
      { timeout: 30_000 },
    )
    expect(await asked).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' })
  })

  test("the caller's abort is the caller's reason", async () => {
    const reason = new TypeError('no longer wanted')
    const document = await simulator.nsm.attest({})
    const early = { signal: AbortSignal.abort(reason) }
    await expect(verifyNitroAttestation(document, policy, early)).rejects.toBe(reason)
    const controller = new AbortController()
    const asked = verifyNitroAttestation(
      document,
      { ...policy, registry: { reader: hanging, block: 'latest' } },
      { signal: controller.signal },
    )
    controller.abort(reason)
    await expect(asked).rejects.toBe(reason)
  })
})
