/** Which chain a command works on, and clients for it. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  type Address,
  type Chain,
  createPublicClient,
  createWalletClient,
  defineChain,
  http,
  type PublicClient,
  type Transport,
} from 'viem'
import type { LocalAccount } from 'viem/accounts'
import { chains as knownChains } from '../../core/chains.js'
import type { PolicyAddressesInput, WriteClient } from '../../registry/index.js'
import { ChainMismatchError, RpcError } from '../../registry/index.js'
import { FileAccessError, UsageError } from '../errors.js'
import { didYouMean } from '../terminal/didYouMean.js'
import { heed } from '../terminal/interrupt.js'
import type { Terminal } from '../terminal/output.js'
import { quotedWord } from '../terminal/quoting.js'
import { type ChainProfile, loadConfig, type Profile, profileOf } from './config.js'

/** Options that name a profile. */
export const profileArgs = {
  profile: { type: 'string', description: 'Profile of the configuration', valueHint: 'name' },
} as const

/** Options that name one chain. */
export const chainArgs = {
  chain: { type: 'string', description: 'Chain: its name in the profile', valueHint: 'name' },
  'chain-id': { type: 'string', description: 'Chain: its id', valueHint: 'id' },
  'rpc-url': { type: 'string', description: 'RPC endpoint of the chain', valueHint: 'url' },
  contracts: {
    type: 'string',
    description: 'Addresses of contracts by name, where the package does not know them',
    valueHint: 'file.json',
  },
  ...profileArgs,
} as const

/** Arguments of {@link chainArgs}, as a command has them. */
export type ChainArgs = {
  chain?: string | undefined
  'chain-id'?: string | undefined
  'rpc-url'?: string | undefined
  contracts?: string | undefined
  profile?: string | undefined
}

/** A chain that a command works on. */
export type ChainTarget = {
  /** Its name in the profile, else its id. */
  name: string
  chain: Chain
  addresses: PolicyAddressesInput
  /** Block that lists read events from. */
  fromBlock: bigint
  profile: Profile
  client: PublicClient
}

/**
 * The one chain of a command: flags, then `NEWTON_CHAIN` and `NEWTON_RPC_URL`, then the profile.
 *
 * @throws {UsageError} where none is named, or what is named does not fit together.
 * @throws {ChainMismatchError} when the endpoint is on another chain.
 */
export async function chainOf(terminal: Terminal, args: ChainArgs): Promise<ChainTarget> {
  await heed(terminal.signal)
  const { profile } = profileOf(terminal, await loadConfig(terminal), args.profile)
  if (args['chain-id'] !== undefined) chainIdOf('--chain-id', args['chain-id'])
  const flagged = args.chain ?? args['chain-id']
  const rpcFlag = args['rpc-url']
  const named =
    flagged ?? (rpcFlag === undefined ? terminal.env['NEWTON_CHAIN'] || undefined : undefined)
  const rpcUrl = rpcFlag ?? (flagged === undefined ? terminal.env['NEWTON_RPC_URL'] : undefined)
  const wanted = named ?? (rpcUrl ? undefined : profile.default_chain)
  if (wanted === undefined && !rpcUrl) {
    throw new UsageError('There is no chain to work on.', {
      metaMessages: [
        'Give --chain, --chain-id or --rpc-url, set NEWTON_CHAIN or NEWTON_RPC_URL, or default_chain in the profile:',
        'newton-policy config set default_chain <name>',
      ],
    })
  }
  return target(terminal, { wanted, rpcUrl: rpcUrl || undefined, profile, args })
}

/** A chain of which nothing could be opened. */
export type UnopenedChain = { name: string; error: Error }

/**
 * Several chains of the profile by name, and apart from them those that cannot be opened now.
 *
 * @param names - As `--chains` takes them; all of the profile where left out.
 * @throws {UsageError} for a name that the profile does not have.
 */
