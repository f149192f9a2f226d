import { describe, expect, test } from 'vitest'
import type { BlockReference } from '../../core/index.js'
import { fromHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { writeCbor } from '../cbor/write.js'
import { der, name, sequence } from '../simulator/derWrite.js'
import { encodeMap, signDocument } from '../simulator/document.js'
import type { CertificateSpec } from '../simulator/index.js'
import { createSimulator, issueCertificate, signingKey } from '../simulator/index.js'
import { createSimulatorPki } from '../simulator/pki.js'
import { createDocumentVerifier } from './documentVerifier.js'
import { NitroAttestationError, type NitroErrorCode, nitroErrorCodes } from './errors.js'
import { createNonceLog } from './nonces.js'
import { parseNitroPayload } from './payload.js'
import type { MeasurementRegistry, NitroPolicy } from './policy.js'
import { isVerifiedAttestation, nitroJournal } from './verified.js'
import {
  assertArchivedNitroAttestation,
  assertNitroAttestation,
  verifyArchivedNitroAttestation,
  verifyNitroAttestation,
} from './verify.js'
import { parseCertificate, rawSignature } from './x509/certificate.js'

const now = 1_790_000_000_000
const simulator = createSimulator({
  image: [{ name: 'a', bytes: Uint8Array.of(1) }],
  now: () => now,
})
const base: NitroPolicy = {
  ...simulator.policy,
  freshness: { kind: 'maxAge', maxAge: 60_000 },
  binding: { userData: 'any', publicKey: 'any' },
}
const document = await simulator.nsm.attest({
  userData: Uint8Array.of(1),
  nonce: new Uint8Array(32).fill(2),
})
const codeOf = async (policy: Partial<NitroPolicy>, bytes = document): Promise<string> => {
  const verdict = await verifyNitroAttestation(bytes, { ...base, ...policy })
  return verdict.status === 'valid' ? 'valid' : verdict.code
}

describe('the policy has no permissive default', () => {
  test.each([
    ['measurements', { measurements: undefined }],
    ['measurements', { measurements: [] }],
    ['measurements[0]', { measurements: [{ 1: simulator.measurements.pcrs[1] }] }],
    [
      'measurements[0][40]',
      { measurements: [{ ...simulator.measurements.pcrs, 40: simulator.measurements.pcrs[0] }] },
    ],
    ['measurements[0][0]', { measurements: [{ 0: '0x00' }] }],
    ['registry', { measurements: 'registry' }],
    ['freshness', { freshness: undefined }],
    ['freshness.nonce', { freshness: { kind: 'nonce', nonce: new Uint8Array(8) } }],
    ['freshness.maxAge', { freshness: { kind: 'maxAge' } }],
    ['freshness.maxAge', { freshness: { kind: 'maxAge', maxAge: Number.NaN } }],
    ['freshness.kind', { freshness: { kind: 'none' } }],
    ['binding', { binding: undefined }],
    ['binding.userData', { binding: { publicKey: 'any' } }],
    ['binding.publicKey', { binding: { userData: 'any', publicKey: 'rsa' } }],
    ['skew', { skew: -1 }],
    ['allowDebug', { allowDebug: true }],
    ['revoked', { revoked: 'no' }],
    ['clock', { clock: 5 }],
    ['roots', { roots: [] }],
    ['roots[0].sha256', { roots: [{ sha256: '0x1234' }] }],
    ['insecureTrustRoot', { insecureTrustRoot: undefined }],
    ['registry', { registry: { reader: {}, block: 1n } }],
    ['revokd', { revokd: () => true }],
    ['registery', { registery: { reader: {}, block: 1n } }],
    ['at', { at: 'document' }],
    ['freshness.logs', { freshness: { kind: 'maxAge', maxAge: 1, logs: {} } }],
    ['freshness.nonce', { freshness: { kind: 'maxAge', maxAge: 1, nonce: new Uint8Array(16) } }],
    ['binding.nonce', { binding: { userData: 'any', publicKey: 'any', nonce: 'any' } }],
  ] as const)('%s', async (field, change) => {
    const policy = { ...base, ...change } as unknown as NitroPolicy
    await expect(assertNitroAttestation(document, policy)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: `policy.${field}`,
    })
    expect(await verifyNitroAttestation(document, policy)).toEqual({
      status: 'reject',
      code: 'POLICY',
      stage: 'policy',
    })
  })

  test('a clock that gives no number is no permission', async () => {
    expect(await codeOf({ clock: () => Number.NaN })).toBe('POLICY')
    expect(await codeOf({ clock: () => undefined as never })).toBe('POLICY')
  })
})

