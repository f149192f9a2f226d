/** A whole network for development: chain, contracts, data availability, operators with enclaves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Account,
  type Address,
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
import { blsKeyFromSeed, type OperatorTable } from '../../core/bn254/index.js'
import type { CertificateReader } from '../../core/interfaces/certificates.js'
import type { ChainEvents } from '../../core/interfaces/chainEvents.js'
import type { DaClient } from '../../core/interfaces/daClient.js'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import type { Task } from '../../core/task.js'
import { fileDa } from '../../da/node/index.js'
import { utf8 } from '../../internal/bytes.js'
import type { IoOptions } from '../../internal/deadline.js'
import { keccak } from '../../internal/keccak.js'
import {
  type CallSigner,
  collectTask,
  createOperatorClient,
  knownTables,
  type OperatorClient,
  type OperatorTables,
  type TaskAnswer,
} from '../../operator/index.js'
import type { WriteClient } from '../../registry/chain/client.js'
import {
  activateEnclaveVersionSync,
  createCertificateReader,
  createChainEvents,
  createRegistryReader,
  createResponseSink,
} from '../../registry/index.js'
import { type DeployConfig, type DeployedContracts, deployContracts } from '../contracts.js'
import { enlist } from '../enlist.js'
import { createPrivateData, type PrivateData } from '../privateData.js'
import { type Anvil, startAnvil } from './anvil.js'
import { type CommitOutcome, commitWindow } from './commitWindow.js'
import {
  createEnclaveOperator,
  type EnclaveOperator,
  type EnclaveOperatorParameters,
} from './enclaveOperator.js'
import { startGateway } from './gateway.js'
import { type DevnetLedger, startDevnetLedger } from './ledger.js'

/** The mnemonic that anvil funds. */
const mnemonic = 'test test test test test test test test test test test junk'

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
}

/** A running network. */
export type Devnet = {
  anvil: Anvil
  chain: Chain
  client: PublicClient
  contracts: DeployedContracts
  /** Owner of the contracts. */
  owner: WriteClient
  /** A funded account, 0 to 9, that is not an operator. */
  account(index: number): WriteClient
  da: DaClient
  /** Where it keeps what it stores; artifacts are in `artifacts` below it. */
  directory: string
  reader: RegistryReader
  events: ChainEvents
  certificates: CertificateReader
  privateData: PrivateData
  operators: readonly EnclaveOperator[]
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
  /** Lets the next window end and lands its commit. `undefined` where none is due. */
  commit(): Promise<CommitOutcome | undefined>
  /** Mines blocks. */
  mine(blocks?: number): Promise<void>
  stop(): Promise<void>
}

