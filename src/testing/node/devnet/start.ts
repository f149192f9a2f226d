/** A whole network for development: chain, contracts, data availability, and every role of it. */
import { join } from 'node:path'
import type { Chain, Hex, LocalAccount, PublicClient } from 'viem'
import type { OperatorTable } from '../../../core/bn254/index.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import type { Task } from '../../../core/task.js'
import type { IoOptions } from '../../../internal/deadline.js'
import {
  collectTask,
  createOperatorClient,
  knownTables,
  type OperatorClient,
  type OperatorTables,
  type TaskAnswer,
} from '../../../operator/index.js'
import {
  type RunningChallenger,
  type RunningGateway,
  type RunningReplica,
  type RunningRole,
  simulatedPcr0Commitment,
} from '../../../operator/node/index.js'
import type { WriteClient } from '../../../registry/chain/client.js'
import { commitParameters } from '../../../statetree/index.js'
import type { DeployedContracts } from '../../contracts.js'
import type { Anvil } from '../anvil.js'
import { serveArtifacts } from './artifacts.js'
import { type DevnetLedger, type StartedLedger, startDevnetLedger } from './ledger.js'
import {
  type DevnetOperator,
  makeSeats,
  type OperatorNetwork,
  type Seat,
  startSeat,
} from './operators.js'
import type { DevnetOptions } from './options.js'
import {
  type RolesParameters,
  startDevnetChallenger,
  startDevnetGateway,
  startDevnetReplica,
  untilReady,
} from './roles.js'
import { sharedSettings } from './settings.js'
import { type CommitOutcome, createWindows, moveTo } from './windows.js'
import {
  accountAt,
  accountsOf,
  type ClosersList,
  type Place,
  placeOf,
  populate,
  startChain,
} from './world.js'