describe('measurements', () => {
  const { pcrs, pcr0Commitment } = simulator.measurements
  const other = `0x${'99'.repeat(48)}` as const
  test('one of several sets is enough; every PCR of a set counts', async () => {
    expect(await codeOf({ measurements: [{ 0: other }, pcrs] })).toBe('valid')
    expect(await codeOf({ measurements: [{ ...pcrs, 2: other }] })).toBe('PCR_MISMATCH')
    expect(await codeOf({ measurements: [{ ...pcrs, 20: other }] })).toBe('PCR_MISSING')
    expect(await codeOf({ measurements: { pcr0Commitment } })).toBe('valid')
    expect(await codeOf({ measurements: { pcr0Commitment: `0x${'99'.repeat(32)}` } })).toBe(
      'PCR_MISMATCH',
    )
  })
})

describe('registry at a block', () => {
  const block = (number: bigint): BlockReference => ({
    number,
    hash: `0x${'01'.repeat(32)}`,
    timestamp: 0n,
  })
  const registry = (
    from: bigint,
    to: bigint | undefined,
    more: Partial<MeasurementRegistry> = {},
  ): MeasurementRegistry => ({
    getLatestBlock: async () => block(1000n),
    isEnclaveWhitelistedAt: async ({ pcr0Commitment, block: at }) =>
      pcr0Commitment === simulator.measurements.pcr0Commitment &&
      at >= from &&
      (to === undefined || at < to),
    ...more,
  })
  const at = (reader: MeasurementRegistry, number: bigint | 'latest'): Promise<string> =>
    codeOf({ measurements: 'registry', registry: { reader, block: number } })

  test('decides by the block that matters', async () => {
    expect(await at(registry(10n, undefined), 10n)).toBe('valid')
    expect(await at(registry(10n, undefined), 9n)).toBe('REGISTRY_INACTIVE')
    expect(await at(registry(10n, 500n), 499n)).toBe('valid')
    expect(await at(registry(10n, 500n), 500n)).toBe('REGISTRY_INACTIVE')
    expect(await at(registry(10n, 500n), 'latest')).toBe('REGISTRY_INACTIVE')
    expect(await at(registry(10n, undefined), 1001n)).toBe('REGISTRY_UNAVAILABLE')
  })

  test('says whether the build is active then and now', async () => {
    const check = { reader: registry(10n, 500n), block: 100n }
    const { registry: found } = await assertNitroAttestation(document, {
      ...base,
      measurements: 'registry',
      registry: check,
    })
    expect(found).toEqual({ block: 100n, activeNow: false })
  })

  test('is asked in addition to measurements, never instead of a failing one', async () => {
    const check = { reader: registry(10n, undefined), block: 100n }
    expect(await codeOf({ registry: check })).toBe('valid')
    expect(await codeOf({ registry: check, measurements: [{ 0: `0x${'99'.repeat(48)}` }] })).toBe(
      'PCR_MISMATCH',
    )
  })

  test('what cannot be read, and what is no clear yes, is refused', async () => {
    const down = async (): Promise<never> => Promise.reject(new TypeError('down'))
    expect(await at(registry(0n, undefined, { isEnclaveWhitelistedAt: down }), 5n)).toBe(
      'REGISTRY_UNAVAILABLE',
    )
    expect(await at(registry(0n, undefined, { getLatestBlock: down }), 5n)).toBe(
      'REGISTRY_UNAVAILABLE',
    )
    expect(
      await at(registry(0n, undefined, { isEnclaveWhitelistedAt: async () => 1 as never }), 5n),
    ).toBe('REGISTRY_INACTIVE')
    const error = await assertNitroAttestation(document, {
      ...base,
      registry: { reader: registry(0n, undefined, { getLatestBlock: down }), block: 5n },
    }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ retryable: true, newtonFailureReason: 2 })
  })

  test('its root certificate must be the pinned one, where it names one', async () => {
    const named = (hash: `0x${string}`): MeasurementRegistry =>
      registry(0n, undefined, { getRootCertHash: async () => hash })
    expect(await at(named(`0x${'00'.repeat(32)}`), 5n)).toBe('valid')
    expect(await at(named(keccakHex(simulator.root.der)), 5n)).toBe('valid')
    expect(await at(named(`0x${'12'.repeat(32)}`), 5n)).toBe('REGISTRY_ROOT')
  })

  test('48 zero bytes are refused even where they are active and debug is allowed', async () => {
    const debug = createSimulator({
      image: [{ name: 'a', bytes: Uint8Array.of(1) }],
      now: () => now,
      debug: true,
    })
    const reader = registry(0n, undefined, { isEnclaveWhitelistedAt: async () => true })
    const policy: NitroPolicy = {
      ...base,
      ...debug.policy,
      measurements: 'registry',
      registry: { reader, block: 5n },
      allowDebug: 'this-keeps-nothing-secret',
    }
    expect(await verifyNitroAttestation(await debug.nsm.attest({}), policy)).toMatchObject({
      code: 'DEBUG_MODE',
      stage: 'registry',
    })
  })
})