export async function openChains(
  terminal: Terminal,
  { names, args }: { names: string | undefined; args: ChainArgs },
): Promise<{ targets: ChainTarget[]; unopened: UnopenedChain[] }> {
  await heed(terminal.signal)
  const alone = (['chain', 'chain-id', 'rpc-url'] as const).find((name) => args[name] !== undefined)
  if (alone !== undefined) {
    const all = names === undefined ? '--all-chains' : '--chains'
    throw new UsageError(`--${alone} names one chain, ${all} several: give one of them.`)
  }
  const { profile } = profileOf(terminal, await loadConfig(terminal), args.profile)
  const wanted =
    names === undefined ? Object.keys(profile.chains ?? {}) : names.split(',').map((n) => n.trim())
  if (wanted.length === 0 || wanted.some((name) => name === '')) {
    throw new UsageError('There are no chains to work on.', {
      metaMessages: ['Name them: --chains sepolia,base-sepolia'],
    })
  }
  if (new Set(wanted).size !== wanted.length) throw new UsageError('--chains names a chain twice.')
  const opened = await Promise.allSettled(
    wanted.map((name) => target(terminal, { wanted: name, rpcUrl: undefined, profile, args })),
  )
  const targets: ChainTarget[] = []
  const unopened: UnopenedChain[] = []
  for (const [index, one] of opened.entries()) {
    terminal.signal?.throwIfAborted()
    if (one.status === 'fulfilled') targets.push(one.value)
    else if (one.reason instanceof UsageError) throw one.reason
    else unopened.push({ name: wanted[index] as string, error: one.reason as Error })
  }
  return { targets, unopened }
}

