import type { CommandDef } from 'citty'
import type { Address } from 'viem'
import {
  createStatusHandler,
  type ProvenanceIndex,
  type ProvenanceRecord,
} from '../../../provenance/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs, chainOf } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { wholeNumber } from '../../numbers.js'
import { command } from '../../terminal/command.js'
import { printable } from '../../terminal/output.js'
import { listenArgs, runServer } from './server.js'
import { type FollowedIndex, finalityOf, followedIndex, sourceArgs } from './sources.js'

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
    await followed.load()
    const missing = followed.index.missingEvidence().length
    if (missing > 0) terminal.stderr(`the evidence of ${missing} claims was not to be had\n`)
    const records = allOf(followed.index)
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

/** All plugins of an index, whatever number of them. */
export function allOf(index: Pick<ProvenanceIndex, 'list'>): readonly ProvenanceRecord[] {
  const limit = 1_000
  const records: ProvenanceRecord[] = []
  for (;;) {
    const page = index.list({ limit, after: records.at(-1)?.wasmHash })
    records.push(...page)
    if (page.length < limit) return records
  }
}

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
    const profiles = args.verifiers === undefined ? undefined : profilesOf(args.verifiers)
    const verifiers = Object.keys(profiles ?? {}) as Address[]
    const followed = await followedIndex(terminal, { target, args, signal, finality, verifiers })
    const { asOf, step } = createSteps(followed)
    const fetch = createStatusHandler({
      ...{ index: followed.index, service: { name: args.name }, verifiers: profiles, asOf },
      // Three readings may fail before an answer is not given any more.
      maxAge: Math.max(300_000, wholeNumber('interval', args.interval, 5) * 4_000),
    })
    await runServer(terminal, { fetch, args, signal, step })
    return { data: {}, text: '', printed: true }
  },
})

/**
 * Steps of whoever answers from an index. One reads the events; what they name is read beside it, so that no
 * stranger's server decides how old the index is.
 */
export function createSteps({ follow, load }: Pick<FollowedIndex, 'follow' | 'load'>): {
  /** When the chain was read last, as far as the index has it. */
  asOf(): number | undefined
  step(): Promise<void>
} {
  let asOf: number | undefined
  let isLoading = false
  return {
    asOf: () => asOf,
    step: async () => {
      const begun = Date.now()
      await follow()
      asOf = begun
      if (isLoading) return
      isLoading = true
      // What it throws is the end of the role, which the next step is told of too.
      load()
        .catch(() => undefined)
        .finally(() => {
          isLoading = false
        })
    },
  }
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
