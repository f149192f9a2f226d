/** An operator as a process: everything of it on disk, behind a socket, and running by itself. */
import { join } from 'node:path'
import type { Address, Hex, LocalAccount } from 'viem'
import { chainConstants, chains } from '../../../core/chains.js'
import type { Evaluator } from '../../../core/interfaces/evaluator.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import { diskByteStore } from '../../../da/node/index.js'
import { resolveAddress } from '../../../registry/chain/addresses.js'
import { createAcceptedResponses, createCommitSink } from '../../../registry/index.js'
import {
  ArtifactNotCommittedError,
  BytesNotFoundError,
  type CommitPipeline,
  type CommittedTree,
  createReplica,
  type LeafAdmission,
} from '../../../statetree/index.js'
import type { WindowOutcome } from '../../commits/committer.js'
import { createDeltaReader } from '../../commits/deltas.js'
import { provenClients } from '../../identity/proving.js'
import { createIdentity } from '../../identity/stating.js'
import { createBindingWatch } from '../../roles/bindings.js'
import { type ArtifactIntake, createArtifactIntake } from '../../roles/intake.js'
import { startLoop } from '../../roles/loop.js'
import { anomalyOf, createOperatorNode, type OperatorNode } from '../../roles/operator.js'
import { type OperatorWatch, watchOperator } from '../../roles/watch.js'
import { runWindows, type Windows } from '../../roles/windows.js'
import { createOperatorClient, type OperatorClient } from '../../rpc/client.js'
import { refuse } from '../../rpc/envelope.js'
import { createSigningGuard, type OperatorSigner, type SigningGuard } from '../../signing/guard.js'
import type { SigningJournal } from '../../signing/journal.js'
import { computeJournalDomain, floorLack } from '../../signing/rules.js'
import { artifactsOf } from '../../tasks/artifacts.js'
import { openFileJournal, witnessFile } from '../journalFile.js'
import { listenOperator } from '../listen.js'
import type { SettingsOf } from '../settings/read.js'
import type { KeySetting, operatorSettings } from '../settings/roles.js'
import { fileTextStore } from '../textStore.js'
import { type ArtifactSettings, type OpenedArtifacts, openArtifacts } from './artifacts.js'
import {
  type FollowedIndex,
  followIndex,
  type OpenedChain,
  openChain,
  rememberEvents,
} from './chain.js'
import { type EnclaveSettings, type OpenedEvaluator, openEvaluator } from './enclave/evaluator.js'
import { keepInOrder } from './keeping.js'
import { type OpenedLedger, openLedgerHook } from './ledger.js'
import { createPrewarmer, recentRuns } from './prewarming.js'
import {
  type Closers,
  claimDirectory,
  closing,
  DISK_FLOOR,
  describeError,
  freeBytes,
  type LogHook,
  listenAddress,
  opening,
  processMetrics,
  type RunningRole,
} from './running.js'
import { laterWrites, type OpenedSecrets, openSecrets, withPeersEnvelopes } from './secrets.js'
import { openTree } from './tree.js'

/** Settings of an operator; its keys are opened by whoever starts it. */
export type OperatorSettings = Omit<SettingsOf<typeof operatorSettings>, KeySetting> &
  ArtifactSettings &
  EnclaveSettings

/** Parameters of {@link startOperator}. */
export type StartOperatorParameters = {
  settings: OperatorSettings
  /** Signs calls to peers, and pays for commits. */
  account: LocalAccount
  /** The BLS key, or who has it. */
  signer: OperatorSigner
  log?: LogHook | undefined
  /** Who may read leaves of the private-data layer by `newt_signedRead`. @default the operators */
  mayRead?: LeafAdmission['mayRead'] | undefined
  /** Told what each window ended in, whoever its proposer was. */
  onWindow?: ((timestamp: bigint, outcome: WindowOutcome) => void) | undefined
  /** Opens the evaluator in another way than the settings say. */
  evaluator?: ((parts: Parameters<typeof openEvaluator>[1]) => Promise<OpenedEvaluator>) | undefined
}

