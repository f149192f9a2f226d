import { createHmac, hkdfSync } from 'node:crypto'
import { inspect } from 'node:util'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { privateKeyToAccount } from 'viem/accounts'
import { describe, expect, test } from 'vitest'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import { concat, toHex, uintToBytes, utf8 } from '../../internal/bytes.js'
import { keccak, keccakHex } from '../../internal/keccak.js'
import { assertArchivedNitroAttestation, assertNitroAttestation } from '../nitro/verify.js'
import { createSimulator } from '../simulator/index.js'
import {
  decodeEnvelopeV1,
  encodeEnvelopeV1,
  envelopeV1Aad,
  signEnvelope,
  verifyEnvelopeSignature,
} from './envelopeV1.js'
import { decodeEnvelopeV2, envelopeV2Aad } from './envelopeV2.js'
import { hpkeDeriveKeyPair, hpkeKeyPair, hpkeOpen, hpkeSeal } from './hpke.js'
import { createDecryptionKey, deriveDecryptionKey, deriveEnclaveKey } from './keys.js'
import { attestedRecipient, computeKeyId, gatewayRecipient, pinnedRecipient } from './recipient.js'
import {
  assertEnvelopeSupersedes,
  createSecretsOpener,
  type SealParameters,
  sealSecrets,
} from './seal.js'
import {
  hashSecretsUpload,
  type SecretsUploadTypedData,
  secretsUploadTypedData,
  verifySecretsUpload,
} from './upload.js'
import { type SecretsGateway, uploadSecrets } from './uploadSecrets.js'

const hex = (text: string): Uint8Array => hexToBytes(text)
const client = `0x${'c1'.repeat(20)}` as const
const instance = `0x${'d1'.repeat(32)}` as const
const secret = new Uint8Array(32).fill(7)
const key = await createDecryptionKey({ secret })
const recipient = pinnedRecipient({ publicKey: key.publicKey })
const v2 = {
  recipient,
  validation: 'skip',
  chainId: 31_337n,
  client,
  policyDataInstanceId: instance,
  sequence: 1n,
} as const
const opener = createSecretsOpener({ keys: [key] })
const request = { chainId: 31_337n, client, policyDataInstanceId: instance }

