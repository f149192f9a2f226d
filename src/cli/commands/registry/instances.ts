/** The commands that instances of both kinds have, besides `deploy`: show, list, set-current. */
import type { ArgsDef, CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import { decodeParams, type InstanceRow, type RegistryReader } from '../../../core/index.js'
import { createSchemaValidator } from '../../../eval/index.js'
import { fromHex } from '../../../internal/bytes.js'
import {
  createRegistryReader,
  type DryRun,
  type InstanceInput,
  type ListedInstance,
  type RegistryIndex,
  type SecretsStatusSource,
  type WriteClient,
  type WriteOptions,
} from '../../../registry/index.js'
import { daArgs, daOf, sourceOf } from '../../config/artifactStore.js'
import { type ChainArgs, type ChainTarget, chainArgs, chainOf } from '../../config/chain.js'
import { command } from '../../terminal/command.js'
import { type CommandResult, exitCodes, type Terminal, toJson } from '../../terminal/output.js'
import {
  confirmMainnet,
  performWrite,
  signersFor,
  type WriteArgs,
  writeArgs,
} from '../../writing.js'
import { secretsStatus } from './secretsStatus.js'
import { indexOf } from './templates.js'

/** Parameters of a write and what it takes besides. */
export type Parameters<input> = input &
  WriteOptions & { onTransactionHash?: (hash: Hex) => unknown }

/** What moving a slot takes. */
export type SlotMove = { client: Address; instanceId: Hex; templateId: Hex }

/** What differs between the two kinds of instances. */
export type InstanceKind = {
  /** Such as `policy instance`. */
  label: string
  /** The words that reach this group. */
  words: string
  /** Its option in `set-current`. */
  option: 'policy-instance' | 'policy-data-instance'
  /** Options of `deploy` that only this kind has. */
  deployArgs: ArgsDef
  dryRunDeploy: (client: WriteClient, parameters: Parameters<InstanceInput>) => Promise<DryRun>
  deploy: (
    client: WriteClient,
    parameters: Parameters<InstanceInput>,
  ) => Promise<{ id: Hex; created: boolean; transactionHash: Hex }>
  dryRunMove: (client: WriteClient, parameters: Parameters<SlotMove>) => Promise<DryRun>
  move: (
    client: WriteClient,
    parameters: Parameters<SlotMove>,
  ) => Promise<{ previous: Hex; transactionHash: Hex }>
  schemaHash: (reader: RegistryReader, templateId: Hex) => Promise<Hex | undefined>
  read: (reader: RegistryReader, id: Hex) => Promise<InstanceRow | null>
  current: (
    reader: RegistryReader,
    parameters: { client: Address; templateId: Hex; block: bigint },
  ) => Promise<Hex | null>
  list: (index: RegistryIndex, filter: { client?: Address | undefined }) => ListedInstance[]
  /** Data slots that move with a deployment, checked before anything is signed. */
  dataSlots?: (
    reader: RegistryReader,
    parameters: { args: Deploying['args']; policyClient: Address },
  ) => Promise<{ id: Hex; templateId: Hex }[]>
  dataKind?: InstanceKind
  /** What an instance of the template still lacks to become current: each with what to run. */
  lacks?: (
    reader: RegistryReader,
    parameters: {
      args: Deploying['args']
      policyClient: Address
      dataSlots: readonly { id: Hex; templateId: Hex }[]
      secrets: SecretsStatusSource
    },
  ) => Promise<string[]>
  /** What to run next. */
  next: (reader: RegistryReader, instance: { id: Hex; templateId: Hex }) => Promise<string[]>
}

/** A deployment under way. */
export type Deploying = {
  terminal: Terminal
  args: Readonly<Record<string, unknown>> & WriteArgs & ChainArgs
  reader: RegistryReader
  client: WriteClient
  options: WriteOptions
  policyClient: Address
}

/** Opens a write on one chain. A key is asked for only once it is known that there is something to sign. */
export async function openWrite(
  terminal: Terminal,
  { args, signal }: { args: Deploying['args']; signal: AbortSignal },
) {
  const target = await chainOf(terminal, args)
  await confirmMainnet(terminal, { targets: [target], args })
  const { client: viewer, addresses, profile } = target
  const reader = await createRegistryReader({ client: viewer, addresses }, { signal })
  const sign = async (): Promise<Pick<Deploying, 'client' | 'options'>> => {
    const [client] = (await signersFor(terminal, { targets: [target], args })) as [WriteClient]
    const artifacts = sourceOf(daOf(terminal, { args: args as { da?: string }, profile }))
    const secrets = secretsStatus(terminal, { target, args: {} })
    const checks = { artifacts, schemas: createSchemaValidator(), secrets }
    return { client, options: { addresses, signal, checks } }
  }
  return { target, reader, sign }
}

/** Moves a slot unless it is there already. */
export async function moveSlot(
  kind: InstanceKind,
  { work, id, templateId }: { work: Deploying; id: Hex; templateId: Hex },
): Promise<{ current: boolean; previous?: Hex; slotTransactionHash?: Hex }> {
  const { terminal, args, reader, client, options, policyClient } = work
  const { number: block } = await reader.getLatestBlock({ signal: options.signal })
  if (
    (await kind.current(reader, { client: policyClient, templateId, block })) === id.toLowerCase()
  ) {
    terminal.stderr(`current already: ${id}\n`)
    return { current: true }
  }
  const move: Parameters<SlotMove> = {
    client: policyClient,
    instanceId: id,
    templateId,
    ...options,
  }
  const { result } = await performWrite(terminal, {
    write: {
      dryRun: () => kind.dryRunMove(client, move),
      send: (hooks) => kind.move(client, { ...move, preflight: false, ...hooks }),
    },
    args,
  })
  if (result === undefined) return { current: false }
  terminal.stderr(`current  ${id}\n`)
  return { current: true, previous: result.previous, slotTransactionHash: result.transactionHash }
}

/** `set-current`. */
export function setCurrent(kind: InstanceKind): CommandDef {
  return command({
    name: 'set-current',
    example: `newton-policy ${kind.words} set-current --client 0x… --${kind.option} 0x…`,
    description: `Make a ${kind.label} its client’s current one`,
    args: {
      client: {
        ...{ type: 'string', description: 'Address of the policy client', required: true },
        valueHint: '0x…',
      },
      [kind.option]: {
        type: 'string',
        alias: 'instance',
        description: 'Id of the instance',
        required: true,
        valueHint: 'id',
      },
      ...daArgs,
      ...chainArgs,
      ...writeArgs,
    } as ArgsDef,
    run: async (input) => {
      const { terminal, signal } = input
      const args = input.args as unknown as Deploying['args']
      const { target, reader, sign } = await openWrite(terminal, { args, signal })
      const id = args[kind.option] as Hex
      const row = await kind.read(reader, id)
      if (row === null) return absent(kind, { id, target })
      const { client, options } = await sign()
      const policyClient = args['client'] as Address
      const work: Deploying = { terminal, args, reader, client, options, policyClient }
      const slot = await moveSlot(kind, { work, id, templateId: row.templateId })
      return { data: { id, ...slot }, text: id }
    },
  })
}

function absent(
  kind: InstanceKind,
  { id, target }: { id: Hex; target: ChainTarget },
): CommandResult {
  return {
    data: { id, chainId: target.chain.id, instance: null },
    text: `no ${kind.label} ${id} on ${target.name}`,
    exitCode: exitCodes.notFound,
    problem: {
      message: `no ${kind.label} ${id} on ${target.name}`,
      hint: `run: newton-policy ${kind.words} list --chain-id ${target.chain.id}`,
    },
  }
}

/** `show`. */
export function showInstance(kind: InstanceKind): CommandDef {
  return command({
    name: 'show',
    example: `newton-policy ${kind.words} show 0x…`,
    description: `Show a ${kind.label} with its params`,
    args: { id: { type: 'positional', description: 'Its id', required: true }, ...chainArgs },
    run: async ({ args, terminal, signal }) => {
      const target = await chainOf(terminal, args)
      const { client, addresses } = target
      const reader = await createRegistryReader({ client, addresses }, { signal })
      const id = args.id as Hex
      const row = await kind.read(reader, id)
      if (row === null) return absent(kind, { id, target })
      const { number: block } = await reader.getLatestBlock({ signal })
      const current = (await kind.current(reader, { ...row, block })) === id.toLowerCase()
      const params = decodeParams(fromHex(row.params, 'params'))
      const { params: _bytes, ...rest } = row
      const lines = [
        ...Object.entries(rest).map(([name, value]) => `${name.padEnd(12)} ${String(value)}`),
        `${'current'.padEnd(12)} ${current ? 'yes' : 'no'}`,
        `${'params'.padEnd(12)} ${params === undefined ? 'none' : toJson(params)}`,
      ]
      return { data: { id, ...rest, current, params: params ?? null }, text: lines.join('\n') }
    },
  })
}

/** `list`. */
export function listInstances(kind: InstanceKind): CommandDef {
  return command({
    name: 'list',
    example: `newton-policy ${kind.words} list --client 0x…`,
    description: `List the ${kind.label}s of a chain, read from its events`,
    args: {
      client: { type: 'string', description: 'Only those of this client', valueHint: '0x…' },
      ...chainArgs,
    },
    run: async ({ args, terminal }) => {
      const index = await indexOf(terminal, await chainOf(terminal, args))
      const rows = kind.list(index, { client: args.client as Address | undefined })
      const lines = rows.map(
        ({ id, client, deployedAt, current }) =>
          `${id}  block ${deployedAt}  ${client}${current ? '  current' : ''}`,
      )
      return { data: { instances: rows }, text: lines.join('\n') || 'none' }
    },
  })
}
