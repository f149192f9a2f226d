import type { Hex } from 'viem'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { beforeAll, describe, expect, test } from 'vitest'
import { computeKeyHash, namespaces } from '../../src/core/artifact.js'
import { utf8 } from '../../src/internal/bytes.js'
import { keccakHex } from '../../src/internal/keccak.js'
import { computeParamsDigest, randomNonce, signCall } from '../../src/operator/rpc/auth.js'
import { createReadAuthentication } from '../../src/operator/rpc/readAuth.js'
import {
  createStateTree,
  type LeafAdmission,
  memoryStore,
  type SignedReadParams,
  type SnapshotServerOptions,
  type StateTree,
  snapshotClient,
  snapshotServer,
} from '../../src/statetree/index.js'

const operator: Hex = `0x${'aa'.repeat(20)}`
const domain = { chainId: 31337n, policyRegistry: `0x${'bb'.repeat(20)}` as Hex }
const owner = privateKeyToAccount(generatePrivateKey())
const stranger = privateKeyToAccount(generatePrivateKey())
const seconds = 1_700_000_000
const now = () => seconds * 1_000

const rego = utf8('package p\n')
const envelope = utf8('sealed')
const instance: Hex = `0x${'11'.repeat(32)}`
const absent: Hex = `0x${'22'.repeat(32)}`
const secret: SignedReadParams = { namespace: namespaces.secrets, name: instance }
let tree: StateTree

beforeAll(async () => {
  tree = await createStateTree({ store: memoryStore() })
  await tree.commit([], { version: 0 })
  await tree.commit(
    [
      { keyHash: computeKeyHash(namespaces.rego, keccakHex(rego)), value: rego },
      { keyHash: computeKeyHash(namespaces.secrets, instance), value: envelope },
      // A private leaf under the key of an artifact that nobody has registered.
      { keyHash: computeKeyHash(namespaces.rego, absent), value: envelope },
    ],
    { version: 1 },
  )
  await tree.commit([{ keyHash: computeKeyHash(namespaces.secrets, instance), valueHash: null }], {
    version: 2,
  })
})

const mayRead: LeafAdmission['mayRead'] = ({ caller, namespace, name }) =>
  caller === owner.address.toLowerCase() && namespace === namespaces.secrets && name === instance
const admission: LeafAdmission = {
  authenticate: createReadAuthentication({ operator, ...domain, now }),
  mayRead,
}

type Signed = { account?: typeof owner; expiresAt?: bigint; operator?: Hex; method?: string }
function open(more: Partial<SnapshotServerOptions> = {}, signed: Signed | undefined = {}) {
  const handler = snapshotServer({ tree, admission, ...more })
  const client = snapshotClient({
    url: 'https://peer.example',
    fetch: handler,
    authorize: async ({ method, params }) => {
      const call = {
        operator,
        method,
        paramsHash: computeParamsDigest(params),
        nonce: randomNonce(),
        expiresAt: BigInt(seconds + 60),
        ...signed,
      }
      return signCall(signed.account ?? owner, call, domain)
    },
  })
  const anonymous = snapshotClient({ url: 'https://peer.example', fetch: handler })
  return { client, anonymous, handler }
}
const refused = (status: number) => ({ code: 'TREE_LEAF_REFUSED', status })
const rootOf = (version: number): Hex => tree.root({ version })

