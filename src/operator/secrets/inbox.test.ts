/** What is let in of uploads, what is proposed of it, and what is let others propose. */
import type { Hex } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { beforeEach, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, computeKeyHash, namespaces } from '../../core/artifact.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { createDecryptionKey, pinnedRecipient, sealSecrets } from '../../enclave/index.js'
import { secretsUploadTypedData } from '../../enclave/secrets/upload.js'
import { keccakHex } from '../../internal/keccak.js'
import { memoryStore } from '../../statetree/index.js'
import type { SecretsUploadRecord } from '../rpc/uploads.js'
import { openSecretsInbox, type SecretsInbox, type SecretsInboxParameters } from './inbox.js'

const owner = privateKeyToAccount(`0x${'11'.repeat(32)}`)
const stranger = privateKeyToAccount(`0x${'12'.repeat(32)}`)
const client = `0x${'c1'.repeat(20)}` as const
const instance = `0x${'d1'.repeat(32)}` as const
const policyDataRegistry = `0x${'a2'.repeat(20)}` as const
const chainId = 31_337n
const key = await createDecryptionKey({ secret: new Uint8Array(32).fill(7) })
const start = 1_800_000_000_000

let clock = start
let committed: Uint8Array | null
let text: string | null
const registry = {
  ...{ chainId, policyDataRegistry },
  getPolicyDataInstance: async (id: Hex) =>
    id === instance ? { client, templateId: `0x${'e1'.repeat(32)}` } : null,
  getPolicyDataTemplate: async () => ({ secretsSchemaHash: `0x${'f1'.repeat(32)}` }),
  getClient: async () => ({ owner: owner.address, active: true }),
} as unknown as RegistryReader

const bytes = memoryStore().bytes
const store = {
  load: async () => text,
  save: async (next: string) => {
    text = next
  },
}
const open = (change: Partial<SecretsInboxParameters> = {}): Promise<SecretsInbox> =>
  openSecretsInbox({
    ...{ registry, bytes, store, now: () => clock },
    committed: async () => committed,
    ...change,
  })

async function uploadOf(
  sequence: bigint,
  change: {
    signer?: typeof owner
    deadline?: bigint
    on?: bigint
    secrets?: { apiKey: string }
    id?: Hex
  } = {},
): Promise<SecretsUploadRecord> {
  const { signer = owner, on = chainId, secrets = { apiKey: 'k' } } = change
  const policyDataInstanceId = change.id ?? instance
  const { envelope } = await sealSecrets({
    recipient: pinnedRecipient({ publicKey: key.publicKey }),
    ...{ secrets, validation: 'skip', chainId: on, client, sequence },
    policyDataInstanceId,
  })
  const deadline = change.deadline ?? BigInt(start / 1_000 + 600)
  const ownerSignature = await signer.signTypedData(
    secretsUploadTypedData({
      ...{ chainId, policyDataRegistry, policyDataInstanceId, sequence, deadline },
      envelopeHash: keccakHex(envelope),
    }),
  )
  return { policyDataInstanceId, envelope, ownerSignature, sequence, deadline }
}

const writeOf = (upload: SecretsUploadRecord) => ({
  namespace: namespaces.secrets,
  keyHash: computeKeyHash(namespaces.secrets, upload.policyDataInstanceId),
  valueHash: keccakHex(upload.envelope),
})
const ask = { sequenceNo: 1n, cutoffBlock: 0n }

beforeEach(() => {
  clock = start
  committed = null
  text = null
})

