/** The chain of a development network: deployed on, or gone on with from where it was kept. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import {
  type Account,
  type Address,
  type Chain,
  createPublicClient,
  createWalletClient,
  type Hex,
  type HttpTransport,
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
import { fileDa } from '../../../da/node/index.js'
import { lockDirectory } from '../../../internal/node/lock.js'
import type { WriteClient } from '../../../registry/chain/client.js'
import {
  activateEnclaveVersionSync,
  createCertificateReader,
  createChainEvents,
  createRegistryReader,
} from '../../../registry/index.js'
import { type DeployedContracts, deployContracts } from '../../contracts.js'
import { enlist, tableOf } from '../../enlist.js'
import { type Anvil, startAnvil } from '../anvil.js'
import { chainFile, type KeptNetwork, readKept, writeKept } from './kept.js'
import type { Seat } from './operators.js'
import type { DevnetOptions } from './options.js'

/** The mnemonic that anvil funds. */
const mnemonic = 'test test test test test test test test test test test junk'
/** Places of the roles' accounts in it; operators have those from 20 on. */
export const accountsOf = { owner: 0, challenger: 18, gateway: 19, operators: 20 } as const
/** 100 ether: what each role pays its transactions with. */
const FUNDS = '0x56bc75e2d63100000'

/** What is undone at the end, last first. */
export type ClosersList = (() => Promise<unknown>)[]

/** Where a network keeps what it has. */
export type Place = {
  directory: string
  /** Where the roles have their directories. */
  roles: string
  /** Whether it stays when the network ends. */
  isKept: boolean
  /** What was there before. */
  before: KeptNetwork | undefined
  /** Seconds of the chain's first block. */
  genesis: number | undefined
}

/** One of the accounts that everybody knows. */
export const accountAt = (addressIndex: number): LocalAccount =>
  mnemonicToAccount(mnemonic, { addressIndex })

/** Takes a directory for this network alone. */
export async function placeOf(options: DevnetOptions, closers: ClosersList): Promise<Place> {
  const { directory: named, chainId = 31_337, operators = 4 } = options
  if (named === undefined) {
    const directory = await mkdtemp(join(tmpdir(), 'newton-devnet-'))
    closers.push(() => rm(directory, { recursive: true, force: true }))
    const roles = join(directory, 'roles')
    return { directory, roles, isKept: false, before: undefined, genesis: options.timestamp }
  }
  const lock = await lockDirectory({ directory: named, role: 'devnet' })
  closers.push(lock.release)
  const before = await readKept(named, { chainId, operators })
  const genesis = before?.genesis ?? options.timestamp ?? Math.floor(Date.now() / 1_000)
  return { directory: named, roles: join(named, 'roles'), isKept: true, before, genesis }
}

/** A chain with the contracts on it, and what reads both. */
export type World = {
  anvil: Anvil
  chain: Chain
  client: PublicClient<HttpTransport, Chain>
  contracts: DeployedContracts
  owner: WriteClient
  wallet: (account: Account) => WriteClient
  da: DaClient
  events: ChainEvents
  reader: RegistryReader
  certificates: CertificateReader
}

/** Starts the chain with the contracts on it, and what reads both. */
export async function startChain(
  options: DevnetOptions,
  { place, closers }: { place: Place; closers: ClosersList },
): Promise<World> {
  const { chainId = 31_337, port } = options
  const state = place.isKept ? chainFile(place.directory) : undefined
  if (state !== undefined) await mkdir(dirname(state), { recursive: true })
  const anvil = await startAnvil({
    ...{ chainId, port, state, timestamp: place.genesis },
    guarded: true,
  })
  closers.push(anvil.stop)
  const chain: Chain = { ...foundry, id: chainId, rpcUrls: { default: { http: [anvil.url] } } }
  const client = createPublicClient({ chain, transport: http(anvil.url), pollingInterval: 20 })
  const wallet = (account: Account): WriteClient =>
    createWalletClient({ account, chain, transport: http(anvil.url), pollingInterval: 20 })
  const owner = wallet(accountAt(accountsOf.owner))
  const contracts = place.before?.contracts ?? (await deployContracts(owner, options.contracts))
  const parts = { client, addresses: contracts }
  return {
    ...{ anvil, chain, client, contracts, owner, wallet },
    da: fileDa({ directory: join(place.directory, 'artifacts') }),
    events: await createChainEvents({ ...parts, finality: 'latest' }),
    reader: await createRegistryReader(parts),
    certificates: await createCertificateReader(parts),
  }
}

/** Brings operators, the build of their enclaves and the roles' money on chain, once. */
export async function populate(
  world: World,
  parameters: {
    place: Place
    seats: readonly Seat[]
    pcr0Commitment: Hex
    payers: readonly Address[]
  },
): Promise<{ table: OperatorTable; referenceTimestamp: number }> {
  const { place, seats, pcr0Commitment, payers } = parameters
  const { owner, contracts, client, anvil, chain } = world
  if (place.before !== undefined) {
    return { table: tableOf(seats), referenceTimestamp: place.before.referenceTimestamp }
  }
  const enlisted = await enlist({ operators: seats, owner, contracts, client })
  await activateEnclaveVersionSync(owner, {
    ...{ pcr0Hash: pcr0Commitment, label: 'devnet', addresses: contracts },
  })
  for (const address of payers) await anvil.rpc('anvil_setBalance', [address, FUNDS])
  if (place.isKept && place.genesis !== undefined) {
    const { referenceTimestamp } = enlisted
    const { genesis } = place
    const numbers = { chainId: chain.id, operators: seats.length, referenceTimestamp, genesis }
    await writeKept(place.directory, { ...numbers, contracts })
  }
  return enlisted
}
