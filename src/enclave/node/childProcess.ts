/** An enclave in a process of its own, over its standard input and output. For the simulator and tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { Duplex } from 'node:stream'
import { EnclaveTransportError } from '../wire/errors.js'
import type { EnclaveTransport } from '../wire/stream.js'
import { duplexStream } from './tcp.js'

/** A transport that starts its peer. */
export type ChildProcessTransport = EnclaveTransport & {
  /** The process of the current connection. */
  current(): ChildProcess | undefined
  /** Ends the process. */
  kill(signal?: NodeJS.Signals): void
}

/**
 * Starts a process per connection and speaks with it over its standard streams; a lost process is started
 * anew with the next connection.
 *
 * @param parameters.stderr - Where the process's standard error goes. @default 'ignore'
 */
export function childProcessTransport(parameters: {
  command: string
  args?: readonly string[] | undefined
  env?: Readonly<Record<string, string | undefined>> | undefined
  stderr?: 'ignore' | 'inherit' | undefined
}): ChildProcessTransport {
  const { command, args = [], env, stderr = 'ignore' } = parameters
  let child: ChildProcess | undefined
  return {
    name: `process ${command}`,
    connect: async () => {
      const started = spawn(command, [...args], {
        stdio: ['pipe', 'pipe', stderr],
        ...(env === undefined ? {} : { env: { ...env } }),
      })
      await new Promise<void>((resolve, reject) => {
        started.once('spawn', resolve)
        started.once('error', (cause) =>
          reject(new EnclaveTransportError({ reason: 'the process does not start' }, { cause })),
        )
      })
      child = started
      const { stdin, stdout } = started
      if (stdin === null || stdout === null)
        throw new EnclaveTransportError({ reason: 'no standard streams' })
      const stream = duplexStream(Duplex.from({ readable: stdout, writable: stdin }))
      return {
        ...stream,
        destroy: () => {
          stream.destroy()
          started.kill()
        },
      }
    },
    current: () => child,
    kill: (signal = 'SIGKILL') => {
      child?.kill(signal)
    },
  }
}

/** The other end, inside the process. Nothing else may write to standard output. */
export function standardStreams(): Duplex {
  return Duplex.from({ readable: process.stdin, writable: process.stdout })
}
