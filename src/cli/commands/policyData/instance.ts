/** `policy-data instance`. */
import type { CommandDef } from 'citty'
import { ARTIFACT_ABSENT } from '../../../core/index.js'
import {
  dryRunEnsurePolicyDataInstance,
  dryRunSetCurrentPolicyDataInstance,
  ensurePolicyDataInstanceSync,
  listPolicyDataInstances,
  setCurrentPolicyDataInstanceSync,
} from '../../../registry/index.js'
import { group } from '../../terminal/command.js'
import { deployInstance } from '../registry/deploying.js'
import {
  type InstanceKind,
  listInstances,
  setCurrent,
  showInstance,
} from '../registry/instances.js'

/** What the commands of policy-data instances are made of. */
export const dataInstanceKind: InstanceKind = {
  label: 'policy-data instance',
  words: 'policy-data instance',
  option: 'policy-data-instance',
  deployArgs: {},
  dryRunDeploy: dryRunEnsurePolicyDataInstance,
  deploy: ensurePolicyDataInstanceSync,
  dryRunMove: dryRunSetCurrentPolicyDataInstance,
  move: setCurrentPolicyDataInstanceSync,
  schemaHash: async (reader, id) => (await reader.getPolicyDataTemplate(id))?.paramsSchemaHash,
  read: (reader, id) => reader.getPolicyDataInstance(id),
  current: (reader, slot) => reader.currentPolicyDataInstanceAt(slot),
  list: listPolicyDataInstances,
  next: async (reader, { id, templateId }) => {
    const row = await reader.getPolicyDataTemplate(templateId)
    return row === null || row.secretsSchemaHash === ARTIFACT_ABSENT
      ? []
      : [`newton-policy policy-data instance set-secrets --instance ${id} --secrets <file.json>`]
  },
}

/** The commands of policy-data instances. */
export const dataInstance: CommandDef = group(
  'instance',
  'Policy-data instances: a plugin’s params for one client',
  {
    deploy: async () => deployInstance(dataInstanceKind),
    show: async () => showInstance(dataInstanceKind),
    list: async () => listInstances(dataInstanceKind),
    'set-current': async () => setCurrent(dataInstanceKind),
    'set-secrets': () => import('./secrets.js').then((module) => module.setSecrets),
    'show-secrets': () => import('./secrets.js').then((module) => module.showSecrets),
  },
)
