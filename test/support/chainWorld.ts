/**
 * A small network on anvil: all contracts, four operators, one client whose policy needs two data
 * instances. Operators evaluate with the real engine; what a test changes is what they sign.
 */
import {
  type Address,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  type PublicClient,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { writeContract } from 'viem/actions'
import { foundry } from 'viem/chains'
import type { AttestationReader } from '../../src/attestation/index.js'
import { bn254CertificateVerifierAbi } from '../../src/core/abi/bn254CertificateVerifierAbi.js'
import { devnetSlasherAbi } from '../../src/core/abi/devnetSlasherAbi.js'
import { ARTIFACT_ABSENT, computeArtifactHash, ZERO_HASH } from '../../src/core/artifact.js'
import {
  blsKeyFromSeed,
  type Certificate,
  createOperatorTable,
  type OperatorTable,
  provePossession,
} from '../../src/core/bn254/index.js'
import type { Json } from '../../src/core/canonicalJson.js'
import type { Evaluation } from '../../src/core/interfaces/evaluator.js'
import { computeMessageHash, type PolicyTaskResponse } from '../../src/core/response.js'
import type { Task } from '../../src/core/task.js'
import {
  createEvaluator,
  createResultReplayer,
  createSchemaValidator,
  operatorEngine,
  type PluginRuntime,
} from '../../src/eval/index.js'
import { utf8 } from '../../src/internal/bytes.js'
import type { WriteClient } from '../../src/registry/chain/client.js'
import { waitForReceipt } from '../../src/registry/chain/receipts.js'
import {
  createCertificateReader,
  createRegistryReader,
  deployPolicyDataInstanceSync,
  deployPolicyInstanceSync,
  operatorKeyTypedData,
  publishOperatorTableSync,
  registerClientSync,
  registerOperatorKeyForSync,
  registerPolicyDataTemplateSync,
  registerPolicyTemplateSync,
  setAcceptSupersededSync,
  setCurrentPolicyDataInstanceSync,
  setCurrentPolicyInstanceSync,
} from '../../src/registry/index.js'
import {
  type DeployConfig,
  type DeployedContracts,
  deployContracts,
  deployGuardedTransfer,
} from '../../src/testing/index.js'
import { type Anvil, startAnvil } from '../../src/testing/node/index.js'
import { joinShares } from './certificates.js'
import { createTestOperator, type TestOperator } from './testOperator.js'

const mnemonic = 'test test test test test test test test test test test junk'
export const stake = 10n ** 18n

export type ChainWorld = Awaited<ReturnType<typeof createChainWorld>>

export const rego = `package transfers

default allow := false

deny contains "score too high" if {
  some score in [data.wasm.first, data.wasm.second]
  score > data.params.max
}

allow if count(deny) == 0
`

export async function createChainWorld(config: DeployConfig = {}, args: readonly string[] = []) {
  const anvil: Anvil = await startAnvil({ args })
  const chain = { ...foundry, rpcUrls: { default: { http: [anvil.url] } } }
  const client: PublicClient = createPublicClient({
    chain,
    transport: http(anvil.url),
    pollingInterval: 10,
  })
  const wallet = (addressIndex: number): WriteClient =>
    createWalletClient({
      account: mnemonicToAccount(mnemonic, { addressIndex }),
      chain,
      transport: http(anvil.url),
      pollingInterval: 10,
    })
  const owner = wallet(0)
  const clientOwner = wallet(1)
  const challenger = wallet(2)
  const addresses: DeployedContracts = await deployContracts(owner, config)
  const mine = async (blocks = 1): Promise<void> => {
    await anvil.rpc('anvil_mine', [`0x${blocks.toString(16)}`])
  }

  const artifacts = new Map<Hex, Uint8Array>()
  const addArtifact = (text: string): Hex => {
    const bytes = utf8(text)
    const hash = computeArtifactHash(bytes)
    artifacts.set(hash, bytes)
    return hash
  }
  const source = {
    getArtifact: async ({ hash }: { hash: Hex }): Promise<Uint8Array> => {
      const bytes = artifacts.get(hash.toLowerCase() as Hex)
      if (bytes === undefined) throw new Error('not there')
      return bytes
    },
  }
  const registry = await createRegistryReader({ client, addresses })
  const certificates = await createCertificateReader({ client, addresses })
  const engine = operatorEngine()
  // Operators agreed on the outputs before they evaluate, so that no plugin runs here.
  const plugins = new Proxy(
    {},
    { get: () => () => Promise.reject(new Error('no plugin runs')) },
  ) as PluginRuntime
  const evaluator = createEvaluator({
    registry,
    artifacts: source,
    engine,
    plugins,
    schemas: createSchemaValidator(),
    // No state tree is committed in this world.
    committed: { isCommittedAt: async () => true },
  })

  const accounts = Array.from({ length: 4 }, (_, index) =>
    mnemonicToAccount(mnemonic, { addressIndex: 20 + index }),
  )
  const operators: TestOperator[] = accounts
    .map(({ address }, index) =>
      createTestOperator({
        address,
        key: blsKeyFromSeed(utf8(`matrix operator ${index}`)),
        pipeline: undefined as never,
        evaluator,
        pcr0Commitment: ZERO_HASH,
      }),
    )
    .sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
  for (const { address: operator, key } of operators) {
    const { pubkey: pkG1, pubkeyG2: pkG2 } = key.publicKey
    const proof = await provePossession(key, {
      chainId: 31_337n,
      verifier: addresses.certificateVerifier,
      operator,
    })
    const deadline = 2n ** 40n
    const account = accounts.find(({ address }) => address === operator) as (typeof accounts)[0]
    const verifier = addresses.certificateVerifier
    const content = { chainId: 31_337, verifier, operator, pkG1, nonce: 0n, deadline }
    const signature = await account.signTypedData(operatorKeyTypedData(content))
    const signed = { operator, pkG1, pkG2, proof, deadline, signature }
    await registerOperatorKeyForSync(owner, { ...signed, addresses })
    const hash = await writeContract(owner, {
      address: addresses.slasher,
      abi: devnetSlasherAbi,
      functionName: 'setStake',
      args: [operator, stake],
    })
    await waitForReceipt(client, hash)
  }
  const publish = async (
    members: readonly TestOperator[],
  ): Promise<{ table: OperatorTable; referenceTimestamp: number }> => {
    // A table is named by its second: two in one second would be one.
    await anvil.rpc('evm_increaseTime', ['0x1'])
    await mine()
    const { timestamp } = await client.getBlock()
    const referenceTimestamp = Number(timestamp)
    const weights = members.map(() => [100n])
    const list = members.map(({ address }) => address)
    await publishOperatorTableSync(owner, {
      referenceTimestamp,
      operators: list,
      weights,
      addresses,
    })
    const table = createOperatorTable(
      members.map(({ address: operator, key }) => ({
        operator,
        ...key.publicKey,
        weights: [100n],
      })),
    )
    return { table, referenceTimestamp }
  }
  /** The table in force, and its name: tests that publish another one set both. */
  const current = await publish(operators)

  const addDataTemplate = async (name: string): Promise<Hex> => {
    const { id } = await registerPolicyDataTemplateSync(owner, {
      wasmHash: addArtifact(`wasm of ${name}`),
      paramsSchemaHash: addArtifact(
        `{"type":"object","properties":{"${name}":{"type":"integer"}}}`,
      ),
      secretsSchemaHash: ARTIFACT_ABSENT,
      addresses,
    })
    return id
  }
  const addDataInstance = async (
    of: Address,
    templateId: Hex,
    { n = 1, expireAfter = 400n } = {},
  ): Promise<Hex> => {
    const parameters = { client: of, templateId, params: { n }, expireAfter, addresses }
    return (await deployPolicyDataInstanceSync(clientOwner, parameters)).id
  }
  const refs = [await addDataTemplate('one'), await addDataTemplate('two')].sort()
  const { id: templateId } = await registerPolicyTemplateSync(owner, {
    regoHash: addArtifact(rego),
    paramsSchemaHash: addArtifact(
      '{"type":"object","properties":{"max":{"type":"integer"}},"required":["max"]}',
    ),
    policyDataTemplateRefs: refs,
    addresses,
  })
  const addPolicyInstance = async (
    of: Address,
    { max = 10, expireAfter = 500n } = {},
  ): Promise<Hex> => {
    const parameters = { client: of, templateId, params: { max }, expireAfter, addresses }
    return (await deployPolicyInstanceSync(clientOwner, parameters)).id
  }
  /** A client contract; its slots are filled unless a test wants them empty. */
  const addClient = async ({ filled = true, expireAfter = 500n } = {}): Promise<Address> => {
    const { responseRegistry } = addresses
    const address = await deployGuardedTransfer(clientOwner, { responseRegistry })
    await registerClientSync(clientOwner, { client: address, addresses })
    await setAcceptSupersededSync(clientOwner, { client: address, accepted: true, addresses })
    if (!filled) return address
    for (const ref of refs) {
      const instanceId = await addDataInstance(address, ref, { expireAfter })
      await setCurrentPolicyDataInstanceSync(clientOwner, {
        client: address,
        templateId: ref,
        instanceId,
        addresses,
      })
    }
    const instanceId = await addPolicyInstance(address, { expireAfter })
    await setCurrentPolicyInstanceSync(clientOwner, { client: address, instanceId, addresses })
    return address
  }
  const mainClient = await addClient()

  let nonce = 0n
  /** A task at the newest block. */
  const makeTask = async (changes: Partial<Task> = {}): Promise<Task> => {
    const { number, hash } = await client.getBlock()
    await mine()
    return {
      chainId: 31_337n,
      policyRegistry: addresses.policyRegistry,
      policyClient: mainClient,
      intent: {
        from: challenger.account.address,
        to: owner.account.address,
        value: 1n,
        data: '0x',
        chainId: 31_337n,
        functionSignature: '0x',
      },
      wasmArgs: '0x',
      referenceBlock: number,
      referenceBlockHash: hash,
      nonce: nonce++,
      ...changes,
    }
  }
  /** What an honest operator gets for a task. */
  const evaluate = async (
    task: Task,
    {
      scores = [1, 2],
      pcr0Commitment = ZERO_HASH,
    }: { scores?: readonly [number, number]; pcr0Commitment?: Hex } = {},
  ): Promise<Evaluation> => {
    const outputs: Record<Hex, Json> = {
      [refs[0] as Hex]: { first: scores[0] },
      [refs[1] as Hex]: { second: scores[1] },
    }
    const { referenceTimestamp } = current
    const request = { task, referenceTimestamp, pcr0Commitment, agreedOutputs: outputs }
    return (operators[0] as TestOperator).evaluator.evaluate(request)
  }
  const sign = (
    response: PolicyTaskResponse,
    {
      signers = [0, 1, 2, 3],
      by = current.table,
      members = operators,
    }: { signers?: readonly number[]; by?: OperatorTable; members?: readonly TestOperator[] } = {},
  ): Certificate =>
    joinShares({
      table: by,
      referenceTimestamp: response.referenceTimestamp,
      messageHash: computeMessageHash(response),
      shares: signers.map((index) => (members[index] as TestOperator).signAnything(response)),
    })
  const stakes = (): Promise<bigint[]> =>
    Promise.all(
      operators.map(({ address }) =>
        client.readContract({
          address: addresses.slasher,
          abi: devnetSlasherAbi,
          functionName: 'stakeOf',
          args: [address],
        }),
      ),
    )
  const setQuorumBps = async (bps: number): Promise<void> => {
    const hash = await writeContract(owner, {
      address: addresses.certificateVerifier,
      abi: bn254CertificateVerifierAbi,
      functionName: 'setQuorumBps',
      args: [bps],
    })
    await waitForReceipt(client, hash)
  }
  const reader: AttestationReader = {
    registry,
    certificates,
    artifacts: source,
    replayer: createResultReplayer({ engine }),
  }
  return {
    anvil,
    chain,
    client,
    wallet,
    owner,
    clientOwner,
    challenger,
    addresses,
    mine,
    artifacts,
    addArtifact,
    registry,
    certificates,
    reader,
    operators,
    current,
    publish,
    setQuorumBps,
    refs,
    templateId,
    addDataTemplate,
    addDataInstance,
    addPolicyInstance,
    addClient,
    mainClient,
    makeTask,
    evaluate,
    sign,
    stakes,
  }
}