async function target(
  terminal: Terminal,
  parameters: {
    wanted: string | undefined
    rpcUrl: string | undefined
    profile: Profile
    args: ChainArgs
  },
): Promise<ChainTarget> {
  const { wanted, profile, args } = parameters
  const entry = wanted === undefined ? undefined : entryOf(profile, wanted)
  const rpcUrl = parameters.rpcUrl ?? entry?.profile.rpc_url
  if (rpcUrl === undefined || !isHttp(rpcUrl)) {
    throw new UsageError(
      rpcUrl === undefined
        ? `There is no RPC endpoint for chain ${wanted}.`
        : 'The RPC endpoint is not an http or https URL.',
      {
        metaMessages: [
          'Give --rpc-url, or keep it in the profile:',
          `newton-policy config set chains.${entry?.name ?? wanted ?? '<name>'}.rpc_url <url>`,
        ],
      },
    )
  }
  const actual = await chainIdAt(rpcUrl)
  const said = args['chain-id'] === undefined ? undefined : Number(args['chain-id'])
  const expected = [entry?.profile.chain_id, said].find((id) => id !== undefined && id !== actual)
  if (expected !== undefined) throw mismatch({ expected, actual, name: entry?.name, said })

  const known = entry ?? byId(profile, String(actual))
  const chain = defineChain({
    id: actual,
    name: knownChains[actual]?.name ?? known?.name ?? `chain ${actual}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  })
  return {
    name: known?.name ?? String(actual),
    chain,
    addresses: {
      ...(known?.profile.contracts as PolicyAddressesInput | undefined),
      ...(await addressFile(terminal, args.contracts)),
    },
    fromBlock: BigInt(known?.profile.from_block ?? 0),
    profile,
    client: createPublicClient({ chain, transport: http(rpcUrl), pollingInterval: 500 }),
  }
}

function isHttp(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
}

/** The id of a chain, as an option has it. */
function chainIdOf(option: string, text: string): number {
  if (/^[1-9]\d*$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text)
  throw new UsageError(`${option} is the number of a chain, not ${quotedWord(text)}.`)
}

function mismatch(found: {
  expected: number
  actual: number
  name: string | undefined
  said: number | undefined
}): ChainMismatchError {
  const { expected, actual, name, said } = found
  return new ChainMismatchError(found, {
    metaMessages: [
      said === expected
        ? `Nothing was sent. The endpoint is on chain ${actual}: give --chain-id ${actual}, or another --rpc-url.`
        : `Nothing was sent. Correct the profile, by one of:`,
      ...(said === expected || name === undefined
        ? []
        : [
            `newton-policy config set chains.${name}.rpc_url <url of chain ${expected}>`,
            `newton-policy config set chains.${name}.chain_id ${actual}`,
          ]),
    ],
  })
}

type Entry = { name: string; profile: ChainProfile }

function entryOf(profile: Profile, wanted: string): Entry {
  const chains = profile.chains ?? {}
  if (Object.hasOwn(chains, wanted))
    return { name: wanted, profile: chains[wanted] as ChainProfile }
  const found = byId(profile, wanted)
  if (found !== undefined) return found
  if (/^[1-9]\d*$/.test(wanted)) {
    return { name: wanted, profile: { chain_id: chainIdOf('The chain', wanted) } }
  }
  const names = Object.keys(chains)
  throw new UsageError(`The profile has no chain ${quotedWord(wanted)}.`, {
    metaMessages: [
      ...didYouMean(wanted, names),
      `Chains: ${names.join(', ') || 'none yet'}.`,
      ...(/^[\w-]+$/.test(wanted)
        ? [`Add it: newton-policy config set chains.${wanted}.rpc_url <url>`]
        : []),
    ],
  })
}

function byId(profile: Profile, id: string): Entry | undefined {
  const found = Object.entries(profile.chains ?? {}).find(
    ([, { chain_id }]) => String(chain_id) === id,
  )
  return found && { name: found[0], profile: found[1] }
}

async function chainIdAt(rpcUrl: string): Promise<number> {
  try {
    return await createPublicClient({ transport: http(rpcUrl) }).getChainId()
  } catch (cause) {
    // The whole URL may carry a key.
    const { host, hostname } = new URL(rpcUrl)
    const isLocal = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
    throw new RpcError(`eth_chainId at ${host}`, {
      cause,
      ...(isLocal && {
        metaMessages: [
          'Nothing was sent. Where it is a local network, start it in another terminal: newton-policy devnet',
        ],
      }),
    })
  }
}

async function addressFile(
  terminal: Terminal,
  path: string | undefined,
): Promise<PolicyAddressesInput> {
  if (path === undefined) return {}
  let text: string
  try {
    text = await readFile(resolve(terminal.cwd, path), 'utf8')
  } catch (cause) {
    throw new FileAccessError({ path, action: 'read' }, { cause })
  }
  try {
    const value = JSON.parse(text) as Record<string, unknown>
    const entries = Object.entries(value).filter(([, member]) => typeof member === 'string')
    return Object.fromEntries(entries) as Record<string, Address>
  } catch (cause) {
    throw new UsageError(`${path} does not hold a JSON object of addresses by name.`, { cause })
  }
}

/** A client that signs on the chain of a target, and neither signs nor sends once it is interrupted. */
export function writeClientOf(
  terminal: Terminal,
  { target: { chain, client }, account }: { target: ChainTarget; account: LocalAccount },
): WriteClient {
  const { signal } = terminal
  const transport = heeding(http(chain.rpcUrls.default.http[0]), signal)
  return createWalletClient({ account, chain, transport, pollingInterval: client.pollingInterval })
}

const sends = new Set(['eth_sendRawTransaction', 'eth_sendTransaction'])

function heeding(transport: Transport, signal: AbortSignal | undefined): Transport {
  return (options) => {
    const made = transport(options)
    const request = async (call: { method: string }, more?: object): Promise<unknown> => {
      if (sends.has(call.method)) await heed(signal)
      return (made.request as (call: object, more?: object) => Promise<unknown>)(call, more)
    }
    return { ...made, request: request as typeof made.request }
  }
}