describe('published vectors', () => {
  test('RFC 9180 A.2.1: the first message of the base mode opens', async () => {
    const { privateKey, publicKey } = await hpkeKeyPair(
      hex('8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb'),
    )
    expect(toHex(publicKey)).toBe(
      '0x4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a',
    )
    const plaintext = await hpkeOpen(
      privateKey,
      {
        enc: hex('1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a'),
        ciphertext: hex(
          '1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28',
        ),
      },
      { info: hex('4f6465206f6e2061204772656369616e2055726e'), aad: hex('436f756e742d30') },
    )
    expect(new TextDecoder().decode(plaintext)).toBe('Beauty is truth, truth beauty')
  })

  test('RFC 9180 A.2.1: DeriveKeyPair of ikmR', async () => {
    const { publicKey } = await hpkeDeriveKeyPair(
      hex('1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df'),
    )
    expect(toHex(publicKey)).toBe(
      '0x4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a',
    )
  })

  test.each([
    // RFC 5869 A.1, A.2, A.3
    [
      '0b'.repeat(22),
      '000102030405060708090a0b0c',
      'f0f1f2f3f4f5f6f7f8f9',
      '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865',
    ],
    [
      Array.from({ length: 80 }, (_, i) => i.toString(16).padStart(2, '0')).join(''),
      Array.from({ length: 80 }, (_, i) => (0x60 + i).toString(16)).join(''),
      Array.from({ length: 80 }, (_, i) => (0xb0 + i).toString(16)).join(''),
      'b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87',
    ],
    [
      '0b'.repeat(22),
      '',
      '',
      '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8',
    ],
  ])('RFC 5869 case %#', (ikm, salt, info, okm) => {
    expect(toHex(hkdf(sha256, hex(ikm), hex(salt), hex(info), okm.length / 2))).toBe(`0x${okm}`)
  })

  test('the key derivation, against HMAC written out by hand', () => {
    const binding = {
      masterSecret: new Uint8Array(32).fill(1),
      pcr0: new Uint8Array(48).fill(2),
      epoch: 3n,
      purpose: 'secrets',
    }
    const info = concat(
      utf8('newton/enclave/key/v1'),
      Uint8Array.of(48),
      binding.pcr0,
      uintToBytes(3n, 8),
      Uint8Array.of(32),
      keccak(utf8('secrets')),
    )
    const hmac = (k: Uint8Array, ...m: Uint8Array[]): Uint8Array =>
      new Uint8Array(
        createHmac('sha256', k)
          .update(concat(...m))
          .digest(),
      )
    const prk = hmac(sha256(utf8('newton/enclave/v1')), binding.masterSecret)
    const expected = hmac(prk, info, Uint8Array.of(1))
    expect(toHex(deriveEnclaveKey(binding))).toBe(toHex(expected))
    expect(
      toHex(
        new Uint8Array(
          hkdfSync('sha256', binding.masterSecret, sha256(utf8('newton/enclave/v1')), info, 32),
        ),
      ),
    ).toBe(toHex(expected))
    // Published in docs/enclave.md.
    expect(toHex(expected)).toBe(
      '0x3af184bacfabd9c91587de60fe31d81e77977cfc6ff7825da035a6918b2f5c60',
    )
  })

  test('every part of the binding changes the key', () => {
    const base = {
      masterSecret: new Uint8Array(32).fill(1),
      pcr0: new Uint8Array(48).fill(2),
      epoch: 3n,
      purpose: 'secrets',
    }
    const keys = [
      base,
      { ...base, masterSecret: new Uint8Array(32).fill(9) },
      { ...base, pcr0: new Uint8Array(48).fill(9) },
      { ...base, epoch: 4n },
      { ...base, purpose: 'mac' },
    ].map((binding) => toHex(deriveEnclaveKey(binding)))
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('a derived key opens what is sealed to it, in its epoch only', async () => {
    const binding = {
      masterSecret: new Uint8Array(32).fill(1),
      pcr0: new Uint8Array(48).fill(2),
      epoch: 3n,
      purpose: 'secrets',
    }
    const derived = await deriveDecryptionKey(binding)
    const to = pinnedRecipient({ publicKey: derived.publicKey })
    const { envelope } = await sealSecrets({ ...v2, recipient: to, epoch: 3n, secrets: { a: 1 } })
    const open = createSecretsOpener({ keys: [derived] })
    expect(new TextDecoder().decode(await open.openSecrets({ ...request, envelope }))).toBe(
      '{"a":1}',
    )
    const wrong = await sealSecrets({ ...v2, recipient: to, epoch: 4n, secrets: { a: 1 } })
    await expect(open.openSecrets({ ...request, envelope: wrong.envelope })).rejects.toMatchObject({
      code: 'ENVELOPE_MISMATCH',
      field: 'epoch',
    })
  })

  test.each([
    [{ masterSecret: new Uint8Array(31) }, 'masterSecret'],
    [{ pcr0: new Uint8Array(47) }, 'pcr0'],
    [{ pcr0: new Uint8Array(48) }, 'pcr0'],
    [{ epoch: -1n }, 'epoch'],
    [{ purpose: '' }, 'purpose'],
  ])('a malformed binding names its field %#', (change, field) => {
    const base = {
      masterSecret: new Uint8Array(32).fill(1),
      pcr0: new Uint8Array(48).fill(2),
      epoch: 3n,
      purpose: 'secrets',
    }
    expect(() => deriveEnclaveKey({ ...base, ...change })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field }),
    )
  })
})

