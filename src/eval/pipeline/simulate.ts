/**
 * An evaluation from files, without a chain: what a developer runs before anything is deployed.
 */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../core/artifact.js'
import { canonicalBytes, type JsonObject } from '../../core/canonicalJson.js'
import {
  computeParamsHash,
  computePolicyDataInstanceId,
  computePolicyDataTemplateId,
  computePolicyInstanceId,
  computePolicyTemplateId,
} from '../../core/ids.js'
import { assertIntent, type Intent } from '../../core/intent.js'
import type { ArtifactSource } from '../../core/interfaces/artifactSource.js'
import type { Evaluation } from '../../core/interfaces/evaluator.js'
import type {
  BlockReference,
  InstanceRow,
  PolicyDataSnapshot,
  RegistrySnapshot,
} from '../../core/interfaces/registryReader.js'
import type { SchemaValidator } from '../../core/interfaces/schemaValidator.js'
import { encodeParams } from '../../core/params.js'
import type { Task } from '../../core/task.js'
import { InvalidInputError } from '../../errors/common.js'
import { compareBytes, fixedFromHex, fromHex, fromUtf8, toHex } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import {
  assertKnown,
  assertList,
  assertMembers,
  assertObject,
  assertOptions,
  assertText,
} from '../../internal/options.js'
import { encodeWasmArgs } from '../intent/wasmArgs.js'
import type { PluginRuntime } from '../plugins/runtime/runtime.js'
import type { RegoEngine } from '../rego/engine.js'
import type { IdentityData } from '../rego/identity.js'
import { operatorEngine } from '../rego/operatorEngine.js'
import { createSchemaValidator } from '../schema/validator.js'
import { createEvaluator } from './evaluator.js'
import { checkWasmProvenance, type WasmProvenance } from './verifiedWasm.js'

/** One data plugin of a simulated policy. */
export type SimulatedPlugin = {
  wasm: Uint8Array
  params?: JsonObject | undefined
  paramsSchema?: Uint8Array | undefined
  secretsSchema?: Uint8Array | undefined
  /** Plaintext: a simulation runs on the developer's own machine. */
  secrets?: JsonObject | undefined
}

/** A policy as files, and the transaction to try it on. */
export type SimulationRequest = {
  rego: Uint8Array
  /** The name of the Rego file, for places in messages. @default 'policy.rego' */
  regoFile?: string | undefined
  params?: JsonObject | undefined
  paramsSchema?: Uint8Array | undefined
  plugins?: readonly SimulatedPlugin[] | undefined
  intent: Intent
  wasmArgs?: JsonObject | undefined
  /** For policies that call `newton.identity.*`. */
  identity?: IdentityData | undefined
  /** @default the address 0x…c11e */
  client?: Address | undefined
  /** Blocks a result stays valid. @default 100n */
  expireAfter?: bigint | undefined
  /** The reference block. Its timestamp is the policy's clock. @default block 1 at second 0 */
  block?: BlockReference | undefined
  nonce?: bigint | undefined
}

/** What {@link simulate} runs with. */
export type SimulationTools = WasmProvenance & {
  /** @default operatorEngine() */
  engine?: RegoEngine | undefined
  /** Needed where the policy has plugins: a runtime holds workers, and its owner closes it. */
  plugins?: PluginRuntime | undefined
  /** @default createSchemaValidator() */
  schemas?: SchemaValidator | undefined
  allowOpaSemantics?: boolean | undefined
}

/** Rows, artifacts and task of a simulated policy. */
export type SimulatedDeployment = {
  task: Task
  snapshot: RegistrySnapshot
  artifacts: ArtifactSource
  /** Plaintext secrets by data instance. */
  secrets: ReadonlyMap<Hex, Uint8Array>
}

const defaultClient: Address = '0x000000000000000000000000000000000000c11e'
const firstBlock: BlockReference = {
  ...{ number: 1n, timestamp: 0n },
  hash: toHex(new Uint8Array(32).fill(1)),
}
const registryAddress: Address = '0x0000000000000000000000000000000000000001'

/**
 * Evaluates a policy from files. The same pipeline as on chain, with rows made up from the files;
 * rules about enclaves and commits become warnings.
 *
 * @throws The same typed errors as an evaluation: there is no decision then.
 * @example
 * ```ts
 * import { simulate } from '@newton/policy-sdk/eval'
 *
 * const { allow, reasons } = await simulate({
 *   rego: new TextEncoder().encode('package p\ndefault allow := false\nallow if input.value < 10\n'),
 *   intent: {
 *     from: '0x1111111111111111111111111111111111111111',
 *     to: '0x2222222222222222222222222222222222222222',
 *     value: 1n,
 *     data: '0x',
 *     chainId: 1n,
 *     functionSignature: '0x',
 *   },
 * }) // allow: true
 * ```
 */
