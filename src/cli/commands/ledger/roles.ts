/** A ledger that is served, a witness of others, and a ledger as an MCP server. */

import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { CommandDef } from 'citty'
import { serve as listen } from '../../../internal/node/serve.js'
import { pause } from '../../../internal/pause.js'
import {
  collectCosignatures,
  createLedgerHandler,
  createWitness,
  createWitnessClient,
  formatNoteKey,
  type Ledger,
  logReader,
  parseNoteKey,
  parseTlogPolicy,
  verifyCheckpoint,
  type WitnessClient,
  witnessSigner,
} from '../../../ledger/index.js'
import { fileCheckpointStore, opensslVerify, posixTiles } from '../../../ledger/node/index.js'
import { loadEventSchemas } from '../../../ledger/schemas/index.js'
import { UsageError } from '../../errors.js'
import { readBytes } from '../../files.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { printResult, type Terminal } from '../../terminal/output.js'
import { ledgerArgs, listenArgs, seedOf, withLedger } from './sources.js'

const moduleArg = {
  type: 'string',
  description: 'Name of the tenant, which every call has to name in X-Module-ID',
  default: 'eval',
} as const

/** `ledger serve`. */
export const serve: CommandDef = command({
  name: 'serve',
  serves: true,
  example:
    'newton-policy ledger serve ./ledger --ledger ledger.example/eval --checkpoint-key log.seed --module eval',
  description: 'Serve a ledger: its API, its files, MCP at /mcp, until Ctrl-C',
  args: {
    ...ledgerArgs,
    ...listenArgs,
    module: moduleArg,
    policy: {
      type: 'string',
      description: 'Trust file (C2SP tlog-policy): witnesses with a URL are asked to cosign',
      valueHint: 'file',
    },
    interval: {
      type: 'string',
      description: 'Seconds between two rounds of witnesses',
      default: '5',
    },
  },
  run: async ({ args, terminal, signal }) => {
    const witnesses = await witnessesOf(terminal, args.policy)
    const interval = wholeNumber('interval', args.interval, 6) * 1_000
    return withLedger(terminal, args, async (ledger) => {
      const store = posixTiles({ directory: resolve(terminal.cwd, args.directory) })
      const cosigned: { note?: string } = {}
      const handler = createLedgerHandler({
        ...{ ledger, store, moduleId: args.module, verify: opensslVerify() },
        schemas: await loadEventSchemas(),
        metaCheckpoint: async () => cosigned.note,
        onError: (error) => terminal.stderr(`${lineOf(error)}\n`),
      })
      const server = await listen(
        { fetch: handler },
        { host: args.host, port: wholeNumber('port', args.port, 6) },
      )
      try {
        announce(terminal, args.json, 'newton-policy ledger serve', { url: server.url })
        while (!signal.aborted && ledger.stopped() === undefined) {
          if (witnesses.length > 0) {
            await askWitnesses({ terminal, ledger, store, witnesses, cosigned, signal })
          }
          await pause(interval, signal)
        }
        const stopped = ledger.stopped()
        if (stopped !== undefined) throw stopped
        return { data: {}, text: '', printed: true }
      } finally {
        await server.close(1_000)
      }
    })
  },
})

/** `ledger witness`. */
export const witness: CommandDef = command({
  name: 'witness',
  serves: true,
  example:
    'newton-policy ledger witness ./witness --name witness.example/w1 --key witness.seed --log ledger.example/eval/meta+33d7b496+AdBv0',
  description: 'Cosign what extends all that was cosigned before (C2SP tlog-witness), until Ctrl-C',
  args: {
    directory: {
      type: 'positional',
      description: 'What the witness remembers: without it, it would cosign a fork',
      required: true,
    },
    name: { type: 'string', description: 'Name of its key', required: true },
    key: {
      type: 'string',
      description: 'File with the seed that signs cosignatures and nothing else',
      required: true,
      valueHint: 'file',
    },
    log: {
      type: 'string',
      description: 'Verifier keys of the logs, with commas between them',
      required: true,
      valueHint: 'key,…',
    },
    ...listenArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const signer = witnessSigner({ name: args.name, seed: await seedOf(terminal, args.key) })
    const running = createWitness({
      signer,
      logs: args.log.split(',').map((log) => ({ keys: [parseNoteKey(log.trim())] })),
      store: fileCheckpointStore({ directory: resolve(terminal.cwd, args.directory) }),
      onError: (error) => terminal.stderr(`${lineOf(error)}\n`),
    })
    const server = await listen(running, {
      host: args.host,
      port: wholeNumber('port', args.port, 6),
    })
    try {
      const data = { url: server.url, key: formatNoteKey(signer.key) }
      announce(terminal, args.json, 'newton-policy ledger witness', data)
      while (!signal.aborted) await pause(60_000, signal)
      return { data: {}, text: '', printed: true }
    } finally {
      await server.close(1_000)
    }
  },
})

