/** `client`: contracts that policies protect, registered by their owners. */
import type { CommandDef } from 'citty'
import type { Address } from 'viem'
import {
  activateClientSync,
  createRegistryReader,
  deactivateClientSync,
  dryRunActivateClient,
  dryRunDeactivateClient,
  dryRunRegisterClient,
  registerClientSync,
  type WriteClient,
} from '../../registry/index.js'
import { chainArgs, chainOf } from '../config/chain.js'
import { command, group } from '../terminal/command.js'
import { exitCodes } from '../terminal/output.js'
import { confirmMainnet, performWrite, signersFor, writeArgs } from '../writing.js'

const clientArg = {
  client: { type: 'positional', description: 'Address of the contract', required: true },
} as const

const actions = {
  register: { dryRun: dryRunRegisterClient, send: registerClientSync, done: 'registered' },
  activate: { dryRun: dryRunActivateClient, send: activateClientSync, done: 'active' },
  deactivate: { dryRun: dryRunDeactivateClient, send: deactivateClientSync, done: 'not active' },
} as const

const descriptions = {
  register: 'Register a policy client; its owner signs',
  activate: 'Activate a client again; its owner signs',
  deactivate: 'Deactivate a client: nothing more is deployed or accepted for it; its owner signs',
} as const

function write(name: keyof typeof actions): CommandDef {
  const { dryRun, send, done } = actions[name]
  return command({
    name,
    example: `newton-policy client ${name} 0x… --chain devnet`,
    description: descriptions[name],
    args: { ...clientArg, ...chainArgs, ...writeArgs },
    run: async ({ args, terminal, signal }) => {
      const target = await chainOf(terminal, args)
      await confirmMainnet(terminal, { targets: [target], args })
      const [client] = (await signersFor(terminal, { targets: [target], args })) as [WriteClient]
      const { addresses } = target
      const parameters = { client: args.client as Address, addresses, signal }
      const { result } = await performWrite(terminal, {
        write: {
          dryRun: () => dryRun(client, parameters),
          send: (hooks) => send(client, { ...parameters, preflight: false, ...hooks }),
        },
        args,
      })
      if (result === undefined) return { data: { client: args.client }, text: '' }
      const { owner, transactionHash } = result
      return {
        data: { client: args.client, owner, transactionHash },
        text: `${args.client} is ${done}`,
      }
    },
  })
}

const show = command({
  name: 'show',
  example: 'newton-policy client show 0x… --chain devnet',
  description: 'Show whether a contract is a registered client, and its owner',
  args: { ...clientArg, ...chainArgs },
  run: async ({ args, terminal, signal }) => {
    const { client, addresses } = await chainOf(terminal, args)
    const reader = await createRegistryReader({ client, addresses }, { signal })
    const record = await reader.getClient(args.client as Address, { signal })
    return record === null
      ? {
          data: { client: args.client, record },
          text: `${args.client} is not registered`,
          exitCode: exitCodes.notFound,
          problem: {
            message: `${args.client} is not registered`,
            hint: `run: newton-policy client register ${args.client} # its owner signs`,
          },
        }
      : {
          data: { client: args.client, record },
          text: `owner   ${record.owner}\nactive  ${record.active ? 'yes' : 'no'}`,
        }
  },
})

/** The commands of clients. */
export const client: CommandDef = group(
  'client',
  'Policy clients: contracts that policies protect',
  {
    register: async () => write('register'),
    show: async () => show,
    activate: async () => write('activate'),
    deactivate: async () => write('deactivate'),
  },
)
