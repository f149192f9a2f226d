/** `deploy` of instances of both kinds: every check before the first signature. */
import type { CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT } from '../../../core/index.js'
import {
  type DryRun,
  type InstanceInput,
  PreflightError,
  type SecretsStatusSource,
} from '../../../registry/index.js'
import { daArgs } from '../../config/artifactStore.js'
import { chainArgs } from '../../config/chain.js'
import { UsageError } from '../../errors.js'
import { readJsonObject } from '../../files.js'
import { command } from '../../terminal/command.js'
import { heed } from '../../terminal/interrupt.js'
import type { Terminal } from '../../terminal/output.js'
import { quotedWord } from '../../terminal/quoting.js'
import { printChecks, sayWouldSend, sentLine, writeArgs } from '../../writing.js'
import { type Deploying, type InstanceKind, moveSlot, openWrite } from './instances.js'

const deployArgs = {
  template: { type: 'string', description: 'Id of the template', required: true, valueHint: 'id' },
  client: {
    type: 'string',
    description: 'Address of the policy client; not the signer',
    required: true,
    valueHint: '0x…',
  },
  params: {
    type: 'string',
    description: 'Params: a JSON file, or the object itself; --no-params for none',
    valueHint: 'file.json',
  },
  'expire-after': {
    type: 'string',
    description: 'Blocks for which a result stays valid',
    required: true,
    valueHint: 'blocks',
  },
  'set-current': {
    type: 'boolean',
    description:
      'Make it the client’s current one; the default where the signer owns the client, --no-set-current leaves the slot alone',
  },
  ...daArgs,
  ...chainArgs,
  ...writeArgs,
} as const

/** `deploy`. */
export function deployInstance(kind: InstanceKind): CommandDef {
  return command({
    name: 'deploy',
    example: `newton-policy ${kind.words} deploy --template 0x… --client 0x… --params params.json --expire-after 150`,
    description: `Deploy a ${kind.label} and print its id.`,
    args: { ...kind.deployArgs, ...deployArgs },
    negatable: ['params'],
    run: async (input) => {
      const { terminal, signal } = input
      const args = input.args as unknown as Deploying['args']
      const { reader, sign } = await openWrite(terminal, { args, signal })
      const deployment: InstanceInput = {
        templateId: args['template'] as Hex,
        client: args['client'] as Address,
        params: await paramsOf(kind, { terminal, args, reader }),
        expireAfter: blocksOf(args['expire-after'] as string),
      }
      const policyClient = deployment.client
      const dataSlots = (await kind.dataSlots?.(reader, { args, policyClient })) ?? []
      const { client, options } = await sign()
      const record = await reader.getClient(policyClient, { signal })
      const owned = record?.owner.toLowerCase() === client.account.address.toLowerCase()
      const moves = (args['set-current'] as boolean | undefined) ?? owned
      // What could not become current in the end is not begun.
      if (moves) await assertComplete(kind, { args, policyClient, dataSlots, reader, options })
      const deployed = await kind.dryRunDeploy(client, { ...deployment, ...options })
      const id = deployed.ids['id'] as Hex
      const there = (await kind.read(reader, id)) !== null
      const { templateId } = deployment
      const work: Deploying = { terminal, args, reader, client, options, policyClient }
      const instance = { id, templateId }
      const slots = moves ? await dryRunMoves(kind, { work, dataSlots, instance, there }) : []
      assertAllPass(terminal, [deployed, ...slots])
      if (args['dry-run'] === true) {
        for (const dryRun of [...(there ? [] : [deployed]), ...slots])
          sayWouldSend(terminal, dryRun)
        return { data: { id, dryRun: deployed, slots }, text: id }
      }
      const result = there
        ? undefined
        : await sendDeployment(kind, { work, deployment, action: deployed.action })
      const created = result?.created ?? false
      terminal.stderr(created ? `deployed ${id}\n` : `already deployed: ${id}\n`)
      const slot = await moveAfterDeploy(kind, { work, owned, dataSlots, instance })
      for (const line of await kind.next(reader, { id, templateId })) {
        terminal.stderr(`next: ${line}\n`)
      }
      const transactionHash = result?.transactionHash ?? null
      return { data: { id, created, transactionHash, ...slot }, text: id }
    },
  })
}

async function assertComplete(
  kind: InstanceKind,
  parameters: Pick<Deploying, 'args' | 'policyClient' | 'reader' | 'options'> & {
    dataSlots: readonly { id: Hex; templateId: Hex }[]
  },
): Promise<void> {
  const { args, policyClient, dataSlots, reader, options } = parameters
  const { secrets } = options.checks as { secrets: SecretsStatusSource }
  const lacks = (await kind.lacks?.(reader, { args, policyClient, dataSlots, secrets })) ?? []
  if (lacks.length === 0) return
  throw new UsageError('The instance could not become the client’s current one.', {
    metaMessages: [...lacks, 'To deploy it all the same: --no-set-current'],
  })
}