describe('nonces', () => {
  test('one counts once, and only after everything else held', async () => {
    const log = createNonceLog({ now: () => now })
    const nonce = log.issue()
    const good = await simulator.nsm.attest({ nonce })
    const freshness = { kind: 'nonce', nonce, log } as const
    const forged = good.slice()
    forged[forged.length - 1] = (forged[forged.length - 1] as number) ^ 1
    expect(await codeOf({ freshness }, forged)).toBe('SIGNATURE')
    expect(await codeOf({ freshness, measurements: [{ 0: `0x${'99'.repeat(48)}` }] }, good)).toBe(
      'PCR_MISMATCH',
    )
    expect(await codeOf({ freshness }, good)).toBe('valid')
    expect(await codeOf({ freshness }, good)).toBe('NONCE_REUSED')
    expect(await codeOf({ freshness: { kind: 'nonce', nonce: log.issue(), log } }, good)).toBe(
      'NONCE_MISMATCH',
    )
  })

  test('expire, and the log is bounded', () => {
    let time = 0
    const log = createNonceLog({ now: () => time, ttl: 100, max: 3 })
    const first = log.issue()
    time = 101
    expect(log.consume(first)).toBe(false)
    const many = Array.from({ length: 5 }, () => log.issue())
    expect(many.map((nonce) => log.consume(nonce))).toEqual([false, false, true, true, true])
    expect(log.consume(new Uint8Array(32))).toBe(false)
  })
})

describe('revocation and clock', () => {
  test("a list of one's own: a yes, an unclear answer and a failure refuse", async () => {
    const seen: string[] = []
    const policy = { revoked: ({ sha256 }: { sha256: string }) => seen.push(sha256) < 0 }
    expect(await codeOf(policy)).toBe('valid')
    expect(seen).toHaveLength(5)
    expect(await codeOf({ revoked: ({ sha256 }) => sha256 === seen[4] })).toBe('REVOKED')
    expect(await codeOf({ revoked: () => undefined as never })).toBe('REVOKED')
    expect(await codeOf({ revoked: () => Promise.reject(new TypeError('down')) })).toBe('REVOKED')
  })

  test('the message says "your clock" when it is the clock', async () => {
    const message = async (clock: number): Promise<string> =>
      assertNitroAttestation(document, { ...base, clock: () => clock, skew: 0 }).then(
        () => 'valid',
        (cause: NitroAttestationError) => cause.message,
      )
    expect(await message(now - 600_000)).toContain('your clock is slow by about 597 s')
    expect(await message(now + 4 * 3_600_000)).toContain('your clock is fast')
    expect(await message(now + 61_000)).toContain('your clock')
    expect(await message(now)).toBe('valid')
  })

  test('the edges of age and skew', async () => {
    const age = (milliseconds: number): Promise<string> =>
      codeOf({ clock: () => now + milliseconds })
    expect(await age(60_000)).toBe('valid')
    expect(await age(60_001)).toBe('STALE')
    expect(await codeOf({ clock: () => now - 3000, skew: 3000 })).toBe('valid')
    expect(await codeOf({ clock: () => now - 3001, skew: 3000 })).toBe('FUTURE')
  })
})

