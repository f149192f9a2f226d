/** What differs between templates of both kinds. */
import type { ArgsDef } from 'citty'
import type { Address, Hex } from 'viem'
import type { DaLocator } from '../../../core/index.js'
import type {
  ChainOutcome,
  createRegistryReader,
  DryRun,
  PushInput,
  RegistryIndex,
  WriteClient,
} from '../../../registry/index.js'
import type { ChainTarget } from '../../config/chain.js'
import type { Terminal } from '../../terminal/output.js'

/** The files of a template, by the name of their part. */
export type Files = Readonly<Record<string, Uint8Array | undefined>>

/** Arguments as a command gets them. */
export type Args = Readonly<Record<string, unknown>>

/** What differs between the two kinds of templates. */
export type TemplateKind<input> = {
  /** Such as `policy template`. */
  label: string
  /** Options that name the files. */
  args: ArgsDef
  /** The words that reach this group, and those of an example's files. */
  words: string
  fileWords: string
  files: (args: Args, terminal: Terminal) => Promise<Files>
  /** The template, with where its files are. */
  input: (files: Files, args: Args, locators: Record<string, DaLocator>) => input
  id: (input: input) => Hex
  dryRun: (
    client: WriteClient,
    parameters: input & {
      addresses: ChainTarget['addresses']
      checks: object
      signal?: AbortSignal | undefined
    },
  ) => Promise<DryRun>
  register: (
    parameters: input & {
      chains: { client: WriteClient; addresses: object }[]
      checks: object
      push: PushInput | undefined
      signal?: AbortSignal | undefined
    },
  ) => Promise<ChainOutcome[]>
  read: (
    reader: Awaited<ReturnType<typeof createRegistryReader>>,
    id: Hex,
  ) => Promise<({ author: Address; registeredAt: bigint } & object) | null>
  list: (
    index: RegistryIndex,
    filter: { author?: Address | undefined },
  ) => { id: Hex; author: Address; registeredAt: bigint }[]
}
