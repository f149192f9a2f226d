import { type Address, decodeEventLog, type Hex, type Log } from 'viem'
import { waitForTransactionReceipt, writeContract } from 'viem/actions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../src/core/artifact.js'
import { canonicalBytes, type JsonObject } from '../../src/core/canonicalJson.js'
import { toHex } from '../../src/internal/bytes.js'
import * as registry from '../../src/registry/index.js'
import {
  proxyModelClientAbi,
  proxyModelClientBytecode,
} from '../../src/testing/artifacts/proxyModelClient.generated.js'
import {
  proxyModelFactoryAbi,
  proxyModelFactoryBytecode,
} from '../../src/testing/artifacts/proxyModelFactory.generated.js'
import { deployContract } from '../../src/testing/contracts.js'
import { startChain, type TestChain, word } from './chain.js'

let chain: TestChain
let factory: Address
beforeAll(async () => {
  chain = await startChain()
  factory = await deployContract(chain.owner, {
    abi: proxyModelFactoryAbi,
    bytecode: proxyModelFactoryBytecode,
    args: [false],
    name: 'ProxyModelFactory',
  })
})
afterAll(() => chain?.anvil.stop())

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const files: Record<string, Uint8Array> = {
  'bafy-rego': text('package p\ndefault allow := false\n'),
  'bafy-schema': text('{"type":"object"}'),
  'bafy-wasm-a': text('wasm a'),
  'bafy-wasm-b': text('wasm b'),
  'bafy-secrets': text('{"type":"object","properties":{}}'),
}
const fetchCid = async (cid: string): Promise<Uint8Array> => {
  const bytes = files[cid]
  if (bytes === undefined) throw new TypeError('nobody has it')
  return bytes
}
const hashOf = (cid: string): Hex => computeArtifactHash(files[cid] as Uint8Array)

async function send(call: {
  address: Address
  abi: readonly unknown[]
  functionName: string
  args: readonly unknown[]
}): Promise<Log[]> {
  const hash = await writeContract(chain.owner, call as never)
  return (await waitForTransactionReceipt(chain.owner, { hash })).logs
}

async function deploy(
  functionName: string,
  args: readonly unknown[],
  field: string,
): Promise<Address> {
  const logs = await send({ address: factory, abi: proxyModelFactoryAbi, functionName, args })
  for (const log of logs) {
    if (log.address.toLowerCase() !== factory.toLowerCase()) continue
    const { args: found } = decodeEventLog({
      abi: proxyModelFactoryAbi,
      data: log.data,
      topics: log.topics,
    })
    return (found as unknown as Record<string, Address>)[field] as Address
  }
  throw new TypeError('nothing was deployed')
}

async function oldPolicy(options: {
  params: JsonObject | undefined
  policyCid?: string
  codeHash?: Hex
  entrypoint?: string
}): Promise<{ policy: Address; client: Address; data: Address[] }> {
  const { owner } = chain
  const me = owner.account.address
  const data = [
    await deploy(
      'deployPolicyData',
      ['bafy-wasm-a', 'bafy-secrets', 30, `m${Math.random()}`, me],
      'policyData',
    ),
    await deploy(
      'deployPolicyData',
      ['bafy-wasm-b', '', 40, `m${Math.random()}`, me],
      'policyData',
    ),
  ]
  const policy = await deploy(
    'deployPolicy',
    [
      options.entrypoint ?? 'p.allow',
      options.policyCid ?? 'bafy-rego',
      'bafy-schema',
      data,
      'meta',
      me,
      options.codeHash ?? hashOf('bafy-rego'),
    ],
    'policy',
  )
  const client = await deployContract(owner, {
    abi: proxyModelClientAbi,
    bytecode: proxyModelClientBytecode,
    args: [me],
    name: 'ProxyModelClient',
  })
  await send({
    address: client,
    abi: proxyModelClientAbi,
    functionName: 'setPolicyAddress',
    args: [policy],
  })
  const policyParams = options.params === undefined ? '0x' : toHex(canonicalBytes(options.params))
  await send({
    address: client,
    abi: proxyModelClientAbi,
    functionName: 'setPolicy',
    args: [{ policyParams, expireAfter: 150 }],
  })
  return { policy, client, data }
}

