/** The chain as a process sees it: all endpoints compared, an index on disk, tables from its logs. */
import { join } from 'node:path'
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  type Hex,
  type PublicClient,
} from 'viem'
import { type ArtifactNamespace, namespaces } from '../../../core/artifact.js'
import { mclBackend } from '../../../core/bn254/mcl/index.js'
import { type ChallengeWindows, chains } from '../../../core/chains.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import { InvalidInputError } from '../../../errors/common.js'
import type { IoOptions } from '../../../internal/deadline.js'
import { nodeRpc } from '../../../internal/node/rpcTransport.js'
import type { ProcessMemory } from '../../../internal/processMemory.js'
import type { PolicyAddressesInput } from '../../../registry/chain/addressBook.js'
import type { WriteClient } from '../../../registry/chain/client.js'
import {
  createCertificateReader,
  createChainEvents,
  createComparingReader,
  createIndexedReader,
  createRegistryReader,
  indexRegistry,
  type RegistryIndex,
  readFullOperatorTable,
} from '../../../registry/index.js'
import { lmdbIndexStore } from '../../../registry/node/index.js'
import { type Loop, startLoop } from '../../roles/loop.js'
import { artifactsOfData, artifactsOfPolicy, type NamedArtifact } from '../../tasks/artifacts.js'
import { recalledBuilds, recalledTables } from '../../tasks/recalled.js'
import { chainTables, type OperatorTables } from '../../tasks/tables.js'
import { keepEvents } from '../keptEvents.js'
import { type Closers, describeError, type LogHook } from './running.js'

/** What a chain is opened with; settings have all of it. */
export type ChainSettings = {
  'chain.id': number
  'chain.rpc_urls': readonly string[]
  'chain.from_block': number
  'chain.finality': 'finalized' | 'safe' | 'latest'
  'chain.confirmations': number
  'chain.poll_seconds': number
  'chain.contracts': Readonly<Record<string, `0x${string}`>>
}

/** An opened chain. */
export type OpenedChain = {
  readonly chain: Chain
  readonly client: PublicClient
  readonly addresses: PolicyAddressesInput
  readonly fromBlock: bigint
  /** Compares the endpoints, where there are several. */
  readonly reader: RegistryReader
  readonly certificates: CertificateReader
  readonly events: ChainEvents
  readonly tables: OperatorTables
  /** Milliseconds between two looks. */
  readonly interval: number
  /** A client that signs with an account. */
  wallet(account: Account): WriteClient
}

/** Milliseconds for one answer of an endpoint. */
const PATIENCE = 10_000

