import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  encodeAbiParameters,
  encodeFunctionData,
  type Hex,
  keccak256,
  parseAbi,
  stringToHex,
} from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { component, fetchBody } from '../../../test/fixtures/pluginComponents.js'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../core/artifact.js'
import type { Evaluation, EvaluationRequest } from '../../core/interfaces/evaluator.js'
import type { RegistrySnapshot } from '../../core/interfaces/registryReader.js'
import { computeMessageHash } from '../../core/response.js'
import { computeTaskId } from '../../core/task.js'
import { toHex, utf8 } from '../../internal/bytes.js'
import { nodeHttpTransport, nodePluginWorkers } from '../node/index.js'
import { createPluginRuntime, type PluginRuntime } from '../plugins/runtime/runtime.js'
import type { RegoEngine, RegoOutcome } from '../rego/engine.js'
import { operatorEngine } from '../rego/operatorEngine.js'
import { createSchemaValidator } from '../schema/validator.js'
import { createEvaluator } from './evaluator.js'
import type { EvaluatorParameters } from './parameters.js'
import { mergeOutputs } from './rego.js'
import { createReplayer, createResultReplayer } from './replay.js'
import {
  deploySimulated,
  type SimulatedDeployment,
  type SimulationRequest,
  simulate,
} from './simulate.js'

