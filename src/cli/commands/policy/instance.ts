/** `policy instance`. */
import type { CommandDef } from 'citty'
import type { Address, Hex } from 'viem'
import { ARTIFACT_ABSENT, type RegistryReader } from '../../../core/index.js'
import {
  dryRunEnsurePolicyInstance,
  dryRunSetCurrentPolicyInstance,
  ensurePolicyInstanceSync,
  listPolicyInstances,
  setCurrentPolicyInstanceSync,
} from '../../../registry/index.js'
import { UsageError } from '../../errors.js'
import { group } from '../../terminal/command.js'
import { dataInstanceKind } from '../policyData/instance.js'
import { deployInstance } from '../registry/deploying.js'
import {
  type Deploying,
  type InstanceKind,
  listInstances,
  setCurrent,
  showInstance,
} from '../registry/instances.js'

const kind: InstanceKind = {
  label: 'policy instance',
  words: 'policy instance',
  option: 'policy-instance',
  deployArgs: {
    'data-instances': {
      type: 'string',
      description:
        'Policy-data instances that it rests on, one for each data template; made current with it',
      valueHint: 'ids',
    },
  },
  dryRunDeploy: dryRunEnsurePolicyInstance,
  deploy: ensurePolicyInstanceSync,
  dryRunMove: dryRunSetCurrentPolicyInstance,
  move: setCurrentPolicyInstanceSync,
  schemaHash: async (reader, id) => (await reader.getPolicyTemplate(id))?.paramsSchemaHash,
  read: (reader, id) => reader.getPolicyInstance(id),
  current: (reader, slot) => reader.currentPolicyInstanceAt(slot),
  list: listPolicyInstances,
  dataSlots: dataSlotsOf,
  dataKind: dataInstanceKind,
  lacks: lacksOf,
  next: async (_reader, { id }) => [`newton-policy policy describe --policy-instance ${id}`],
}

const setSecrets = 'newton-policy policy-data instance set-secrets'
const deployData = 'newton-policy policy-data instance deploy'

/** Data instances and secrets that the client has not, each with the command that makes it. */
async function lacksOf(
  reader: RegistryReader,
  parameters: Parameters<NonNullable<InstanceKind['lacks']>>[1],
): Promise<string[]> {
  const { args, policyClient: client, dataSlots, secrets } = parameters
  const template = await reader.getPolicyTemplate(args['template'] as Hex)
  const { number: block } = await reader.getLatestBlock()
  const lines: string[] = []
  for (const templateId of template?.policyDataTemplateRefs ?? []) {
    const given = dataSlots.find((slot) => slot.templateId === templateId)?.id
    const id =
      given ?? (await reader.currentPolicyDataInstanceAt({ client, templateId, block })) ?? null
    if (id === null) {
      lines.push(
        `no policy-data instance of ${templateId} is current: ${deployData} --template ${templateId} --client ${client} --params <file.json> --expire-after <blocks>`,
      )
      continue
    }
    const data = await reader.getPolicyDataTemplate(templateId)
    if (data === null || data.secretsSchemaHash === ARTIFACT_ABSENT) continue
    const asked = { client, policyDataInstanceId: id }
    // A gateway that cannot say leaves it to the checks, which warn.
    const status = await secrets.getSecretsStatus(asked).catch(() => 'unknown')
    if (status === 'missing') {
      lines.push(`${id} has no secrets: ${setSecrets} --instance ${id} --secrets <file.json>`)
    }
  }
  return lines
}

// Checked before anything is signed: it must not become current with data of another configuration.
async function dataSlotsOf(
  reader: RegistryReader,
  { args, policyClient }: { args: Deploying['args']; policyClient: Address },
): Promise<{ id: Hex; templateId: Hex }[]> {
  const text = args['data-instances'] as string | undefined
  if (text === undefined) return []
  const template = await reader.getPolicyTemplate(args['template'] as Hex)
  const refs = new Set(template?.policyDataTemplateRefs)
  const slots: { id: Hex; templateId: Hex }[] = []
  for (const id of text.split(',').map((word) => word.trim() as Hex)) {
    const row = await reader.getPolicyDataInstance(id)
    if (row === null) {
      throw new UsageError(`--data-instances: ${id} is not deployed.`, {
        metaMessages: [
          'What the client has, and how to deploy one:',
          `newton-policy policy-data instance list --client ${policyClient}`,
          `${deployData} --template <id> --client ${policyClient} --params <file.json> --expire-after <blocks>`,
        ],
      })
    }
    if (row.client.toLowerCase() !== policyClient.toLowerCase()) {
      throw new UsageError(`--data-instances: ${id} belongs to ${row.client}.`, {
        metaMessages: [
          'Each client has its own: deploy one for this client.',
          `${deployData} --template ${row.templateId} --client ${policyClient} --params <file.json> --expire-after <blocks>`,
        ],
      })
    }
    if (!refs.delete(row.templateId)) {
      throw new UsageError(
        `--data-instances: ${id} is of ${row.templateId}, which the policy does not need or which is there twice.`,
      )
    }
    slots.push({ id, templateId: row.templateId })
  }
  if (refs.size > 0) {
    throw new UsageError(`--data-instances has none of ${[...refs].join(', ')}.`, {
      metaMessages: [...refs].map(
        (ref) =>
          `${deployData} --template ${ref} --client ${policyClient} --params <file.json> --expire-after <blocks>`,
      ),
    })
  }
  return slots
}

/** The commands of policy instances. */
export const policyInstance: CommandDef = group(
  'instance',
  'Policy instances: a template and params for one client on one chain',
  {
    deploy: async () => deployInstance(kind),
    show: async () => showInstance(kind),
    list: async () => listInstances(kind),
    'set-current': async () => setCurrent(kind),
  },
)