/** An operator that runs. */
export type RunningOperator = RunningRole & {
  readonly role: 'operator'
  readonly address: Address
  readonly node: OperatorNode
  readonly windows: Windows
  readonly index: FollowedIndex
  readonly pipeline: CommitPipeline
  readonly committed: CommittedTree
  readonly journal: SigningJournal
  readonly evaluator: Evaluator
  /** `keccak256(PCR0)` of its enclave. */
  readonly pcr0Commitment: Hex
}

/**
 * Starts an operator from its settings: index, tree, cache, journal and lock in its data directory, its
 * evaluator, its server, and the loops that follow the chain and run windows.
 *
 * @throws {DirectoryLockedError} where another process has the data directory.
 * @throws {JournalMissingError} where there is no journal and the settings do not say that the key is new.
 * @example
 * ```ts
 * import { openBlsKeystore, operatorSettings, readSettings, startOperator } from '@newton/policy-sdk/operator/node'
 *
 * const settings = await readSettings(operatorSettings, { file: 'operator.toml' })
 * const signer = await openBlsKeystore(settings['key.keystore'], password)
 * const operator = await startOperator({ settings, signer, account })
 * await operator.close()
 * ```
 */
export function startOperator(parameters: StartOperatorParameters): Promise<RunningOperator> {
  const log = parameters.log ?? (() => undefined)
  return opening(log, async (closers) => {
    const parts = await openParts(parameters, { closers, log })
    const { settings } = parameters
    const { node, index, windows, evaluator, enclave } = parts
    const listening: { url?: string } = {}
    const server = await listenOperator({
      rpc: node.rpc,
      ...listenAddress(settings),
      delta: (hash) => node.commits.delta(hash),
      intake: intakeOf(parts),
      identity: createIdentity({
        ...{ guard: parts.guard, pcr0Commitment: evaluator.pcr0Commitment },
        urls: () => urlsOf(parameters, listening.url),
      }),
      ready: () => lacksOf(parts, settings),
      metrics: () => metricsOf(parts),
    })
    listening.url = server.url
    log({ level: 'info', event: 'operator.listening', url: server.url, operator: node.operator })
    return {
      role: 'operator',
      url: server.url,
      address: node.operator,
      ...{ node, windows, index, evaluator: evaluator.evaluator },
      ...{ pipeline: parts.pipeline, committed: parts.committed, journal: parts.journal },
      pcr0Commitment: evaluator.pcr0Commitment,
      ready: () => lacksOf({ ...parts, enclave }, settings),
      metrics: () => metricsOf(parts),
      close: closing(server, closers),
    }
  })
}

async function metricsOf({ watch, ledger, directory }: Parts): Promise<string> {
  return watch.metrics.text() + (ledger?.metrics() ?? '') + (await processMetrics(directory))
}

type Parts = Awaited<ReturnType<typeof openParts>>