const file = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../../examples/${path}`, import.meta.url)))
const engine = operatorEngine()
const schemas = createSchemaValidator()
const id = (byte: string): Hex => `0x${byte.repeat(32)}`
const recipient = '0x2222222222222222222222222222222222222222'
const signature = 'function transfer(address to, uint256 amount)'

let plugins: PluginRuntime
let server: Server
let endpoint: string
let score = 7

beforeAll(async () => {
  plugins = createPluginRuntime({
    workers: nodePluginWorkers({ concurrency: 1 }),
    transport: nodeHttpTransport(),
    http: { allowPrivate: true },
  })
  server = createServer((request, response) => {
    response.end(JSON.stringify({ address: request.url?.split('/').pop(), score, listed: false }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  plugins.close()
  server.closeAllConnections()
  server.close()
})

function guarded(more: Partial<SimulationRequest> = {}): SimulationRequest {
  return {
    rego: file('policies/guarded-transfer/policy.rego'),
    params: { maxScore: 50, maxAmount: '1000' },
    paramsSchema: file('policies/guarded-transfer/params.schema.json'),
    plugins: [
      {
        wasm: file('plugins/sanctions-score/plugin.wasm'),
        params: { endpoint },
        paramsSchema: file('plugins/sanctions-score/params.schema.json'),
        secretsSchema: file('plugins/sanctions-score/secrets.schema.json'),
        secrets: { apiKey: 'key-of-the-service' },
      },
    ],
    wasmArgs: { address: recipient },
    intent: {
      from: '0x1111111111111111111111111111111111111111',
      to: '0x3333333333333333333333333333333333333333',
      value: 0n,
      chainId: 31337n,
      functionSignature: stringToHex(signature),
      data: encodeFunctionData({ abi: parseAbi([signature]), args: [recipient, 5n] }),
    },
    ...more,
  }
}

/** A policy with a plugin that needs no network and no secrets. */
async function plain(more: Partial<SimulationRequest> = {}): Promise<SimulationRequest> {
  return {
    ...guarded(),
    rego: utf8(
      'package p\nimport rego.v1\ndefault allow := false\nallow if data.wasm.address == input.decoded_function_arguments[0]\ndeny contains "no" if not allow\n',
    ),
    params: undefined,
    paramsSchema: undefined,
    plugins: [{ wasm: await component({}) }],
    ...more,
  }
}

function parametersOf(
  deployment: SimulatedDeployment,
  more: Partial<EvaluatorParameters> = {},
): EvaluatorParameters {
  return {
    registry: {
      snapshot: async () => deployment.snapshot,
      isEnclaveWhitelistedAt: async () => true,
    },
    artifacts: deployment.artifacts,
    engine,
    plugins,
    schemas,
    committed: { isCommittedAt: async () => true },
    secrets: {
      envelopes: {
        getEnvelope: async ({ policyDataInstanceId }) =>
          deployment.secrets.get(policyDataInstanceId) ?? null,
      },
      opener: { openSecrets: async ({ envelope }) => envelope },
    },
    ...more,
  }
}

async function evaluate(
  deployment: SimulatedDeployment,
  more: Partial<EvaluatorParameters> = {},
  request: Partial<EvaluationRequest> = {},
): Promise<Evaluation> {
  return createEvaluator(parametersOf(deployment, more)).evaluate({
    task: deployment.task,
    referenceTimestamp: 1_700_000_000,
    pcr0Commitment: id('ee'),
    ...request,
  })
}

function withSnapshot(
  deployment: SimulatedDeployment,
  change: (snapshot: RegistrySnapshot) => RegistrySnapshot,
): SimulatedDeployment {
  return { ...deployment, snapshot: change(deployment.snapshot) }
}

describe('createEvaluator', () => {
  test('behavior: a real policy with a real plugin allows, and denies with reasons', async () => {
    score = 7
    const allowed = await evaluate(deploySimulated(guarded()))
    expect(allowed).toMatchObject({
      allow: true,
      reasons: [],
      assurance: 'local',
      engine: { semantics: 'operator' },
    })
    expect(allowed.warnings).toEqual([])
    score = 51
    const denied = await evaluate(
      deploySimulated(guarded({ params: { maxScore: 50, maxAmount: '4' } })),
    )
    expect(denied.allow).toBe(false)
    expect(denied.reasons).toEqual([
      'the amount is over the limit',
      "the recipient's risk score is too high",
    ])
    expect(denied.evaluationResult).toBe(`0x${'00'.repeat(32)}`)
    score = 7
    const elsewhere = await evaluate(
      deploySimulated(guarded({ wasmArgs: { address: `0x${'44'.repeat(20)}` } })),
    )
    expect(elsewhere.reasons).toEqual(['the screening is for another address'])
  })

  test('behavior: every field of the response is what the specification says', async () => {
    score = 7
    const deployment = deploySimulated(guarded())
    const { snapshot, task } = deployment
    const { response, outputs, secrets, digestPreimage } = await evaluate(deployment)
    const [data] = snapshot.data
    const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`
    const digest = keccak256(
      `0x${[
        word(task.chainId),
        snapshot.policyInstanceId,
        snapshot.policyInstance?.templateId,
        snapshot.policyTemplate?.regoHash,
        snapshot.policyTemplate?.paramsSchemaHash,
        snapshot.policyInstance?.paramsHash,
        word(1n),
        word(101n),
        data?.instanceId,
        data?.templateId,
        data?.template?.wasmHash,
        data?.template?.paramsSchemaHash,
        data?.template?.secretsSchemaHash,
        data?.instance?.paramsHash,
        id('ee'),
      ]
        .map((part) => part?.slice(2))
        .join('')}`,
    )
    const envelope = deployment.secrets.get(data?.instanceId as Hex) as Uint8Array
    const inputs = `{"outputs":{"${data?.templateId}":{"sanctions":{"address":"${recipient}","listed":false,"score":7}}},"secrets":{"${data?.instanceId}":"${keccak256(envelope)}"}}`
    expect(response).toEqual({
      chainId: 31337n,
      policyRegistry: task.policyRegistry,
      taskId: computeTaskId(task),
      policyClient: task.policyClient,
      intentHash: expect.stringMatching(/^0x[\da-f]{64}$/),
      policyInstanceId: snapshot.policyInstanceId,
      artifactDigest: digest,
      inputsHash: keccak256(stringToHex(inputs)),
      pcr0Commitment: id('ee'),
      evaluationResult: encodeAbiParameters([{ type: 'uint256' }], [1n]),
      referenceBlock: 1n,
      referenceBlockHash: task.referenceBlockHash,
      referenceTimestamp: 1_700_000_000,
      expirationBlock: 101n,
    })
    expect(Object.isFrozen(response)).toBe(true)
    expect(Object.keys(outputs)).toEqual([data?.templateId])
    expect(Object.keys(secrets)).toEqual([data?.instanceId])
    expect(digestPreimage.data).toHaveLength(1)
  })

  test('behavior: same inputs, same bytes', async () => {
    const deployment = deploySimulated(await plain())
    const { timings: _, ...first } = await evaluate(deployment)
    const { timings: __, ...second } = await evaluate(deployment)
    expect(second).toEqual(first)
    expect(computeMessageHash(second.response)).toBe(computeMessageHash(first.response))
  })

  test('behavior: the registry is read once, and only what it said is used', async () => {
    const deployment = deploySimulated(await plain())
    const reads: unknown[] = []
    await evaluate(deployment, {
      registry: {
        snapshot: async (parameters) => {
          reads.push(parameters)
          return deployment.snapshot
        },
        isEnclaveWhitelistedAt: async () => true,
      },
    })
    expect(reads).toEqual([{ client: deployment.task.policyClient, block: 1n }])
  })

  test('behavior: outputs the operators agreed on are used instead of running plugins', async () => {
    const deployment = deploySimulated(await plain())
    const templateId = deployment.snapshot.data[0]?.templateId as Hex
    const none = { ...plugins, run: () => expect.fail('no plugin runs') } as PluginRuntime
    const agreed = await evaluate(
      deployment,
      { plugins: none },
      { agreedOutputs: { [templateId]: { address: recipient } } },
    )
    expect(agreed).toMatchObject({
      allow: true,
      transcript: [],
      outputs: { [templateId]: { address: recipient } },
    })
    const other = await evaluate(
      deployment,
      { plugins: none },
      { agreedOutputs: { [templateId]: {} } },
    )
    expect(other).toMatchObject({ allow: false, reasons: ['no'] })
    for (const agreedOutputs of [
      {},
      { [id('77')]: {} },
      { [templateId]: [] },
      { [templateId]: {}, [id('77')]: {} },
    ]) {
      await expect(
        evaluate(deployment, { plugins: none }, { agreedOutputs }),
      ).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    }
  })

  test('behavior: outputs merge in the order of the refs, with a warning on collision', async () => {
    const number = (value: number): Promise<Uint8Array> =>
      component({ run: `(call $number (i64.const ${value}))` })
    const request = await plain({ plugins: [{ wasm: await number(1) }, { wasm: await number(2) }] })
    const deployment = deploySimulated(request)
    const evaluation = await evaluate(deployment)
    const [first, second] = deployment.snapshot.data
    expect(BigInt(first?.templateId as Hex)).toBeLessThan(BigInt(second?.templateId as Hex))
    expect(evaluation.warnings).toEqual([
      `data.wasm.x of ${first?.templateId} is overwritten by ${second?.templateId}`,
    ])
    const { wasm } = mergeOutputs(
      Object.entries(evaluation.outputs).map(([key, output]) => ({
        policyDataTemplateId: key as Hex,
        output,
      })),
    )
    expect(wasm).toEqual(evaluation.outputs[second?.templateId as Hex])
  })

  test('error: rows that are missing or do not fit, before any byte is fetched', async () => {
    const deployment = deploySimulated(
      await plain({ params: { a: 1 }, paramsSchema: utf8('{"type":"object"}') }),
    )
    const untouched = { getArtifact: () => expect.fail('nothing is fetched') }
    const policyInstance = deployment.snapshot.policyInstance
    const policyTemplate = deployment.snapshot.policyTemplate
    const data = deployment.snapshot.data[0]
    if (!policyInstance || !policyTemplate || !data?.instance || !data.template)
      throw new TypeError('fixture')
    const { instance, template } = data
    const cases: [string, string, Partial<RegistrySnapshot>][] = [
      ['no slot', 'POLICY_NOT_DEPLOYED_ON_CHAIN', { policyInstanceId: null }],
      ['no instance', 'POLICY_NOT_DEPLOYED_ON_CHAIN', { policyInstance: null }],
      ['no template', 'POLICY_NOT_DEPLOYED_ON_CHAIN', { policyTemplate: null }],
      ['no data template', 'POLICY_DATA_INSTANCE_MISSING', { data: [{ ...data, template: null }] }],
      ['no data slot', 'POLICY_DATA_INSTANCE_MISSING', { data: [{ ...data, instanceId: null }] }],
      ['no data instance', 'POLICY_DATA_INSTANCE_MISSING', { data: [{ ...data, instance: null }] }],
      [
        'another kind',
        'POLICY_DATA_KIND_MISMATCH',
        { data: [{ ...data, instance: { ...instance, templateId: id('77') } }] },
      ],
      ['too few data rows', 'REGISTRY_ROW_INCONSISTENT', { data: [] }],
      ['too many data rows', 'REGISTRY_ROW_INCONSISTENT', { data: [data, data] }],
      [
        'data of another ref',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, templateId: id('77') }] },
      ],
      ['another policy instance id', 'REGISTRY_ROW_INCONSISTENT', { policyInstanceId: id('77') }],
      [
        'another data instance id',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, instanceId: id('77') }] },
      ],
      [
        'another params hash',
        'REGISTRY_ROW_INCONSISTENT',
        { policyInstance: { ...policyInstance, paramsHash: id('77') } },
      ],
      [
        'other params',
        'REGISTRY_ROW_INCONSISTENT',
        { policyInstance: { ...policyInstance, params: stringToHex('{"a":2}') } },
      ],
      [
        'another expiry',
        'REGISTRY_ROW_INCONSISTENT',
        { policyInstance: { ...policyInstance, expireAfter: 101n } },
      ],
      [
        'another client',
        'REGISTRY_ROW_INCONSISTENT',
        { policyInstance: { ...policyInstance, client: recipient } },
      ],
      [
        'deployed later',
        'REGISTRY_ROW_INCONSISTENT',
        { policyInstance: { ...policyInstance, deployedAt: 2n } },
      ],
      [
        'registered later',
        'REGISTRY_ROW_INCONSISTENT',
        { policyTemplate: { ...policyTemplate, registeredAt: 2n } },
      ],
      [
        'data deployed later',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, instance: { ...instance, deployedAt: 2n } }] },
      ],
      [
        'data registered later',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, template: { ...template, registeredAt: 2n } }] },
      ],
      [
        'data of another client',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, instance: { ...instance, client: recipient } }] },
      ],
      [
        'another Rego',
        'REGISTRY_ROW_INCONSISTENT',
        { policyTemplate: { ...policyTemplate, regoHash: id('77') } },
      ],
      [
        'another plugin',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, template: { ...template, wasmHash: id('77') } }] },
      ],
      [
        'another secrets schema',
        'REGISTRY_ROW_INCONSISTENT',
        { data: [{ ...data, template: { ...template, secretsSchemaHash: id('77') } }] },
      ],
      ['another chain', 'TASK_MISMATCH', { chainId: 1n }],
      ['another registry', 'TASK_MISMATCH', { policyRegistry: recipient }],
      ['another client read', 'TASK_MISMATCH', { client: recipient }],
      ['another block', 'TASK_MISMATCH', { block: { ...deployment.snapshot.block, number: 2n } }],
      [
        'a reorganized block',
        'TASK_MISMATCH',
        { block: { ...deployment.snapshot.block, hash: id('77') } },
      ],
    ]
    for (const [name, code, change] of cases) {
      const broken = withSnapshot(deployment, (snapshot) => ({ ...snapshot, ...change }))
      await expect(evaluate(broken, { artifacts: untouched }), name).rejects.toMatchObject({ code })
    }

    // What an evaluator remembers of good rows does not excuse others.
    let snapshot = deployment.snapshot
    const warm = createEvaluator(
      parametersOf(deployment, {
        registry: { snapshot: async () => snapshot, isEnclaveWhitelistedAt: async () => true },
      }),
    )
    const ask = () =>
      warm.evaluate({
        task: deployment.task,
        referenceTimestamp: 1_700_000_000,
        pcr0Commitment: id('ee'),
      })
    const good = await ask()
    for (const [name, code, change] of cases) {
      snapshot = { ...deployment.snapshot, ...change }
      await expect(ask(), `warm: ${name}`).rejects.toMatchObject({ code })
      snapshot = deployment.snapshot
      expect((await ask()).response, name).toEqual(good.response)
    }
  })

  test('behavior: a warm evaluator answers other tasks, params and signatures by themselves', async () => {
    const deployments = [
      guarded(),
      guarded({ params: { maxScore: 50, maxAmount: '4' } }),
      guarded({ intent: { ...guarded().intent, value: 1n } }),
      guarded({ intent: { ...guarded().intent, functionSignature: '0x' } }),
      guarded({
        intent: {
          ...guarded().intent,
          functionSignature: stringToHex('function transfer(address to, uint128 amount)'),
        },
      }),
    ].map((request) => deploySimulated({ ...request, plugins: [] }))
    let snapshot = deployments[0]?.snapshot as RegistrySnapshot
    const artifacts = {
      getArtifact: async (
        ...given: Parameters<EvaluatorParameters['artifacts']['getArtifact']>
      ) => {
        for (const deployment of deployments) {
          const bytes = await deployment.artifacts.getArtifact(...given).catch(() => undefined)
          if (bytes) return bytes
        }
        throw new RangeError('no such artifact')
      },
    }
    const warm = createEvaluator(
      parametersOf(deployments[0] as SimulatedDeployment, {
        registry: { snapshot: async () => snapshot },
        artifacts,
      }),
    )
    const seen = new Set<string>()
    for (const deployment of [...deployments, ...deployments]) {
      snapshot = deployment.snapshot
      const { task } = deployment
      const { response, reasons } = await warm.evaluate({ task, referenceTimestamp: 7 })
      const cold = await evaluate(
        deployment,
        {},
        { referenceTimestamp: 7, pcr0Commitment: undefined },
      )
      expect({ response, reasons }).toEqual({ response: cold.response, reasons: cold.reasons })
      seen.add(computeMessageHash(response))
    }
    expect(seen.size).toBe(deployments.length)
  })

  test('error: params that are not canonical, or have no schema', async () => {
    const deployment = deploySimulated(await plain())
    const { computeParamsHash, computePolicyInstanceId } = await import('../../core/ids.js')
    for (const [text, code] of [
      ['{"b":1,"a":2}', 'PARAMS_NOT_CANONICAL'],
      ['{}', 'PARAMS_NOT_CANONICAL'],
      ['[]', 'PARAMS_NOT_CANONICAL'],
      ['{"a":1}', 'REGISTRY_ROW_INCONSISTENT'],
    ] as const) {
      const broken = withSnapshot(deployment, (snapshot) => {
        const row = snapshot.policyInstance
        if (!row) throw new TypeError('fixture')
        const paramsHash = computeParamsHash({ expireAfter: row.expireAfter, params: utf8(text) })
        return {
          ...snapshot,
          policyInstance: { ...row, params: stringToHex(text), paramsHash },
          policyInstanceId: computePolicyInstanceId({
            chainId: 31337n,
            client: row.client,
            templateId: row.templateId,
            paramsHash,
          }),
        }
      })
      await expect(evaluate(broken), text).rejects.toMatchObject({ code })
    }
  })

  test('error: params that miss their schema name the path', async () => {
    const error = await evaluate(
      deploySimulated(guarded({ params: { maxScore: 101, maxAmount: '1' } })),
    ).catch((caught) => caught)
    expect(error).toMatchObject({ code: 'SCHEMA_VIOLATION', subject: 'policy params' })
    expect(error.message).toContain('/maxScore')
    const data = guarded().plugins?.[0]
    if (!data) throw new TypeError('fixture')
    const bad = deploySimulated(
      guarded({ plugins: [{ ...data, params: { endpoint: 'ftp://x.example' } }] }),
    )
    await expect(evaluate(bad)).rejects.toMatchObject({
      code: 'SCHEMA_VIOLATION',
      subject: 'data params',
    })
    const unusable = deploySimulated(
      guarded({ paramsSchema: utf8('{"type":"object","$ref":"#"}') }),
    )
    await expect(evaluate(unusable)).rejects.toMatchObject({ code: 'SCHEMA_VIOLATION' })
  })

  test('error: secrets that are missing, cannot be opened, or miss their schema, without a trace of them', async () => {
    const deployment = deploySimulated(guarded())
    await expect(evaluate(deployment, { secrets: undefined })).rejects.toMatchObject({
      code: 'SECRETS_UNAVAILABLE',
    })
    const opener = { openSecrets: async ({ envelope }: { envelope: Uint8Array }) => envelope }
    const missing = { opener, envelopes: { getEnvelope: async () => null } }
    await expect(evaluate(deployment, { secrets: missing })).rejects.toMatchObject({
      code: 'SECRETS_MISSING',
    })
    const opened = (text: string) => ({
      envelopes: { getEnvelope: async () => utf8('sealed') },
      opener: { openSecrets: async () => utf8(text) },
    })
    for (const [text, code] of [
      ['{"apiKey":"hunter2"', 'SECRETS_UNAVAILABLE'],
      ['{"apiKey":"hunter2","extra":"hunter2"}', 'SCHEMA_VIOLATION'],
      ['{"apiKey":["hunter2"]}', 'SCHEMA_VIOLATION'],
      ['"hunter2"', 'SCHEMA_VIOLATION'],
    ] as const) {
      const error = await evaluate(deployment, { secrets: opened(text) }).catch((caught) => caught)
      expect(error, text).toMatchObject({ code })
      expect(
        JSON.stringify([
          error,
          error.issues ?? [],
          error.message,
          error.stack,
          error.cause ?? null,
        ]),
      ).not.toContain('hunter2')
    }
    const allowed = await evaluate(deployment, { secrets: opened('{"apiKey":"hunter2"}') })
    expect(
      JSON.stringify(allowed, (_, value) => (typeof value === 'bigint' ? `${value}` : value)),
    ).not.toContain('hunter2')
    expect(Object.values(allowed.secrets)).toEqual([keccak256(stringToHex('sealed'))])
  })

  test('error: a template with a secrets schema whose plugin does not read secrets', async () => {
    const request = guarded({
      plugins: [
        { wasm: await component({}), secretsSchema: utf8('{"type":"object"}'), secrets: { a: 1 } },
      ],
    })
    const error = await evaluate(deploySimulated(request)).catch((caught) => caught)
    expect(error.message).toContain('does not import newton:provider/secrets')
  })

  test('error: the enclave rules', async () => {
    const secret = deploySimulated(guarded())
    await expect(evaluate(secret, {}, { pcr0Commitment: undefined })).rejects.toMatchObject({
      code: 'ENCLAVE_REQUIRED',
    })
    const open = deploySimulated(await plain())
    const free = await evaluate(open, {}, { pcr0Commitment: undefined })
    expect(free.response.pcr0Commitment).toBe(`0x${'00'.repeat(32)}`)
    const required = withSnapshot(open, (snapshot) => ({ ...snapshot, enclaveRequired: true }))
    await expect(evaluate(required, {}, { pcr0Commitment: undefined })).rejects.toMatchObject({
      code: 'ENCLAVE_REQUIRED',
    })
    const registry = {
      snapshot: async () => open.snapshot,
      isEnclaveWhitelistedAt: async () => false,
    }
    await expect(evaluate(open, { registry })).rejects.toMatchObject({
      code: 'ENCLAVE_NOT_WHITELISTED',
    })
    expect((await evaluate(open, { registry, mode: 'simulate' })).warnings.join()).toContain(
      'not whitelisted',
    )
  })

  test('error: nothing says whether the named build is whitelisted, or says it with another value than true', async () => {
    const open = deploySimulated(await plain())
    const snapshot = async () => open.snapshot
    await expect(evaluate(open, { registry: { snapshot } })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'registry.isEnclaveWhitelistedAt',
    })
    for (const answer of ['yes', 1, {}, undefined, null]) {
      const registry = { snapshot, isEnclaveWhitelistedAt: async () => answer as never }
      await expect(evaluate(open, { registry })).rejects.toMatchObject({
        code: 'ENCLAVE_NOT_WHITELISTED',
      })
      const committed = { isCommittedAt: async () => answer as never }
      await expect(evaluate(open, { committed })).rejects.toMatchObject({
        code: 'ARTIFACT_NOT_COMMITTED',
      })
    }
  })

  test('error: what a guest with secrets asked for is not said', async () => {
    const strict = createPluginRuntime({
      workers: nodePluginWorkers({ concurrency: 1 }),
      http: { hosts: ['risk.example'] },
    })
    const request = guarded()
    const deployment = deploySimulated({
      ...request,
      plugins: request.plugins?.map((plugin) => ({
        ...plugin,
        params: { endpoint: 'https://key-of-the-service.example' },
      })),
    })
    const error = await evaluate(deployment, { plugins: strict }).catch((cause: unknown) => cause)
    strict.close()
    // The endpoint stands for what a guest puts into a URL; it is in the error's context as input.
    expect(error).toMatchObject({ code: 'PLUGIN_HTTP_REFUSED' })
    expect((error as Error).cause).toBeUndefined()
    expect((error as Error).message).not.toContain('key-of-the-service')
    expect((error as Error).stack).not.toContain('key-of-the-service')
  })

  test('error: an artifact that is not under the committed root', async () => {
    const deployment = deploySimulated(guarded())
    const hashes = new Set<string>()
    await evaluate(deployment, {
      committed: {
        isCommittedAt: async ({ namespace, hash, block }) => {
          hashes.add(`${namespace} ${hash}`)
          return block === 1n
        },
      },
    })
    const { policyTemplate, data } = deployment.snapshot
    const template = data[0]?.template
    expect([...hashes].sort()).toEqual([
      `4 ${policyTemplate?.regoHash}`,
      `5 ${policyTemplate?.paramsSchemaHash}`,
      `6 ${template?.wasmHash}`,
      `7 ${template?.paramsSchemaHash}`,
      `8 ${template?.secretsSchemaHash}`,
    ])
    for (const namespace of [4, 5, 6, 7, 8]) {
      const committed = {
        isCommittedAt: async (asked: { namespace: number }) => asked.namespace !== namespace,
      }
      await expect(evaluate(deployment, { committed })).rejects.toMatchObject({
        code: 'ARTIFACT_NOT_COMMITTED',
        retryable: true,
      })
      const simulated = await evaluate(deployment, { committed, mode: 'simulate' })
      expect(simulated.warnings.join()).toContain('not under the committed root')
    }
  })

  test('error: a source that gives other bytes', async () => {
    const deployment = deploySimulated(guarded())
    const { policyTemplate, data } = deployment.snapshot
    const template = data[0]?.template
    const targets: [Hex | undefined, string][] = [
      [policyTemplate?.regoHash, 'ARTIFACT_HASH_MISMATCH'],
      [policyTemplate?.paramsSchemaHash, 'ARTIFACT_HASH_MISMATCH'],
      [template?.paramsSchemaHash, 'ARTIFACT_HASH_MISMATCH'],
      [template?.secretsSchemaHash, 'ARTIFACT_HASH_MISMATCH'],
      [template?.wasmHash, 'PLUGIN_COMPONENT_INVALID'],
    ]
    for (const [target, code] of targets) {
      // A runtime of its own: a plugin in memory would not be fetched again.
      const fresh = createPluginRuntime({ workers: nodePluginWorkers({ concurrency: 1 }) })
      const artifacts: EvaluatorParameters['artifacts'] = {
        async getArtifact(request, options) {
          const bytes = Uint8Array.from(await deployment.artifacts.getArtifact(request, options))
          if (request.hash === target)
            bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1
          return bytes
        },
      }
      await expect(evaluate(deployment, { artifacts, plugins: fresh })).rejects.toMatchObject({
        code,
      })
      fresh.close()
    }
  })

  test('error: a plugin that fails says which, and what it had done', async () => {
    const request = await plain({
      plugins: [{ wasm: await component({ http: '0.2.0', run: fetchBody }) }],
      wasmArgs: { a: 1 },
    })
    const deployment = deploySimulated(request)
    const error = await evaluate(deployment).catch((caught) => caught)
    expect(error).toMatchObject({
      code: 'PLUGIN_HTTP_REFUSED',
      context: {
        policyDataTemplateId: deployment.snapshot.data[0]?.templateId,
        policyDataInstanceId: deployment.snapshot.data[0]?.instanceId,
        transcript: { input: '{"a":1}', exchanges: [] },
      },
    })
  })

  test('error: wasmArgs that are no object', async () => {
    const deployment = deploySimulated(await plain())
    const broken = { ...deployment, task: { ...deployment.task, wasmArgs: stringToHex('[1]') } }
    await expect(evaluate(broken)).rejects.toMatchObject({ code: 'PLUGIN_INPUT_INVALID' })
  })

  test('behavior: only a defined true allows; what is no decision is an error', async () => {
    const deployment = deploySimulated(await plain())
    const fake = (outcome: RegoOutcome): RegoEngine => ({
      id: 'fake',
      semantics: 'operator',
      prepare: async () => ({ package: 'p', evaluate: () => outcome, dispose: () => {} }),
    })
    const decided: [RegoOutcome, boolean, string[]][] = [
      [{ kind: 'defined', allow: true, reasons: ['b', 'a'], value: true }, true, ['a', 'b']],
      [{ kind: 'defined', allow: false, reasons: [], value: false }, false, []],
      [{ kind: 'defined', allow: 'true' as never, reasons: [], value: 'true' }, false, []],
      [{ kind: 'undefined' }, false, []],
      [
        { kind: 'undefined', reasons: ['z', '\u{1F600}', '\uffff'] },
        false,
        ['z', '\uffff', '\u{1F600}'],
      ],
    ]
    for (const [outcome, allow, reasons] of decided) {
      const evaluation = await evaluate(deployment, { engine: fake(outcome) })
      expect(evaluation).toMatchObject({
        allow,
        reasons,
        evaluationResult: `0x${'00'.repeat(31)}0${allow ? 1 : 0}`,
      })
    }
    const blind = fake({
      kind: 'defined',
      allow: true,
      reasons: [],
      value: true,
      reasonsError: 'deny failed',
    })
    expect((await evaluate(deployment, { engine: blind })).warnings.join()).toContain('deny failed')
    const undecided: [RegoOutcome, string][] = [
      [
        {
          kind: 'error',
          code: 'CONFLICT',
          message: 'two values',
          location: { line: 3, column: 4 },
        },
        'line 3, column 4',
      ],
      [{ kind: 'unsupported', what: 'http.send' }, 'http.send'],
      [{ kind: 'surprise' } as never, 'no outcome'],
    ]
    for (const [outcome, text] of undecided) {
      const error = await evaluate(deployment, { engine: fake(outcome) }).catch((caught) => caught)
      expect(error.code).toBe('POLICY_EVALUATION_FAILED')
      expect(error.message).toContain(text)
    }
  })

  test('error: an engine with other semantics must be asked for by name', async () => {
    const deployment = deploySimulated(await plain())
    const opa: RegoEngine = { ...engine, semantics: 'opa' }
    expect(() => createEvaluator(parametersOf(deployment, { engine: opa }))).toThrow(/semantics/)
    expect(() =>
      createEvaluator(parametersOf(deployment, { engine: opa, allowOpaSemantics: true })),
    ).not.toThrow()
  })

  test('behavior: who cancels does not cancel it for the others', async () => {
    const deployment = deploySimulated(await plain({ plugins: [] }))
    const evaluator = createEvaluator(
      parametersOf(deployment, {
        artifacts: {
          getArtifact: async (request, options) => {
            await new Promise((resolve) => setTimeout(resolve, 50))
            options?.signal?.throwIfAborted()
            return deployment.artifacts.getArtifact(request)
          },
        },
      }),
    )
    const request = { task: deployment.task, referenceTimestamp: 0 }
    const controller = new AbortController()
    const first = evaluator.evaluate(request, { signal: controller.signal })
    const second = evaluator.evaluate(request)
    setTimeout(() => controller.abort(new TypeError('not any more')), 10)
    await expect(first).rejects.toThrow('not any more')
    expect((await second).allow).toBe(false)
  })

  test('error: attesting without knowing what is committed', async () => {
    const deployment = deploySimulated(await plain())
    for (const [name, value] of [
      ['mode', 'simluate'],
      ['mode', ''],
      ['assurance', 'tdx'],
    ]) {
      const wrong = parametersOf(deployment, { committed: undefined, [name as string]: value })
      expect(() => createEvaluator(wrong)).toThrow(expect.objectContaining({ field: name }))
    }
    expect(() => createEvaluator(parametersOf(deployment, { committed: undefined }))).toThrow(
      /committed/,
    )
    const simulated = await evaluate(deployment, { committed: undefined, mode: 'simulate' })
    expect(simulated.warnings).toEqual(['Artifacts were not checked against the committed root.'])
  })

  test('error: cancellation and timeout', async () => {
    const deployment = deploySimulated(await plain())
    const never = { snapshot: () => new Promise<never>(() => {}) }
    const evaluator = createEvaluator(parametersOf(deployment, { registry: never }))
    const request = { task: deployment.task, referenceTimestamp: 0 }
    await expect(evaluator.evaluate(request, { timeout: 20 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    })
    const controller = new AbortController()
    const aborted = evaluator.evaluate(request, { signal: controller.signal })
    controller.abort(new TypeError('stopped'))
    await expect(aborted).rejects.toThrow('stopped')
  })
})

