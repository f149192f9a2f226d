/** A whole network for development: chain, contracts, data availability, and every role of it. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Account,
  type Chain,
  createPublicClient,
  createWalletClient,
  type Hex,
  http,
  type LocalAccount,
  type PublicClient,
} from 'viem'
import { mnemonicToAccount } from 'viem/accounts'
import { foundry } from 'viem/chains'
import type { OperatorTable } from '../../../core/bn254/index.js'
import type { CertificateReader } from '../../../core/interfaces/certificates.js'
import type { ChainEvents } from '../../../core/interfaces/chainEvents.js'
import type { DaClient } from '../../../core/interfaces/daClient.js'
import type { RegistryReader } from '../../../core/interfaces/registryReader.js'
import type { Task } from '../../../core/task.js'
import { fileDa } from '../../../da/node/index.js'
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
import {
  activateEnclaveVersionSync,
  createCertificateReader,
  createChainEvents,
  createRegistryReader,
} from '../../../registry/index.js'
import { commitParameters } from '../../../statetree/index.js'
import { type DeployConfig, type DeployedContracts, deployContracts } from '../../contracts.js'
import { enlist } from '../../enlist.js'
import { type Anvil, startAnvil } from '../anvil.js'
import { type DevnetLedger, type StartedLedger, startDevnetLedger } from './ledger.js'
import {
  type DevnetOperator,
  makeSeats,
  type OperatorNetwork,
  type Seat,
  startSeat,
} from './operators.js'
import {
  type RolesParameters,
  startDevnetChallenger,
  startDevnetGateway,
  startDevnetReplica,
  untilReady,
} from './roles.js'
import { sharedSettings } from './settings.js'
import { type CommitOutcome, createWindows, moveTo } from './windows.js'

/** The mnemonic that anvil funds. */
const mnemonic = 'test test test test test test test test test test test junk'
/** Places of the roles' accounts in it; operators have those from 20 on. */
const accountsOf = { owner: 0, challenger: 18, gateway: 19, operators: 20 } as const
/** 100 ether: what each role pays its transactions with. */
const FUNDS = '0x56bc75e2d63100000'

/** Options of {@link createDevnet}. */
export type DevnetOptions = {
  /** @default 4 */
  operators?: number | undefined
  /** Where artifacts are kept. A temporary directory, removed at the end, where left out. */
  directory?: string | undefined
  chainId?: number | undefined
  port?: number | undefined
  /** Unix seconds of the first block. @default now */
  timestamp?: number | undefined
  contracts?: DeployConfig | undefined
  /** Hosts and ports that plugins may reach from inside the enclaves. @default every one */
  allowHost?: ((target: { host: string; port: number }) => boolean) | undefined
  /** Whether what happens is recorded in an evaluation ledger; needs the optional peer `zod`. @default true */
  ledger?: boolean | undefined
  /** Whether a challenger watches, and files what it finds. @default true */
  challenger?: boolean | undefined
  /** Whether a replica follows, which is a bootnode. @default true */
  replica?: boolean | undefined
}

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
  try {
    const directory = options.directory ?? (await temporary('newton-devnet-', closers))
    // What roles keep belongs to this chain, which ends with the process.
    const kept = await temporary('newton-devnet-roles-', closers)
    const world = await startChain(options, { directory, closers })
    const { anvil, chain, client, contracts, certificates, reader } = world
    const accounts = [...Array(options.operators ?? 4).keys()].map((index) =>
      accountAt(accountsOf.operators + index),
    )
    const seats = await makeSeats(accounts, kept)
    const enlisted = await enlist({ operators: seats, owner: world.owner, contracts, client })
    const pcr0Commitment = simulatedPcr0Commitment()
    const { owner } = world
    await activateEnclaveVersionSync(owner, {
      ...{ pcr0Hash: pcr0Commitment, label: 'devnet', addresses: contracts },
    })
    const [gateway, challenger] = [accountAt(accountsOf.gateway), accountAt(accountsOf.challenger)]
    for (const { address } of [...accounts, gateway, challenger]) {
      await anvil.rpc('anvil_setBalance', [address, FUNDS])
    }
    // From the start of a window on: none ends by itself while a test gets ready.
    const { window } = commitParameters({ chainId: chain.id })
    const start = ((await client.getBlock()).timestamp / window + 1n) * window
    await moveTo(anvil, start)
    const running: RunningRole[] = []
    const ledger = await openLedger(options, { seats, directory: kept, closers, running })
    ledger?.advance(start)

    const settings = sharedSettings({
      ...{ chain, contracts, rpcUrl: anvil.url, artifacts: join(directory, 'artifacts') },
    })
    const operators = await startOperators(options, {
      ...{ settings, seats, anvil, client, closers, ledger, gateway: gateway.address },
    })
    const roles = await startRoles(options, closers, {
      ...{ settings, seats, pcr0Commitment, directory: kept, gateway, challenger, ledger },
    })
    for (const role of [...operators.list, ...Object.values(roles)]) {
      if (role === undefined) continue
      running.push(role)
      await untilReady(role)
    }
    const clients = seats.map((seat) => clientOf(seat, { account: gateway, reader }))
    const tables = knownTables({ certificates, tables: [enlisted.table] })
    return {
      ...{ ...world, ...enlisted, ...roles, directory, pcr0Commitment, tables, clients, stop },
      ledger,
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

type ClosersList = (() => Promise<unknown>)[]

const accountAt = (addressIndex: number): LocalAccount =>
  mnemonicToAccount(mnemonic, { addressIndex })

async function temporary(prefix: string, closers: ClosersList): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), prefix))
  closers.push(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** The chain with the contracts on it, and what reads both. */
async function startChain(
  options: DevnetOptions,
  { directory, closers }: { directory: string; closers: ClosersList },
) {
  const { chainId = 31_337, port, timestamp } = options
  const anvil = await startAnvil({ chainId, port, timestamp })
  closers.push(anvil.stop)
  const chain: Chain = { ...foundry, id: chainId, rpcUrls: { default: { http: [anvil.url] } } }
  const client = createPublicClient({ chain, transport: http(anvil.url), pollingInterval: 20 })
  const wallet = (account: Account): WriteClient =>
    createWalletClient({ account, chain, transport: http(anvil.url), pollingInterval: 20 })
  const owner = wallet(accountAt(accountsOf.owner))
  const contracts = await deployContracts(owner, options.contracts)
  const parts = { client, addresses: contracts }
  return {
    ...{ anvil, chain, client, contracts, owner, wallet },
    da: fileDa({ directory: join(directory, 'artifacts') }),
    events: await createChainEvents({ ...parts, finality: 'latest' }),
    reader: await createRegistryReader(parts),
    certificates: await createCertificateReader(parts),
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
    directory: string
    closers: ClosersList
    running: readonly RunningRole[]
  },
): Promise<StartedLedger | undefined> {
  if (options.ledger === false) return undefined
  const { seats, running, ...rest } = parameters
  const operators = seats.map(({ name }) => name)
  return startDevnetLedger({ ...rest, operators, roles: () => running })
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