/** The moves that come after a deployment, as far as they can be checked before it. */
async function dryRunMoves(
  kind: InstanceKind,
  parameters: {
    work: Deploying
    dataSlots: readonly { id: Hex; templateId: Hex }[]
    instance: { id: Hex; templateId: Hex }
    there: boolean
  },
): Promise<DryRun[]> {
  const { work, dataSlots, instance, there } = parameters
  const { client, options, policyClient, reader } = work
  const { number: block } = await reader.getLatestBlock({ signal: options.signal })
  const dryRuns: DryRun[] = []
  const add = async (one: InstanceKind, { id, templateId }: typeof instance): Promise<void> => {
    const current = await one.current(reader, { client: policyClient, templateId, block })
    if (current === id.toLowerCase()) return
    const move = { client: policyClient, instanceId: id, templateId, ...options }
    dryRuns.push(await one.dryRunMove(client, move))
  }
  for (const slot of dataSlots) await add(kind.dataKind as InstanceKind, slot)
  await add(kind, instance)
  if (there) return dryRuns
  // It is deployed first, and the slots of its data are moved before its own: these are no faults yet.
  const last = dryRuns.pop()
  if (last === undefined) return dryRuns
  const checks = last.checks.filter(({ rule }) => rule !== 'InstanceNotDeployed')
  const ok = checks.every((check) => check.ok || check.level === 'warning')
  return [...dryRuns, { ...last, checks, ok }]
}

/** Shows the checks of all that is to be sent, and goes on only where none failed. */
function assertAllPass(terminal: Terminal, dryRuns: readonly DryRun[]): void {
  const said = new Set<string>()
  const shown = dryRuns.map(({ action, checks }) => ({
    action,
    checks: checks.filter((check) => {
      const what = `${check.rule} ${check.detail}`
      return !said.has(what) && said.add(what)
    }),
  }))
  for (const one of shown) printChecks(terminal, one)
  const failing = dryRuns.find(({ ok }) => !ok)
  if (failing === undefined) return
  throw new PreflightError({ action: failing.action, checks: failing.checks })
}

async function sendDeployment(
  kind: InstanceKind,
  { work, deployment, action }: { work: Deploying; deployment: InstanceInput; action: string },
): Promise<{ created: boolean; transactionHash: Hex }> {
  const { terminal, client, options } = work
  await heed(terminal.signal)
  return kind.deploy(client, {
    ...{ ...deployment, ...options, preflight: false },
    onTransactionHash: sentLine(terminal, action),
  })
}

function blocksOf(text: string): bigint {
  if (/^[1-9]\d{0,18}$/.test(text)) return BigInt(text)
  throw new UsageError(`--expire-after is a number of blocks above 0, not ${quotedWord(text)}.`, {
    metaMessages: [
      'A result counts for that many blocks: with one every 12 seconds, half an hour is',
      '--expire-after 150',
    ],
  })
}

async function paramsOf(
  kind: InstanceKind,
  { terminal, args, reader }: Pick<Deploying, 'terminal' | 'args' | 'reader'>,
): Promise<InstanceInput['params']> {
  const given = args['params'] as string | false | undefined
  if (typeof given === 'string') return readJsonObject(terminal, given)
  const schemaHash = await kind.schemaHash(reader, args['template'] as Hex)
  if (given === undefined && schemaHash !== undefined && schemaHash !== ARTIFACT_ABSENT) {
    throw new UsageError('The template has a schema of params, and no params were given.', {
      metaMessages: ['Give --params <file.json>, or say --no-params.'],
    })
  }
  return undefined
}

async function moveAfterDeploy(
  kind: InstanceKind,
  parameters: {
    work: Deploying
    owned: boolean
    dataSlots: readonly { id: Hex; templateId: Hex }[]
    instance: { id: Hex; templateId: Hex }
  },
): Promise<object> {
  const { work, owned, dataSlots, instance } = parameters
  const { terminal, args, policyClient } = work
  const said = args['set-current'] as boolean | undefined
  if (!(said ?? owned)) {
    const words = `newton-policy ${kind.words} set-current --client ${policyClient}`
    if (said === undefined) {
      terminal.stderr(
        `the signer does not own ${policyClient}: its owner runs\n  ${words} --${kind.option} ${instance.id}\n`,
      )
    }
    return { current: false }
  }
  for (const slot of dataSlots) await moveSlot(kind.dataKind as InstanceKind, { work, ...slot })
  const dataInstances = dataSlots.map(({ id }) => id)
  return { ...(await moveSlot(kind, { work, ...instance })), dataInstances }
}
