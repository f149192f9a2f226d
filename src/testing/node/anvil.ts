/** Starts anvil, the local chain of the npm package `@foundry-rs/anvil`. Node only. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { BaseError } from '../../errors/base.js'
import { MissingPeerError } from '../../errors/common.js'

/** Options of {@link startAnvil}. */
export type StartAnvilOptions = {
  /** @default 31337 */
  chainId?: number | undefined
  /** A free port is taken where left out. */
  port?: number | undefined
  /** Seconds between blocks; a block per transaction where left out. */
  blockTime?: number | undefined
  /** Unix seconds of the first block. */
  timestamp?: number | undefined
  /** Blocks after which one counts as final: slots per epoch. */
  slotsInAnEpoch?: number | undefined
  /** More command line arguments. */
  args?: readonly string[] | undefined
  /** File that the chain begins from where it is there, with all its blocks, and that it is kept in when it ends. */
  state?: string | undefined
  /**
   * Whether the chain ends when this process does, however that ends, and hears of no Ctrl-C before: what
   * runs on it is stopped first. Takes one more process. @default false
   */
  guarded?: boolean | undefined
  /** Milliseconds to wait until it answers. @default 20000 */
  timeout?: number | undefined
}

/** A running anvil. */
export type Anvil = {
  url: string
  port: number
  chainId: number
  /** Makes one JSON-RPC call, such as `anvil_mine`. */
  rpc: (method: string, params?: readonly unknown[]) => Promise<unknown>
  /** Ends the process and waits for it. */
  stop: () => Promise<void>
}

/** Anvil did not start. */
export class AnvilError extends BaseError {
  override readonly name = 'AnvilError'
  override readonly code = 'ANVIL_FAILED'
}

/** A TCP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}

/**
 * Starts a local chain on a port of its own, and waits until it answers.
 *
 * @throws {MissingPeerError} when `@foundry-rs/anvil` is not installed.
 * @throws {AnvilError} when the port is taken, or the process ends or does not answer in time.
 * @example
 * ```ts
 * import { startAnvil } from '@newton/policy-sdk/testing/node'
 *
 * const anvil = await startAnvil({ chainId: 31337 })
 * await anvil.stop()
 * ```
 */
export async function startAnvil(options: StartAnvilOptions = {}): Promise<Anvil> {
  const { chainId = 31_337, timeout = 20_000 } = options
  // Another process may take the port between asking and starting.
  for (let attempt = 0; ; attempt++) {
    const port = options.port ?? (await freePort())
    try {
      return await launch({ ...options, chainId, timeout, port })
    } catch (error) {
      if (options.port !== undefined || attempt >= 2) throw error
    }
  }
}

async function launch(
  options: StartAnvilOptions & { chainId: number; timeout: number; port: number },
): Promise<Anvil> {
  const { port, chainId, timeout } = options
  // What answers there already would be taken for the new chain.
  if (await isTaken(port)) {
    throw new AnvilError(`Port ${port} is taken.`, {
      metaMessages: ['Another chain may run there: end it, or name another port.'],
    })
  }
  const args = ['--port', String(port), '--chain-id', String(chainId), '--silent']
  if (options.blockTime !== undefined) args.push('--block-time', String(options.blockTime))
  if (options.timestamp !== undefined) args.push('--timestamp', String(options.timestamp))
  if (options.slotsInAnEpoch !== undefined) {
    args.push('--slots-in-an-epoch', String(options.slotsInAnEpoch))
  }
  if (options.state !== undefined) {
    args.push('--state', options.state, '--preserve-historical-states')
  }
  args.push(...(options.args ?? []))
  const child = options.guarded === true ? spawnGuarded(args) : spawnPlain(args)
  const exit = (): void => {
    child.kill()
  }
  process.once('exit', exit)
  const url = `http://127.0.0.1:${port}`
  const rpc = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    callRpc(url, method, params)
  const stop = async (): Promise<void> => {
    process.removeListener('exit', exit)
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill()
    await ended
  }
  try {
    await untilReady(child, { rpc, timeout, chainId })
  } catch (error) {
    await stop()
    throw error
  }
  return { url, port, chainId, rpc, stop }
}

const spawnPlain = (args: readonly string[]): ChildProcess =>
  spawn(anvilBinary(), args, { stdio: ['ignore', 'ignore', 'pipe'] })

// The end of its input is the end of this process, whatever that dies of.
const guard = `
const [binary, ...args] = process.argv.slice(1)
const child = require('node:child_process').spawn(binary, args, { stdio: ['ignore', 'ignore', 'inherit'] })
const end = () => child.kill('SIGTERM')
process.on('SIGTERM', end)
process.stdin.on('end', end).on('error', end).resume()
child.on('error', (error) => { console.error(error.message); process.exit(1) })
child.on('exit', (code) => process.exit(code ?? 0))`

// In a group of its own: a terminal's Ctrl-C goes to all of a group.
const spawnGuarded = (args: readonly string[]): ChildProcess =>
  spawn(process.execPath, ['-e', guard, anvilBinary(), ...args], {
    stdio: ['pipe', 'ignore', 'pipe'],
    detached: true,
  })

/** Whether somebody answers at a port of this machine. */
async function isTaken(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const answer = (taken: boolean): void => {
      socket.destroy()
      resolve(taken)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}

async function untilReady(
  child: ChildProcess,
  options: { rpc: Anvil['rpc']; timeout: number; chainId: number },
): Promise<void> {
  let failed: string | undefined
  let output = ''
  child.stderr?.on('data', (chunk: Uint8Array) => {
    output += String(chunk)
  })
  child.once('error', (error) => {
    failed = error.message
  })
  child.once('exit', (code) => {
    failed = `it ended with code ${code}`
  })
  const end = Date.now() + options.timeout
  while (Date.now() < end) {
    if (failed !== undefined) {
      throw new AnvilError('anvil did not start.', { details: output.trim() || failed })
    }
    try {
      const answered = await options.rpc('eth_chainId')
      if (Number(answered) === options.chainId) return
    } catch {
      // Not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new AnvilError(`anvil did not answer within ${options.timeout} ms.`, { retryable: true })
}

async function callRpc(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  })
  const answer = (await response.json()) as { result?: unknown; error?: { message: string } }
  if (answer.error !== undefined) {
    throw new AnvilError(`${method} failed.`, { details: answer.error.message })
  }
  return answer.result
}

// The npm package is a launcher around a binary per platform; the binary is started directly, so
// that stopping it stops it.
function anvilBinary(): string {
  const require = createRequire(import.meta.url)
  const platform = `@foundry-rs/anvil-${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`
  try {
    const launcher = require.resolve('@foundry-rs/anvil/package.json')
    const fromLauncher = createRequire(launcher)
    const manifest = fromLauncher.resolve(`${platform}/package.json`)
    return join(dirname(manifest), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil')
  } catch (cause) {
    throw new MissingPeerError({ peer: '@foundry-rs/anvil', needed: 'startAnvil' }, { cause })
  }
}
