import type { CommandDef } from 'citty'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computePolicyDataTemplateId,
} from '../../core/index.js'
import { command, group } from '../command.js'
import { readBytes } from '../files.js'

const templateArgs = {
  wasm: { type: 'string', description: 'WASM component', required: true, valueHint: 'file' },
  'params-schema': {
    type: 'string',
    description: 'JSON Schema of the params; leave out for none',
    valueHint: 'file',
  },
  'secrets-schema': {
    type: 'string',
    description: 'JSON Schema of the secrets; leave out for none',
    valueHint: 'file',
  },
} as const

const computeId = command({
  name: 'compute-id',
  description: 'Compute the id of a policy-data template from its files, offline',
  args: templateArgs,
  run: async ({ args, terminal }) => {
    const hashOf = async (path: string | undefined) =>
      path === undefined ? ARTIFACT_ABSENT : computeArtifactHash(await readBytes(terminal, path))
    const template = {
      wasmHash: computeArtifactHash(await readBytes(terminal, args.wasm)),
      paramsSchemaHash: await hashOf(args['params-schema']),
      secretsSchemaHash: await hashOf(args['secrets-schema']),
    }
    const id = computePolicyDataTemplateId(template)
    return { data: { id, ...template }, text: id }
  },
})

export const policyData: CommandDef = group(
  'policy-data',
  'Data plugins: templates and instances',
  {
    template: async () =>
      group('template', 'Policy-data templates: content-addressed, the same id on every chain', {
        'compute-id': async () => computeId,
      }),
  },
)