describe('signed reads', () => {
  test('default: who is let in reads a private leaf with its proof, at a root and at a block', async () => {
    const rootAt = async (block: bigint) =>
      block < 10n ? null : { sequenceNo: 1n, root: rootOf(1), block: 10n }
    const { client } = open({ rootAt })
    for (const at of [{ root: rootOf(1) }, { block: 17n }]) {
      const reading = await client.read({ ...secret, ...at })
      expect(reading.value).toEqual(envelope)
      expect(reading.commit.root).toBe(rootOf(1))
    }
    expect((await client.read({ ...secret, block: 17n })).commit.block).toBe(10n)
    // The newest root has it no more, and proves that.
    const gone = await client.read(secret)
    expect(gone).toMatchObject({ valueHash: null, value: undefined, proof: { type: 'exclusion' } })
    await expect(client.read({ ...secret, block: 9n })).rejects.toMatchObject(refused(404))
    await expect(client.read({ ...secret, root: absent })).rejects.toMatchObject(refused(404))
  })

  test('behavior: artifacts are read by anyone, their bytes by hash', async () => {
    const { anonymous } = open()
    const name = keccakHex(rego)
    const reading = await anonymous.read({ namespace: namespaces.rego, name, root: rootOf(1) })
    expect(reading).toMatchObject({ valueHash: name, value: undefined })
    expect(await anonymous.bytes(name)).toEqual(rego)
  })

  test('behavior: a private leaf goes out by no other way', async () => {
    const { anonymous, handler } = open()
    const hash = keccakHex(envelope)
    await expect(anonymous.bytes(hash)).rejects.toMatchObject({ code: 'BYTES_NOT_FOUND' })
    await expect(anonymous.delta(hash)).rejects.toMatchObject({ code: 'BYTES_NOT_FOUND' })
    const disguised = { namespace: namespaces.rego, name: absent, root: rootOf(1) }
    await expect(anonymous.read(disguised)).rejects.toMatchObject(refused(403))
    const get = await handler(new Request('https://peer.example/v1/read'))
    expect(get.status).toBe(405)
  })

  test('behavior: who is not let in learns nothing of what is there', async () => {
    const { client } = open({}, { account: stranger })
    const { anonymous } = open()
    const none = open({ admission: undefined })
    for (const name of [instance, absent]) {
      const params = { ...secret, name, root: rootOf(1) }
      await expect(client.read(params)).rejects.toMatchObject(refused(403))
      await expect(anonymous.read(params)).rejects.toMatchObject(refused(401))
      await expect(none.client.read(params)).rejects.toMatchObject(refused(403))
      // Nor of roots and blocks that are not retained.
      await expect(client.read({ ...params, root: absent })).rejects.toMatchObject(refused(403))
    }
  })

  test.each([
    ['another operator', { operator: `0x${'cc'.repeat(20)}` as Hex }],
    ['another method', { method: 'newt_getOutputs' }],
    ['the past', { expiresAt: BigInt(seconds) }],
    ['too far ahead', { expiresAt: BigInt(seconds + 121) }],
  ] satisfies [string, Signed][])(
    'error: a call signed for %s lets nobody in',
    async (_, signed) => {
      await expect(open({}, signed).client.read(secret)).rejects.toMatchObject({
        code: 'TREE_LEAF_REFUSED',
        status: expect.toSatisfy((status: number) => status === 401 || status === 403),
      })
    },
  )

  test('behavior: a signature is for one leaf', async () => {
    let taken: string | null = null
    const { client } = open({
      admission: {
        ...admission,
        authenticate: (call) => {
          taken = call.authorization
          return admission.authenticate(call)
        },
      },
    })
    await client.read({ ...secret, root: rootOf(1) })
    const { handler } = open()
    const replayed = (params: object) =>
      handler(
        new Request('https://peer.example/v1/read', {
          method: 'POST',
          body: JSON.stringify(params),
          headers: { authorization: taken ?? '' },
        }),
      )
    expect((await replayed({ ...secret, root: rootOf(1) })).status).toBe(200)
    expect((await replayed({ ...secret })).status).toBe(403)
    expect((await replayed({ ...secret, name: absent })).status).toBe(403)
  })

  test.each([
    ['fails', async () => Promise.reject(new TypeError('no database'))],
    [
      'throws',
      () => {
        throw new TypeError('no database')
      },
    ],
    ['says something truthy', async () => 'yes' as never],
  ])('behavior: a rule that %s lets nobody in', async (_, rule) => {
    const { client } = open({ admission: { ...admission, mayRead: rule } })
    await expect(client.read({ ...secret, root: rootOf(1) })).rejects.toMatchObject(refused(403))
  })

  test.each(
    [
      'null',
      '[]',
      '{',
      '{}',
      '{"namespace":9,"name":"0x"}',
      JSON.stringify({ namespace: 3, name: instance.slice(2) }),
      JSON.stringify({ namespace: '3', name: instance }),
      JSON.stringify({ namespace: 3, name: instance, block: 1 }),
      JSON.stringify({ namespace: 3, name: instance, block: '01' }),
      JSON.stringify({ namespace: 3, name: instance, root: instance, block: '1' }),
      JSON.stringify({ namespace: 3, name: instance, more: true }),
      JSON.stringify({ namespace: 3, name: instance, root: 'x'.repeat(1_100) }),
    ].map((body, index) => [index, body] as const),
  )('error: malformed parameters %i are refused', async (_, body) => {
    const { handler } = open()
    const request = new Request('https://peer.example/v1/read', { method: 'POST', body })
    expect((await handler(request)).status).toBe(400)
  })

  test('behavior: the client believes no server', async () => {
    const honest = open().handler
    const lie = (change: (answer: Record<string, never>) => unknown) =>
      snapshotClient({
        url: 'https://peer.example',
        fetch: async (request) => {
          const response = await honest(request)
          return Response.json(change(JSON.parse(await response.text())))
        },
        authorize: async ({ method, params }) => {
          const paramsHash = computeParamsDigest(params)
          const expiresAt = BigInt(seconds + 60)
          return signCall(
            owner,
            { operator, method, paramsHash, nonce: randomNonce(), expiresAt },
            domain,
          )
        },
      })
    const params = { ...secret, root: rootOf(1) }
    await expect(lie((answer) => answer).read(params)).resolves.toBeDefined()
    for (const change of [
      (answer: object) => ({ ...answer, value: '0x1234' }),
      (answer: object) => ({ ...answer, value: null }),
      (answer: object) => ({ ...answer, valueHash: absent }),
      (answer: object) => ({ ...answer, valueHash: null, value: null }),
      (answer: object) => ({
        ...answer,
        commit: { sequenceNo: '2', root: rootOf(2), block: null },
      }),
      (answer: object) => ({ ...answer, proof: {} }),
      () => null,
      () => ({}),
    ]) {
      await expect(lie(change as never).read(params)).rejects.toMatchObject({
        code: 'TREE_SNAPSHOT',
      })
    }
  })
})
