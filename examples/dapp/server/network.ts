/**
 * A development network with a client contract and its policy: two policy instances, of which the first
 * is not current any more, a data plugin with sealed secrets, and everything committed.
 */
import { readFile } from 'node:fs/promises'
import { computeArtifactHash } from '@newton/policy-sdk'
import { guardedTransferAbi } from '@newton/policy-sdk/abi'
import { sealSecrets, uploadSecrets } from '@newton/policy-sdk/enclave'
import { createSchemaValidator } from '@newton/policy-sdk/eval'
import { createGatewayClient } from '@newton/policy-sdk/gateway'
import {
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  registerClientSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
  waitForReceipt,
} from '@newton/policy-sdk/registry'
import { deployGuardedTransfer } from '@newton/policy-sdk/testing'
import { createDevnet, type Devnet } from '@newton/policy-sdk/testing/node'
import { type Address, encodeFunctionData, type Hex, parseEther } from 'viem'
import { sendTransaction, signTypedData } from 'viem/actions'
import { type Claimed, claimProvenance } from './provenance.js'
import { type RiskService, startRiskService } from './riskService.js'

/** Addresses that the example is about. */
export const recipients = {
  friend: '0x00000000000000000000000000000000000a11ce',
  listed: '0x00000000000000000000000000000000000badad',
} as const satisfies Record<string, Address>

/** The network with what was deployed on it. */
export type Network = {
  devnet: Devnet
  risk: RiskService
  /** The key that only operators' enclaves, and this application's own server, have. */
  apiKey: string
  client: Address
  /** The instance that was current before the one that is. */
  formerPolicyInstance: Hex
  /** From which source its plugin is said to be built. */
  claimed: Claimed
  close(): Promise<void>
}

const files = {
  rego: '../../policies/guarded-transfer/policy.rego',
  paramsSchema: '../../policies/guarded-transfer/params.schema.json',
  wasm: '../../plugins/sanctions-score/plugin.wasm',
  dataParamsSchema: '../../plugins/sanctions-score/params.schema.json',
  secretsSchema: '../../plugins/sanctions-score/secrets.schema.json',
} as const
type Artifacts = Record<keyof typeof files, { bytes: Uint8Array; hash: Hex }>