async function openParts(
  parameters: StartOperatorParameters,
  { closers, log }: { closers: Closers; log: LogHook },
) {
  const { settings } = parameters
  const directory = settings['data.directory']
  await claimDirectory(directory, 'operator', closers)
  const watch = watchOperator()
  const artifacts = openArtifacts(settings, { directory, closers, metrics: watch.metrics })
  const plain = await openChain(settings, artifacts.cache.memory)
  const chain = await rememberEvents(plain, { directory, closers, log })
  const index = await followIndex(chain, {
    ...{ directory, closers, log },
    confirmations: settings['chain.confirmations'],
    onLag: watch.onLag,
    onError: () => watch.failed('index'),
  })
  const peers = peersOf(parameters, chain)
  const writes = laterWrites()
  const { tree, pipeline, ...opened } = await openTree(chain, {
    ...{ directory, closers, log, artifacts: artifacts.cache, metrics: watch.metrics },
    external: writes,
    window: settings['commits.window_seconds'],
    bootnodes: settings['da.bootnodes'],
  })
  artifacts.follow(pipeline)
  const committed = withPeersEnvelopes(opened.committed, { tree, peers })
  const open = parameters.evaluator ?? ((parts) => openEvaluator(settings, parts))
  const evaluator = await open({
    ...{ reader: index.reader, artifacts: artifacts.cache, committed, closers },
    metrics: watch.metrics,
  })
  const { events, fromBlock: startBlock } = chain
  const ledger = await openLedgerHook(settings, {
    ...{ directory, closers, log, registry: index.reader },
    registrations: { events, startBlock, confirmations: settings['chain.confirmations'] },
    interval: chain.interval,
  })
  const secrets = await openSecrets({
    ...{ directory, chain, index, tree, artifacts, peers, enclave: evaluator.enclave },
  })
  writes.open(secrets.inbox)
  const made = {
    ...{ directory, closers, log, watch, artifacts, chain, index, peers, pipeline, committed },
    ...{ evaluator, ledger, secrets },
  }
  const running = await openNode(parameters, made)
  return { ...made, ...running, enclave: evaluator.enclave }
}

/** What the node of an operator is made of. */
type Made = {
  directory: string
  closers: Closers
  log: LogHook
  watch: OperatorWatch
  artifacts: OpenedArtifacts
  chain: OpenedChain
  index: FollowedIndex
  peers: readonly OperatorClient[]
  pipeline: CommitPipeline
  committed: CommittedTree
  evaluator: OpenedEvaluator
  ledger: OpenedLedger | undefined
  secrets: OpenedSecrets
}

/** The journal, the one place that signs behind it, and all that runs by itself. */
async function openNode(
  parameters: StartOperatorParameters,
  made: Made,
): Promise<{
  journal: SigningJournal
  guard: SigningGuard
  node: OperatorNode
  windows: Windows
}> {
  const { settings, signer, account } = parameters
  const { chain, index, watch, log, committed, evaluator, secrets } = made
  const journal = await openJournal(parameters, made)
  const state: { windows?: Windows } = {}
  const guard = createSigningGuard({
    operator: account.address,
    chainId: chain.reader.chainId,
    policyRegistry: chain.reader.policyRegistry,
    signer: watch.signer(signer),
    journal,
    assertReady: async (kind) => {
      assertSigning(kind, { index, windows: state.windows, maxLag: settings['sign.max_lag'] })
    },
  })
  const node = createOperatorNode({
    guard,
    tables: chain.tables,
    pcr0Commitment: evaluator.pcr0Commitment,
    ledger: made.ledger?.recorder,
    gateways: settings.gateways,
    peers: Object.keys(settings.operators) as Address[],
    // The first run of a plugin compiles it.
    limits: { timeout: 60_000 },
    onEvent: (event) => {
      watch.onEvent(event)
      if (event.error !== undefined) {
        const failure = describeError(event.error)
        log({ level: 'error', event: 'rpc.failed', method: event.method, ...failure })
      }
    },
    tasks: {
      evaluator: committedEvaluator(evaluator.evaluator, { reader: index.reader, committed }),
      registry: index.reader,
      // What is older could not be accepted any more.
      maxAge: made.pipeline.parameters.taskResponseWindow,
    },
    commits: {
      ...commitParts(parameters, made),
      beforeJudging: secrets.beforeJudging,
    },
    reads: { rootAt: committed.rootAt, mayRead: parameters.mayRead ?? operatorsOf(settings) },
    secrets,
  })
  const windows = startWindows(parameters, { ...made, node })
  state.windows = windows
  watchBindings(made)
  keepInOrder({ ...made, journal, account, renew: settings['da.renew'] })
  return { journal, guard, node, windows }
}

/** Whether a caller is one of the network's operators. */
function operatorsOf(settings: OperatorSettings): NonNullable<LeafAdmission['mayRead']> {
  const known = new Set(Object.keys(settings.operators).map((one) => one.toLowerCase()))
  return ({ caller }) => known.has(caller.toLowerCase())
}

