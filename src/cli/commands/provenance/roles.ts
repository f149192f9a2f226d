/** The roles of provenance, a process each. */
import { join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { CanonicalJsonError, type JsonObject } from '../../../core/index.js'
import { serve as listen } from '../../../internal/node/serve.js'
import { pause } from '../../../internal/pause.js'
import {
  createBuildWorker,
  createControlHandler,
  createControlPlane,
  createProvenanceIndex,
  createStatusHandler,
  httpWorkerControl,
  memoryQueue,
  type WorkerEvent,
} from '../../../provenance/index.js'
import {
  evidenceFiles,
  openSandbox,
  pgliteQueue,
  postgresQueue,
  sandboxedBuilder,
} from '../../../provenance/node/index.js'
import { createClaimSink, createProvenanceEvents } from '../../../registry/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf, writeClientOf } from '../../config/chain.js'
import { signerArgs, signerOf } from '../../config/credentials.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { printable, type Terminal } from '../../terminal/output.js'
import { openToolchains, toolchainArgs } from '../../toolchains/open.js'
import { seedOf } from '../ledger/sources.js'
import { ledgerArgs, type OpenedRecording, openRecording } from './recording.js'
import { finalityArgs, finalityOf, followedIndex, pluginReader, sourceArgs } from './sources.js'
import { openStatements } from './statements.js'

const listenArgs = {
  host: { type: 'string', description: 'Address to listen at', default: '127.0.0.1' },
  port: { type: 'string', description: 'Port to listen at', default: '8720' },
  interval: {
    type: 'string',
    description: 'Seconds between two readings of the chain',
    default: '5',
  },
  ...finalityArgs,
} as const

/** `provenance control`. */
export const control: CommandDef = command({
  name: 'control',
  serves: true,
  example:
    'newton-policy provenance control --workers workers.json --directory state --da artifacts',
  description: 'Find plugins to verify, hand them to workers, record claims, until Ctrl-C',
  args: {
    workers: {
      type: 'string',
      description: 'Names of workers by their tokens',
      required: true,
      valueHint: 'file.json',
    },
    directory: { type: 'string', description: 'Folder of queue and evidence', required: true },
    'public-url': {
      type: 'string',
      description: 'Where the world reaches this process; evidence is named by it',
      valueHint: 'https://…',
    },
    confirmations: {
      type: 'string',
      description: 'Workers that have to agree, 1 to 3',
      default: '1',
    },
    'statement-key': {
      type: 'string',
      description:
        'File with an Ed25519 seed that signs statements of the claims, and nothing else',
      valueHint: 'file',
    },
    ...ledgerArgs,
    again: {
      type: 'string',
      description: 'Plugins whose builds came to no match, to be tried again now',
      valueHint: '0x…,…',
    },
    'memory-queue': {
      type: 'boolean',
      description: 'Keep the queue in memory: after a restart it is found again from the chain',
      default: false,
    },
    ...listenArgs,
    ...daArgs,
    ...chainArgs,
    ...signerArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const workers = await tokensOf(terminal, args.workers)
    const again = hashesOf(args.again)
    const target = await chainOf(terminal, args)
    const account = await signerOf(terminal, { args, profile: target.profile })
    const directory = resolve(terminal.cwd, args.directory)
    const publicUrl = args['public-url'] ?? `http://${args.host}:${args.port}`
    if (!publicUrl.startsWith('https://')) {
      terminal.stderr(
        `warning: claims name their evidence by ${publicUrl}; --public-url says where others reach it\n`,
      )
    }
    const seedPath = args['statement-key']
    const statementSeed = seedPath === undefined ? undefined : await seedOf(terminal, seedPath)
    const statements =
      statementSeed === undefined
        ? undefined
        : openStatements({
            ...{ seed: statementSeed, directory: join(directory, 'statements') },
            ...{ verifier: account.address, chainId: target.chain.id },
          })
    if (statements !== undefined) {
      terminal.stderr(`statements are signed by the Ed25519 key ${statements.keyId}\n`)
    }
    const evidence = evidenceFiles({ directory: join(directory, 'evidence'), publicUrl })
    const url = terminal.env['NEWTON_DATABASE_URL']
    const queue = args['memory-queue']
      ? memoryQueue()
      : url
        ? await postgresQueue({ url })
        : await pgliteQueue({ directory })
    let recording: OpenedRecording | undefined
    try {
      const { addresses, client, fromBlock } = target
      const events = await createProvenanceEvents({ client, addresses, finality: finalityOf(args) })
      recording = await openRecording(terminal, {
        ...{ args, directory, verifier: account.address, statementSeed, events, fromBlock },
        onEvent: (event) => tell(terminal, event),
      })
      const plane = createControlPlane({
        ...{ fromBlock, queue, evidence, events, index: createProvenanceIndex() },
        claims: createClaimSink({
          client: writeClientOf(terminal, { target, account }),
          addresses,
        }),
        readPlugin: pluginReader(terminal, { target, args }),
        confirmations: wholeNumber('confirmations', args.confirmations, 5),
        onClaim: statements?.onClaim,
        onEvent: (event) => tell(terminal, event),
      })
      const fetch = createControlHandler({
        ...{ plane, workers, evidence, statements },
      })
      await runServer(terminal, {
        fetch,
        args,
        signal,
        step: async () => {
          await plane.follow({ signal })
          for (const wasmHash of again.splice(0)) {
            const builds = await plane.again(wasmHash)
            tell(terminal, { ...{ type: 'control.again', wasmHash, builds } })
          }
          await plane.settle({ signal })
          await recording?.record({ signal })
        },
      })
      return { data: {}, text: '', printed: true }
    } finally {
      await recording?.close()
      await queue.close()
    }
  },
})

/** `provenance worker`. */
export const worker: CommandDef = command({
  name: 'worker',
  serves: true,
  example: 'newton-policy provenance worker --control https://control.example',
  description:
    'Build what a control plane asks for, isolated, until Ctrl-C; token in NEWTON_WORKER_TOKEN',
  args: {
    control: { type: 'string', description: 'URL of the control plane', required: true },
    mirror: {
      type: 'string',
      description: 'Place that has archives as <sha256>.tar and crates as <sha256>.crate',
      valueHint: 'https://…',
    },
    once: { type: 'boolean', description: 'End where there is nothing to build', default: false },
    'unsafe-no-isolation': {
      type: 'boolean',
      description: 'Build where nothing keeps builds from this machine',
      default: false,
    },
    ...toolchainArgs,
    ...sourceArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const token = terminal.env['NEWTON_WORKER_TOKEN']
    if (!token) throw new UsageError('There is no token: set NEWTON_WORKER_TOKEN.')
    const unsafeNoIsolation = args['unsafe-no-isolation']
    const sandbox = await openSandbox({ unsafeNoIsolation })
    if (sandbox.isolation === 'none') {
      terminal.stderr('warning: builds are not isolated; what they give is worth little\n')
    }
    const allowPrivate = args['allow-private']
    const mirrors = args.mirror === undefined ? [] : [args.mirror]
    const { toolchains, missing, close } = await openToolchains({
      ...{ rust: args.rust, mirrors, allowPrivate },
    })
    try {
      for (const { image } of toolchains) terminal.stderr(`builds in ${image}\n`)
      for (const reason of missing) terminal.stderr(`warning: ${reason}\n`)
      if (toolchains.length === 0) throw new UsageError('There is nothing to build with.')
      let built = 0
      const running = createBuildWorker({
        control: httpWorkerControl({ url: args.control, token }),
        builder: sandboxedBuilder({
          ...{ sandbox, toolchains, allowPrivate, mirrors },
        }),
        onEvent: (event: WorkerEvent) => {
          if (event.type === 'worker.finished') built += 1
          tell(terminal, event)
        },
      })
      if (args.once) while (await running.runOnce({ signal }));
      else await running.run({ signal })
      return { data: { built }, text: `${built} built` }
    } finally {
      await close()
    }
  },
})

/** `provenance index`. */
export const index: CommandDef = command({
  name: 'index',
  example: 'newton-policy provenance index --chain devnet --da artifacts',
  description: 'Replay the events and print what verifiers say of each plugin',
  args: { ...sourceArgs, ...daArgs, ...chainArgs },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const finality = 'latest' as const
    const followed = await followedIndex(terminal, { target, args, signal, finality })
    await followed.follow()
    const records = followed.index.list({ limit: 1_000 })
    const plugins = records.map(({ wasmHash, hashes, builds, claims }) => ({
      ...{ wasmHash, wasmSha256: hashes?.wasmSha256, builds },
      claims: claims.map(({ verifier, result, buildInfoHash, evidence }) => ({
        ...{ verifier, result, buildInfoHash },
        ...(evidence === undefined ? {} : { evidence }),
      })),
    }))
    const lines = plugins.map(({ wasmHash, claims }) =>
      [wasmHash, ...claims.map(({ verifier, result }) => `  ${result} by ${verifier}`)].join('\n'),
    )
    return { data: { plugins }, text: lines.join('\n') }
  },
})