describe('hpkeSeal', () => {
  const text = '{"k":"v"}'
  const inside = Buffer.concat([
    Buffer.from('neighbour'),
    Buffer.from(text),
    Buffer.from('neighbour'),
  ])
  const kinds: Record<string, Uint8Array> = {
    'pooled Buffer': Buffer.from(text),
    'Buffer subarray': inside.subarray(9, 9 + text.length),
    'Uint8Array view': new Uint8Array(inside.buffer, inside.byteOffset + 9, text.length),
    Uint8Array: new Uint8Array(Buffer.from(text)),
    'unpooled Buffer': Buffer.concat([Buffer.alloc(0), Buffer.from(text)]),
    'view of a shared buffer': (() => {
      const shared = new Uint8Array(new SharedArrayBuffer(64), 8, text.length)
      shared.set(Buffer.from(text))
      return shared
    })(),
  }
  test.each(Object.keys(kinds))(
    'ciphertext is plaintext plus 16 for a %s, in both versions',
    async (kind) => {
      const secrets = kinds[kind] as Uint8Array
      const before = Buffer.from(secrets).toString()
      for (const version of [1, 2] as const) {
        const parameters = (
          version === 1
            ? { recipient, validation: 'skip', chainId: 31_337n, client, version, secrets }
            : { ...v2, secrets }
        ) as SealParameters
        const { envelope } = await sealSecrets(parameters)
        const { ciphertext } =
          version === 1 ? decodeEnvelopeV1(envelope) : decodeEnvelopeV2(envelope)
        expect(ciphertext.length).toBe(text.length + 16)
      }
      // The caller's own bytes are left alone.
      expect(Buffer.from(secrets).toString()).toBe(before)
    },
  )

  test('the library alone gets it wrong with the buffer of a pooled Buffer, which is why inputs are copied', async () => {
    const pooled = Buffer.from('secret')
    expect(pooled.buffer.byteLength).toBeGreaterThan(pooled.length)
    const { ciphertext } = await hpkeSeal(hex(key.publicKey.slice(2)), pooled, {
      aad: new Uint8Array(32),
    })
    expect(ciphertext.length).toBe(22)
  })

  test.each([0, 1, 65_536, 1_048_576])('seals and opens %i bytes', async (length) => {
    const plaintext = new Uint8Array(length).fill(5)
    const { privateKey, publicKey } = await hpkeKeyPair(secret)
    const aad = new Uint8Array(32)
    const sealed = await hpkeSeal(publicKey, plaintext, { aad })
    expect(sealed.ciphertext.length).toBe(length + 16)
    expect(Buffer.compare(await hpkeOpen(privateKey, sealed, { aad }), plaintext)).toBe(0)
  })

  // The points of small order of Curve25519, and non-canonical forms of them.
  const lowOrder = [
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000000',
    'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
    '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ]
  test.each(lowOrder)('a recipient key of low order is refused: %s', async (point) => {
    const low = pinnedRecipient({ publicKey: `0x${point}` })
    await expect(sealSecrets({ ...v2, recipient: low, secrets: { a: 1 } })).rejects.toMatchObject({
      code: 'RECIPIENT_REFUSED',
    })
  })
  test.each(lowOrder)('an encapsulated key of low order does not open: %s', async (point) => {
    const { privateKey } = await hpkeKeyPair(secret)
    await expect(
      hpkeOpen(
        privateKey,
        { enc: hex(point), ciphertext: new Uint8Array(32) },
        { aad: new Uint8Array(32) },
      ),
    ).rejects.toMatchObject({ code: 'ENVELOPE_OPEN_FAILED' })
  })

  test('a thousand at once open, and no two share an ephemeral key', async () => {
    const { privateKey, publicKey } = await hpkeKeyPair(secret)
    const aad = new Uint8Array(32)
    const sealed = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => hpkeSeal(publicKey, uintToBytes(i, 4), { aad })),
    )
    expect(new Set(sealed.map(({ enc }) => toHex(enc))).size).toBe(1000)
    for (const index of [0, 500, 999]) {
      const opened = await hpkeOpen(privateKey, sealed[index] as (typeof sealed)[0], { aad })
      expect(toHex(opened)).toBe(toHex(uintToBytes(index, 4)))
    }
  }, 60_000)
})

