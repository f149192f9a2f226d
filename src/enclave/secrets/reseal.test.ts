import { describe, expect, test } from 'vitest'
import { fromHex, toHex } from '../../internal/bytes.js'
import { keccakHex } from '../../internal/keccak.js'
import { assertNitroAttestation } from '../nitro/verify.js'
import { createSimulator } from '../simulator/index.js'
import { encodeEnvelopeV1, envelopeV1Aad } from './envelopeV1.js'
import { decodeEnvelopeV2, encodeEnvelopeV2 } from './envelopeV2.js'
import { hpkeSeal } from './hpke.js'
import { type DecryptionKey, deriveDecryptionKey } from './keys.js'
import { attestedRecipient, pinnedRecipient, type RecipientKey } from './recipient.js'
import { resealSecrets } from './reseal.js'
import { assertEnvelopeSupersedes, createSecretsOpener, sealSecrets } from './seal.js'

const client = `0x${'c1'.repeat(20)}` as const
const policyDataInstanceId = `0x${'d1'.repeat(32)}` as const
const at = { chainId: 31_337n, client, policyDataInstanceId }
const masterSecret = new Uint8Array(32).fill(9)
const secrets = { apiKey: 'k-1' }

/** A build with the key that only it derives, and that key as a host attests it. */
async function build(byte: number, epoch: bigint) {
  const simulator = createSimulator({ image: [{ name: 'app', bytes: Uint8Array.of(byte) }] })
  const pcr0 = fromHex(simulator.measurements.pcrs[0])
  const key: DecryptionKey = await deriveDecryptionKey({
    masterSecret,
    pcr0,
    epoch,
    purpose: 'secrets',
  })
  const document = await simulator.nsm.attest({ publicKey: fromHex(key.publicKey) })
  const attestation = await assertNitroAttestation(document, {
    ...simulator.policy,
    freshness: { kind: 'maxAge', maxAge: 60_000 },
    binding: { userData: 'absent', publicKey: 'x25519' },
  })
  const recipient: RecipientKey = attestedRecipient({ attestation })
  return { key, recipient, epoch, opener: createSecretsOpener({ keys: [key] }) }
}

const old = await build(1, 3n)
const next = await build(2, 4n)
const sealed = await sealSecrets({
  recipient: old.recipient,
  secrets,
  validation: 'skip',
  ...at,
  epoch: old.epoch,
  sequence: 7n,
})
const parameters = {
  opener: old.opener,
  envelope: sealed.envelope,
  recipient: next.recipient,
  epoch: next.epoch,
  ...at,
}

