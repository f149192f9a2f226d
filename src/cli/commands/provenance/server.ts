/** What roles that run until Ctrl-C share: a server, steps of work, and a line for each thing that happens. */
import { serve as listen } from '../../../internal/node/serve.js'
import { pause } from '../../../internal/pause.js'
import { wholeNumber } from '../../numbers.js'
import { printable, type Terminal } from '../../terminal/output.js'
import { finalityArgs } from './sources.js'

/** Options of roles that answer over HTTP and read the chain from time to time. */
export const listenArgs = {
  host: { type: 'string', description: 'Address to listen at', default: '127.0.0.1' },
  port: { type: 'string', description: 'Port to listen at', default: '8720' },
  interval: {
    type: 'string',
    description: 'Seconds between two readings of the chain',
    default: '5',
  },
  ...finalityArgs,
} as const

type ServerArgs = { host: string; port: string; interval: string }

/** Listens, and does a step of work from time to time. What fails once is tried again. */
export async function runServer(
  terminal: Terminal,
  given: {
    fetch: (request: Request) => Promise<Response>
    args: ServerArgs
    signal: AbortSignal
    step: () => Promise<void>
  },
): Promise<void> {
  const { fetch, args, signal, step } = given
  const interval = wholeNumber('interval', args.interval, 5) * 1_000
  const server = await listen(
    { fetch },
    { host: args.host, port: wholeNumber('port', args.port, 5) },
  )
  try {
    terminal.stderr(`listens at ${server.url}; Ctrl-C ends\n`)
    while (!signal.aborted) {
      try {
        await step()
      } catch (error) {
        if (signal.aborted) break
        terminal.stderr(`${(error as Error).message.split('\n')[0]}\n`)
      }
      await pause(interval, signal)
    }
  } finally {
    await server.close(1_000)
  }
}

/** One line for each thing that happens, without what a stranger could have written. */
export function tell(terminal: Terminal, event: { type: string } & object): void {
  const line = JSON.stringify(event, (_, value: unknown) =>
    typeof value === 'bigint'
      ? value.toString()
      : value instanceof Error
        ? { name: value.name, message: value.message.split('\n')[0] }
        : value,
  )
  terminal.stderr(`${printable(line)}\n`)
}