describe('simulate', () => {
  test('behavior: from files, with warnings instead of the rules of a chain', async () => {
    score = 7
    const evaluation = await simulate(guarded(), { engine, plugins, schemas })
    expect(evaluation).toMatchObject({ allow: true, assurance: 'local' })
    expect(evaluation.warnings).toEqual([
      'Operators evaluate this policy in an enclave only.',
      'Artifacts were not checked against the committed root.',
    ])
  })

  test('behavior: a policy without plugins needs nothing but itself', async () => {
    const rego = utf8(
      'package p\nimport rego.v1\ndefault allow := false\nallow if input.value < 10\n',
    )
    const { intent } = guarded()
    expect(await simulate({ rego, intent })).toMatchObject({ allow: true })
    expect(await simulate({ rego, intent: { ...intent, value: 10n } })).toMatchObject({
      allow: false,
    })
    await expect(simulate(await plain())).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'tools.plugins',
    })
  })

  test('error: secrets for a plugin without a schema for them', async () => {
    const request = await plain({ plugins: [{ wasm: await component({}), secrets: { a: 1 } }] })
    expect(() => deploySimulated(request)).toThrow(/takes none/)
  })

  test('error: params without a schema of them, as no chain takes them', async () => {
    const wasm = await component({})
    for (const [more, field] of [
      [{ params: { a: 1 } }, 'params'],
      [{ plugins: [{ wasm, params: { a: 1 } }] }, 'plugins[0].params'],
    ] as const) {
      await expect(simulate(await plain(more), { plugins })).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringContaining(`\`${field}\` is not valid: a template without`) as string,
      })
    }
    // No member is no params.
    expect(deploySimulated(await plain({ params: {} })).snapshot.policyInstance?.params).toBe('0x')
  })

  test('behavior: ids are those of the files', async () => {
    const { snapshot } = deploySimulated(await plain())
    expect(snapshot.policyTemplate?.paramsSchemaHash).toBe(ARTIFACT_ABSENT)
    expect(snapshot.data[0]?.template?.wasmHash).toBe(computeArtifactHash(await component({})))
  })
})