/** Starts it. `tell` is told what is being done. */
export async function startNetwork(options: {
  port?: number | undefined
  tell: (line: string) => void
}): Promise<Network> {
  const { port, tell } = options
  const closers: (() => Promise<void>)[] = []
  const close = async (): Promise<void> => {
    for (const each of closers.splice(0).reverse()) await each()
  }
  try {
    tell('starting a chain, a gateway and four operators with simulated enclaves')
    const devnet = await createDevnet({ port })
    closers.push(devnet.stop)
    const apiKey = 'example-api-key'
    const risk = await startRiskService({
      apiKey,
      scores: {
        [recipients.friend]: { score: 5, listed: false },
        [recipients.listed]: { score: 97, listed: true },
      },
    })
    closers.push(risk.close)
    tell('deploying the client contract and its policy')
    const client = await deployClient(devnet)
    const artifacts = await publishArtifacts(devnet)
    const deployed = await deployPolicy(devnet, { client, artifacts, endpoint: risk.endpoint })
    const claimed = await claimProvenance(devnet, artifacts.wasm.bytes)
    await sealKey(devnet, { client, apiKey, artifacts, instance: deployed.dataInstance })
    tell('waiting for the operators to commit it')
    await commit(devnet)
    await devnet.mine(2)
    return { devnet, risk, apiKey, client, claimed, ...deployed, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Four operators share one machine here: where too few answered in time, the next window has it. */
async function commit(devnet: Devnet): Promise<void> {
  for (let tries = 3; ; tries--) {
    try {
      await devnet.commit()
      return
    } catch (error) {
      if (tries === 1) throw error
    }
  }
}

/** A contract that holds ether of its users and pays out what the policy allows. */
async function deployClient(devnet: Devnet): Promise<Address> {
  const { contracts: addresses } = devnet
  const owner = devnet.account(0)
  const client = await deployGuardedTransfer(owner, {
    responseRegistry: addresses.responseRegistry,
  })
  await registerClientSync(owner, { client, addresses })
  // The accounts that the page offers as development wallets.
  for (const index of [1, 2]) {
    const user = devnet.account(index)
    const hash = await sendTransaction(user, {
      to: client,
      data: encodeFunctionData({ abi: guardedTransferAbi, functionName: 'deposit' }),
      value: parseEther('25'),
      account: user.account,
      chain: user.chain,
    } as never)
    await waitForReceipt(user, hash)
  }
  return client
}

async function publishArtifacts(devnet: Devnet): Promise<Artifacts> {
  const entries = await Promise.all(
    Object.entries(files).map(async ([name, path]) => {
      const bytes = new Uint8Array(await readFile(new URL(path, import.meta.url)))
      await devnet.da.put(bytes)
      return [name, { bytes, hash: computeArtifactHash(bytes) }] as const
    }),
  )
  return Object.fromEntries(entries) as Artifacts
}

async function deployPolicy(
  devnet: Devnet,
  given: { client: Address; artifacts: Artifacts; endpoint: string },
): Promise<{ dataInstance: Hex; formerPolicyInstance: Hex }> {
  const { client, artifacts, endpoint } = given
  const { contracts: addresses, owner: author } = devnet
  const owner = devnet.account(0)
  const locator = { kind: 'keccakStore', name: '' } as const
  const data = await registerPolicyDataTemplateSync(author, {
    wasmHash: artifacts.wasm.hash,
    paramsSchemaHash: artifacts.dataParamsSchema.hash,
    secretsSchemaHash: artifacts.secretsSchema.hash,
    locators: { wasm: locator, paramsSchema: locator, secretsSchema: locator },
    addresses,
  })
  const policy = await registerPolicyTemplateSync(author, {
    regoHash: artifacts.rego.hash,
    paramsSchemaHash: artifacts.paramsSchema.hash,
    policyDataTemplateRefs: [data.id],
    locators: { rego: locator, paramsSchema: locator },
    addresses,
  })
  const dataInstance = await deployPolicyDataInstanceSync(owner, {
    client,
    templateId: data.id,
    params: { endpoint },
    expireAfter: 1_200n,
    addresses,
  })
  await setCurrentPolicyDataInstanceSync(owner, {
    client,
    templateId: data.id,
    instanceId: dataInstance.id,
    addresses,
  })
  // The limit was higher once: whoever signs by that instance signs what is not in force.
  const instances: Hex[] = []
  for (const maxAmount of ['100', '10']) {
    const { id } = await deployPolicyInstanceSync(owner, {
      client,
      templateId: policy.id,
      params: { maxScore: 50, maxAmount: parseEther(maxAmount).toString() },
      expireAfter: 1_200n,
      addresses,
    })
    await setCurrentPolicyInstanceSync(owner, { client, instanceId: id, addresses })
    instances.push(id)
  }
  return { dataInstance: dataInstance.id, formerPolicyInstance: instances[0] as Hex }
}

async function sealKey(
  devnet: Devnet,
  given: { client: Address; apiKey: string; artifacts: Artifacts; instance: Hex },
): Promise<void> {
  const { client, apiKey, artifacts, instance } = given
  const [operator] = devnet.operators
  const { recipient } = await (operator as Devnet['operators'][number]).evaluator.session()
  const { envelope } = await sealSecrets({
    recipient,
    secrets: { apiKey },
    validation: {
      validator: createSchemaValidator(),
      schemaJson: new TextDecoder().decode(artifacts.secretsSchema.bytes),
    },
    chainId: BigInt(devnet.chain.id),
    client,
    policyDataInstanceId: instance,
    sequence: 1n,
  })
  const owner = devnet.account(0)
  await uploadSecrets({
    gateway: createGatewayClient({ url: devnet.gatewayUrl }),
    envelope,
    policyDataRegistry: devnet.contracts.policyDataRegistry,
    sign: (typedData) => signTypedData(owner, typedData),
  })
}
