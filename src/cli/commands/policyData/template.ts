/** `policy-data template`. */
import type { CommandDef } from 'citty'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computePolicyDataTemplateId,
} from '../../../core/index.js'
import {
  dryRunEnsurePolicyDataTemplate,
  listPolicyDataTemplates,
  type PolicyDataTemplateInput,
  registerPolicyDataTemplateOnChains,
} from '../../../registry/index.js'
import { fileOf, templateCommands } from '../registry/templates.js'

const hashOf = (bytes: Uint8Array | undefined) =>
  bytes === undefined ? ARTIFACT_ABSENT : computeArtifactHash(bytes)

/** The commands of policy-data templates. */
export const dataTemplate: CommandDef = templateCommands<PolicyDataTemplateInput>({
  label: 'policy-data template',
  words: 'policy-data template',
  fileWords: 'plugin.wasm params.schema.json',
  args: {
    wasm: { type: 'string', description: 'WASM component; also the first word', valueHint: 'file' },
    'params-schema': {
      type: 'string',
      description: 'JSON Schema of the params; also the second word; leave out for none',
      valueHint: 'file',
    },
    'secrets-schema': {
      type: 'string',
      description: 'JSON Schema of the secrets; also the third word; leave out for none',
      valueHint: 'file',
    },
  },
  files: async (args, terminal) => {
    const file = (option: string, position: number, required = false) =>
      fileOf(terminal, { args, option, position, required })
    return {
      wasm: await file('wasm', 0, true),
      paramsSchema: await file('params-schema', 1),
      secretsSchema: await file('secrets-schema', 2),
    }
  },
  input: ({ wasm, paramsSchema, secretsSchema }, _args, locators) => ({
    wasmHash: computeArtifactHash(wasm as Uint8Array),
    paramsSchemaHash: hashOf(paramsSchema),
    secretsSchemaHash: hashOf(secretsSchema),
    locators,
  }),
  id: computePolicyDataTemplateId,
  dryRun: dryRunEnsurePolicyDataTemplate,
  register: registerPolicyDataTemplateOnChains,
  read: (reader, id) => reader.getPolicyDataTemplate(id),
  list: listPolicyDataTemplates,
})