/** A running network. */
export type Devnet = {
  anvil: Anvil
  chain: Chain
  client: PublicClient
  contracts: DeployedContracts
  /** Owner of the contracts. */
  owner: WriteClient
  /** A funded account, 0 to 9, that no role has. */
  account(index: number): WriteClient
  da: DaClient
  /** Where it keeps what it stores; artifacts are in `artifacts` below it. */
  directory: string
  /** Where artifacts are had and published over HTTP: an EigenDA proxy, and `/artifacts/<hash>`. */
  artifactsUrl: string
  /** Whether it goes on from what was kept. */
  continued: boolean
  reader: RegistryReader
  events: ChainEvents
  certificates: CertificateReader
  /** In the order of the table. */
  operators: readonly DevnetOperator[]
  gateway: RunningGateway
  challenger: RunningChallenger | undefined
  replica: RunningReplica | undefined
  table: OperatorTable
  /** Seconds that name the operator table. */
  referenceTimestamp: number
  /** `keccak256(PCR0)` of the operators' enclaves. */
  pcr0Commitment: Hex
  /** Tables of the network, with both keys of each operator. */
  tables: OperatorTables
  /** Calls of the gateway's account to each operator, over its socket. */
  clients: readonly OperatorClient[]
  /** The gateway's endpoint, for `createTaskClient`. It takes any caller. */
  gatewayUrl: string
  /** What happened, provable; `undefined` where it was not wanted. */
  ledger: DevnetLedger | undefined
  /** Asks all operators for a task that is made elsewhere. Ends with a certificate, or without a decision. */
  evaluate(task: Task, options?: IoOptions): Promise<TaskAnswer>
  /**
   * Lets the window that is running end, and resolves when its commit has landed and all that run have
   * it. Where that window had ended by itself, gives its commit. `undefined` where none was due.
   */
  commit(): Promise<CommitOutcome | undefined>
  /** Starts an operator again that was closed, on what it kept. */
  startOperator(index: number): Promise<DevnetOperator>
  /** Mines blocks. */
  mine(blocks?: number): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a network: anvil, all contracts, a file store, operators with simulated enclaves whose documents
 * are verified as those of real ones are, a gateway, a challenger, a replica. Each role is started as
 * `newton-policy <role> run` starts it, from settings, in this process: with a data directory, a lock, a
 * socket of this machine. See `docs/operator.md`.
 *
 * Needs the optional peers `hono`, `@hono/node-server`, `lmdb` and `fs-native-extensions`, and
 * `@bytecodealliance/jco-transpile` where a plugin runs.
 *
 * @example
 * ```ts
 * import { createDevnet } from '@newton/policy-sdk/testing/node'
 *
 * const devnet = await createDevnet()
 * await devnet.stop()
 * ```
 */
export async function createDevnet(options: DevnetOptions = {}): Promise<Devnet> {
  const closers: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  const heed = (): void => options.signal?.throwIfAborted()
  try {
    const place = await placeOf(options, closers)
    const { directory, roles: kept } = place
    const world = await startChain(options, { place, closers })
    heed()
    const { anvil, chain, client, contracts, certificates, reader } = world
    const accounts = [...Array(options.operators ?? 4).keys()].map((index) =>
      accountAt(accountsOf.operators + index),
    )
    const seats = await makeSeats(accounts, kept)
    heed()
    const pcr0Commitment = simulatedPcr0Commitment()
    const [gateway, challenger] = [accountAt(accountsOf.gateway), accountAt(accountsOf.challenger)]
    const payers = [...accounts, gateway, challenger].map(({ address }) => address)
    const enlisted = await populate(world, { place, seats, pcr0Commitment, payers })
    heed()
    // From the start of a window on: none ends by itself while a test gets ready.
    const { window } = commitParameters({ chainId: chain.id })
    const start = ((await client.getBlock()).timestamp / window + 1n) * window
    await moveTo(anvil, start)
    const running: RunningRole[] = []
    const ledger = await openLedger(options, { seats, place, closers, running })
    ledger?.advance(start)

    const settings = sharedSettings({
      ...{ chain, contracts, rpcUrl: anvil.url, artifacts: join(directory, 'artifacts') },
    })
    const artifactsUrl = await serveArtifacts(world.da, closers)
    heed()
    const operators = await startOperators(options, {
      ...{ settings, seats, anvil, client, closers, ledger, gateway: gateway.address },
    })
    heed()
    const roles = await startRoles(options, closers, {
      ...{ settings, seats, pcr0Commitment, directory: kept, gateway, challenger, ledger },
      keepTasks: place.isKept,
    })
    for (const role of [...operators.list, ...Object.values(roles)]) {
      if (role === undefined) continue
      running.push(role)
      heed()
      await untilReady(role)
    }
    const clients = seats.map((seat) => clientOf(seat, { account: gateway, reader }))
    const tables = knownTables({ certificates, tables: [enlisted.table] })
    return {
      ...{ ...world, ...enlisted, ...roles, directory, pcr0Commitment, tables, clients, stop },
      ...{ ledger, artifactsUrl, continued: place.before !== undefined },
      account: (index) => world.wallet(accountAt(1 + index)),
      operators: operators.list,
      startOperator: operators.start,
      commit: operators.commit,
      gatewayUrl: `${roles.gateway.url}/rpc`,
      evaluate: (task, io) =>
        collectTask({ task, pcr0Commitment, operators: clients, registry: reader, tables, ...io }),
      mine: async (blocks = 1) => {
        await anvil.rpc('anvil_mine', [`0x${blocks.toString(16)}`])
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts all operators, and what they do together. */
async function startOperators(
  { allowHost = () => true }: DevnetOptions,
  parameters: Pick<OperatorNetwork, 'settings' | 'gateway' | 'seats' | 'ledger'> & {
    anvil: Anvil
    client: PublicClient
    closers: ClosersList
  },
) {
  const { anvil, client, closers, seats } = parameters
  const list: DevnetOperator[] = []
  const running = new Set<DevnetOperator>()
  const windows = createWindows({
    ...{ anvil, client, operators: () => [...running] },
    onMove: parameters.ledger?.advance,
  })
  const network: OperatorNetwork = {
    ...{ ...parameters, allowHost },
    onWindow: ({ address }, timestamp, outcome) => windows.note(address, timestamp, outcome),
  }
  const start = async (index: number): Promise<DevnetOperator> => {
    const made = await startSeat(seats[index] as Seat, network)
    const operator: DevnetOperator = {
      ...made,
      close: async (grace) => {
        running.delete(operator)
        await made.close(grace)
      },
    }
    running.add(operator)
    list[index] = operator
    return operator
  }
  closers.push(() => Promise.all([...running].map((operator) => operator.close(1_000))))
  // All are let start before one that failed is told: what has started is then closed.
  const started = await Promise.allSettled(seats.map((_, index) => start(index)))
  for (const one of started) if (one.status === 'rejected') throw one.reason
  return {
    ...{ list, commit: windows.commit },
    start: async (index: number) => {
      const operator = await start(index)
      await untilReady(operator)
      return operator
    },
  }
}

async function openLedger(
  options: DevnetOptions,
  parameters: {
    seats: readonly Seat[]
    place: Place
    closers: ClosersList
    running: readonly RunningRole[]
  },
): Promise<StartedLedger | undefined> {
  if (options.ledger === false) return undefined
  const { seats, running, closers, place } = parameters
  return startDevnetLedger({
    ...{ closers, directory: place.roles, roles: () => running },
    operators: seats.map(({ name }) => name),
    kept: place.isKept ? join(place.directory, 'ledger') : undefined,
  })
}

async function startRoles(
  options: DevnetOptions,
  closers: ClosersList,
  parameters: RolesParameters,
): Promise<Pick<Devnet, 'gateway' | 'challenger' | 'replica'>> {
  const gateway = await startDevnetGateway(parameters)
  closers.push(() => gateway.close(1_000))
  const replica = options.replica === false ? undefined : await startDevnetReplica(parameters)
  if (replica !== undefined) closers.push(() => replica.close(1_000))
  if (options.challenger === false) return { gateway, replica, challenger: undefined }
  const gatewayUrl = `${gateway.url}/rpc`
  const challenger = await startDevnetChallenger({ ...parameters, gatewayUrl })
  closers.push(() => challenger.close(1_000))
  return { gateway, replica, challenger }
}

function clientOf(
  { address: operator, url }: Seat,
  { account, reader }: { account: LocalAccount; reader: RegistryReader },
): OperatorClient {
  const { chainId, policyRegistry } = reader
  return createOperatorClient({
    ...{ operator, account, chainId, policyRegistry },
    url: `${url}/rpc`,
    timeout: 20_000,
  })
}