describe('replay', () => {
  async function fetched(): Promise<{ deployment: SimulatedDeployment; evaluation: Evaluation }> {
    score = 7
    const request = guarded({
      rego: utf8(
        'package p\nimport rego.v1\nallow if data.wasm.score < 10\ndeny contains "high" if data.wasm.score >= 10\n',
      ),
      plugins: [{ wasm: await component({ http: '0.1.0', run: trimmedFetch(endpoint) }) }],
      params: undefined,
      paramsSchema: undefined,
    })
    const deployment = deploySimulated(request)
    return { deployment, evaluation: await evaluate(deployment) }
  }

  /** Fetches a fixed URL, whatever its input. */
  function trimmedFetch(url: string): string {
    const bytes = [...utf8(`${url}/x`)]
    const stores = bytes
      .map((byte, at) => `(i32.store8 (i32.const ${600 + at}) (i32.const ${byte}))`)
      .join('')
    return `${stores} (local.set 0 (i32.const 600)) (local.set 1 (i32.const ${bytes.length})) ${fetchBody}`
  }

  function replayer(deployment: SimulatedDeployment) {
    return createReplayer({
      registry: { snapshot: async () => deployment.snapshot },
      artifacts: deployment.artifacts,
      engine,
      plugins,
    })
  }

  test('behavior: an honest evaluation replays offline', async () => {
    const { deployment, evaluation } = await fetched()
    score = 99
    const outcome = await replayer(deployment).replay({ task: deployment.task, evaluation })
    expect(outcome).toEqual({
      status: 'match',
      plugins: [deployment.snapshot.data[0]?.templateId],
      notReplayed: [],
    })
  })

  test('behavior: whatever was changed is named', async () => {
    const { deployment, evaluation } = await fetched()
    const templateId = deployment.snapshot.data[0]?.templateId as Hex
    const response = evaluation.response
    const cases: [string, Partial<Evaluation>][] = [
      ['allow', { allow: false }],
      ['reasons', { reasons: ['made up'] }],
      [`outputs.${templateId}`, { outputs: { [templateId]: { score: 1 } } }],
      ['response.artifactDigest', { response: { ...response, artifactDigest: id('77') } }],
      ['response.inputsHash', { response: { ...response, inputsHash: id('77') } }],
      ['response.inputsHash', { secrets: { [id('77')]: id('78') } }],
      ['response.taskId', { response: { ...response, taskId: id('77') } }],
      ['response.intentHash', { response: { ...response, intentHash: id('77') } }],
      ['response.policyInstanceId', { response: { ...response, policyInstanceId: id('77') } }],
      [
        'response.evaluationResult',
        { response: { ...response, evaluationResult: `0x${'00'.repeat(32)}` } },
      ],
      ['response.expirationBlock', { response: { ...response, expirationBlock: 102n } }],
      ['response.chainId', { response: { ...response, chainId: 1n } }],
      ['response.policyRegistry', { response: { ...response, policyRegistry: recipient } }],
      ['response.policyClient', { response: { ...response, policyClient: recipient } }],
      ['response.referenceBlock', { response: { ...response, referenceBlock: 2n } }],
      ['response.referenceBlockHash', { response: { ...response, referenceBlockHash: id('77') } }],
      ['response.artifactDigest', { response: { ...response, pcr0Commitment: id('77') } }],
    ]
    for (const [field, change] of cases) {
      const outcome = await replayer(deployment).replay({
        task: deployment.task,
        evaluation: { ...evaluation, ...change },
      })
      expect(outcome.status, field).toBe('mismatch')
      expect(
        outcome.status === 'mismatch' && outcome.differences.map((difference) => difference.field),
      ).toContain(field)
    }
  })

  test('behavior: a transcript that was changed does not replay to the same', async () => {
    const { deployment, evaluation } = await fetched()
    const [transcript] = evaluation.transcript
    const exchange = transcript?.exchanges[0]
    if (!transcript || !exchange) throw new TypeError('fixture')
    const lie = {
      ...exchange,
      response: { status: 200, headers: [], body: toHex(utf8('{"score":99}')) },
    }
    const changed = { ...evaluation, transcript: [{ ...transcript, exchanges: [lie] }] }
    expect(
      await replayer(deployment).replay({ task: deployment.task, evaluation: changed }),
    ).toMatchObject({ status: 'mismatch' })
    const gone = { ...evaluation, transcript: [{ ...transcript, exchanges: [] }] }
    expect(
      await replayer(deployment).replay({ task: deployment.task, evaluation: gone }),
    ).toMatchObject({
      status: 'inconclusive',
      code: 'PLUGIN_REPLAY_DIVERGED',
    })
  })

  test('behavior: without transcripts the outputs are taken as given, and that is said', async () => {
    const { deployment, evaluation } = await fetched()
    const outcome = await replayer(deployment).replay({
      task: deployment.task,
      evaluation: { ...evaluation, transcript: [] },
    })
    expect(outcome).toEqual({
      status: 'match',
      plugins: [],
      notReplayed: [deployment.snapshot.data[0]?.templateId],
    })
    const without = await replayer(deployment).replay({
      task: deployment.task,
      evaluation: { ...evaluation, transcript: [], outputs: {} },
    })
    expect(without).toMatchObject({ status: 'inconclusive', code: 'INPUTS_MISSING' })
  })

  test('behavior: a transcript without exchanges, or of another input, is no reason to fetch', async () => {
    const { deployment, evaluation } = await fetched()
    const [entry] = evaluation.transcript
    const changed = [
      { exchanges: undefined },
      { exchanges: null },
      { exchanges: {} },
      { input: '{}' },
    ]
    for (const change of changed) {
      const transcript = [{ ...entry, ...change }] as never
      const outcome = await replayer(deployment).replay({
        task: deployment.task,
        evaluation: { ...evaluation, transcript },
      })
      expect(outcome).toMatchObject({ status: 'inconclusive', code: 'PLUGIN_REPLAY_DIVERGED' })
    }
  })

  test('behavior: what cannot be read is inconclusive', async () => {
    const { deployment, evaluation } = await fetched()
    const blind = createReplayer({
      registry: { snapshot: async () => Promise.reject(new TypeError('no RPC')) },
      artifacts: deployment.artifacts,
      engine,
      plugins,
    })
    expect(await blind.replay({ task: deployment.task, evaluation })).toMatchObject({
      status: 'inconclusive',
    })
    expect(
      await replayer(deployment).replay({ task: null as never, evaluation: null as never }),
    ).toMatchObject({ status: 'inconclusive' })
  })
})

describe('createResultReplayer', () => {
  test('behavior: the policy alone, on attested outputs', async () => {
    const { replayResult } = createResultReplayer({ engine })
    const request = guarded()
    const { task } = deploySimulated(request)
    const outputs = (points: number) => [
      {
        policyDataTemplateId: id('01'),
        output: { sanctions: { address: recipient, listed: false, score: points } },
      },
    ]
    const run = (points: number) =>
      replayResult({
        rego: request.rego,
        task,
        blockTimestamp: 1n,
        params: { maxScore: 50, maxAmount: '10' },
        outputs: outputs(points),
      })
    expect(await run(50)).toEqual({ allow: true, reasons: [] })
    expect(await run(51)).toEqual({
      allow: false,
      reasons: ["the recipient's risk score is too high"],
    })
    await expect(
      replayResult({
        rego: utf8('package p\nallow if {'),
        task,
        blockTimestamp: 1n,
        params: {},
        outputs: [],
      }),
    ).rejects.toThrow()
  })
})
