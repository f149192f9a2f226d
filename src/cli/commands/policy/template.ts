/** `policy template`. */
import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computePolicyTemplateId,
  sortRefs,
} from '../../../core/index.js'
import {
  dryRunEnsurePolicyTemplate,
  listPolicyTemplates,
  type PolicyTemplateInput,
  registerPolicyTemplateOnChains,
} from '../../../registry/index.js'
import { UsageError } from '../../errors.js'
import { fileOf, templateCommands } from '../registry/templates.js'

/** The commands of policy templates. */
export const policyTemplate: CommandDef = templateCommands<PolicyTemplateInput>({
  label: 'policy template',
  words: 'policy template',
  fileWords: 'policy.rego params.schema.json',
  args: {
    rego: { type: 'string', description: 'Rego source; also the first word', valueHint: 'file' },
    'params-schema': {
      type: 'string',
      description: 'JSON Schema of the params; also the second word; leave out for none',
      valueHint: 'file',
    },
    'data-templates': {
      type: 'string',
      alias: 'data',
      description: 'Ids of the data templates it needs, separated by commas',
      valueHint: 'ids',
    },
  },
  files: async (args, terminal) => ({
    rego: await fileOf(terminal, { args, option: 'rego', position: 0, required: true }),
    paramsSchema: await fileOf(terminal, {
      ...{ args, option: 'params-schema', position: 1, required: false },
    }),
  }),
  input: ({ rego, paramsSchema }, args, locators) => ({
    regoHash: computeArtifactHash(rego as Uint8Array),
    paramsSchemaHash:
      paramsSchema === undefined ? ARTIFACT_ABSENT : computeArtifactHash(paramsSchema),
    policyDataTemplateRefs: refsOf(args['data-templates']),
    locators,
  }),
  id: computePolicyTemplateId,
  dryRun: dryRunEnsurePolicyTemplate,
  register: registerPolicyTemplateOnChains,
  read: (reader, id) => reader.getPolicyTemplate(id),
  list: listPolicyTemplates,
})

function refsOf(text: unknown): Hex[] {
  const ids = String(text ?? '')
    .split(',')
    .map((id) => id.trim())
    .filter((id) => id !== '')
  const sorted = sortRefs(ids as Hex[])
  if (new Set(sorted).size !== sorted.length) {
    throw new UsageError('--data-templates names a template twice.')
  }
  return sorted
}
