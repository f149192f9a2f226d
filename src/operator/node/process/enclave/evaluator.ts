/** Where an operator evaluates: behind a bridge to its enclave, in a simulated one, or without any. */
import { readFile } from 'node:fs/promises'
import { type Hex, isHex } from 'viem'
import { ZERO_HASH } from '../../../../core/artifact.js'
import type { Evaluator } from '../../../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../../../core/interfaces/registryReader.js'
import type { MetricsRegistry } from '../../../../core/metrics.js'
import type { LayeredArtifactCache } from '../../../../da/index.js'
import {
  createDecryptionKey,
  createEnclaveEvaluator,
  createSecretsOpener,
  createTunnelHost,
  type EnclaveEvaluator,
  EnclaveTransportError,
  type NitroRoot,
  serveEnclave,
  type TunnelDial,
} from '../../../../enclave/index.js'
import { tcpListener, tcpTransport } from '../../../../enclave/node/index.js'
import { nodeP384Signer } from '../../../../enclave/node/p384Signer.js'
import { createSimulator, type ImagePart } from '../../../../enclave/simulator/index.js'
import { InvalidInputError } from '../../../../errors/common.js'
import {
  createEvaluator,
  createPluginRuntime,
  createSchemaValidator,
  operatorEngine,
  type PluginRuntime,
} from '../../../../eval/index.js'
import { nodeHttpTransport, nodePluginWorkers } from '../../../../eval/node/index.js'
import { fromHex, utf8 } from '../../../../internal/bytes.js'
import { keccak, keccakHex } from '../../../../internal/keccak.js'
import { createProcessMemory } from '../../../../internal/processMemory.js'
import type { CommittedTree } from '../../../../statetree/index.js'
import { type RecentRuns, recentRuns } from '../prewarming.js'
import type { Closers } from '../running.js'
import { tunnelTransport } from './tunnelTransport.js'

/** What an evaluator is opened with. */
export type EnclaveSettings = {
  'enclave.kind': 'simulator' | 'tcp' | 'none'
  'enclave.host': string
  'enclave.port'?: number | undefined
  'enclave.pcr0'?: Hex | undefined
  'enclave.secrets_key_file'?: string | undefined
  'enclave.allow_hosts': readonly string[]
}

/** What an evaluator needs of its operator. */
export type EvaluatorParts = {
  reader: RegistryReader
  artifacts: LayeredArtifactCache
  committed: CommittedTree
  closers: Pick<Closers, 'add'>
  /** Where the plugins of this process are counted. */
  metrics?: MetricsRegistry | undefined
}

/** An evaluator that was opened. */
export type OpenedEvaluator = {
  readonly evaluator: Evaluator
  /** `keccak256(PCR0)`; zero where there is no enclave. */
  readonly pcr0Commitment: Hex
  /** The enclave, where there is one. */
  readonly enclave: EnclaveEvaluator | undefined
  /** Compiles plugins ahead, where the runtime is in this process. */
  readonly prewarm: PluginRuntime['prewarm'] | undefined
  /** Plugins that ran, where it is. */
  readonly recent?: RecentRuns | undefined
}

/** Parameters of {@link openSimulatedEnclave}. */
export type SimulatedEnclaveParameters = EvaluatorParts & {
  /** Names the simulated machine: its documents and keys follow from it. */
  seed: Uint8Array
  /** The 32-byte secret that all operators' enclaves are provisioned with. */
  secretsKey: Uint8Array
  allowHost: (target: { host: string; port: number }) => boolean
}

/**
 * Compiles the engine before there is a task: the first one after a start would wait for it, and a
 * restart under load would cost its window.
 */
async function warm(engine: ReturnType<typeof operatorEngine>): Promise<void> {
  const policy = await engine.prepare({ rego: utf8('package warm\n\nallow := true\n') })
  policy.dispose()
}

/** Opens the evaluator that the settings name. */
export async function openEvaluator(
  settings: EnclaveSettings,
  parts: EvaluatorParts,
): Promise<OpenedEvaluator> {
  const allowHost = hostRule(settings['enclave.allow_hosts'])
  if (settings['enclave.kind'] === 'none') return openBareEvaluator(settings, parts)
  if (settings['enclave.kind'] === 'simulator') {
    const secretsKey = await readSecretsKey(settings['enclave.secrets_key_file'])
    const seed = keccak(utf8(`newton simulated enclave ${parts.reader.chainId}`), secretsKey)
    return openSimulatedEnclave({ ...parts, seed, secretsKey, allowHost })
  }
  const { 'enclave.host': host, 'enclave.port': port, 'enclave.pcr0': pcr0 } = settings
  if (port === undefined || pcr0 === undefined) {
    const reason = 'an enclave behind tcp needs enclave.port and enclave.pcr0'
    throw new InvalidInputError({ field: 'enclave', reason })
  }
  const enclave = await createEnclaveEvaluator({
    transport: tcpTransport({ host, port }),
    policy: { measurements: [{ 0: pcr0 }] },
    host: hostOf(parts, allowHost),
  })
  parts.closers.add(enclave.close)
  const { attestation } = await enclave.session({ timeout: 60_000 })
  const { pcr0Commitment } = attestation
  return { evaluator: enclave, enclave, pcr0Commitment, prewarm: undefined }
}