/** Anybody hands in what a template names and the tree has not got. */
function intakeOf({ index, pipeline, artifacts }: Parts): ArtifactIntake {
  return createArtifactIntake({
    isPending: (name) => index.isRegistered(name) && !pipeline.inTree(name),
    isHeld: artifacts.holds,
    keep: (hash, bytes) => artifacts.cache.put(hash, bytes),
  })
}

async function openJournal(
  { settings, signer }: StartOperatorParameters,
  { chain, directory, closers }: { chain: OpenedChain; directory: string; closers: Closers },
): Promise<SigningJournal> {
  const { chainId, policyRegistry } = chain.reader
  const { number: block, timestamp } = await chain.reader.getLatestBlock()
  const witness = settings['journal.witness']
  const journal = await openFileJournal({
    directory: settings['journal.directory'] ?? join(directory, 'journal'),
    domain: computeJournalDomain({ chainId, policyRegistry, publicKey: signer.publicKey }),
    head: { block, timestamp },
    create: settings['journal.new'],
    ...(witness === undefined ? {} : { witness: witnessFile(witness) }),
  })
  closers.add(journal.close)
  return journal
}

/** Refuses to sign while this operator cannot know what it signs. */
function assertSigning(
  kind: string,
  at: { index: FollowedIndex; windows: Windows | undefined; maxLag: number },
): void {
  const lag = at.index.lag()
  if (lag === undefined) throw refuse('NOT_READY', 'the chain was not read yet')
  if (lag > BigInt(at.maxLag)) throw refuse('BEHIND', `the index is ${lag} blocks behind`)
  const status = at.windows?.status()
  if (kind === 'commit' || status === undefined) return
  if (status.stopped !== undefined) throw refuse('NOT_READY', 'the tree cannot be derived')
  if (status.waitingFor !== undefined) {
    throw refuse('BEHIND', `the delta of commit ${status.waitingFor} cannot be had`)
  }
}

/** Bytes of deltas that are kept for peers; the oldest go first. */
const KEPT_DELTA_BYTES = 256 * 1_048_576

function commitParts(
  { settings }: StartOperatorParameters,
  parts: {
    chain: OpenedChain
    pipeline: CommitPipeline
    artifacts: OpenedArtifacts
    watch: OperatorWatch
    log: LogHook
  },
): Parameters<typeof createOperatorNode>[0]['commits'] {
  const { chain, pipeline, artifacts, watch, log } = parts
  const { clients, cache } = artifacts
  const urls = Object.values(settings.operators)
  const publisher = clients[0]
  return {
    ...{ pipeline, events: chain.events, startBlock: chain.fromBlock },
    stateCommitRegistry: resolveAddress('stateCommitRegistry', {
      addresses: chain.addresses,
      chainId: chain.chain.id,
    }),
    ...(publisher === undefined
      ? {}
      : {
          publish: async ({ bytes }, io) => [(await publisher.put(bytes, io)).locator],
        }),
    readDelta: createDeltaReader({
      ...{ artifacts: cache, peers: () => urls, bootnodes: settings['da.bootnodes'] },
    }),
    keptDeltas: diskByteStore({
      directory: join(settings['data.directory'], 'deltas'),
      maxBytes: KEPT_DELTA_BYTES,
    }),
    onAnomaly: (found) => {
      watch.onAnomaly(found)
      const { code, detail } = found
      log({ level: 'error', event: 'anomaly', code: `0x${code.toString(16)}`, detail })
    },
  }
}

/** Evaluates only what is under the root that was committed at the task's reference block. */
export function committedEvaluator(
  evaluator: Evaluator,
  { reader, committed }: { reader: RegistryReader; committed: CommittedTree },
): Evaluator {
  return {
    ...evaluator,
    async evaluate(request, options) {
      const { policyClient: client, referenceBlock: block } = request.task
      const snapshot = await reader.snapshot({ client, block }, options)
      for (const { namespace, hash } of artifactsOf(snapshot)) {
        if (await committed.isCommittedAt({ namespace, hash, block }, options)) continue
        throw new ArtifactNotCommittedError({ namespace, hash, block })
      }
      return evaluator.evaluate(request, options)
    },
  }
}

