import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../src/core/artifact.js'
import { computePolicyTemplateId } from '../../src/core/ids.js'
import * as registry from '../../src/registry/index.js'
import { startChain, type TestChain } from './chain.js'

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

let chain: TestChain
let reader: Awaited<ReturnType<typeof registry.createRegistryReader>>
beforeAll(async () => {
  chain = await startChain()
  const { owner: client, addresses } = chain
  reader = await registry.createRegistryReader({ client, addresses })
})
afterAll(() => chain?.anvil.stop())

const servers: Server[] = []
afterEach(async () => {
  for (const server of servers.splice(0)) server.closeAllConnections()
})

type Upload = { path: string; bytes: Uint8Array; registered: boolean }

/** A server that answers uploads with these statuses, the last of them from then on. */
async function operator(
  statuses: readonly number[],
  id: () => `0x${string}`,
): Promise<{ url: string; uploads: Upload[] }> {
  const uploads: Upload[] = []
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk as Uint8Array)
    const registered = (await reader.getPolicyTemplate(id())) !== null
    uploads.push({
      path: `${request.method} ${request.url}`,
      bytes: Buffer.concat(chunks),
      registered,
    })
    const status = statuses[Math.min(uploads.length, statuses.length) - 1] as number
    const word = { 200: 'held', 201: 'taken' }[status] ?? 'refused'
    response.writeHead(status).end(`${word} ${request.url?.split('/').at(-1)}`)
  }
  const server = createServer((request, response) => void answer(request, response))
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, uploads }
}

const templateOf = (rego: Uint8Array, schema?: Uint8Array) => ({
  regoHash: computeArtifactHash(rego),
  paramsSchemaHash: schema === undefined ? ARTIFACT_ABSENT : computeArtifactHash(schema),
  policyDataTemplateRefs: [],
})

test('default: the bytes reach operators once the registration is mined, and who has them is told', async () => {
  const [rego, schema] = [utf8('package pushed'), utf8('{"type":"object"}')]
  const template = templateOf(rego, schema)
  const id = computePolicyTemplateId(template)
  const early = await operator([404, 404, 201, 200], () => id)
  const late = await operator([200], () => id)
  const never = await operator([422], () => id)
  const done = await registry.registerPolicyTemplateSync(chain.owner, {
    ...template,
    addresses: chain.addresses,
    push: {
      operators: [early.url, `${late.url}/`, never.url, 'http://127.0.0.1:9'],
      artifacts: [rego, schema],
      timeout: 3_000,
    },
  })
  expect(done.id).toBe(id)
  expect(done.pushed?.map(({ namespace, hash }) => ({ namespace, hash }))).toEqual([
    { namespace: 4, hash: template.regoHash },
    { namespace: 5, hash: template.paramsSchemaHash },
  ])
  for (const { results } of done.pushed ?? []) {
    expect(results).toEqual([
      {
        url: early.url,
        status: expect.stringMatching(/^(?:taken|held)$/),
        httpStatus: expect.any(Number),
      },
      { url: `${late.url}/`, status: 'held', httpStatus: 200 },
      { url: never.url, status: 'refused', httpStatus: 422 },
      { url: 'http://127.0.0.1:9', status: 'unanswered' },
    ])
  }
  for (const { uploads } of [early, late, never])
    for (const { path, bytes, registered } of uploads) {
      expect(registered).toBe(true)
      const own = path.startsWith('PUT /artifacts/4/') ? rego : schema
      expect(Buffer.from(bytes)).toEqual(Buffer.from(own))
      expect(path.endsWith(`/${computeArtifactHash(own)}`)).toBe(true)
    }
  // A refusal that no waiting changes is not asked for again.
  expect(never.uploads).toHaveLength(2)
}, 20_000)

test('error: bytes that the registration does not name, and no URL, before anything is signed', async () => {
  const rego = utf8('package refused')
  const template = templateOf(rego)
  const send = (push: registry.PushInput): Promise<unknown> =>
    registry.registerPolicyTemplateSync(chain.owner, {
      ...{ ...template, addresses: chain.addresses, push },
    })
  await expect(send({ operators: [], artifacts: [utf8('other')] })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('push.artifacts[0]'),
  })
  await expect(send({ operators: ['file:///x'], artifacts: [rego] })).rejects.toMatchObject({
    code: 'INVALID_INPUT',
    message: expect.stringContaining('push.operators[0]'),
  })
  for (const [push, field] of [
    [null, 'push'],
    [{ artifacts: [rego] }, 'push.operators'],
    [{ operators: [] }, 'push.artifacts'],
    [{ operators: [], artifacts: ['package refused'] }, 'push.artifacts[0]'],
    [{ operators: [], artifacts: [rego], timeout: Number.NaN }, 'push.timeout'],
    [{ operators: [], artifacts: [rego], timeout: Number.POSITIVE_INFINITY }, 'push.timeout'],
    [{ operators: [], artifacts: [rego], timeout: -1 }, 'push.timeout'],
    [{ operators: [], artifacts: [rego], timeouts: 5 }, 'push.timeouts'],
    [{ operators: [], artifacts: [rego], fetch: 5 }, 'push.fetch'],
    [{ operators: ['https://me:secret@a.example'], artifacts: [rego] }, 'push.operators[0]'],
  ] as const)
    await expect(send(push as never)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining(field),
    })
  expect(await reader.getPolicyTemplate(computePolicyTemplateId(template))).toBeNull()
})

test('behavior: a caller who leaves while artifacts are handed in has what is registered', async () => {
  const rego = utf8('package leaving')
  const template = templateOf(rego)
  const id = computePolicyTemplateId(template)
  const controller = new AbortController()
  const deaf = await operator([404], () => {
    controller.abort()
    return id
  })
  const done = await registry.ensurePolicyTemplateSync(chain.owner, {
    ...template,
    addresses: chain.addresses,
    signal: controller.signal,
    push: { operators: [deaf.url], artifacts: [rego] },
  })
  expect(done).toMatchObject({ id, created: true })
  expect(done.pushed?.[0]?.results[0]?.status).toMatch(/^(?:refused|unanswered)$/)
})

test('behavior: over chains, each outcome tells; without `push` nothing is sent', async () => {
  const wasm = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  const data = {
    wasmHash: computeArtifactHash(wasm),
    paramsSchemaHash: ARTIFACT_ABSENT,
    secretsSchemaHash: ARTIFACT_ABSENT,
  }
  const calls: string[] = []
  const fetch: typeof globalThis.fetch = async (input) => {
    calls.push(String(input))
    return new Response(`taken ${data.wasmHash}`, { status: 201 })
  }
  const chains = [{ client: chain.owner, addresses: chain.addresses }]
  const push = { operators: ['https://operator.example/'], artifacts: [wasm], fetch }
  const [first] = await registry.registerPolicyDataTemplateOnChains({ ...data, chains, push })
  expect(first).toMatchObject({
    status: 'registered',
    pushed: [{ namespace: 6, hash: data.wasmHash, results: [{ status: 'taken' }] }],
  })
  expect(calls).toEqual([`https://operator.example/artifacts/6/${data.wasmHash}`])
  const [again] = await registry.registerPolicyDataTemplateOnChains({ ...data, chains })
  expect(again).toMatchObject({ status: 'already there' })
  expect(calls).toHaveLength(1)
})
