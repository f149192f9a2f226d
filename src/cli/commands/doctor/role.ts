/** What `doctor --role` looks at: whether the process of a role can do its work from its settings. */
import { createSocket } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { stat, statfs } from 'node:fs/promises'
import { connect, isIPv4 } from 'node:net'
import { resolve } from 'node:path'
import { blockHashReach, blocksToAnswer, chainConstants } from '../../../core/chains.js'
import { isPolicySdkError } from '../../../errors/index.js'
import { ConfigurationError } from '../../../operator/errors.js'
import { checkIdentity } from '../../../operator/identity/proving.js'
import {
  challengerSettings,
  gatewaySettings,
  openBlsKeystore,
  openChain,
  operatorSettings,
  readSettings,
  replicaSettings,
  type SettingsTable,
} from '../../../operator/node/index.js'
import { OperatorIdentityError } from '../../../operator/rpc/errors.js'
import { UsageError } from '../../errors.js'
import type { Terminal } from '../../terminal/output.js'
import { accountOf, passwordOf } from '../run.js'
import type { Finding } from './finding.js'

const tables: Readonly<Record<string, SettingsTable>> = {
  operator: operatorSettings,
  gateway: gatewaySettings,
  challenger: challengerSettings,
  replica: replicaSettings,
}
/** Seconds by which a clock may be wrong: calls are signed for two minutes, commits for windows. */
const CLOCK = 1
/** Seconds after which the newest block is old. */
const STALE = 300
/** Bytes below which a process is not ready. */
const FLOOR = 256 * 1024 * 1024
/** Milliseconds for one answer. */
const PATIENCE = 5_000

type Settings = Readonly<Record<string, unknown>>
type Opened = Awaited<ReturnType<typeof openChain>>

const finding = (
  what: string,
  ok: boolean,
  detail: string,
  fix = '',
  level: Finding['level'] = 'error',
): Finding => ({ what, ok, level, detail, fix })

/** Looks at everything that a role needs. Every fault is told at once. */
export async function roleFindings(
  terminal: Terminal,
  parameters: { role: string; config: string | undefined; ntp: string },
): Promise<Finding[]> {
  const { role, config, ntp } = parameters
  const table = Object.hasOwn(tables, role) ? tables[role] : undefined
  if (table === undefined) {
    throw new UsageError(`--role is one of ${Object.keys(tables).join(', ')}, not ${role}.`)
  }
  let settings: Settings
  try {
    const file = config === undefined ? undefined : resolve(terminal.cwd, config)
    settings = await readSettings(table, { file, env: terminal.env })
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return error.faults.map(({ setting, from, reason }) =>
      finding(setting, false, reason, `Set it in ${from ?? config ?? 'the configuration'}.`),
    )
  }
  const found = [await clockFinding(ntp), await diskFinding(settings), ...keyFiles(settings)]
  const chain = await openedChain(settings)
  if ('what' in chain) return [...(await Promise.all(found)), chain]
  return [
    ...(await Promise.all(found)),
    ...(await endpointFindings(chain, settings)),
    ...(role === 'replica' ? [] : [await accountFinding(terminal, { settings, chain })]),
    ...(role === 'operator' ? await operatorFindings(terminal, { settings, chain }) : []),
    ...(role === 'gateway' ? await gatewayFindings(chain, settings) : []),
    ...(role === 'gateway' || role === 'operator' ? [await peersFinding(chain, settings)] : []),
  ]
}

/** Seconds that this machine's clock is ahead of a time server's (SNTP, RFC 4330). */
async function clockOffset(server: string): Promise<number> {
  const [host = '', port = '123'] = server.split(':')
  const address = await addressOf(host)
  return new Promise((done, failed) => {
    const socket = createSocket('udp4')
    const timer = setTimeout(() => end(new Error('it did not answer')), PATIENCE)
    let ended = false
    const end = (error: Error | undefined, offset = 0): void => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      socket.close()
      if (error === undefined) done(offset)
      else failed(error)
    }
    const request = Buffer.alloc(48)
    // Version 4, client.
    request[0] = 0x23
    const sent = Date.now()
    socket.once('error', end)
    socket.once('message', (answer) => {
      if (answer.length < 48) return end(new Error('its answer is none'))
      const seconds = answer.readUInt32BE(40) - 2_208_988_800 + answer.readUInt32BE(44) / 2 ** 32
      end(undefined, (sent + Date.now()) / 2_000 - seconds)
    })
    socket.send(request, Number(port), address, (error) => {
      if (error !== null) end(error)
    })
  })
}

// The system's own look-up cannot be ended, and a process waits for it.
async function addressOf(host: string): Promise<string> {
  if (isIPv4(host)) return host
  const [address] = await new Resolver({ timeout: PATIENCE, tries: 1 }).resolve4(host)
  if (address === undefined) throw new UsageError(`${host} has no address.`)
  return address
}

