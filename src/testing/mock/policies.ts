/** A policy on a mock chain: one of the test's own, or the one that is here. */
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../core/artifact.js'
import type { Json, JsonObject } from '../../core/canonicalJson.js'
import { assertKnown } from '../../internal/options.js'
import {
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  ensurePolicyDataTemplateSync,
  ensurePolicyTemplateSync,
  registerClientSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
} from '../../registry/index.js'
import { type DeployedContracts, deployGuardedTransfer } from '../contracts.js'
import type { MockClient } from '../evm/client.js'
import type { MockArtifacts } from './artifacts.js'

/** A plugin whose output is given instead of run. */
export type MockPlugin = {
  /** Text that stands for its bytes: another name is another plugin. */
  name: string
  /** What it answers. Its members come into `data.wasm`. */
  output: Json
  params?: JsonObject | undefined
}

/** A policy. Everything has a default: transfers up to `maxAmount` whose score is at most `maxScore`. */
export type MockPolicyInput = {
  /** Text of the policy. @default {@link guardedTransferRego} */
  rego?: string | undefined
  /** JSON Schema of the params. @default one that takes any object */
  paramsSchema?: JsonObject | undefined
  params?: JsonObject | undefined
  plugins?: readonly MockPlugin[] | undefined
  /** Blocks that a result is valid. @default 300 */
  expireAfter?: number | undefined
  /** A client contract that is registered already. @default a new `GuardedTransfer` */
  policyClient?: Address | undefined
}

const policyNames = [
  'rego',
  'paramsSchema',
  'params',
  'plugins',
  'expireAfter',
  'policyClient',
] as const satisfies readonly (keyof MockPolicyInput)[]

/** A policy on chain. */
export type MockPolicy = {
  policyClient: Address
  templateId: Hex
  instanceId: Hex
  /** Ids of the plugins' templates and instances, in the order they were given. */
  plugins: readonly { templateId: Hex; instanceId: Hex }[]
}

/** The policy that is used where a test brings none. */
export const guardedTransferRego = `package guarded_transfer

import rego.v1

default allow := false

deny contains "the amount is over the limit" if {
  to_number(input.value) > to_number(data.params.maxAmount)
}

deny contains "the recipient's risk score is too high" if {
  data.wasm.score > data.params.maxScore
}

allow if count(deny) == 0
`

const guardedTransfer: { rego: string; params: JsonObject; plugins: readonly MockPlugin[] } = {
  rego: guardedTransferRego,
  params: { maxAmount: '1000', maxScore: 50 },
  plugins: [{ name: 'sanctions score', output: { score: 7 } }],
}

/** Registers, deploys and points. The owner of the client is the owner of the contracts. */
export async function addPolicy(
  chain: {
    client: MockClient
    addresses: DeployedContracts
    artifacts: MockArtifacts
    outputs: Map<Hex, Json>
  },
  input: MockPolicyInput,
): Promise<MockPolicy> {
  assertKnown('policy', input, policyNames)
  const { client, addresses, artifacts } = chain
  const { rego = guardedTransfer.rego, expireAfter = 300 } = input
  const own = input.rego !== undefined
  const params = input.params ?? (own ? undefined : guardedTransfer.params)
  const given = input.plugins ?? (own ? [] : guardedTransfer.plugins)
  const policyClient = input.policyClient ?? (await newClient(chain))
  const anyObject = artifacts.add('{"type":"object"}')
  const plugins = []
  for (const plugin of given) {
    const template = await ensurePolicyDataTemplateSync(client, {
      wasmHash: artifacts.add(`plugin: ${plugin.name}`),
      paramsSchemaHash: plugin.params === undefined ? ARTIFACT_ABSENT : anyObject,
      secretsSchemaHash: ARTIFACT_ABSENT,
      addresses,
    })
    chain.outputs.set(template.id, plugin.output)
    const instance = await deployPolicyDataInstanceSync(client, {
      ...{ client: policyClient, templateId: template.id, expireAfter, addresses },
      params: plugin.params,
    })
    await setCurrentPolicyDataInstanceSync(client, {
      ...{ client: policyClient, templateId: template.id, instanceId: instance.id, addresses },
    })
    plugins.push({ templateId: template.id, instanceId: instance.id })
  }
  const schema = input.paramsSchema === undefined ? undefined : JSON.stringify(input.paramsSchema)
  const template = await ensurePolicyTemplateSync(client, {
    regoHash: artifacts.add(rego),
    paramsSchemaHash:
      schema !== undefined
        ? artifacts.add(schema)
        : params === undefined
          ? ARTIFACT_ABSENT
          : anyObject,
    policyDataTemplateRefs: plugins.map(({ templateId }) => templateId).sort(),
    addresses,
  })
  const instance = await deployPolicyInstanceSync(client, {
    ...{ client: policyClient, templateId: template.id, params, expireAfter, addresses },
  })
  await setCurrentPolicyInstanceSync(client, {
    ...{ client: policyClient, instanceId: instance.id, addresses },
  })
  return { policyClient, templateId: template.id, instanceId: instance.id, plugins }
}

async function newClient({
  client,
  addresses,
}: {
  client: MockClient
  addresses: DeployedContracts
}): Promise<Address> {
  const contract = await deployGuardedTransfer(client, addresses)
  await registerClientSync(client, { client: contract, addresses })
  return contract
}
