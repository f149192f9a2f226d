import type { CommandDef } from 'citty'
import { group } from '../../terminal/command.js'

/** The commands of policies. */
export const policy: CommandDef = group('policy', 'Policies: templates and instances', {
  template: () => import('./template.js').then((module) => module.policyTemplate),
  instance: () => import('./instance.js').then((module) => module.policyInstance),
  describe: () => import('./describe.js').then((module) => module.describe),
  simulate: () => import('./simulate.js').then((module) => module.simulatePolicy),
  lint: () => import('./checks.js').then((module) => module.lint),
  test: () => import('./checks.js').then((module) => module.testPolicy),
})