describe('archived', () => {
  const { clock: _, ...archive } = simulator.policy
  const policy = { ...archive, at: 'document', binding: base.binding } as const
  test('judges at its own time or a given one, and says so', async () => {
    const attestation = await assertArchivedNitroAttestation(document, policy)
    expect(attestation.freshness).toBe('archived')
    expect(
      await verifyArchivedNitroAttestation(document, { ...policy, at: now + 1000 }),
    ).toMatchObject({ status: 'valid' })
    expect(
      await verifyArchivedNitroAttestation(document, { ...policy, at: now + 4 * 3_600_000 }),
    ).toMatchObject({ code: 'CERT_EXPIRED' })
    expect(
      await verifyArchivedNitroAttestation(document, { ...policy, at: now - 3_600_000 }),
    ).toMatchObject({ code: 'CERT_NOT_YET_VALID' })
    const latest = { ...policy, registry: { reader: {} as never, block: 'latest' as never } }
    await expect(assertArchivedNitroAttestation(document, latest)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })
})

describe('results', () => {
  test('are made by the verifier alone, frozen, and give the normalized view', async () => {
    const attestation = await assertNitroAttestation(document, base)
    expect(isVerifiedAttestation(attestation)).toBe(true)
    expect(isVerifiedAttestation({ ...attestation })).toBe(false)
    expect(isVerifiedAttestation(null)).toBe(false)
    expect(Object.isFrozen(attestation) && Object.isFrozen(attestation.pcrs)).toBe(true)
    const journal = nitroJournal(attestation)
    expect(journal.pcrs.map(({ index }) => index)).toEqual([0, 1, 2, 4])
    expect(journal).toMatchObject({ timestampMs: now, userData: '0x01', publicKey: '0x' })
    expect(() => nitroJournal({ ...attestation })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
  })

  test('the shared interface: valid, reject, inconclusive', async () => {
    const { roots, insecureTrustRoot } = simulator.policy
    const verifier = createDocumentVerifier({ roots, insecureTrustRoot, clock: () => now })
    const { pcr0Commitment } = simulator.measurements
    const asked = { document, pcr0Commitment, userData: Uint8Array.of(1), archived: true }
    expect(await verifier.verifyDocument(asked)).toEqual({ status: 'valid' })
    expect(await verifier.verifyDocument({ ...asked, archived: false })).toEqual({
      status: 'valid',
    })
    expect(await verifier.verifyDocument({ ...asked, userData: Uint8Array.of(2) })).toEqual({
      status: 'reject',
      code: 'USER_DATA_MISMATCH',
    })
    expect(
      await verifier.verifyDocument({ ...asked, pcr0Commitment: `0x${'99'.repeat(32)}` }),
    ).toEqual({ status: 'reject', code: 'PCR_MISMATCH' })
    expect(await verifier.verifyDocument(asked, { signal: AbortSignal.abort() })).toMatchObject({
      status: 'inconclusive',
    })
  })
})

describe('payload fields', () => {
  const pki = createSimulatorPki({ moduleId: 'i-0-enc0' })
  const credential = pki.credentialAt(now)
  const pcrs = new Map(Array.from({ length: 16 }, (_, i) => [i, new Uint8Array(48).fill(i + 1)]))
  const fields = {
    module_id: 'i-0-enc0',
    digest: 'SHA384',
    timestamp: now,
    pcrs,
    certificate: credential.certificate,
    cabundle: credential.cabundle,
    public_key: null,
    user_data: null,
    nonce: null,
  }
  const judge = async (entries: [string, unknown][]): Promise<string> => {
    const bytes = signDocument(encodeMap(entries as never, 'indefinite'), credential, {
      signatures: 'natural',
    })
    const verdict = await verifyNitroAttestation(bytes, {
      ...base,
      roots: [{ sha256: pki.root.sha256 }],
      measurements: [{ 0: `0x${'01'.repeat(48)}` }],
    })
    return verdict.status === 'valid' ? 'valid' : verdict.code
  }
  const changed = (change: object): [string, unknown][] => Object.entries({ ...fields, ...change })

  test('the control is valid', async () => expect(await judge(changed({}))).toBe('valid'))

  test.each([
    [
      'valid',
      { pcrs: new Map(Array.from({ length: 32 }, (_, i) => [i, new Uint8Array(48).fill(1)])) },
    ],
    ['valid', { user_data: new Uint8Array(0), nonce: new Uint8Array(0) }],
    ['valid', { something_new: [1, 2, { a: 'b' }] }],
    ['FIELD_LENGTH', { public_key: new Uint8Array(0) }],
    ['FIELD_LENGTH', { public_key: new Uint8Array(1025) }],
    ['FIELD_LENGTH', { nonce: new Uint8Array(1025) }],
    ['FIELD_LENGTH', { module_id: 'x'.repeat(257) }],
    ['FIELD_LENGTH', { certificate: new Uint8Array(0) }],
    ['FIELD_TYPE', { module_id: 5 }],
    ['FIELD_TYPE', { user_data: 'text' }],
    ['FIELD_TYPE', { timestamp: null }],
    ['FIELD_TYPE', { pcrs: [] }],
    ['FIELD_TYPE', { cabundle: null }],
    ['FIELD_TYPE', { pcrs: new Map([[0, 'x']]) }],
    ['DIGEST', { digest: 'SHA512' }],
    ['DIGEST', { digest: null }],
    ['TIMESTAMP', { timestamp: 0 }],
    ['TIMESTAMP', { timestamp: -5 }],
    ['TIMESTAMP', { timestamp: 2n ** 60n }],
    ['PCR_LENGTH', { pcrs: new Map([[0, new Uint8Array(47)]]) }],
    ['PCR_LENGTH', { pcrs: new Map([[0, new Uint8Array(64)]]) }],
    ['PCR_COUNT', { pcrs: new Map() }],
    ['CABUNDLE', { cabundle: [] }],
    ['CABUNDLE', { cabundle: [new Uint8Array(1025)] }],
    [
      'CHAIN',
      { cabundle: [credential.cabundle[0], credential.cabundle[1], credential.cabundle[3]] },
    ],
    ['CERT_DER', { certificate: Uint8Array.from([...credential.certificate, 0]) }],
    ['NOT_ENCLAVE_DOC', { nitrotpm_pcrs: new Map() }],
    [
      'DEBUG_MODE',
      {
        pcrs: new Map([
          [0, new Uint8Array(48)],
          [1, new Uint8Array(48).fill(1)],
          [2, new Uint8Array(48).fill(1)],
        ]),
      },
    ],
  ] as const)('%s %#', async (code, change) => expect(await judge(changed(change))).toBe(code))

  test.each(['module_id', 'digest', 'timestamp', 'pcrs', 'certificate', 'cabundle'])(
    'without %s it is refused',
    async (field) => {
      expect(await judge(changed({}).filter(([key]) => key !== field))).toBe('FIELD_MISSING')
    },
  )

  test('a key twice, text that is not UTF-8, and no map', async () => {
    expect(await judge([...changed({}), ['nonce', null]])).toBe('DUPLICATE_KEY')
    const raw = (payload: Uint8Array): string => {
      try {
        parseNitroPayload(payload)
        return 'valid'
      } catch (cause) {
        return (cause as NitroAttestationError).code
      }
    }
    expect(raw(Uint8Array.of(0xa1, 0x61, 0xff, 0x01))).toBe('MALFORMED')
    expect(raw(writeCbor([1, 2]))).toBe('MALFORMED')
    expect(raw(Uint8Array.of(0xa2, 0x01, 0x01, 0x01, 0x01))).toBe('DUPLICATE_KEY')
    expect(raw(Uint8Array.of(0xa0, 0x00))).toBe('TRAILING')
  })
})

describe('certificates', () => {
  const key = signingKey(new Uint8Array(48).fill(1))
  const subject = name([['CN', 'x']])
  const spec: CertificateSpec = {
    serial: Uint8Array.of(5),
    issuer: subject,
    subject,
    notBefore: now,
    notAfter: now + 1000,
    publicKey: key.publicKey,
    ca: false,
    keyUsage: [0],
    keyUsageCritical: false,
  }
  const codeFor = (bytes: Uint8Array): string => {
    try {
      parseCertificate(bytes)
      return 'valid'
    } catch (cause) {
      return (cause as NitroAttestationError).code
    }
  }
  const good = issueCertificate(spec, key)
  const replaced = (from: string, to: string): Uint8Array => {
    const text = Buffer.from(good).toString('latin1')
    expect(text).toContain(from)
    return new Uint8Array(Buffer.from(text.replace(from, to), 'latin1'))
  }
  const extra = (bytes: Uint8Array): Uint8Array =>
    issueCertificate({ ...spec, extraExtensions: [bytes] }, key)
  const bc = sequence(der(0x06, Uint8Array.of(0x55, 0x1d, 0x13)), der(0x04, sequence()))

  test('the control parses', () => expect(codeFor(good)).toBe('valid'))

  test.each([
    ['bytes after it', () => Uint8Array.from([...good, 0])],
    ['cut short', () => good.slice(0, -1)],
    ['a length that is not shortest', () => Uint8Array.from([0x30, 0x83, 0x00, ...good.slice(2)])],
    ['an indefinite length', () => Uint8Array.from([0x30, 0x80, ...good.slice(4), 0, 0])],
    ['version 2', () => replaced('\xa0\x03\x02\x01\x02', '\xa0\x03\x02\x01\x01')],
    [
      'a serial number of 21 bytes',
      () => issueCertificate({ ...spec, serial: new Uint8Array(21).fill(1) }, key),
    ],
    ['30 February', () => replaced('260921', '260230')],
    ['month 13', () => replaced('260921', '261321')],
    ['an extension twice', () => extra(bc)],
    [
      'a critical that is spelled out as false',
      () =>
        extra(
          sequence(der(0x06, Uint8Array.of(0x55, 0x1d, 0x0e)), Uint8Array.of(1, 1, 0), der(0x04)),
        ),
    ],
    [
      'a BOOLEAN of 0x01',
      () =>
        extra(
          sequence(der(0x06, Uint8Array.of(0x55, 0x1d, 0x0e)), Uint8Array.of(1, 1, 1), der(0x04)),
        ),
    ],
    ['nothing', () => new Uint8Array(0)],
    ['text', () => new TextEncoder().encode('-----BEGIN CERTIFICATE-----')],
  ])('%s', (_, make) => expect(codeFor(make())).toBe('CERT_DER'))

  test('another signature algorithm, and another kind of key', () => {
    const sha256 = sequence(der(0x06, fromHex('0x2a8648ce3d040302')))
    expect(codeFor(issueCertificate({ ...spec, algorithm: sha256 }, key))).toBe('CERT_ALG')
    const p256 = sequence(
      sequence(der(0x06, fromHex('0x2a8648ce3d0201')), der(0x06, fromHex('0x2a8648ce3d030107'))),
      der(0x03, new Uint8Array(66)),
    )
    expect(
      parseCertificate(issueCertificate({ ...spec, subjectPublicKeyInfo: p256 }, key)).publicKey,
    ).toBeUndefined()
  })

  test('signature integers: negative, padded, too long', () => {
    for (const pair of [
      [der(0x02, Uint8Array.of(0x80)), der(0x02, Uint8Array.of(1))],
      [der(0x02, Uint8Array.of(0, 1)), der(0x02, Uint8Array.of(1))],
      [der(0x02, new Uint8Array(49).fill(1)), der(0x02, Uint8Array.of(1))],
      [der(0x02), der(0x02, Uint8Array.of(1))],
      [der(0x02, Uint8Array.of(1))],
    ]) {
      expect(() => rawSignature(sequence(...pair))).toThrow(
        expect.objectContaining({ code: 'CERT_DER' }),
      )
    }
  })
})

describe('codes', () => {
  test('the set is closed, each with a sentence and a Newton failure reason', () => {
    for (const code of nitroErrorCodes) {
      const error = new NitroAttestationError({ code, stage: 'chain' })
      expect(error.message).toMatch(/^The attestation document is refused: .+\.$/)
      expect([1, 2, 3, 4]).toContain(error.newtonFailureReason)
    }
    const reasons: Partial<Record<NitroErrorCode, number>> = {
      CHAIN: 1,
      PCR_MISMATCH: 2,
      USER_DATA_MISMATCH: 3,
      CERT_EXPIRED: 4,
    }
    for (const [code, reason] of Object.entries(reasons)) {
      expect(
        new NitroAttestationError({ code: code as NitroErrorCode, stage: 'chain' })
          .newtonFailureReason,
      ).toBe(reason)
    }
  })
})

describe('the policy is what it was at the call', () => {
  const right = Uint8Array.of(1)
  test.each(['userData', 'nonce', 'measurements'])(
    '%s changed afterwards changes nothing',
    async (what) => {
      const userData = what === 'userData' ? Uint8Array.of(9) : right
      const nonce = new Uint8Array(32).fill(what === 'nonce' ? 9 : 2)
      const good = { ...simulator.measurements.pcrs }
      const set: Record<number, string> = { ...good }
      if (what === 'measurements') set[0] = `0x${'09'.repeat(48)}`
      const measurements = [set] as never
      const verifying = verifyNitroAttestation(document, {
        ...{ ...base, measurements, binding: { userData, publicKey: 'any' } },
        freshness: { kind: 'nonce', nonce },
      })
      userData.set(right)
      nonce.fill(2)
      Object.assign(set, good)
      expect((await verifying).status).toBe('reject')
    },
  )
})