/** Opens a chain. Makes one request for each endpoint, so that a wrong one is noticed at once. */
export async function openChain(
  settings: ChainSettings,
  /** Where rows that were read are kept: that of the process's cache, where it has one. */
  memory?: ProcessMemory | undefined,
): Promise<OpenedChain> {
  const urls = settings['chain.rpc_urls']
  const id = settings['chain.id']
  const interval = Math.max(10, settings['chain.poll_seconds'] * 1_000)
  const chain = defineChain({
    id,
    name: chains[id]?.name ?? `chain ${id}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [...urls] } },
  })
  const addresses = settings['chain.contracts'] as PolicyAddressesInput
  const fromBlock = BigInt(settings['chain.from_block'])
  const pollingInterval = Math.min(1_000, interval)
  const clients = urls.map((url) =>
    createPublicClient({ chain, transport: nodeRpc(url, { timeout: PATIENCE }), pollingInterval }),
  )
  const client = clients[0] as PublicClient
  for (const [index, one] of clients.entries()) {
    const actual = await one.getChainId()
    if (actual !== id) {
      const reason = `endpoint ${index} is on chain ${actual}, expected ${id}`
      throw new InvalidInputError({ field: 'chain.rpc_urls', reason })
    }
  }
  const readers = await Promise.all(
    clients.map(async (one, index) => ({
      name: `${index} (${new URL(urls[index] as string).host})`,
      registry: await createRegistryReader({ client: one, addresses, memory }),
      certificates: await createCertificateReader({ client: one, addresses }),
    })),
  )
  const [first] = readers
  const several = readers.length > 1 ? createComparingReader(readers) : undefined
  return {
    ...{ chain, client, addresses, fromBlock, interval },
    reader: recalledBuilds(several?.registry ?? (first as NonNullable<typeof first>).registry, {
      life: interval,
    }),
    certificates: several?.certificates ?? (first as NonNullable<typeof first>).certificates,
    events: await createChainEvents({ client, addresses, finality: settings['chain.finality'] }),
    tables: recalledTables(
      chainTables({
        // Several times as fast where it is installed; the same answers where it is not.
        backend: await mclBackend().catch(() => undefined),
        certificates: several?.certificates ?? (first as NonNullable<typeof first>).certificates,
        read: (referenceTimestamp, io) =>
          readFullOperatorTable(client, { referenceTimestamp, addresses, fromBlock, ...io }),
      }),
      { life: interval },
    ),
    wallet: (account) =>
      createWalletClient({
        ...{ account, chain, pollingInterval },
        transport: nodeRpc(urls[0] as string, { timeout: PATIENCE }),
      }),
  }
}

/** Milliseconds between two times that events are kept: what a start reads is what came since, at most. */
const KEEPING = 3_600_000

/** A chain whose events are kept in the data directory, so that a start does not read all of them again. */
export async function rememberEvents(
  opened: OpenedChain,
  { directory, closers, log }: { directory: string; closers: Closers; log: LogHook },
): Promise<OpenedChain> {
  const kept = keepEvents({
    ...{ events: opened.events, startBlock: opened.fromBlock, directory },
    name: JSON.stringify(Object.entries(opened.addresses as object).sort()),
    onReset: (reason) => log({ level: 'warn', event: 'events.reset', reason }),
  })
  const loop = startLoop({
    interval: KEEPING,
    now: Date.now,
    onError: (error) => log({ level: 'warn', event: 'events.failed', ...describeError(error) }),
    work: async (signal) => {
      await kept.extend({ signal })
      return undefined
    },
  })
  closers.add(loop.close)
  return { ...opened, events: kept.events }
}

/**
 * How long responses can be challenged, as the contracts say it. A role that does not know would keep
 * bytes for too short, or take a window that is open for one that has closed.
 *
 * @throws {InvalidInputError} where the settings name no challenge verifier to ask.
 */
export async function windowsOf(
  { events }: Pick<OpenedChain, 'events'>,
  io: IoOptions = {},
): Promise<ChallengeWindows> {
  const windows = await events.getWindows?.({ timeout: PATIENCE, ...io })
  if (windows !== undefined && windows !== null) return windows
  const reason = 'challengeVerifier is missing: it says how long responses can be challenged'
  throw new InvalidInputError({ field: 'chain.contracts', reason })
}

/** An index that follows the chain. */
export type FollowedIndex = {
  /** Answers from the index, and what it has not read from the chain. */
  readonly reader: RegistryReader
  /** Blocks that it is behind the newest one, `undefined` before it was asked for. */
  lag(): bigint | undefined
  /** The newest block, `undefined` before it was asked for. */
  head(): bigint | undefined
  /** Hashes of the plugins that a current slot names, those of the newest slots first. */
  currentPlugins(): readonly Hex[]
  /** Hashes of the plugins of policy-data templates, as far as they are registered. */
  pluginsOf(templateIds: readonly Hex[]): readonly Hex[]
  /** Whether a registered template names an artifact. */
  isRegistered(name: { namespace: number; hash: Hex }): boolean
  /** Every artifact that a template names, each with one such template. */
  registered(): readonly RegisteredArtifact[]
  readonly loop: Loop
}

/** An artifact with a template that names it. */
export type RegisteredArtifact = {
  artifactHash: Hex
  namespace: ArtifactNamespace
  templateId: Hex
}

/** Opens the index of a data directory, reads it up to the head, and follows from then on. */
export async function followIndex(
  opened: OpenedChain,
  parameters: {
    directory: string
    confirmations: number
    closers: Closers
    log: LogHook
    onLag?: ((blocks: bigint) => void) | undefined
    onError?: (() => void) | undefined
  },
): Promise<FollowedIndex> {
  const { events, fromBlock, reader, interval } = opened
  const { directory, confirmations, closers, log } = parameters
  const index = await indexRegistry({
    ...{ events, fromBlock, confirmations },
    store: lmdbIndexStore({ path: join(directory, 'index') }),
  })
  closers.add(index.close)
  let lag: bigint | undefined
  let head: bigint | undefined
  const loop = startLoop({
    interval,
    now: Date.now,
    onError: (error) => {
      parameters.onError?.()
      log({ level: 'warn', event: 'index.failed', ...describeError(error) })
    },
    work: async (signal) => {
      const { cursor, reorganizedTo } = await index.sync({ signal })
      if (reorganizedTo !== null) {
        log({ level: 'warn', event: 'index.reorganized', to: String(reorganizedTo) })
      }
      const { number } = await reader.getLatestBlock({ signal })
      head = number
      lag = number > cursor ? number - cursor : 0n
      parameters.onLag?.(lag)
      return undefined
    },
  })
  closers.add(loop.close)
  return {
    reader: createIndexedReader({ index, reader }),
    lag: () => lag,
    head: () => head,
    currentPlugins: () => currentPlugins(index.state),
    pluginsOf: (ids) =>
      ids.flatMap(
        (id) => index.state.policyDataTemplates.get(id.toLowerCase() as Hex)?.wasmHash ?? [],
      ),
    isRegistered: (name) => isRegistered(index.state, name),
    registered: () => registeredArtifacts(index.state),
    loop,
  }
}

function isRegistered(
  { policyTemplates, policyDataTemplates }: RegistryIndex['state'],
  { namespace, hash }: { namespace: number; hash: Hex },
): boolean {
  const wanted = hash.toLowerCase()
  const is = (one: Hex): boolean => one.toLowerCase() === wanted
  const { rego, policyParamsSchema, wasm, policyDataParamsSchema, secretsSchema } = namespaces
  if (namespace === rego || namespace === policyParamsSchema) {
    for (const { regoHash, paramsSchemaHash } of policyTemplates.values())
      if (is(namespace === rego ? regoHash : paramsSchemaHash)) return true
    return false
  }
  for (const row of policyDataTemplates.values()) {
    if (namespace === wasm && is(row.wasmHash)) return true
    if (namespace === policyDataParamsSchema && is(row.paramsSchemaHash)) return true
    if (namespace === secretsSchema && is(row.secretsSchemaHash)) return true
  }
  return false
}

function currentPlugins(state: RegistryIndex['state']): readonly Hex[] {
  const moves = [...state.policyDataSlots.values()].flatMap((slot) => slot.slice(-1))
  const newest = moves.sort((a, b) => Number(b.block - a.block))
  const hashes = newest.flatMap(({ id }) => {
    const instance = state.policyDataInstances.get(id)
    const template = instance && state.policyDataTemplates.get(instance.templateId)
    return template === undefined ? [] : [template.wasmHash]
  })
  return [...new Set(hashes)]
}

function registeredArtifacts(state: RegistryIndex['state']): readonly RegisteredArtifact[] {
  const found = new Map<string, RegisteredArtifact>()
  const add = (templateId: Hex, named: readonly NamedArtifact[]): void => {
    for (const { namespace, hash: artifactHash } of named) {
      const key = `${namespace} ${artifactHash}`
      if (!found.has(key)) found.set(key, { artifactHash, namespace, templateId })
    }
  }
  for (const [id, template] of state.policyTemplates) add(id, artifactsOfPolicy(template))
  for (const [id, template] of state.policyDataTemplates) add(id, artifactsOfData(template))
  return [...found.values()]
}