describe('envelope, version 2', () => {
  test('AAD and bytes are those of the specification', async () => {
    const context = {
      chainId: 31_337n,
      client,
      policyDataInstanceId: instance,
      keyId: key.keyId,
      epoch: 0n,
      sequence: 1n,
    }
    const words =
      keccakHex(utf8('NewtonSecretsEnvelopeV2')).slice(2) +
      (31_337).toString(16).padStart(64, '0') +
      client.slice(2) +
      instance.slice(2) +
      keccakHex(hex(key.publicKey.slice(2))).slice(2) +
      '0'.repeat(16) +
      '0'.repeat(15) +
      '1'
    expect(toHex(envelopeV2Aad(context))).toBe(keccakHex(hex(words)))
    const { envelope, envelopeHash, keyId } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    expect(keyId).toBe(computeKeyId(key.publicKey))
    expect(envelopeHash).toBe(keccakHex(envelope))
    const parsed = JSON.parse(new TextDecoder().decode(envelope)) as Record<string, unknown>
    expect(Object.keys(parsed)).toEqual([
      'chain_id',
      'ciphertext',
      'client',
      'enc',
      'epoch',
      'instance',
      'key_id',
      'sequence',
      'v',
    ])
    expect(parsed).toMatchObject({
      v: 2,
      chain_id: '31337',
      client,
      instance,
      key_id: keyId,
      epoch: '0',
      sequence: '1',
    })
  })

  test('opens for its own chain, client, instance and key, and for nothing else', async () => {
    const { envelope } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    expect(new TextDecoder().decode(await opener.openSecrets({ ...request, envelope }))).toBe(
      '{"a":1}',
    )
    const elsewhere = [
      { chainId: 1n },
      { client: `0x${'c2'.repeat(20)}` as const },
      { policyDataInstanceId: `0x${'d2'.repeat(32)}` as const },
    ]
    for (const change of elsewhere) {
      await expect(opener.openSecrets({ ...request, ...change, envelope })).rejects.toMatchObject({
        code: 'ENVELOPE_MISMATCH',
      })
    }
    const other = createSecretsOpener({
      keys: [await createDecryptionKey({ secret: new Uint8Array(32).fill(8) })],
    })
    await expect(other.openSecrets({ ...request, envelope })).rejects.toMatchObject({
      code: 'ENVELOPE_KEY_UNKNOWN',
    })
  })

  test('rewriting any member for another use does not open: all are in the AAD', async () => {
    const { envelope } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    const parsed = JSON.parse(new TextDecoder().decode(envelope)) as Record<string, string>
    const rewritten = (change: Record<string, string>): Uint8Array =>
      utf8(JSON.stringify({ ...parsed, ...change }, Object.keys(parsed).sort()))
    const uses: [Record<string, string>, object][] = [
      [{ chain_id: '1' }, { chainId: 1n }],
      [{ client: `0x${'c2'.repeat(20)}` }, { client: `0x${'c2'.repeat(20)}` }],
      [{ instance: `0x${'d2'.repeat(32)}` }, { policyDataInstanceId: `0x${'d2'.repeat(32)}` }],
      [{ sequence: '2' }, {}],
    ]
    for (const [change, use] of uses) {
      await expect(
        opener.openSecrets({ ...request, ...use, envelope: rewritten(change) }),
      ).rejects.toMatchObject({
        code: 'ENVELOPE_OPEN_FAILED',
      })
    }
  })

  test('no changed byte of it opens', async () => {
    const { envelope } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    for (let i = 0; i < envelope.length; i++) {
      const changed = envelope.slice()
      changed[i] = (changed[i] as number) ^ 1
      await expect(opener.openSecrets({ ...request, envelope: changed })).rejects.toMatchObject({
        code: expect.stringMatching(/^ENVELOPE_/),
      })
    }
  })

  test.each([
    ['not JSON', 'x'],
    ['an array', '[]'],
    ['another version', '{"v":3}'],
    ['a member too many', (e: string) => e.replace('{', '{"a":"b",')],
    ['white space', (e: string) => e.replace(',', ', ')],
    [
      'another order',
      (e: string) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(e)).reverse())),
    ],
    ['upper-case hex', (e: string) => e.replace('"0xc1', '"0xC1')],
    ['an integer as a number', (e: string) => e.replace('"31337"', '31337')],
    ['a leading zero', (e: string) => e.replace('"31337"', '"031337"')],
    ['sequence 0', (e: string) => e.replace('"sequence":"1"', '"sequence":"0"')],
  ] as const)('%s is refused', async (_, make) => {
    const { envelope } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    const text = typeof make === 'string' ? make : make(new TextDecoder().decode(envelope))
    expect(() => decodeEnvelopeV2(utf8(text))).toThrow(
      expect.objectContaining({ code: 'ENVELOPE_INVALID' }),
    )
  })

  test('a sequence not above the committed one is refused; the first is 1', async () => {
    const at = async (sequence: bigint): Promise<Uint8Array> =>
      (await sealSecrets({ ...v2, sequence, secrets: { a: 1 } })).envelope
    await expect(at(0n)).rejects.toMatchObject({ code: 'INVALID_INPUT', field: 'sequence' })
    const [one, two] = [await at(1n), await at(2n)]
    expect(() => assertEnvelopeSupersedes({ candidate: one, committed: null })).not.toThrow()
    expect(() => assertEnvelopeSupersedes({ candidate: two, committed: one })).not.toThrow()
    for (const candidate of [one, two]) {
      expect(() => assertEnvelopeSupersedes({ candidate, committed: two })).toThrow(
        expect.objectContaining({ code: 'ENVELOPE_SEQUENCE' }),
      )
    }
  })
})