async function clockFinding(host: string): Promise<Finding> {
  try {
    const offset = await clockOffset(host)
    const detail = `${Math.abs(offset).toFixed(2)} s ${offset < 0 ? 'behind' : 'ahead of'} ${host}`
    return finding(
      'clock',
      Math.abs(offset) <= CLOCK,
      detail,
      'Run a time service, such as chrony.',
    )
  } catch {
    const fix = 'Name a time server that is reachable with --ntp.'
    return finding('clock', false, `${host} was not reached`, fix, 'warning')
  }
}

async function diskFinding(settings: Settings): Promise<Finding> {
  const directory = settings['data.directory'] as string
  try {
    const { bavail, bsize } = await statfs(directory)
    const free = bavail * bsize
    const detail = `${(free / 2 ** 30).toFixed(1)} GiB free in ${directory}`
    return finding('data directory', free >= FLOOR, detail, 'Make room, or move data.directory.')
  } catch {
    const fix = `mkdir -p ${directory}`
    return finding('data directory', false, `${directory} cannot be read`, fix)
  }
}

/** Key files are there, and nobody else's to read. */
function keyFiles(settings: Settings): Promise<Finding>[] {
  const names = ['account.keystore', 'account.password_file', 'key.keystore', 'key.password_file']
  return names.flatMap((name) => {
    const path = settings[name]
    if (typeof path !== 'string') return []
    return [
      stat(path).then(
        ({ mode }) =>
          finding(
            name,
            (mode & 0o077) === 0,
            `${path} has mode ${(mode & 0o777).toString(8)}`,
            `chmod 600 ${path}`,
            'warning',
          ),
        () =>
          finding(name, false, `${path} is not there`, 'newton-policy operator init makes keys.'),
      ),
    ]
  })
}

async function openedChain(settings: Settings): Promise<Opened | Finding> {
  try {
    return await openChain(settings as unknown as Parameters<typeof openChain>[0])
  } catch (error) {
    const detail = isPolicySdkError(error) ? error.shortMessage : 'an endpoint does not answer'
    return finding('chain', false, detail, 'Check chain.id, chain.rpc_urls and chain.contracts.')
  }
}

async function endpointFindings(chain: Opened, settings: Settings): Promise<Finding[]> {
  const urls = settings['chain.rpc_urls'] as readonly string[]
  const { number, timestamp } = await chain.reader.getLatestBlock({ timeout: PATIENCE })
  const age = Math.max(0, Math.round(Date.now() / 1_000 - Number(timestamp)))
  const windows = await chain.events.getWindows?.({ timeout: PATIENCE })
  const single = 'Name endpoints of different providers: what two say differently stops a role.'
  return [
    finding('endpoints', urls.length > 1, `${urls.length} answer`, single, 'warning'),
    finding('newest block', age <= STALE, `${number}, ${age} s old`, 'The endpoint is behind.'),
    finding(
      'contracts',
      windows !== undefined && windows !== null,
      windows ? `responses can be challenged for ${windows.challengeWindow} blocks` : 'no windows',
      'Name challengeVerifier in chain.contracts.',
    ),
  ]
}

async function accountFinding(
  terminal: Terminal,
  { settings, chain }: { settings: Settings; chain: Opened },
): Promise<Finding> {
  try {
    const account = await accountOf(terminal, settings as never)
    const balance = await chain.client.getBalance({ address: account.address })
    const detail = `${account.address} has ${balance} wei`
    return finding('account', balance > 0n, detail, `Send ether to ${account.address}.`)
  } catch (error) {
    const detail = isPolicySdkError(error) ? error.shortMessage : 'it cannot be opened'
    return finding('account', false, detail, 'Check account.keystore and its password.')
  }
}

async function operatorFindings(
  terminal: Terminal,
  { settings, chain }: { settings: Settings; chain: Opened },
): Promise<Finding[]> {
  const path = settings['key.keystore']
  const found: Finding[] = []
  if (typeof path === 'string') {
    const file = settings['key.password_file'] as string | undefined
    const open = async (): Promise<Finding> => {
      const variable = 'NEWTON_KEY_PASSWORD'
      const signer = await openBlsKeystore(
        path,
        await passwordOf(terminal, { file, variable, what: path }),
      )
      return tableFinding(terminal, { settings, chain, point: signer.publicKey.pubkey })
    }
    found.push(
      await open().catch((error: unknown) => {
        const detail = isPolicySdkError(error) ? error.shortMessage : 'it cannot be opened'
        return finding('BLS key', false, detail, 'Check key.keystore and its password.')
      }),
    )
  }
  if (settings['enclave.kind'] === 'tcp') found.push(await enclaveFinding(settings))
  return found
}

