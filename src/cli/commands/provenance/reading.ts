import type { CommandDef } from 'citty'
import { createStatusHandler } from '../../../provenance/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { printable } from '../../terminal/output.js'
import { listenArgs, runServer } from './server.js'
import { finalityOf, followedIndex, sourceArgs } from './sources.js'

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
