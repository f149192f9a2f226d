import type { CommandDef } from 'citty'
import { group } from '../../terminal/command.js'

/** The commands of data plugins. */
export const policyData: CommandDef = group(
  'policy-data',
  'Data plugins: templates and instances',
  {
    template: () => import('./template.js').then((module) => module.dataTemplate),
    instance: () => import('./instance.js').then((module) => module.dataInstance),
  },
)
