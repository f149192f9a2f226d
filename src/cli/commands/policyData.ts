import type { CommandDef } from 'citty'
import { group } from '../command.js'

/** The commands of data plugins. */
export const policyData: CommandDef = group(
  'policy-data',
  'Data plugins: templates and instances',
  {
    template: () => import('./registry/dataTemplate.js').then((module) => module.dataTemplate),
    instance: () => import('./registry/dataInstance.js').then((module) => module.dataInstance),
  },
)