/** `provenance serve`. */
export const serve: CommandDef = command({
  name: 'serve',
  serves: true,
  example: 'newton-policy provenance serve --name "Example" --da artifacts',
  description: 'Answer GET /wasms/<hash>.json and lists from the chain, until Ctrl-C',
  args: {
    name: { type: 'string', description: 'Name of this service', default: 'newton-policy' },
    verifiers: {
      type: 'string',
      description: 'Whose claims the answers of the draft have, as 0x…=Name; else everybody’s',
      valueHint: '0x…=Name,…',
    },
    ...listenArgs,
    ...sourceArgs,
    ...daArgs,
    ...chainArgs,
  },
  run: async ({ args, terminal, signal }) => {
    const target = await chainOf(terminal, args)
    const finality = finalityOf(args)
    const followed = await followedIndex(terminal, { target, args, signal, finality })
    let asOf: number | undefined
    const step = async (): Promise<void> => {
      const begun = Date.now()
      await followed.follow()
      asOf = begun
    }
    const fetch = createStatusHandler({
      ...{ index: followed.index, service: { name: args.name } },
      verifiers: args.verifiers === undefined ? undefined : profilesOf(args.verifiers),
      asOf: () => asOf,
      // Three readings may fail before an answer is not given any more.
      maxAge: Math.max(300_000, wholeNumber('interval', args.interval, 5) * 4_000),
    })
    await runServer(terminal, { fetch, args, signal, step })
    return { data: {}, text: '', printed: true }
  },
})