describe('importNewtonPolicy', () => {
  test('a client’s policy becomes templates and params, and they register', async () => {
    const { owner, addresses } = chain
    const old = await oldPolicy({ params: { limit: 5 } })
    const found = await registry.importNewtonPolicy(owner, { address: old.client, fetchCid })
    expect(found.policy).toMatchObject({
      address: old.policy,
      entrypoint: 'p.allow',
      policyCodeHash: hashOf('bafy-rego'),
      policyData: [
        {
          address: old.data[0],
          wasmCid: 'bafy-wasm-a',
          secretsSchemaCid: 'bafy-secrets',
          expireAfter: 30,
        },
        { address: old.data[1], wasmCid: 'bafy-wasm-b', secretsSchemaCid: '' },
      ],
    })
    expect(found.client).toMatchObject({ address: old.client, expireAfter: 150 })
    expect(found).toMatchObject({ issues: [], manifest: { status: 'none' } })
    const plan = found.plan as registry.ImportPlan
    expect(plan).toMatchObject({ params: { limit: 5 }, expireAfter: 150n })
    expect(plan.artifacts.size).toBe(5)
    expect(plan.policyDataTemplates.map(({ secretsSchemaHash }) => secretsSchemaHash)).toEqual([
      hashOf('bafy-secrets'),
      ARTIFACT_ABSENT,
    ])
    for (const template of plan.policyDataTemplates) {
      const { id } = await registry.registerPolicyDataTemplateSync(owner, {
        ...template,
        addresses,
      })
      expect(id).toBe(template.id)
    }
    const { id } = await registry.registerPolicyTemplateSync(owner, {
      ...plan.policyTemplate,
      addresses,
    })
    const client = await chain.policyClient()
    await registry.deployPolicyInstanceSync(owner, {
      addresses,
      templateId: id,
      client,
      params: plan.params,
      expireAfter: plan.expireAfter as bigint,
    })
    // From the policy and the client named beside it, the same.
    const direct = await registry.importNewtonPolicy(owner, {
      address: old.policy,
      policyClient: old.client,
      fetchCid,
    })
    expect(direct).toEqual(found)
    const alone = await registry.importNewtonPolicy(owner, { address: old.policy })
    expect(alone).toMatchObject({ client: null, plan: null })
  })

  test('composite manifests are read, and compared with the policy', async () => {
    const { owner } = chain
    const base = await oldPolicy({ params: undefined })
    const manifest = (data: readonly Address[]): JsonObject => ({
      _manifest: { magic: 'NPM1', version: 1 },
      modules: [
        { id: '@newton/pack-a', policyDataAddress: data[0] as string, wasmCid: 'bafy-wasm-a' },
        { id: 'pack-b', policyDataAddress: data[1] as string, wasmCid: 'bafy-wasm-b' },
      ],
      params: { 'pack-a': { x: 1 }, 'pack-b': { y: 2 } },
    })
    const set = async (params: JsonObject): Promise<registry.ImportedPolicy> => {
      await send({
        address: base.client,
        abi: proxyModelClientAbi,
        functionName: 'setPolicy',
        args: [{ policyParams: toHex(canonicalBytes(params)), expireAfter: 1 }],
      })
      return registry.importNewtonPolicy(owner, { address: base.client })
    }
    const good = await set(manifest(base.data))
    expect(good.issues).toEqual([])
    expect(good.manifest).toMatchObject({ status: 'composite' })
    if (good.manifest.status === 'composite') {
      expect(registry.moduleParams(good.manifest.manifest, '@newton/pack-a')).toEqual({ x: 1 })
    }
    const swapped = await set(manifest([...base.data].reverse()))
    expect(swapped.issues.map(({ code }) => code)).toEqual([
      'MANIFEST_MISMATCH',
      'MANIFEST_MISMATCH',
    ])
    const malformed = await set({ ...manifest(base.data), params: { 'pack-a': {} } })
    expect(malformed.issues.map(({ code }) => code)).toEqual(['MANIFEST_MALFORMED'])
  })

  test('what does not carry over is an issue', async () => {
    const { owner } = chain
    const drift = await oldPolicy({ params: {}, codeHash: word(1), entrypoint: 'p.deny' })
    const found = await registry.importNewtonPolicy(owner, { address: drift.client, fetchCid })
    expect(found.issues.map(({ code }) => code)).toEqual([
      'ENTRYPOINT_NOT_ALLOW',
      'CODE_HASH_MISMATCH',
    ])
    const gone = await oldPolicy({ params: {}, policyCid: 'bafy-gone' })
    const without = await registry.importNewtonPolicy(owner, { address: gone.client, fetchCid })
    expect(without).toMatchObject({ plan: null, issues: [{ code: 'ARTIFACT_UNAVAILABLE' }] })
  })

  test('error: another contract, no contract', async () => {
    const { owner, addresses } = chain
    for (const address of [addresses.policyRegistry, owner.account.address]) {
      await expect(registry.importNewtonPolicy(owner, { address })).rejects.toMatchObject({
        code: 'NOT_NEWTON_POLICY',
      })
    }
  })
})

describe('readManifest', () => {
  test('never throws', () => {
    const header = { magic: 'NPM1', version: 1 }
    const module = { id: 'a', policyDataAddress: `0x${'11'.repeat(20)}`, wasmCid: 'c' }
    expect(registry.readManifest({})).toEqual({ status: 'none' })
    for (const bad of [
      { _manifest: 1 },
      { _manifest: { magic: 'X', version: 1 } },
      { _manifest: { magic: 'NPM1', version: 2 } },
      { _manifest: header },
      { _manifest: header, modules: [], params: {} },
      { _manifest: header, modules: [1], params: { a: {} } },
      { _manifest: header, modules: [{ ...module, wasmCid: 1 }], params: { a: {} } },
      { _manifest: header, modules: [{ ...module, policyDataAddress: 'x' }], params: { a: {} } },
      { _manifest: header, modules: [module], params: [] },
      { _manifest: header, modules: [module], params: { b: {} } },
      { _manifest: header, modules: [module], params: { a: {}, b: {} } },
      { _manifest: header, modules: [module, module], params: { a: {}, b: {} } },
    ]) {
      expect(registry.readManifest(bad as JsonObject).status).toBe('malformed')
    }
  })
})