export async function simulate(
  request: SimulationRequest,
  tools: SimulationTools = {},
  options: IoOptions = {},
): Promise<Evaluation> {
  const own = readRequest(request)
  assertKnown('tools', tools, toolNames)
  assertKnown('options', options, ['signal', 'timeout'])
  const { engine = operatorEngine(), schemas = createSchemaValidator(), plugins } = tools
  if (plugins === undefined && (own.plugins?.length ?? 0) > 0) {
    throw new InvalidInputError({
      field: 'tools.plugins',
      reason: 'the policy has plugins and there is no runtime to run them',
      hint: 'Pass createPluginRuntime({ workers: nodePluginWorkers() }), and close() it afterwards.',
    })
  }
  const { task, snapshot, artifacts, secrets } = deploySimulated(own)
  const unverified = await checkWasmProvenance(
    snapshot.data.flatMap(({ template }) => template?.wasmHash ?? []),
    tools,
    options,
  )
  const evaluator = createEvaluator({
    engine: naming(engine, own.regoFile),
    schemas,
    plugins: plugins ?? noPlugins,
    allowOpaSemantics: tools.allowOpaSemantics,
    registry: { snapshot: async () => snapshot },
    artifacts,
    mode: 'simulate',
    identity: { getIdentity: async () => own.identity },
    secrets: {
      // The plaintext stands in for the envelope: there is nothing to open.
      envelopes: {
        getEnvelope: async ({ policyDataInstanceId }) => secrets.get(policyDataInstanceId) ?? null,
      },
      opener: { openSecrets: async ({ envelope }) => Uint8Array.from(envelope) },
    },
  })
  const evaluation = await evaluator.evaluate(
    { task, referenceTimestamp: Number(snapshot.block.timestamp & 0xffffffffn) },
    options,
  )
  return { ...evaluation, warnings: [...evaluation.warnings, ...unverified] }
}

const requestNames = [
  ...['rego', 'regoFile', 'params', 'paramsSchema', 'plugins', 'intent', 'wasmArgs', 'identity'],
  ...['client', 'expireAfter', 'block', 'nonce'],
]
const pluginNames = ['wasm', 'params', 'paramsSchema', 'secretsSchema', 'secrets']
const toolNames = [
  ...['engine', 'plugins', 'schemas', 'allowOpaSemantics'],
  ...['provenance', 'requireVerifiedWasm'],
]

/**
 * A request as it is at the call, each member read once: what is checked is what is evaluated.
 * A misspelled member would be a policy without its params, a text no file.
 */
function readRequest(given: SimulationRequest): SimulationRequest {
  assertObject('request', given)
  assertKnown('request', given, requestNames)
  const request = { ...given }
  if (request.plugins !== undefined) {
    assertList('plugins', request.plugins)
    request.plugins = request.plugins.map((plugin, index) => {
      assertObject(`plugins[${index}]`, plugin)
      return { ...plugin }
    })
  }
  assertObject('intent', request.intent)
  request.intent = { ...request.intent }
  if (request.block !== undefined) request.block = readBlock(request.block)
  if (request.regoFile !== undefined) assertText('regoFile', request.regoFile)
  if (request.identity !== undefined) request.identity = structuredClone(request.identity)
  checkRequest(request)
  return request
}

function readBlock(block: BlockReference): BlockReference {
  const copy = { ...block }
  assertOptions(
    copy,
    { number: 'uint', timestamp: 'uint', hash: 'text' },
    { field: 'block', required: ['number', 'timestamp', 'hash'] },
  )
  fixedFromHex(copy.hash, 32, 'block.hash')
  return copy
}

function checkRequest(request: SimulationRequest): void {
  const bytes = (field: string, value: unknown): void => {
    if (value === undefined || value instanceof Uint8Array) return
    throw new InvalidInputError({
      field,
      reason: 'expected the bytes of a file, a Uint8Array',
      hint: 'Of a text: new TextEncoder().encode(text).',
    })
  }
  if (request.rego === undefined) {
    throw new InvalidInputError({ field: 'rego', reason: 'there is no policy to evaluate' })
  }
  assertIntent(request.intent)
  bytes('rego', request.rego)
  bytes('paramsSchema', request.paramsSchema)
  for (const [index, plugin] of (request.plugins ?? []).entries()) {
    assertKnown(`plugins[${index}]`, plugin, pluginNames)
    bytes(`plugins[${index}].wasm`, plugin.wasm)
    bytes(`plugins[${index}].paramsSchema`, plugin.paramsSchema)
    bytes(`plugins[${index}].secretsSchema`, plugin.secretsSchema)
  }
}

/** An engine that calls a policy's source by the name of its file. */
function naming(engine: RegoEngine, name: string | undefined): RegoEngine {
  if (name === undefined) return engine
  return {
    ...engine,
    prepare: ({ rego, ...source }, limits) =>
      engine.prepare(
        {
          ...source,
          rego: rego instanceof Uint8Array ? [{ name, source: fromUtf8(rego, 'rego') }] : rego,
        },
        limits,
      ),
  }
}

/** Stands where a policy has no plugins, so that none can run. */
const noPlugins: Pick<PluginRuntime, 'run'> = {
  run() {
    throw new InvalidInputError({
      field: 'tools.plugins',
      reason: 'there is no runtime for plugins',
    })
  },
}