type ServerArgs = { host: string; port: string; interval: string }

/** Listens, and does a step of work from time to time. What fails once is tried again. */
async function runServer(
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

function hashesOf(words: string | undefined): Hex[] {
  if (words === undefined) return []
  return words.split(',').map((word) => {
    if (/^0x[0-9a-fA-F]{64}$/.test(word.trim())) return word.trim().toLowerCase() as Hex
    throw new UsageError(`--again is a list of plugins by keccak-256, not ${printable(word)}.`)
  })
}

function profilesOf(words: string): Record<string, { name: string }> {
  return Object.fromEntries(
    words.split(',').map((word) => {
      const [, address, name] = /^(0x[0-9a-fA-F]{40})(?:=(.+))?$/.exec(word.trim()) ?? []
      if (address === undefined) {
        throw new UsageError(`--verifiers is a list such as 0x…=Name, not ${printable(word)}.`)
      }
      return [address.toLowerCase(), { name: name ?? address.toLowerCase() }]
    }),
  )
}

async function tokensOf(terminal: Terminal, path: string): Promise<Record<string, string>> {
  let tokens: JsonObject
  try {
    tokens = await readJsonObject(terminal, path)
  } catch (error) {
    if (!(error instanceof CanonicalJsonError)) throw error
    // Not with what the reader says, which names members: here they are tokens.
    throw new UsageError(`${path} holds no JSON object of names by tokens, each token once.`, {
      metaMessages: ['What is wrong with it is not shown, since tokens stand in it.'],
    })
  }
  for (const name of Object.values(tokens)) {
    if (typeof name !== 'string') throw new UsageError(`${path} does not hold names by tokens.`)
  }
  return tokens as Record<string, string>
}

/** One line for each thing that happens, without what a stranger could have written. */
function tell(terminal: Terminal, event: { type: string } & object): void {
  const line = JSON.stringify(event, (_, value: unknown) =>
    typeof value === 'bigint'
      ? value.toString()
      : value instanceof Error
        ? { name: value.name, message: value.message.split('\n')[0] }
        : value,
  )
  terminal.stderr(`${printable(line)}\n`)
}