/**
 * Starts a network: anvil, all contracts, a file store, a gateway, and operators with simulated
 * enclaves whose documents are verified as those of real ones are. Operators keep journals on disk, listen on sockets
 * of this machine, and agree, sign and commit as they do anywhere: see `docs/operator.md`.
 *
 * Needs the optional peers `hono`, `@hono/node-server` and `fs-native-extensions`.
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
  const { operators: count = 4, chainId = 31_337 } = options
  const temporary = options.directory === undefined
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'newton-devnet-')))
  const closers: (() => Promise<void>)[] = []
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  if (temporary) closers.push(() => rm(directory, { recursive: true, force: true }))
  try {
    const anvil = await startAnvil({ chainId, port: options.port, timestamp: options.timestamp })
    closers.push(anvil.stop)
    const chain: Chain = { ...foundry, id: chainId, rpcUrls: { default: { http: [anvil.url] } } }
    const client = createPublicClient({ chain, transport: http(anvil.url), pollingInterval: 20 })
    const wallet = (account: Account): WriteClient =>
      createWalletClient({ account, chain, transport: http(anvil.url), pollingInterval: 20 })
    const owner = wallet(mnemonicToAccount(mnemonic, { addressIndex: 0 }))
    const contracts = await deployContracts(owner, options.contracts)
    const da = fileDa({ directory: join(directory, 'artifacts') })
    const events = await createChainEvents({ client, addresses: contracts, finality: 'latest' })
    const reader = await createRegistryReader({ client, addresses: contracts })
    const certificates = await createCertificateReader({ client, addresses: contracts })
    const privateData = createPrivateData()

    const accounts = [...Array(count).keys()].map((index) =>
      mnemonicToAccount(mnemonic, { addressIndex: 20 + index }),
    )
    const gatewayAccount = mnemonicToAccount(mnemonic, { addressIndex: 19 })
    const known: OperatorTable[] = []
    const tables = knownTables({ certificates, tables: known })
    const { fromBlock: startBlock } = contracts
    const ledger =
      options.ledger === false
        ? undefined
        : await startDevnetLedger({
            ...{ operators: count, registry: reader, events, startBlock, closers },
          })
    const operators = await startOperators({
      ...{ accounts, reader, events, da, privateData, tables, closers },
      ...{ contracts, gateway: gatewayAccount.address, allowHost: options.allowHost, ledger },
    })
    const { table, referenceTimestamp } = await enlist({ operators, owner, contracts, client })
    known.push(table)
    const clients = operators.map((operator) =>
      clientOf(operator, { account: gatewayAccount, reader }),
    )
    const pcr0Commitment = (operators[0] as EnclaveOperator).pcr0Commitment
    await activateEnclaveVersionSync(owner, {
      pcr0Hash: pcr0Commitment,
      label: 'devnet',
      addresses: contracts,
    })

    // It pays for what it lands.
    await anvil.rpc('anvil_setBalance', [gatewayAccount.address, '0x56bc75e2d63100000'])
    const gatewayUrl = await startGateway({
      registry: reader,
      sink: createResponseSink({
        client: wallet(gatewayAccount),
        addresses: contracts,
        finality: 'latest',
      }),
      operators: clients,
      ...{ tables, pcr0Commitment, closers, ledger: ledger?.gateway },
    })
    const mine = async (blocks = 1): Promise<void> => {
      await anvil.rpc('anvil_mine', [`0x${blocks.toString(16)}`])
    }
    return {
      anvil,
      chain,
      client,
      contracts,
      owner,
      account: (index) => wallet(mnemonicToAccount(mnemonic, { addressIndex: 1 + index })),
      da,
      directory,
      reader,
      events,
      certificates,
      privateData,
      operators,
      table,
      referenceTimestamp,
      pcr0Commitment,
      tables,
      clients,
      gatewayUrl,
      ledger,
      evaluate: (task, io) =>
        collectTask({ task, pcr0Commitment, operators: clients, registry: reader, tables, ...io }),
      mine,
      commit: () => commitWindow({ anvil, client, owner, contracts, operators }),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts an operator for each account; they are returned in the order of the contract's table. */
async function startOperators(
  parameters: Pick<
    EnclaveOperatorParameters,
    'reader' | 'events' | 'da' | 'privateData' | 'tables'
  > & {
    accounts: readonly LocalAccount[]
    contracts: DeployedContracts
    gateway: Address
    allowHost: DevnetOptions['allowHost']
    ledger: DevnetLedger | undefined
    /** What is opened is closed through these. */
    closers: (() => Promise<void>)[]
  },
): Promise<EnclaveOperator[]> {
  const {
    accounts,
    contracts,
    gateway,
    allowHost = () => true,
    closers,
    ledger,
    ...shared
  } = parameters
  const operators: EnclaveOperator[] = []
  // What operators keep belongs to this chain, which ends with the process.
  const kept = await mkdtemp(join(tmpdir(), 'newton-devnet-operators-'))
  closers.push(() => rm(kept, { recursive: true, force: true }))
  for (const [index, account] of accounts.entries()) {
    const operator = await createEnclaveOperator({
      ...shared,
      index,
      account,
      key: blsKeyFromSeed(keccak(utf8(`newton devnet operator ${index}`))),
      secretsKey: keccak(utf8('newton devnet secrets key')),
      fromBlock: contracts.fromBlock,
      stateCommitRegistry: contracts.stateCommitRegistry,
      gateways: [gateway],
      peers: accounts.map(({ address }) => address),
      peerUrls: () => operators.map(({ url }) => url),
      directory: join(kept, String(index)),
      allowHost,
      ledger: ledger?.operator(index),
    })
    closers.push(operator.close)
    operators.push(operator)
  }
  // The contract wants the table strictly ascending by address.
  return operators.sort((a, b) => (a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1))
}

function clientOf(
  { address: operator, url }: EnclaveOperator,
  { account, reader }: { account: CallSigner; reader: RegistryReader },
): OperatorClient {
  const { chainId, policyRegistry } = reader
  return createOperatorClient({
    operator,
    url: `${url}/rpc`,
    account,
    chainId,
    policyRegistry,
    timeout: 20_000,
  })
}