/** The base URLs that others reach this operator by. */
function urlsOf(
  { settings, account }: StartOperatorParameters,
  listening: string | undefined,
): readonly string[] {
  const named = settings['identity.urls']
  if (named.length > 0) return named
  const own = account.address.toLowerCase()
  const [, url] =
    Object.entries(settings.operators).find(([one]) => one.toLowerCase() === own) ?? []
  return [url ?? listening].filter((one) => one !== undefined)
}

/** Clients of all other operators, by this one's account. Each proves itself before it is called. */
function peersOf(
  { settings, account }: StartOperatorParameters,
  { reader, tables }: OpenedChain,
): OperatorClient[] {
  const { chainId, policyRegistry } = reader
  const own = account.address.toLowerCase()
  const others = Object.entries(settings.operators).filter(([peer]) => peer.toLowerCase() !== own)
  const clients = others.map(([operator, url]) =>
    createOperatorClient({
      operator: operator as Address,
      url: `${url}/rpc`,
      ...{ account, chainId, policyRegistry, timeout: 20_000 },
    }),
  )
  return provenClients({ clients, registry: reader, tables })
}

function startWindows(
  parameters: StartOperatorParameters,
  parts: {
    chain: OpenedChain
    node: OperatorNode
    pipeline: CommitPipeline
    watch: OperatorWatch
    log: LogHook
    closers: Closers
    evaluator: OpenedEvaluator
    artifacts: OpenedArtifacts
    index: FollowedIndex
    peers: readonly OperatorClient[]
    secrets: OpenedSecrets
  },
): Windows {
  const { chain, node, pipeline, watch, log, closers, peers } = parts
  const prewarmer = prewarmerOf(parameters.settings, parts)
  let applied: bigint | undefined
  let settled: bigint | undefined
  const settle = async (sequenceNo: bigint): Promise<void> => {
    if (sequenceNo === settled) return
    try {
      await parts.secrets.inbox.settle()
      settled = sequenceNo
    } catch (error) {
      // An envelope that nobody has now: looked for again at the next turn.
      watch.failed('secrets')
      log({ level: 'warn', event: 'secrets.settle.failed', ...describeError(error) })
    }
  }
  const windows = runWindows({
    ...{ commits: node.commits, pipeline, events: chain.events, interval: chain.interval },
    peers: () => peers,
    sink: createCommitSink({
      client: chain.wallet(parameters.account),
      addresses: chain.addresses,
    }),
    onWindow: (timestamp, outcome) => {
      watch.onWindow(timestamp, outcome)
      parameters.onWindow?.(timestamp, outcome)
      const level = outcome.status === 'no quorum' ? 'warn' : 'debug'
      const faults = 'faults' in outcome ? outcome.faults : []
      log({ level, event: 'window', timestamp: String(timestamp), status: outcome.status, faults })
    },
    onFollowed: async (status) => {
      watch.onFollowed(status)
      await settle(status.sequenceNo)
      if (status.sequenceNo === applied) return
      applied = status.sequenceNo
      log({ level: 'info', event: 'commit.applied', sequence: String(applied), root: status.root })
      // Also the first time: whoever joins or starts again has what slots name before it is asked.
      prewarmer.start()
    },
    onError: (error) => {
      watch.failed('windows')
      log({ level: 'warn', event: 'window.failed', ...describeError(error) })
    },
  })
  closers.add(windows.close)
  return windows
}

