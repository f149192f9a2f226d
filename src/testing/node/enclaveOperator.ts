/** An operator whose evaluator runs behind the wire protocol in a simulated enclave. */
import type { Address, Hex } from 'viem'
import { foundry } from 'viem/chains'
import { ARTIFACT_ABSENT, type ArtifactNamespace, namespaces } from '../../core/artifact.js'
import type { BlsKey } from '../../core/bn254/index.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { EvaluationRequest } from '../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { createArtifactSource } from '../../da/index.js'
import {
  createDecryptionKey,
  createEnclaveEvaluator,
  createSecretsOpener,
  createTunnelHost,
  type EnclaveEvaluator,
  EnclaveTransportError,
  serveEnclave,
  type TunnelDial,
} from '../../enclave/index.js'
import { tcpListener, tcpTransport } from '../../enclave/node/index.js'
import { createSimulator } from '../../enclave/simulator/index.js'
import {
  ArtifactNotCommittedError,
  createEvaluator,
  createPluginRuntime,
  createSchemaValidator,
  operatorEngine,
} from '../../eval/index.js'
import { nodePluginWorkers } from '../../eval/node/index.js'
import { utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import {
  type CommittedTree,
  commitParameters,
  committedTree,
  createStateTree,
  memoryStore,
  openCommitPipeline,
} from '../../statetree/index.js'
import { createTestOperator, type TestOperator } from '../operator.js'
import type { PrivateData } from '../privateData.js'
import { tunnelTransport } from './tunnelTransport.js'

/** Parameters of {@link createEnclaveOperator}. */
export type EnclaveOperatorParameters = {
  index: number
  address: Address
  key: BlsKey
  /** The 32-byte secret that all operators' enclaves are provisioned with. */
  secretsKey: Uint8Array
  reader: RegistryReader
  events: ChainEvents
  da: DaClient
  privateData: PrivateData
  fromBlock: bigint
  allowHost: (target: { host: string; port: number }) => boolean
}

/** An operator with its enclave. */
export type EnclaveOperator = TestOperator & {
  evaluator: EnclaveEvaluator
  /** What its tree holds under the root committed at a block, with proofs. */
  committed: CommittedTree
  close(): Promise<void>
}

/**
 * Creates an operator: a tree of its own, and an evaluator inside a simulated enclave that is
 * reached over TCP. All operators run the same image, so their PCR0 is the same.
 */
export async function createEnclaveOperator(
  parameters: EnclaveOperatorParameters,
): Promise<EnclaveOperator> {
  const { index, reader, events, da, privateData, fromBlock } = parameters
  const artifacts = createArtifactSource({
    clients: [da],
    locatorsOf: (ref, io) => pipeline.locators({ ref }, io),
  })
  const tree = createStateTree({ store: memoryStore() })
  const pipeline = await openCommitPipeline({
    tree,
    events,
    artifacts,
    // A devnet may have any chain id; its windows are those of its contracts.
    parameters: commitParameters({
      chainId: foundry.id,
      windows: (await events.getWindows?.()) ?? undefined,
    }),
    external: privateData,
    startBlock: fromBlock,
    ownerOf: async (client, io) => (await reader.getClient(client, io))?.owner ?? null,
  })
  const committed = committedTree({ tree, events, startBlock: fromBlock })
  privateData.subscribe((hash, envelope) => tree.store.bytes.put(hash, envelope))

  const engine = operatorEngine()
  const simulator = createSimulator({
    image: [{ name: 'engine', bytes: utf8(engine.id) }],
    seed: keccak(utf8(`newton devnet enclave ${index}`)),
  })
  const key = await createDecryptionKey({ secret: parameters.secretsKey })
  let dial: TunnelDial | undefined
  const plugins = createPluginRuntime({
    workers: nodePluginWorkers(),
    // The enclave has no network of its own: every connection is one through the host.
    transport: (request, options) => {
      if (dial === undefined) throw new EnclaveTransportError({ reason: 'no host is connected' })
      return tunnelTransport(dial)(request, options)
    },
    http: { allowPrivate: true },
  })
  const schemas = createSchemaValidator()
  const opener = createSecretsOpener({ keys: [key] })
  const listener = tcpListener({ port: 0 })
  const enclave = await serveEnclave({
    nsm: simulator.nsm,
    listener,
    key,
    evaluator: (host) => {
      dial = host.dial
      return createEvaluator({
        registry: host.registry ?? reader,
        artifacts: host.artifacts,
        engine,
        plugins,
        schemas,
        secrets: { opener, envelopes: host.envelopes },
        // The host has asked its own tree before the request came in.
        committed: { isCommittedAt: async () => true },
        assurance: 'simulator',
      })
    },
  })
  const port = listener.address()?.port ?? 0
  const inner = await createEnclaveEvaluator({
    transport: tcpTransport({ port }),
    policy: simulator.policy,
    host: {
      registry: reader,
      artifacts,
      envelopes: committed,
      tunnel: createTunnelHost({
        dial: (target, options) => tcpTransport(target).connect(options),
        allow: parameters.allowHost,
      }),
    },
  })
  const evaluator: EnclaveEvaluator = {
    ...inner,
    evaluate: async (request, options) => {
      await assertCommitted(request, { reader, committed, options })
      return inner.evaluate(request, options)
    },
  }
  const operator = createTestOperator({
    address: parameters.address,
    key: parameters.key,
    pipeline,
    evaluator,
    pcr0Commitment: enclave.pcr0Commitment,
  })
  return {
    ...operator,
    evaluator,
    committed,
    close: async () => {
      await inner.close()
      await enclave.close()
      await plugins.close()
    },
  }
}

/** Refuses a task whose artifacts are not all under the root committed at its reference block. */
async function assertCommitted(
  { task }: EvaluationRequest,
  at: { reader: RegistryReader; committed: CommittedTree; options: IoOptions | undefined },
): Promise<void> {
  const block = task.referenceBlock
  const { policyTemplate, data } = await at.reader.snapshot(
    { client: task.policyClient, block },
    at.options,
  )
  const refs: [ArtifactNamespace, Hex | undefined][] = [
    [namespaces.rego, policyTemplate?.regoHash],
    [namespaces.policyParamsSchema, policyTemplate?.paramsSchemaHash],
    ...data.flatMap(({ template }): [ArtifactNamespace, Hex | undefined][] => [
      [namespaces.wasm, template?.wasmHash],
      [namespaces.policyDataParamsSchema, template?.paramsSchemaHash],
      [namespaces.secretsSchema, template?.secretsSchemaHash],
    ]),
  ]
  for (const [namespace, hash] of refs) {
    if (hash === undefined || hash === ARTIFACT_ABSENT) continue
    if (await at.committed.isCommittedAt({ namespace, hash, block }, at.options)) continue
    throw new ArtifactNotCommittedError({ namespace, hash, block })
  }
}