describe('put', () => {
  test('default: an upload of the owner waits, is proposed, and may be proposed by others', async () => {
    const inbox = await open()
    const upload = await uploadOf(1n)
    const { envelopeHash } = await inbox.put({ upload, validate: false })
    expect(envelopeHash).toBe(keccakHex(upload.envelope))
    expect(await inbox.writesFor(ask)).toEqual([writeOf(upload)])
    expect(inbox.accepts(writeOf(upload))).toBe(true)
    expect(await inbox.get(envelopeHash)).toEqual(upload)
    expect(await inbox.metadata(instance)).toMatchObject({
      committed: null,
      pending: { sequence: 1n, keyId: key.keyId, bytes: upload.envelope.length, time: start },
    })
    // Nobody else's write, and no removal.
    expect(inbox.accepts({ ...writeOf(upload), valueHash: keccakHex(Uint8Array.of(1)) })).toBe(
      false,
    )
    expect(inbox.accepts({ ...writeOf(upload), valueHash: null })).toBe(false)
    expect(inbox.accepts({ ...writeOf(upload), keyHash: keccakHex(Uint8Array.of(1)) })).toBe(false)
    expect(inbox.accepts({ ...writeOf(upload), namespace: 2 })).toBe(false)
  })

  test.each<[string, string, () => Promise<SecretsUploadRecord>]>([
    ['another signer', 'not that of the client', () => uploadOf(1n, { signer: stranger })],
    ['a deadline that passed', 'has passed', () => uploadOf(1n, { deadline: 1n })],
    [
      'a deadline far ahead',
      'seconds ahead',
      () => uploadOf(1n, { deadline: BigInt(start / 1_000) + 90_000n }),
    ],
    [
      'another sequence than it says',
      'another instance or sequence',
      async () => ({ ...(await uploadOf(1n)), sequence: 2n }),
    ],
    [
      'bytes that are no envelope',
      'no envelope',
      async () => ({ ...(await uploadOf(1n)), envelope: Uint8Array.of(1) }),
    ],
    [
      'an instance that is not there',
      'another instance',
      async () => ({ ...(await uploadOf(1n)), policyDataInstanceId: `0x${'d2'.repeat(32)}` }),
    ],
    ['a sequence far ahead', 'more than 1000 above', () => uploadOf(1_001n)],
  ])('error: SECRETS_REFUSED for %s', async (_name, detail, make) => {
    const judged: unknown[] = []
    const inbox = await open({
      judge: async (secrets) => {
        judged.push(secrets)
      },
    })
    const refused = inbox.put({ upload: await make(), validate: true })
    await expect(refused).rejects.toMatchObject({
      fault: 'SECRETS_REFUSED',
      message: expect.stringContaining(detail) as string,
    })
    // Nothing was opened for it.
    expect(judged).toEqual([])
    expect(inbox.size()).toBe(0)
  })

  test('error: for another chain, a template without secrets, a sequence that is committed', async () => {
    const foreign = (await open()).put({ upload: await uploadOf(1n, { on: 1n }), validate: false })
    await expect(foreign).rejects.toMatchObject({ fault: 'FOREIGN_CHAIN' })
    const bare = {
      ...registry,
      getPolicyDataTemplate: async () => ({ secretsSchemaHash: ARTIFACT_ABSENT }),
    } as unknown as RegistryReader
    const without = (await open({ registry: bare })).put({
      ...{ upload: await uploadOf(1n), validate: false },
    })
    await expect(without).rejects.toMatchObject({ fault: 'SECRETS_REFUSED' })
    committed = (await uploadOf(3n)).envelope
    for (const sequence of [1n, 3n]) {
      const old = (await open()).put({ upload: await uploadOf(sequence), validate: false })
      await expect(old).rejects.toMatchObject({ fault: 'SECRETS_REFUSED' })
    }
  })

  test('error: what the enclave refuses is not kept; without one nothing is judged', async () => {
    const judge = async (): Promise<void> => {
      throw new Error('the enclave says no')
    }
    const inbox = await open({ judge })
    const upload = await uploadOf(1n)
    await expect(inbox.put({ upload, validate: true })).rejects.toThrow('the enclave says no')
    expect(inbox.size()).toBe(0)
    await expect((await open()).put({ upload, validate: true })).rejects.toMatchObject({
      fault: 'ENCLAVE_MISSING',
    })
  })

  test('error: OVERLOADED for more of one owner than may wait', async () => {
    const inbox = await open({ perOwner: 2 })
    for (const sequence of [1n, 2n]) {
      await inbox.put({ upload: await uploadOf(sequence), validate: false })
    }
    const third = inbox.put({ upload: await uploadOf(3n), validate: false })
    await expect(third).rejects.toMatchObject({ fault: 'OVERLOADED' })
  })

  test('error: OVERLOADED for those too that come at the same time', async () => {
    const inbox = await open({ perOwner: 2 })
    const uploads = await Promise.all([1n, 2n, 3n, 4n, 5n].map((sequence) => uploadOf(sequence)))
    const taken = await Promise.allSettled(
      uploads.map((upload) => inbox.put({ upload, validate: false })),
    )
    expect(taken.map(({ status }) => status).sort()).toEqual([
      ...['fulfilled', 'fulfilled', 'rejected', 'rejected', 'rejected'],
    ])
    expect(inbox.size()).toBe(2)
  })
})

