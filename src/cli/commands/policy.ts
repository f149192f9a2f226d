import type { CommandDef } from 'citty'
import type { Hex } from 'viem'
import {
  ARTIFACT_ABSENT,
  computeArtifactHash,
  computePolicyTemplateId,
  sortRefs,
} from '../../core/index.js'
import { command, group } from '../command.js'
import { readBytes } from '../files.js'

const templateArgs = {
  rego: { type: 'string', description: 'Rego source', required: true, valueHint: 'file' },
  'params-schema': {
    type: 'string',
    description: 'JSON Schema of the params; leave out for none',
    valueHint: 'file',
  },
  data: {
    type: 'string',
    description: 'Ids of the data templates it needs, separated by commas',
    valueHint: 'ids',
  },
} as const

const computeId = command({
  name: 'compute-id',
  description: 'Compute the id of a policy template from its files, offline',
  args: templateArgs,
  run: async ({ args, terminal }) => {
    const schema = args['params-schema']
    const template = {
      regoHash: computeArtifactHash(await readBytes(terminal, args.rego)),
      paramsSchemaHash:
        schema === undefined
          ? ARTIFACT_ABSENT
          : computeArtifactHash(await readBytes(terminal, schema)),
      policyDataTemplateRefs: sortRefs(
        (args.data ?? '').split(',').filter((id) => id !== '') as Hex[],
      ),
    }
    const id = computePolicyTemplateId(template)
    return { data: { id, ...template }, text: id }
  },
})

export const policy: CommandDef = group('policy', 'Policies: templates and instances', {
  simulate: () => import('./simulate.js').then((module) => module.simulatePolicy),
  lint: () => import('./policyChecks.js').then((module) => module.lint),
  test: () => import('./policyChecks.js').then((module) => module.testPolicy),
  template: async () =>
    group('template', 'Policy templates: content-addressed, the same id on every chain', {
      'compute-id': async () => computeId,
    }),
})
