/** The devnet as the network of an application's tests. */
import { publicActions } from 'viem'
import { ARTIFACT_ABSENT, computeArtifactHash } from '../../../core/artifact.js'
import { createArtifactSource } from '../../../da/index.js'
import { createResultReplayer, operatorEngine } from '../../../eval/index.js'
import { utf8 } from '../../../internal/bytes.js'
import { createTaskClient } from '../../../operator/index.js'
import {
  deployPolicyInstanceSync,
  ensurePolicyTemplateSync,
  registerClientSync,
  setCurrentPolicyInstanceSync,
} from '../../../registry/index.js'
import { deployGuardedTransfer } from '../../contracts.js'
import type { NetworkPolicyInput, PolicyNetwork } from '../../mock/network.js'
import type { MockPolicy } from '../../mock/policies.js'
import type { DevnetOptions } from './options.js'
import { createDevnet, type Devnet } from './start.js'

/**
 * Starts a devnet and gives it the shape of `mockNetwork`, so that one test file runs on both.
 *
 * @throws {MissingPeerError} when anvil, `hono` or another peer of `createDevnet` is not installed.
 * @example
 * ```ts
 * import { devnetNetwork } from '@newton/policy-sdk/testing/node'
 *
 * const network = await devnetNetwork()
 * await network.close()
 * ```
 */
export async function devnetNetwork(options: DevnetOptions = {}): Promise<PolicyNetwork> {
  const devnet = await createDevnet(options)
  const { contracts: addresses, reader: registry, certificates } = devnet
  const reader: PolicyNetwork['reader'] = {
    ...{ registry, certificates },
    artifacts: createArtifactSource({ clients: [devnet.da] }),
    replayer: createResultReplayer({ engine: operatorEngine() }),
  }
  return {
    kind: 'devnet',
    client: devnet.owner.extend(publicActions) as unknown as PolicyNetwork['client'],
    ...{ addresses, reader },
    tasks: createTaskClient({ gateway: { url: devnet.gatewayUrl }, reader }),
    addPolicy: (input) => addPolicy(devnet, input),
    mine: devnet.mine,
    close: devnet.stop,
  }
}

async function addPolicy(
  { owner, contracts: addresses, da, commit, mine }: Devnet,
  input: NetworkPolicyInput,
): Promise<MockPolicy> {
  const { params, expireAfter = 300 } = input
  const publish = async (text: string): Promise<`0x${string}`> => {
    const bytes = utf8(text)
    await da.put(bytes)
    return computeArtifactHash(bytes)
  }
  const locator = { kind: 'keccakStore', name: '' } as const
  const schema = input.paramsSchema ?? (params === undefined ? undefined : { type: 'object' })
  const policyClient = input.policyClient ?? (await deployGuardedTransfer(owner, addresses))
  if (input.policyClient === undefined) {
    await registerClientSync(owner, { client: policyClient, addresses })
  }
  const template = await ensurePolicyTemplateSync(owner, {
    regoHash: await publish(input.rego),
    paramsSchemaHash:
      schema === undefined ? ARTIFACT_ABSENT : await publish(JSON.stringify(schema)),
    policyDataTemplateRefs: [],
    locators: schema === undefined ? { rego: locator } : { rego: locator, paramsSchema: locator },
    addresses,
  })
  const instance = await deployPolicyInstanceSync(owner, {
    ...{ client: policyClient, templateId: template.id, params, expireAfter, addresses },
  })
  await setCurrentPolicyInstanceSync(owner, {
    ...{ client: policyClient, instanceId: instance.id, addresses },
  })
  await commit()
  // A reference block is one behind the head: the policy has to be there by then.
  await mine(2)
  return { policyClient, templateId: template.id, instanceId: instance.id, plugins: [] }
}
