/** All contracts on a chain in this process, with policies that tests put there. */
import type { Address, Hex } from 'viem'
import type { Json } from '../../core/canonicalJson.js'
import type { Intent } from '../../core/intent.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { Task } from '../../core/task.js'
import { assertKnown, assertObject } from '../../internal/options.js'
import {
  createCertificateReader,
  createChainEvents,
  createRegistryReader,
} from '../../registry/index.js'
import { type DeployConfig, type DeployedContracts, deployContracts } from '../contracts.js'
import { type MockClient, type MockClientOptions, mockClient } from '../evm/client.js'
import { type MockArtifacts, mockArtifacts } from './artifacts.js'
import { addPolicy, type MockPolicy, type MockPolicyInput } from './policies.js'

/** Options of {@link mockRegistries}. */
export type MockRegistriesOptions = Omit<MockClientOptions, 'account'> & {
  contracts?: DeployConfig | undefined
}

/** What a task is made of, where it is not what {@link MockRegistries.makeTask} fills in. */
export type MockTaskInput = Partial<Omit<Task, 'intent'>> & {
  policyClient: Address
  intent?: Partial<Intent> | undefined
}

const intentNames = [
  'from',
  'to',
  'value',
  'data',
  'chainId',
  'functionSignature',
] as const satisfies readonly (keyof Intent)[]

/** The contracts of a chain and what reads them. */
export type MockRegistries = {
  /** Owner of the contracts; `client.as(1)` is somebody else. */
  readonly client: MockClient
  readonly addresses: DeployedContracts
  readonly reader: RegistryReader
  readonly certificates: CertificateReader
  readonly events: ChainEvents
  readonly artifacts: MockArtifacts
  /** What the plugins of a data template answer, by the template's id. */
  readonly outputs: Map<Hex, Json>
  /** Puts a policy on chain for a client contract of its own, current and ready to be asked. */
  addPolicy(input?: MockPolicyInput): Promise<MockPolicy>
  /** Makes a task at the newest block, and mines one after it. */
  makeTask(input: MockTaskInput): Promise<Task>
  /** Remembers chain and plugin outputs. What comes back goes back to them. */
  snapshot(): Promise<() => Promise<void>>
}

/**
 * Deploys all contracts on a chain in this process. State is made by the contracts themselves: what
 * they refuse anywhere they refuse here.
 *
 * @throws {MissingPeerError} when the optional peer `@ethereumjs/vm` is not installed.
 * @example
 * ```ts
 * import { mockRegistries } from '@newton/policy-sdk/testing'
 *
 * const registries = await mockRegistries()
 * const { policyClient } = await registries.addPolicy({ params: { maxAmount: '500' } })
 * await registries.reader.getClient(policyClient) // { owner, active: true }
 * ```
 */
export async function mockRegistries(options: MockRegistriesOptions = {}): Promise<MockRegistries> {
  const client = await mockClient(options)
  const addresses = await deployContracts(client, options.contracts)
  const [reader, certificates, events] = await Promise.all([
    createRegistryReader({ client, addresses }),
    createCertificateReader({ client, addresses }),
    createChainEvents({ client, addresses, finality: 'latest' }),
  ])
  const outputs = new Map<Hex, Json>()
  let nonce = 0n
  const parts = { client, addresses, reader, certificates, events, artifacts: mockArtifacts() }
  return {
    ...parts,
    outputs,
    addPolicy: (input = {}) => addPolicy({ ...parts, outputs }, input),
    makeTask: async (input) => {
      assertObject('task', input)
      const { intent, ...change } = input
      assertKnown('intent', intent ?? {}, intentNames)
      const { number, hash } = await client.getBlock()
      await client.node.mine()
      return {
        chainId: BigInt(client.chain.id),
        policyRegistry: addresses.policyRegistry,
        wasmArgs: '0x',
        referenceBlock: number,
        referenceBlockHash: hash,
        nonce: nonce++,
        ...change,
        intent: {
          from: client.as(1).account.address,
          to: client.as(2).account.address,
          value: 1n,
          data: '0x',
          chainId: BigInt(client.chain.id),
          functionSignature: '0x',
          ...intent,
        },
      }
    },
    snapshot: async () => {
      const back = await client.node.snapshot()
      const before = [...outputs]
      return async () => {
        await back()
        outputs.clear()
        for (const [id, output] of before) outputs.set(id, output)
      }
    },
  }
}