/** Compiles ahead what current slots name, and the templates that the settings name. */
function prewarmerOf(
  settings: OperatorSettings,
  parts: {
    evaluator: OpenedEvaluator
    artifacts: OpenedArtifacts
    index: FollowedIndex
    watch: OperatorWatch
    log: LogHook
    closers: Closers
  },
): ReturnType<typeof createPrewarmer> {
  const { evaluator, artifacts, index, watch, log, closers } = parts
  const { prewarm, recent = recentRuns() } = evaluator
  const prewarmer = createPrewarmer({
    ...{ prewarm, recent, log, artifacts: artifacts.cache },
    always: () => index.pluginsOf(settings['prewarm.always']),
    current: index.currentPlugins,
    onFailure: () => watch.failed('prewarm'),
  })
  closers.add(prewarmer.close)
  return prewarmer
}

/** Each accepted response is held against the tree, as a replica does (0x13). */
function watchBindings(parts: {
  chain: OpenedChain
  pipeline: CommitPipeline
  index: FollowedIndex
  watch: OperatorWatch
  log: LogHook
  closers: Closers
  directory: string
  ledger: OpenedLedger | undefined
}): void {
  const { chain, pipeline, index, watch, log, closers } = parts
  const { client, addresses, events, fromBlock: startBlock, interval } = chain
  const replica = createReplica({
    ...{ pipeline, events, startBlock },
    // It only judges: what landed is followed elsewhere.
    deltas: ({ deltaHash }) => Promise.reject(new BytesNotFoundError({ hash: deltaHash })),
    onAnomaly: (found) => {
      watch.onAnomaly(found)
      parts.ledger?.recorder.anomaly(anomalyOf(found))
      log({
        level: 'error',
        event: 'anomaly',
        code: `0x${found.code.toString(16)}`,
        detail: found.detail,
      })
    },
  })
  const bindings = createBindingWatch({
    registry: index.reader,
    responses: createAcceptedResponses({ client, addresses }),
    check: replica.checkBinding,
    store: fileTextStore(join(parts.directory, 'bindings.json')),
    startBlock,
    onUndecided: () => watch.failed('bindings'),
  })
  const loop = startLoop({
    interval,
    now: Date.now,
    onError: (error) => {
      watch.failed('bindings')
      log({ level: 'warn', event: 'bindings.failed', ...describeError(error) })
    },
    work: async (signal) => {
      await bindings.poll({ signal })
      return undefined
    },
  })
  closers.add(loop.close)
}

/** A journal that was begun now has nothing that it could have forgotten. */
function floorLackOf({
  journal,
  index,
  chain,
}: Pick<Parts, 'journal' | 'index' | 'chain'>): string | undefined {
  const { id } = chain.chain
  const referenceDelay = Object.hasOwn(chains, id) ? chainConstants(id).referenceDelay : 0n
  return floorLack({ floor: journal.floor, head: index.head() ?? 0n, referenceDelay })
}

async function lacksOf(
  parts: Pick<Parts, 'index' | 'windows' | 'enclave' | 'directory' | 'journal' | 'chain'>,
  settings: OperatorSettings,
): Promise<readonly string[]> {
  const lacks: string[] = []
  const lag = parts.index.lag()
  if (lag === undefined) lacks.push('the chain was not read yet')
  else if (lag > BigInt(settings['sign.max_lag'])) lacks.push(`the index is ${lag} blocks behind`)
  const waits = settings['journal.new'] ? undefined : floorLackOf(parts)
  if (waits !== undefined) lacks.push(waits)
  const status = parts.windows.status()
  if (status === undefined) lacks.push('commits were not followed yet')
  else if (status.stopped !== undefined) lacks.push(`the tree stopped: ${status.stopped.reason}`)
  else if (status.waitingFor !== undefined) {
    lacks.push(`the delta of commit ${status.waitingFor} cannot be had`)
  }
  const session = parts.enclave?.session({ timeout: 2_000 })
  await session?.catch(() => lacks.push('the enclave is not attested'))
  const free = await freeBytes(parts.directory)
  if (free !== undefined && free < DISK_FLOOR) lacks.push('the disk is almost full')
  return lacks
}