describe('what waits', () => {
  test('behavior: the highest sequence is proposed; of two with one, the lower hash', async () => {
    const inbox = await open()
    const [low, one, other] = [await uploadOf(1n), await uploadOf(2n), await uploadOf(2n)]
    for (const upload of [low, one, other]) await inbox.put({ upload, validate: false })
    const [first, second] = [one, other].sort((a, b) =>
      keccakHex(a.envelope) < keccakHex(b.envelope) ? -1 : 1,
    ) as [SecretsUploadRecord, SecretsUploadRecord]
    expect(await inbox.writesFor(ask)).toEqual([writeOf(first)])
    expect(inbox.accepts(writeOf(first))).toBe(true)
    expect(inbox.accepts(writeOf(second))).toBe(false)
    // Whoever knows the lower sequence alone is not stopped.
    expect(inbox.accepts(writeOf(low))).toBe(true)
  })

  test('behavior: outlives a restart, and goes once it is committed', async () => {
    const upload = await uploadOf(1n)
    await (await open()).put({ upload, validate: false })
    const again = await open()
    expect(await again.writesFor(ask)).toEqual([writeOf(upload)])
    committed = upload.envelope
    await again.settle()
    expect(again.size()).toBe(0)
    expect(await again.writesFor(ask)).toEqual([])
    expect(await again.metadata(instance)).toMatchObject({
      pending: null,
      committed: { sequence: 1n, time: start, uploader: owner.address.toLowerCase() },
    })
    // A peer that slept still gets it.
    expect(await (await open()).get(keccakHex(upload.envelope))).toEqual(upload)
  })

  test('behavior: of what was committed the newest of each instance stay, over a restart too', async () => {
    const inbox = await open()
    const uploads = await Promise.all(
      [1n, 2n, 3n, 4n, 5n, 6n].map((sequence) => uploadOf(sequence)),
    )
    for (const upload of uploads) {
      await inbox.put({ upload, validate: false })
      committed = upload.envelope
      await inbox.settle()
    }
    const kept = async (from: SecretsInbox): Promise<bigint[]> => {
      const found = await Promise.all(uploads.map(({ envelope }) => from.get(keccakHex(envelope))))
      return found.flatMap((upload) => upload?.sequence ?? [])
    }
    expect(await kept(inbox)).toEqual([3n, 4n, 5n, 6n])
    // A file of before, with more in it than is remembered.
    const { landed } = JSON.parse(text ?? '') as { landed: { sequence: string }[] }
    const many = Array.from({ length: 10_005 }, (_, at) => {
      const byte = at.toString(16).padStart(64, '0')
      return { ...landed[0], policyDataInstanceId: `0x${byte}`, envelopeHash: `0x${byte}` }
    })
    text = JSON.stringify({ held: [], landed: [...many, ...landed] })
    const again = await open()
    expect(await kept(again)).toEqual([3n, 4n, 5n, 6n])
    await again.put({ upload: await uploadOf(7n), validate: false })
    const written = JSON.parse(text) as { landed: { envelopeHash: string }[] }
    expect(written.landed).toHaveLength(10_000)
    expect(written.landed[0]?.envelopeHash).toBe(many[9]?.envelopeHash)
  })

  test('behavior: past its deadline it is proposed no more, and soon forgotten', async () => {
    const inbox = await open()
    const upload = await uploadOf(1n)
    await inbox.put({ upload, validate: false })
    clock += 601_000
    expect(await inbox.writesFor(ask)).toEqual([])
    await inbox.settle()
    // Others may have taken it in time.
    expect(inbox.accepts(writeOf(upload))).toBe(true)
    clock += 601_000
    await inbox.settle()
    expect(inbox.accepts(writeOf(upload))).toBe(false)
  })

  test('behavior: what is at or below the committed sequence is let in no more, settled or not', async () => {
    const inbox = await open({
      committedHash: () => (committed === null ? undefined : keccakHex(committed)),
    })
    const uploads = await Promise.all([5n, 6n, 7n].map((sequence) => uploadOf(sequence)))
    type Three = [SecretsUploadRecord, SecretsUploadRecord, SecretsUploadRecord]
    const [five, six, seven] = uploads as Three
    for (const upload of [five, six]) await inbox.put({ upload, validate: false })
    expect(inbox.accepts(writeOf(five))).toBe(true)
    // The commit that has it is applied, and nothing else has happened yet.
    committed = six.envelope
    expect([five, six].map((upload) => inbox.accepts(writeOf(upload)))).toEqual([false, false])
    expect(await inbox.writesFor(ask)).toEqual([])
    await inbox.put({ upload: seven, validate: false })
    expect(inbox.accepts(writeOf(seven))).toBe(true)
    expect(await inbox.writesFor(ask)).toEqual([writeOf(seven)])
    // One of others is committed that was never held here: unknown until it is looked at.
    committed = (await uploadOf(8n)).envelope
    expect(inbox.accepts(writeOf(seven))).toBe(false)
    expect(await inbox.writesFor(ask)).toEqual([])
    await inbox.settle()
    expect(inbox.size()).toBe(0)
  })

  test('error: SECRETS_REFUSED for one that is overtaken while it is judged', async () => {
    const newer = await uploadOf(6n)
    const inbox = await open({
      committedHash: () => (committed === null ? undefined : keccakHex(committed)),
      judge: async () => {
        await inbox.put({ upload: newer, validate: false })
        committed = newer.envelope
      },
    })
    const late = inbox.put({ upload: await uploadOf(5n), validate: true })
    await expect(late).rejects.toMatchObject({ fault: 'SECRETS_REFUSED' })
  })

  test('behavior: a committed envelope that cannot be had keeps no other instance waiting', async () => {
    const ids = [1, 2, 3].map((byte) => `0x${`d${byte}`.repeat(32)}` as Hex)
    const known = new Map<Hex, Uint8Array>()
    const gone = new Error('nobody has the bytes')
    let away: Hex | undefined
    const inbox = await open({
      registry: {
        ...registry,
        getPolicyDataInstance: async () => ({ client, templateId: `0x${'e1'.repeat(32)}` }),
      } as unknown as RegistryReader,
      committed: async (id) => {
        if (id === away) throw gone
        return known.get(id) ?? null
      },
      committedHash: (id) => {
        const envelope = known.get(id)
        return envelope === undefined ? undefined : keccakHex(envelope)
      },
    })
    for (const id of ids) {
      const low = await uploadOf(1n, { id })
      const high = await uploadOf(2n, { id })
      for (const upload of [low, high]) await inbox.put({ upload, validate: false })
      known.set(id, high.envelope)
    }
    expect(inbox.size()).toBe(6)
    away = ids[0] as Hex
    await expect(inbox.settle()).rejects.toBe(gone)
    expect(inbox.size()).toBe(2)
    // Past its deadline nothing is asked for what cannot be had.
    clock += 1_201_000
    await expect(inbox.settle()).rejects.toBe(gone)
    expect(inbox.size()).toBe(0)
    // What was committed of it is remembered all the same.
    expect(await inbox.get(keccakHex(known.get(away) as Uint8Array))).toMatchObject({
      sequence: 2n,
    })
    await inbox.settle()
  })

  test('error: INVALID_INPUT for a store that holds something else', async () => {
    text = '{"held": 1}'
    await expect(open()).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })
})
