/** What the page is told of its network, and the readers that are made of it. */
import type { RegistryReader } from '@newton/policy-sdk'
import type { AttestationReader } from '@newton/policy-sdk/attestation'
import { createOperatorTable, type OperatorTable } from '@newton/policy-sdk/attestation'
import { createDocumentVerifier } from '@newton/policy-sdk/enclave'
import type { TrustPolicy } from '@newton/policy-sdk/provenance'
import type { PolicyAddressesInput } from '@newton/policy-sdk/registry'
import { createContext, useContext } from 'react'
import type { Address, Hex } from 'viem'
import { defineChain } from 'viem'
import { createConfig, http, injected } from 'wagmi'
import { developmentWallet } from './wallet.js'

/** `config.json`. */
export type NetworkConfig = {
  chainId: number
  rpcUrl: string
  gatewayUrl: string
  addresses: PolicyAddressesInput
  client: Address
  accounts: readonly Address[]
  recipients: { friend: Address; listed: Address }
  roots: readonly { sha256: Hex }[]
  operators: Parameters<typeof createOperatorTable>[0]
  /** Block of the contracts, and whom this page believes about plugins. */
  fromBlock: number
  trust: TrustPolicy
}

/** Everything that screens share. */
export type Network = NetworkConfig & {
  table: OperatorTable
  documents: NonNullable<AttestationReader['documents']>
  wagmi: ReturnType<typeof wagmiConfig>
}

export const NetworkContext = createContext<Network | undefined>(undefined)

/** The network. Only below the provider, which every screen is. */
export function useNetwork(): Network {
  const network = useContext(NetworkContext)
  if (network === undefined) throw new TypeError('there is no network yet')
  return network
}

/** Loads it. */
export async function loadNetwork(): Promise<Network> {
  const response = await fetch('./config.json')
  if (!response.ok) throw new TypeError(`config.json: status ${response.status}`)
  const config = (await response.json()) as NetworkConfig
  return {
    ...config,
    // The table is used only where the chain has the same one in force.
    table: createOperatorTable(integers(config.operators) as never),
    documents: createDocumentVerifier({ roots: config.roots, insecureTrustRoot: true }),
    wagmi: wagmiConfig(config),
  }
}

function wagmiConfig({ chainId, rpcUrl, accounts }: NetworkConfig) {
  const chain = defineChain({
    id: chainId,
    name: chainId === 31_337 ? 'Development chain' : `Chain ${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  return createConfig({
    chains: [chain],
    transports: { [chain.id]: http(rpcUrl) },
    connectors: [injected(), developmentWallet({ rpcUrl, accounts })],
    pollingInterval: 1_000,
  })
}

/** Decimal text as the integers that it stands for. */
function integers(value: unknown): unknown {
  if (typeof value === 'string') return /^\d+$/.test(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map(integers)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, integers(member)]))
}

export type { RegistryReader }
