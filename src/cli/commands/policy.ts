import type { CommandDef } from 'citty'
import { group } from '../command.js'

/** The commands of policies. */
export const policy: CommandDef = group('policy', 'Policies: templates and instances', {
  template: () => import('./registry/policyTemplate.js').then((module) => module.policyTemplate),
  instance: () => import('./registry/policyInstance.js').then((module) => module.policyInstance),
  describe: () => import('./registry/describe.js').then((module) => module.describe),
  simulate: () => import('./simulate.js').then((module) => module.simulatePolicy),
  lint: () => import('./policyChecks.js').then((module) => module.lint),
  test: () => import('./policyChecks.js').then((module) => module.testPolicy),
})