describe('resealSecrets', () => {
  test('the new build opens what the old one re-sealed, and the old one cannot any more', async () => {
    expect(next.key.publicKey).not.toBe(old.key.publicKey)
    const moved = await resealSecrets(parameters)
    expect(moved).toMatchObject({
      sequence: 8n,
      version: 2,
      keyId: next.key.keyId,
      envelopeHash: keccakHex(moved.envelope),
    })
    expect(decodeEnvelopeV2(moved.envelope)).toMatchObject({
      ...at,
      keyId: next.key.keyId,
      epoch: 4n,
      sequence: 8n,
    })
    const opened = await next.opener.openSecrets({ envelope: moved.envelope, ...at })
    expect(JSON.parse(new TextDecoder().decode(opened))).toEqual(secrets)
    const back = old.opener.openSecrets({ envelope: moved.envelope, ...at })
    await expect(back).rejects.toMatchObject({ code: 'ENVELOPE_KEY_UNKNOWN' })
    const early = next.opener.openSecrets({ envelope: sealed.envelope, ...at })
    await expect(early).rejects.toMatchObject({ code: 'ENVELOPE_KEY_UNKNOWN' })
    assertEnvelopeSupersedes({ candidate: moved.envelope, committed: sealed.envelope })
    expect(() =>
      assertEnvelopeSupersedes({ candidate: sealed.envelope, committed: moved.envelope }),
    ).toThrow(expect.objectContaining({ code: 'ENVELOPE_SEQUENCE' }))
  })

  test('only a document names the key to seal to', async () => {
    const pinned = pinnedRecipient({ publicKey: next.key.publicKey })
    for (const recipient of [pinned, undefined, null] as never[]) {
      await expect(resealSecrets({ ...parameters, recipient })).rejects.toMatchObject({
        code: 'RECIPIENT_REFUSED',
      })
    }
    // What only looks like an attested key was made by nobody.
    const copy = { ...next.recipient }
    await expect(resealSecrets({ ...parameters, recipient: copy })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
    const later = { ...parameters, now: () => (next.recipient.notAfter as number) + 1 }
    await expect(resealSecrets(later)).rejects.toMatchObject({ code: 'RECIPIENT_REFUSED' })
  })

  test('an envelope of another chain, client or instance is not moved', async () => {
    const other = {
      chainId: 1n,
      client: `0x${'c2'.repeat(20)}`,
      policyDataInstanceId: `0x${'d2'.repeat(32)}`,
    } as const
    for (const field of Object.keys(other) as (keyof typeof other)[]) {
      const moved = resealSecrets({ ...parameters, [field]: other[field] })
      await expect(moved, field).rejects.toMatchObject({ code: 'ENVELOPE_MISMATCH' })
    }
    const changed = { ...decodeEnvelopeV2(sealed.envelope), sequence: 8n }
    const envelope = encodeEnvelopeV2(changed)
    await expect(resealSecrets({ ...parameters, envelope })).rejects.toMatchObject({
      code: 'ENVELOPE_OPEN_FAILED',
    })
    await expect(resealSecrets({ ...parameters, opener: next.opener })).rejects.toMatchObject({
      code: 'ENVELOPE_KEY_UNKNOWN',
    })
    await expect(resealSecrets({ ...parameters, opener: {} as never })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('after the last sequence there is no next one', async () => {
    const { envelope } = await sealSecrets({
      recipient: old.recipient,
      secrets,
      validation: 'skip',
      ...at,
      epoch: old.epoch,
      sequence: 2n ** 64n - 1n,
    })
    await expect(resealSecrets({ ...parameters, envelope })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  test('an envelope of version 1 becomes the first of version 2, where it may be opened', async () => {
    const aad = envelopeV1Aad({ client, chainId: at.chainId })
    const plaintext = new TextEncoder().encode(JSON.stringify(secrets))
    const v1 = await hpkeSeal(fromHex(old.key.publicKey), plaintext, { aad })
    const envelope = encodeEnvelopeV1({
      ...v1,
      policyClient: client,
      chainId: at.chainId,
      recipient: old.key.publicKey,
    })
    await expect(resealSecrets({ ...parameters, envelope })).rejects.toMatchObject({
      code: 'ENVELOPE_V1_REFUSED',
    })
    const opener = createSecretsOpener({
      keys: [old.key],
      allowV1: { countInstancesWithSecrets: async () => 1 },
    })
    const moved = await resealSecrets({ ...parameters, envelope, opener })
    expect(moved.sequence).toBe(1n)
    const opened = await next.opener.openSecrets({ envelope: moved.envelope, ...at })
    expect(toHex(opened)).toBe(toHex(plaintext))
  })

  test('the plaintext that was opened is overwritten, whatever happens', async () => {
    const kept: Uint8Array[] = []
    const opener = {
      openSecrets: async (request: Parameters<typeof old.opener.openSecrets>[0]) => {
        const plaintext = await old.opener.openSecrets(request)
        kept.push(plaintext)
        return plaintext
      },
    }
    await resealSecrets({ ...parameters, opener })
    await resealSecrets({ ...parameters, opener, epoch: -1n }).catch(() => undefined)
    expect(kept).toHaveLength(2)
    for (const plaintext of kept) expect(plaintext.every((byte) => byte === 0)).toBe(true)
  })
})
