/** The role that finds plugins, hands builds to workers and signs claims. */
import { join, resolve } from 'node:path'
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import { CanonicalJsonError, type JsonObject } from '../../../core/index.js'
import {
  createControlHandler,
  createControlPlane,
  createProvenanceIndex,
  type JobQueue,
  memoryQueue,
} from '../../../provenance/index.js'
import { evidenceFiles, pgliteQueue, postgresQueue } from '../../../provenance/node/index.js'
import { createClaimSink, createProvenanceEvents } from '../../../registry/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf, writeClientOf } from '../../config/chain.js'
import { signerArgs, signerOf } from '../../config/credentials.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { printable, type Terminal } from '../../terminal/output.js'
import { seedOf } from '../ledger/sources.js'
import { candidateArgs, candidatesOf, publishGuess } from './candidates.js'
import { ledgerArgs, type OpenedRecording, openRecording } from './recording.js'
import { listenArgs, runServer, tell } from './server.js'
import { finalityOf, pluginReader } from './sources.js'
import { openStatements } from './statements.js'

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
    ...candidateArgs,
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
    const candidates = await candidatesOf(terminal, args.candidates)
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
    const queue = await queueOf(terminal, { inMemory: args['memory-queue'], directory })
    let recording: OpenedRecording | undefined
    try {
      const { addresses, client, fromBlock } = target
      const events = await createProvenanceEvents({ client, addresses, finality: finalityOf(args) })
      recording = await openRecording(terminal, {
        ...{ args, directory, verifier: account.address, statementSeed, events, fromBlock },
        onEvent: (event) => tell(terminal, event),
      })
      const writing = { client: writeClientOf(terminal, { target, account }), addresses }
      const publish = publishGuess(writing, (event) => tell(terminal, event))
      const plane = createControlPlane({
        ...{ fromBlock, queue, evidence, events, index: createProvenanceIndex(), candidates },
        claims: createClaimSink(writing),
        readPlugin: pluginReader(terminal, { target, args }),
        confirmations: wholeNumber('confirmations', args.confirmations, 5),
        onClaim: async (claim) => {
          await publish(claim)
          await statements?.onClaim(claim)
        },
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

async function queueOf(
  terminal: Terminal,
  { inMemory, directory }: { inMemory: boolean; directory: string },
): Promise<JobQueue> {
  if (inMemory) return memoryQueue()
  const url = terminal.env['NEWTON_DATABASE_URL']
  return url ? postgresQueue({ url }) : pgliteQueue({ directory })
}

function hashesOf(words: string | undefined): Hex[] {
  if (words === undefined) return []
  return words.split(',').map((word) => {
    if (/^0x[0-9a-fA-F]{64}$/.test(word.trim())) return word.trim().toLowerCase() as Hex
    throw new UsageError(`--again is a list of plugins by keccak-256, not ${printable(word)}.`)
  })
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