describe('envelope, version 1', () => {
  const v1 = { recipient, validation: 'skip', chainId: 31_337n, client, version: 1 } as const

  test('is byte for byte the one of the current protocol', async () => {
    const envelope = encodeEnvelopeV1({
      enc: new Uint8Array(32).fill(1),
      ciphertext: new Uint8Array(20).fill(2),
      policyClient: '0xC1c1C1c1C1C1c1C1C1c1C1C1C1C1c1C1C1c1c1c1',
      chainId: 31_337n,
      recipient: key.publicKey,
    })
    expect(new TextDecoder().decode(envelope)).toBe(
      `{"enc":"${'01'.repeat(32)}","ciphertext":"${'02'.repeat(20)}","policy_client":"0xC1c1C1c1C1C1c1C1C1c1C1C1C1C1c1C1C1c1c1c1","chain_id":31337,"recipient_pubkey":"${key.publicKey.slice(2)}"}`,
    )
    expect(toHex(envelopeV1Aad({ client, chainId: 31_337 }))).toBe(
      keccakHex(hex(`${client.slice(2)}0000000000007a69`)),
    )
  })

  test('a chain id that is negative or beyond 2^53 is refused', async () => {
    for (const chainId of [-1n, 0n, 2n ** 53n]) {
      await expect(sealSecrets({ ...v1, chainId, secrets: { a: 1 } })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
      })
    }
  })

  test('is refused unless it is allowed and the client has exactly one data instance with secrets', async () => {
    const { envelope } = await sealSecrets({ ...v1, secrets: { a: 1 } })
    await expect(opener.openSecrets({ ...request, envelope })).rejects.toMatchObject({
      code: 'ENVELOPE_V1_REFUSED',
    })
    for (const [count, opens] of [
      [0, false],
      [1, true],
      [2, false],
    ] as const) {
      const lenient = createSecretsOpener({
        keys: [key],
        allowV1: { countInstancesWithSecrets: async () => count },
      })
      const opening = lenient.openSecrets({ ...request, envelope })
      if (opens) expect(new TextDecoder().decode(await opening)).toBe('{"a":1}')
      else await expect(opening).rejects.toMatchObject({ code: 'ENVELOPE_V1_REFUSED' })
    }
  })

  test('Ed25519 over the bytes', async () => {
    const { envelope } = await sealSecrets({ ...v1, secrets: { a: 1 } })
    const signed = signEnvelope({ envelope, privateKey: new Uint8Array(32).fill(3) })
    expect(signed.signature).toMatch(/^[0-9a-f]{128}$/)
    expect(verifyEnvelopeSignature({ envelope, ...signed })).toBe(true)
    expect(verifyEnvelopeSignature({ envelope: envelope.slice(1), ...signed })).toBe(false)
    expect(verifyEnvelopeSignature({ envelope, ...signed, signature: 'zz' })).toBe(false)
    expect(
      verifyEnvelopeSignature({ envelope, signature: 5 as never, senderPublicKey: null as never }),
    ).toBe(false)
  })
})

