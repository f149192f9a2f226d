/**
 * What an application's tests run on: a chain with all contracts, policies and a gateway. The same tests
 * pass on mocks in this process and on a devnet of real processes.
 */
import type { Account, Chain, PublicActions, Transport } from 'viem'
import type { AttestationReader } from '../../attestation/index.js'
import type { TaskClient } from '../../operator/index.js'
import type { WriteClient } from '../../registry/chain/client.js'
import type { DeployedContracts } from '../contracts.js'
import { type MockGateway, mockGateway } from './gateway.js'
import { type MockOperators, mockOperators } from './operators.js'
import type { MockPolicy, MockPolicyInput } from './policies.js'
import { type MockRegistries, type MockRegistriesOptions, mockRegistries } from './registries.js'

/** A policy without plugins, which any network can be given. */
export type NetworkPolicyInput = Omit<MockPolicyInput, 'plugins' | 'rego'> & { rego: string }

/** A network that tests ask. */
export type PolicyNetwork = {
  /** Where it runs. */
  readonly kind: 'mocks' | 'devnet'
  /** Owner of the contracts and of the clients of policies; reads and writes. */
  readonly client: WriteClient & PublicActions<Transport, Chain, Account>
  readonly addresses: DeployedContracts
  /** What `verifyTaskAttestation` reads from. */
  readonly reader: AttestationReader
  /** Tasks through the gateway, each answer verified. */
  readonly tasks: TaskClient
  /** Puts a policy on chain, committed by operators, current for a client contract of its own. */
  addPolicy(input: NetworkPolicyInput): Promise<MockPolicy>
  mine(blocks?: number): Promise<void>
  close(): Promise<void>
}

/** A network of mocks, with what only mocks have. */
export type MockNetwork = PolicyNetwork & {
  readonly kind: 'mocks'
  readonly registries: MockRegistries
  readonly operators: MockOperators
  readonly gateway: MockGateway
  /** Remembers the state. What comes back goes back to it, and makes operators honest again. */
  snapshot(): Promise<() => Promise<void>>
}

/**
 * Starts a whole network in this process: no port, no other process, no file.
 *
 * @throws {MissingPeerError} when the optional peer `@ethereumjs/vm` is not installed.
 * @example
 * ```ts
 * import { mockNetwork } from '@newton/policy-sdk/testing'
 *
 * const network = await mockNetwork()
 * const { policyClient } = await network.addPolicy({
 *   rego: 'package p\ndefault allow := false\nallow if input.value < 5',
 * })
 * await network.close()
 * ```
 */
export async function mockNetwork(options: MockRegistriesOptions = {}): Promise<MockNetwork> {
  const registries = await mockRegistries(options)
  const operators = await mockOperators({ registries })
  const gateway = mockGateway({ registries, operators })
  const { client, addresses } = registries
  return {
    kind: 'mocks',
    ...{ client, addresses, registries, operators, gateway },
    reader: operators.reader,
    tasks: gateway.tasks,
    addPolicy: async (input) => {
      const policy = await registries.addPolicy(input)
      // A reference block is one behind the head: the policy has to be there by then.
      await client.node.mine(2)
      return policy
    },
    mine: (blocks) => client.node.mine(blocks),
    snapshot: async () => {
      const back = await registries.snapshot()
      return async () => {
        await back()
        operators.behave('honest')
      }
    },
    close: gateway.close,
  }
}