/** `ledger mcp`. */
export const mcp: CommandDef = command({
  name: 'mcp',
  serves: true,
  example: 'newton-policy ledger mcp --url http://127.0.0.1:8730 --module eval',
  description: 'Bridge stdio to the MCP server of a ledger that is served: five tools that read',
  args: {
    url: {
      type: 'string',
      description: 'Base URL of the ledger',
      required: true,
      valueHint: 'url',
    },
    module: moduleArg,
  },
  run: async ({ args, terminal, signal }) => {
    if (!/^https?:\/\//.test(args.url)) throw new UsageError('--url is an http or https URL.')
    const url = `${args.url.replace(/\/+$/, '')}/mcp`
    const headers = { 'X-Module-ID': args.module, 'Content-Type': 'application/json' }
    const lines = createInterface({ input: process.stdin })
    const stop = (): void => lines.close()
    signal.addEventListener('abort', stop, { once: true })
    // A line is a message; answers come in the order of the questions.
    for await (const line of lines) {
      if (line.trim() === '') continue
      const answer = await ask({ url, headers, line, signal })
      if (answer !== undefined) terminal.stdout(`${answer}\n`)
    }
    return { data: {}, text: '', printed: true }
  },
})

async function ask(call: {
  url: string
  headers: Record<string, string>
  line: string
  signal: AbortSignal
}): Promise<string | undefined> {
  const { url, headers, line, signal } = call
  try {
    const response = await fetch(url, { method: 'POST', headers, body: line, signal })
    const text = await response.text()
    if (response.status === 202) return undefined
    if (response.ok) return text
    return failure(line, `the ledger answered ${response.status}`)
  } catch (error) {
    signal.throwIfAborted()
    return failure(line, `the ledger cannot be reached: ${lineOf(error)}`)
  }
}

/** An error under the id of the message, where it has one that can be read. */
function failure(line: string, message: string): string {
  let id: unknown = null
  try {
    id = (JSON.parse(line) as { id?: unknown }).id ?? null
  } catch {
    // The ledger would have said so too.
  }
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_603, message } })
}

async function witnessesOf(
  terminal: Terminal,
  policy: string | undefined,
): Promise<WitnessClient[]> {
  if (policy === undefined) return []
  const { witnesses } = parseTlogPolicy(await readBytes(terminal, policy))
  return witnesses.flatMap(({ key, url }) =>
    url === undefined ? [] : [createWitnessClient({ url, key })],
  )
}

/** Has the newest meta checkpoint cosigned, where it is newer than what was. */
async function askWitnesses(round: {
  terminal: Terminal
  ledger: Ledger
  store: ReturnType<typeof posixTiles>
  witnesses: readonly WitnessClient[]
  cosigned: { note?: string }
  signal: AbortSignal
}): Promise<void> {
  const { terminal, ledger, store, witnesses, cosigned, signal } = round
  try {
    const note = await ledger.checkpoint('meta')
    const log = ledger.signers.get('meta')?.key
    if (note === undefined || log === undefined || cosigned.note?.startsWith(note) === true) return
    const opened = verifyCheckpoint(note, { log })
    if (opened.status !== 'verified') return
    const read = async (path: string) => (await store.read(join('meta', path)))?.bytes
    const reader = logReader({ checkpoint: opened.checkpoint, read })
    const collected = await collectCosignatures({
      ...{ note, witnesses: [...witnesses] },
      prove: async (size) => (await reader.prefix(size, { signal })).proof,
    })
    for (const { witness: name, error } of collected.failed) {
      terminal.stderr(`${name}: ${lineOf(error)}\n`)
    }
    if (collected.signed.length > 0) cosigned.note = collected.note
  } catch (error) {
    if (!signal.aborted) terminal.stderr(`${lineOf(error)}\n`)
  }
}

/** One line on stdout once it listens: scripts start from it. */
function announce(
  terminal: Terminal,
  json: boolean,
  words: string,
  data: Record<string, string>,
): void {
  printResult(terminal, { data, text: Object.values(data).join('\n') }, { json, command: words })
  terminal.stderr('Ctrl-C ends\n')
}

function lineOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}