/** What a simulated enclave measures: the engine alone. All operators run the same image. */
function simulatedImage(): { engine: ReturnType<typeof operatorEngine>; image: ImagePart[] } {
  const engine = operatorEngine()
  return { engine, image: [{ name: 'engine', bytes: utf8(engine.id) }] }
}

/** `keccak256(PCR0)` of the simulated enclaves of this version. */
export function simulatedPcr0Commitment(): Hex {
  const { measurements } = createSimulator({ image: simulatedImage().image })
  return keccakHex(fromHex(measurements.pcrs[0]))
}

/** Starts an enclave in software and connects to it, over a socket and attested like a real one. */
export async function openSimulatedEnclave(
  parameters: SimulatedEnclaveParameters,
): Promise<OpenedEvaluator & { enclave: EnclaveEvaluator; roots: readonly NitroRoot[] }> {
  const { reader, closers } = parameters
  const { engine, image } = simulatedImage()
  await warm(engine)
  const simulator = createSimulator({ image, seed: parameters.seed, sign: nodeP384Signer() })
  const key = await createDecryptionKey({ secret: parameters.secretsKey })
  let dial: TunnelDial | undefined
  // What the enclave compiles stays inside it, under one bound for all of its parts.
  const memory = createProcessMemory()
  const recent = recentRuns()
  const plugins = createPluginRuntime({
    workers: nodePluginWorkers(),
    ...{ memory, metrics: parameters.metrics, onEvent: recent.onEvent },
    // The enclave has no network of its own: every connection is one through the host.
    transport: (request, options) => {
      if (dial === undefined) throw new EnclaveTransportError({ reason: 'no host is connected' })
      return tunnelTransport(dial)(request, options)
    },
    http: { allowPrivate: true },
  })
  closers.add(() => plugins.close())
  const listener = tcpListener({ port: 0 })
  const served = await serveEnclave({
    nsm: simulator.nsm,
    listener,
    key,
    schemas: createSchemaValidator({ memory }),
    evaluator: (host) => {
      dial = host.dial
      return createEvaluator({
        registry: host.registry ?? reader,
        artifacts: host.artifacts,
        ...{ engine, plugins, memory, schemas: createSchemaValidator({ memory }) },
        secrets: { opener: createSecretsOpener({ keys: [key] }), envelopes: host.envelopes },
        // The host has asked its own tree before the request came in.
        committed: { isCommittedAt: async () => true },
        assurance: 'simulator',
      })
    },
  })
  closers.add(() => served.close())
  const enclave = await createEnclaveEvaluator({
    transport: tcpTransport({ port: listener.address()?.port ?? 0 }),
    policy: simulator.policy,
    host: hostOf(parameters, parameters.allowHost),
  })
  closers.add(enclave.close)
  const { prewarm } = plugins
  const { pcr0Commitment } = served
  // What a verifier's `roots` takes to accept its documents.
  const roots = [{ sha256: simulator.root.sha256 }]
  return { evaluator: enclave, enclave, pcr0Commitment, prewarm, recent, roots }
}

/** Without an enclave, all parts of the evaluator share the memory of the one cache. */
async function openBareEvaluator(
  settings: EnclaveSettings,
  { reader, artifacts, committed, closers, metrics }: EvaluatorParts,
): Promise<OpenedEvaluator> {
  const engine = operatorEngine()
  await warm(engine)
  const { memory } = artifacts
  const every = settings['enclave.allow_hosts'].includes('*')
  const hosts = settings['enclave.allow_hosts'].map((host) => host.split(':')[0] as string)
  const recent = recentRuns()
  const plugins = createPluginRuntime({
    workers: nodePluginWorkers(),
    ...{ memory, metrics, onEvent: recent.onEvent },
    transport: nodeHttpTransport(),
    http: every ? {} : { hosts },
  })
  closers.add(() => plugins.close())
  const evaluator = createEvaluator({
    registry: reader,
    ...{ artifacts, committed, plugins, memory, engine },
    schemas: createSchemaValidator({ memory }),
  })
  const { prewarm } = plugins
  return { evaluator, enclave: undefined, pcr0Commitment: ZERO_HASH, prewarm, recent }
}

function hostOf(
  { reader, artifacts, committed }: EvaluatorParts,
  allow: (target: { host: string; port: number }) => boolean,
): NonNullable<Parameters<typeof createEnclaveEvaluator>[0]['host']> {
  return {
    registry: reader,
    artifacts,
    envelopes: committed,
    tunnel: createTunnelHost({
      dial: (target, options) => tcpTransport(target).connect(options),
      allow,
    }),
  }
}

/** `*` for every host; else names, each with a port or for 443 alone. */
function hostRule(hosts: readonly string[]): (target: { host: string; port: number }) => boolean {
  const every = hosts.includes('*')
  const named = new Set(hosts.map((host) => (host.includes(':') ? host : `${host}:443`)))
  return ({ host, port }) => every || named.has(`${host}:${port}`)
}

async function readSecretsKey(path: string | undefined): Promise<Uint8Array> {
  if (path === undefined) {
    throw new InvalidInputError({
      field: 'enclave.secrets_key_file',
      reason: 'a simulated enclave needs the secret that all operators of the network share',
    })
  }
  const text = (await readFile(path, 'utf8')).trim()
  if (isHex(text) && text.length === 66) return fromHex(text)
  const reason = `${path} does not hold 32 bytes as 0x-hex`
  throw new InvalidInputError({ field: 'enclave.secrets_key_file', reason })
}