describe('recipients', () => {
  const image = [{ name: 'a', bytes: Uint8Array.of(1) }]
  test('a verified document names the key; archived, debug and foreign values do not', async () => {
    const simulator = createSimulator({ image })
    const document = await simulator.nsm.attest({ publicKey: hex(key.publicKey.slice(2)) })
    const binding = { userData: 'any', publicKey: 'x25519' } as const
    const attestation = await assertNitroAttestation(document, {
      ...simulator.policy,
      freshness: { kind: 'maxAge', maxAge: 60_000 },
      binding,
    })
    expect(attestedRecipient({ attestation })).toMatchObject({
      publicKey: key.publicKey,
      source: 'attested',
    })
    expect(() => attestedRecipient({ attestation: { ...attestation } })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT' }),
    )
    expect(() => attestedRecipient({ attestation, registered: `0x${'01'.repeat(32)}` })).toThrow(
      expect.objectContaining({ code: 'RECIPIENT_REFUSED' }),
    )
    expect(attestedRecipient({ attestation, registered: key.publicKey }).keyId).toBe(key.keyId)
    const { clock: _, ...archivePolicy } = simulator.policy
    const archived = await assertArchivedNitroAttestation(document, {
      ...archivePolicy,
      at: 'document',
      binding,
    })
    expect(() => attestedRecipient({ attestation: archived })).toThrow(
      expect.objectContaining({ code: 'RECIPIENT_REFUSED' }),
    )
    const debug = createSimulator({ image, debug: true })
    const loose = await assertNitroAttestation(
      await debug.nsm.attest({ publicKey: hex(key.publicKey.slice(2)) }),
      {
        ...debug.policy,
        measurements: [{ 0: `0x${'00'.repeat(48)}` }],
        allowDebug: 'this-keeps-nothing-secret',
        freshness: { kind: 'maxAge', maxAge: 60_000 },
        binding,
      },
    )
    expect(() => attestedRecipient({ attestation: loose })).toThrow(
      expect.objectContaining({ code: 'RECIPIENT_REFUSED' }),
    )
  })

  test('an attested key ends with its document', async () => {
    const simulator = createSimulator({ image })
    const attestation = await assertNitroAttestation(
      await simulator.nsm.attest({ publicKey: hex(key.publicKey.slice(2)) }),
      {
        ...simulator.policy,
        freshness: { kind: 'maxAge', maxAge: 60_000 },
        binding: { userData: 'any', publicKey: 'x25519' },
      },
    )
    const to = attestedRecipient({ attestation })
    const late = {
      ...v2,
      recipient: to,
      secrets: { a: 1 },
      now: () => attestation.leafNotAfter + 1,
    }
    await expect(sealSecrets(late)).rejects.toMatchObject({ code: 'RECIPIENT_REFUSED' })
    await expect(
      sealSecrets({ ...v2, recipient: { ...to }, secrets: { a: 1 } }),
    ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('the key of a gateway has to be trusted aloud, and the threshold key is refused', () => {
    const publicKey = key.publicKey.slice(2)
    expect(
      gatewayRecipient({ key: { public_key: publicKey, key_type: 'x25519' }, trustGateway: true })
        .source,
    ).toBe('gateway')
    expect(() =>
      gatewayRecipient({ key: { public_key: publicKey }, trustGateway: false as true }),
    ).toThrow(expect.objectContaining({ code: 'RECIPIENT_REFUSED' }))
    for (const bad of [{ key_type: 'threshold' }, { encryption_suite: 'HPKE-Other' }]) {
      expect(() =>
        gatewayRecipient({ key: { public_key: publicKey, ...bad }, trustGateway: true }),
      ).toThrow(expect.objectContaining({ code: 'RECIPIENT_REFUSED' }))
    }
  })
})

describe('plaintext', () => {
  const validator = (issues: { path: string; message: string }[]): SchemaValidator => ({
    checkSchema: async () => ({ status: 'valid' }),
    validate: async () =>
      issues.length === 0
        ? { status: 'valid' }
        : { status: 'invalid', issues: issues.map((issue) => ({ profile: '2020-12', ...issue })) },
  })
  const marker = 'hunter2-very-secret'

  test('is checked against its schema first; the error names places, not values', async () => {
    const schemaJson = '{"properties":{"apiKey":{"type":"number"}}}'
    const failing = validator([
      { path: '/apiKey', message: `"${marker}" is not a number` },
      { path: `/${marker}`, message: 'unknown' },
    ])
    const error = (await sealSecrets({
      ...v2,
      secrets: { apiKey: marker },
      validation: { validator: failing, schemaJson },
    }).catch((cause: unknown) => cause)) as Error
    expect(error).toMatchObject({
      code: 'SECRETS_INVALID',
      places: ['2020-12:/apiKey', '2020-12:/*'],
    })
    expect(
      inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error) + String(error.stack),
    ).not.toContain(marker)
    await expect(
      sealSecrets({
        ...v2,
        secrets: { apiKey: 1 },
        validation: { validator: validator([]), schemaJson },
      }),
    ).resolves.toBeDefined()
  })

  test.each([
    ['text', utf8(`"${marker}"`)],
    ['an array', utf8(`["${marker}"]`)],
    ['broken JSON', utf8(`{"a":"${marker}"`)],
    ['a duplicate name', utf8(`{"${marker}":1,"${marker}":2}`)],
    ['not UTF-8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['too much', utf8(`{"a":"${marker.repeat(5000)}"}`)],
  ])('%s is refused without being quoted', async (_, secrets) => {
    const error = await sealSecrets({ ...v2, secrets }).catch((cause: unknown) => cause)
    expect(error).toMatchObject({ code: 'SECRETS_INVALID' })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(marker)
  })

  test('no key, opener or envelope shows a secret to inspect', async () => {
    const { envelope } = await sealSecrets({ ...v2, secrets: { apiKey: marker } })
    const shown = inspect({ key, opener, envelope, recipient }, { depth: 9, showHidden: true })
    expect(shown).not.toContain(marker)
    expect(shown).not.toContain(Buffer.from(secret).toString('hex'))
  })
})

describe('uploads', () => {
  const account = privateKeyToAccount(`0x${'11'.repeat(32)}`)
  const upload = {
    chainId: 31_337n,
    policyDataRegistry: `0x${'a2'.repeat(20)}`,
    policyDataInstanceId: instance,
    envelopeHash: `0x${'e1'.repeat(32)}`,
    sequence: 1n,
    deadline: 1_800_000_000n,
  } as const

  test('the hash is EIP-712 written out by hand', () => {
    const h = (text: string): string => keccakHex(utf8(text)).slice(2)
    const domain = keccakHex(
      hex(
        h('EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)') +
          h('NewtonSecrets') +
          h('2') +
          (31_337).toString(16).padStart(64, '0') +
          'a2'.repeat(20).padStart(64, '0'),
      ),
    )
    const struct = keccakHex(
      hex(
        h(
          'SecretsUpload(bytes32 policyDataInstanceId,bytes32 envelopeHash,uint64 sequence,uint64 deadline)',
        ) +
          instance.slice(2) +
          'e1'.repeat(32) +
          '1'.padStart(64, '0') +
          1_800_000_000n.toString(16).padStart(64, '0'),
      ),
    )
    expect(hashSecretsUpload(upload)).toBe(
      keccakHex(hex(`1901${domain.slice(2)}${struct.slice(2)}`)),
    )
  })

  test('the owner signs; a changed member or another owner is refused', async () => {
    const signature = await account.signTypedData(secretsUploadTypedData(upload))
    const owner = account.address
    expect(await verifySecretsUpload({ upload, owner, signature })).toBe(true)
    const changes = [
      { chainId: 1n },
      { policyDataRegistry: `0x${'a3'.repeat(20)}` as const },
      { policyDataInstanceId: `0x${'d2'.repeat(32)}` as const },
      { envelopeHash: `0x${'e2'.repeat(32)}` as const },
      { sequence: 2n },
      { deadline: 1_999_999_999n },
    ]
    for (const change of changes) {
      expect(
        await verifySecretsUpload({ upload: { ...upload, ...change }, owner, signature }),
      ).toBe(false)
    }
    expect(await verifySecretsUpload({ upload, owner: `0x${'01'.repeat(20)}`, signature })).toBe(
      false,
    )
    expect(await verifySecretsUpload({ upload, owner, signature: '0x' })).toBe(false)
    expect(await verifySecretsUpload({ upload: null as never, owner, signature })).toBe(false)
  })

  test("go through a gateway with the owner's signature; its schema error comes back", async () => {
    const { envelope, envelopeHash } = await sealSecrets({ ...v2, secrets: { a: 1 } })
    const stored: Record<string, unknown>[] = []
    const gateway = (
      outcome: { success: true } | { success: false; error: string },
    ): SecretsGateway => ({
      storeEncryptedSecrets: async (parameters) => {
        stored.push(parameters)
        return outcome
      },
    })
    const policyDataRegistry = upload.policyDataRegistry
    const sign = (typedData: SecretsUploadTypedData): Promise<`0x${string}`> =>
      account.signTypedData(typedData)
    const now = (): number => 1_800_000_000_000
    const parameters = { sign, envelope, policyDataRegistry, now }
    expect(await uploadSecrets({ ...parameters, gateway: gateway({ success: true }) })).toEqual({
      status: 'pending',
      envelopeHash,
      sequence: 1n,
    })
    const sent = stored[0] as { ownerSignature: `0x${string}`; envelope: string }
    expect(sent).toMatchObject({
      policyClient: client,
      chainId: 31_337n,
      policyDataInstanceId: instance,
      sequence: 1n,
      deadline: 1_800_001_800n,
    })
    expect(keccakHex(utf8(sent.envelope))).toBe(envelopeHash)
    const signed = {
      chainId: 31_337n,
      policyDataRegistry,
      policyDataInstanceId: instance,
      envelopeHash,
      sequence: 1n,
      deadline: 1_800_001_800n,
    }
    expect(
      await verifySecretsUpload({
        upload: signed,
        owner: account.address,
        signature: sent.ownerSignature,
      }),
    ).toBe(true)
    for (const validFor of [Number.NaN, -5, 0, 0.5, 86_401, 1e12, Number.POSITIVE_INFINITY]) {
      const sign = () => expect.unreachable('the owner is not asked')
      const given = { ...parameters, gateway: gateway({ success: true }), validFor, sign }
      await expect(uploadSecrets(given)).rejects.toThrow('`validFor` is not valid')
    }
    const refused = uploadSecrets({
      ...parameters,
      gateway: gateway({ success: false, error: '/a is not a string' }),
    })
    await expect(refused).rejects.toMatchObject({
      code: 'SECRETS_UPLOAD_REFUSED',
      details: '/a is not a string',
    })
  })

  test('a contract owner is asked; a failing or hesitant answer is a no', async () => {
    const check = (answer: () => Promise<boolean>): Promise<boolean> =>
      verifySecretsUpload({
        upload,
        owner: `0x${'05'.repeat(20)}`,
        signature: '0x1234',
        isValidContractSignature: answer,
      })
    expect(await check(async () => true)).toBe(true)
    expect(await check(async () => false)).toBe(false)
    expect(await check(async () => 'yes' as never)).toBe(false)
    expect(await check(async () => Promise.reject(new TypeError('no')))).toBe(false)
  })
})

test('behavior: what is no upload at all is not signed by anybody', async () => {
  for (const given of [undefined, null, 5, {}, { upload: null, owner: null, signature: null }])
    expect(await verifySecretsUpload(given as never)).toBe(false)
})