/** Where the files of a policy that is not deployed lie, by hash. */
function simulatedStore(): {
  artifacts: ArtifactSource
  publish: (bytes: Uint8Array | undefined) => Hex
} {
  const store = new Map<Hex, Uint8Array>()
  return {
    publish: (bytes) => {
      if (bytes === undefined) return ARTIFACT_ABSENT
      const hash = computeArtifactHash(bytes)
      // A copy: whoever has the bytes could change them after they were hashed.
      store.set(hash, Uint8Array.from(bytes))
      return hash
    },
    artifacts: {
      async getArtifact({ hash }) {
        const bytes = store.get(hash.toLowerCase() as Hex)
        if (bytes !== undefined) return bytes
        throw new InvalidInputError({
          field: 'artifact',
          reason: `${hash} is not among the files`,
        })
      },
    },
  }
}

/** Plaintext as an opener would give it. */
function simulatedSecrets({ secrets, secretsSchema }: SimulatedPlugin, field: string): Uint8Array {
  if (secretsSchema !== undefined) return canonicalBytes(secrets as JsonObject)
  throw new InvalidInputError({ field, reason: 'a plugin without a secrets schema takes none' })
}

/** No chain has an instance with params of a template without a schema: what comes out would be that of none. */
function simulatedInstance(
  params: JsonObject | undefined,
  of: {
    templateId: Hex
    paramsSchemaHash: Hex
    client: Address
    expireAfter: bigint
    block: BlockReference
    field: string
  },
): InstanceRow {
  const { templateId, paramsSchemaHash, client, expireAfter, block, field } = of
  const bytes = encodeParams(params)
  if (bytes.length > 0 && paramsSchemaHash === ARTIFACT_ABSENT) {
    throw new InvalidInputError({
      field,
      reason: 'a template without a schema of params takes none',
      hint: 'Pass `paramsSchema` too, the one that the template will have.',
    })
  }
  return {
    ...{ templateId, client, expireAfter, deployedAt: block.number },
    paramsHash: computeParamsHash({ expireAfter, params: bytes }),
    params: toHex(bytes),
  }
}

/** Makes up the rows of a policy that is not deployed, with ids as they would be on chain. */
export function deploySimulated(request: SimulationRequest): SimulatedDeployment {
  assertMembers('request', request, ['rego', 'intent'])
  const { intent, client = defaultClient, expireAfter = 100n, nonce = 0n } = request
  const { block = firstBlock } = request
  const { chainId } = intent
  const { artifacts, publish } = simulatedStore()
  const base = { author: client, registeredAt: block.number }
  const secrets = new Map<Hex, Uint8Array>()
  const data = (request.plugins ?? []).map((plugin, index): PolicyDataSnapshot => {
    const template = {
      wasmHash: publish(plugin.wasm),
      paramsSchemaHash: publish(plugin.paramsSchema),
      secretsSchemaHash: publish(plugin.secretsSchema),
      ...base,
    }
    const templateId = computePolicyDataTemplateId(template)
    const { paramsSchemaHash } = template
    const row = simulatedInstance(plugin.params, {
      ...{ templateId, paramsSchemaHash, client, expireAfter, block },
      field: `plugins[${index}].params`,
    })
    const instanceId = computePolicyDataInstanceId({
      chainId,
      client,
      templateId,
      paramsHash: row.paramsHash,
    })
    if (plugin.secrets !== undefined) {
      secrets.set(instanceId, simulatedSecrets(plugin, `plugins[${index}].secrets`))
    }
    return { templateId, template, instanceId, instance: row }
  })
  data.sort((a, b) => compareBytes(fromHex(a.templateId), fromHex(b.templateId)))
  const policyTemplate = {
    regoHash: publish(request.rego),
    paramsSchemaHash: publish(request.paramsSchema),
    policyDataTemplateRefs: data.map(({ templateId }) => templateId),
    ...base,
  }
  const templateId = computePolicyTemplateId(policyTemplate)
  const { paramsSchemaHash } = policyTemplate
  const policyInstance = simulatedInstance(request.params, {
    ...{ templateId, paramsSchemaHash, client, expireAfter, block },
    field: 'params',
  })
  const task: Task = {
    chainId,
    policyRegistry: registryAddress,
    policyClient: client,
    intent,
    wasmArgs: encodeWasmArgs(request.wasmArgs),
    referenceBlock: block.number,
    referenceBlockHash: block.hash,
    nonce,
  }
  return {
    task,
    secrets,
    artifacts,
    snapshot: {
      chainId,
      policyRegistry: registryAddress,
      policyDataRegistry: registryAddress,
      client,
      block,
      policyInstanceId: computePolicyInstanceId({
        chainId,
        client,
        templateId,
        paramsHash: policyInstance.paramsHash,
      }),
      policyInstance,
      policyTemplate,
      data,
      enclaveRequired: false,
    },
  }
}