/** The key is the one that the table in force has for this account. */
async function tableFinding(
  terminal: Terminal,
  parts: { settings: Settings; chain: Opened; point: { X: bigint; Y: bigint } },
): Promise<Finding> {
  const { settings, chain, point } = parts
  const { number } = await chain.reader.getLatestBlock({ timeout: PATIENCE })
  const account = await accountOf(terminal, settings as never)
  const inForce = await chain.tables.tableAt(number, { timeout: PATIENCE })
  const fix = '`newton-policy operator register`, and wait for the next table.'
  if (inForce === null) return finding('operator table', false, 'none is in force', fix)
  const entry = inForce.table.operators[inForce.table.indexOf(account.address)]
  if (entry === undefined) {
    return finding('operator table', false, `${account.address} is not in it`, fix)
  }
  const same = entry.pubkey.X === point.X && entry.pubkey.Y === point.Y
  const detail = same ? 'this account and key are in it' : 'it has another key for this account'
  return finding('operator table', same, detail, fix)
}

function enclaveFinding(settings: Settings): Promise<Finding> {
  const [host, port] = [settings['enclave.host'] as string, settings['enclave.port'] as number]
  return new Promise((done) => {
    const socket = connect({ host, port, timeout: PATIENCE })
    const end = (ok: boolean): void => {
      socket.destroy()
      const detail = `${host}:${port} ${ok ? 'takes connections' : 'does not answer'}`
      done(finding('enclave', ok, detail, 'Start the enclave and its bridge.'))
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
}

/** A response has to land while the hash of its reference block can still be read. */
async function gatewayFindings(chain: Opened, settings: Settings): Promise<Finding[]> {
  const windows = await chain.events.getWindows?.({ timeout: PATIENCE })
  if (windows === undefined || windows === null) return []
  const { referenceDelay, blockSeconds } = chainConstants(chain.chain.id)
  const given = settings['reference_delay'] as number | undefined
  const delay = given === undefined ? referenceDelay : BigInt(given)
  const needed = blocksToAnswer({ referenceDelay: delay, blockSeconds })
  const { taskResponseWindow } = windows
  return [
    finding(
      'response window',
      needed <= taskResponseWindow,
      `${taskResponseWindow} blocks; with a reference delay of ${delay} at least ${needed} are needed`,
      'Lower reference_delay, or deploy with a longer taskResponseWindow.',
    ),
    await reachFinding(chain, taskResponseWindow),
  ]
}

/** Whether each operator that is called proves that its URL is its own. One that is down may come back. */
async function peersFinding(
  { reader: registry, tables }: Opened,
  settings: Settings,
): Promise<Finding> {
  const urls = Object.entries(settings['operators'] as Record<`0x${string}`, string>)
  const wrong: string[] = []
  let down = 0
  await Promise.all(
    urls.map(async ([operator, url]) => {
      const asked = { operator: operator as `0x${string}`, url: `${url}/rpc` }
      const limit = AbortSignal.timeout(2 * PATIENCE)
      try {
        await checkIdentity(asked, { registry, tables, timeout: PATIENCE }, limit)
      } catch (error) {
        if (error instanceof OperatorIdentityError) wrong.push(`${operator}: ${error.fault}`)
        else down++
      }
    }),
  )
  const proven = `${urls.length - wrong.length - down} of ${urls.length} prove their URLs`
  return finding(
    'operators',
    wrong.length + down === 0,
    [proven, ...wrong].join('; '),
    wrong.length === 0
      ? 'Start those that are down, or check their URLs in operators.'
      : 'Compare operators here with identity.urls there, keys with the table, and both clocks.',
    wrong.length === 0 ? 'warning' : 'error',
  )
}

/** Arbitrum's precompile, and the contract of EIP-2935. */
const ARB_SYS = '0x0000000000000000000000000000000000000064'
const HISTORY = '0x0000F90827F1C53a10cb7A02335B175320002935'

/** Twice the window, so that a transaction that waits still finds the hash of the reference block. */
async function reachFinding({ client }: Opened, taskResponseWindow: bigint): Promise<Finding> {
  const [arbSys, history] = await Promise.all(
    [ARB_SYS, HISTORY].map((address) => client.getCode({ address: address as `0x${string}` })),
  )
  const reach = blockHashReach({ arbSys: arbSys !== undefined, history })
  return finding(
    'block hashes',
    2n * taskResponseWindow <= reach,
    `contracts see ${reach} of them; twice the response window is ${2n * taskResponseWindow}`,
    'Deploy with a shorter taskResponseWindow, or on a chain with EIP-2935.',
    'warning',
  )
}
