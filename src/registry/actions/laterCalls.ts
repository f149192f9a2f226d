/**
 * What few pages call, in one module that is loaded when any of it is called: the actions of a network's
 * owner, its operators, challengers and verifiers, and the import of a policy of the current system.
 */
export { importNewtonPolicy } from '../newton/importPolicy.js'
export * from './admin/configuration.js'
export * from './admin/gates.js'
export * from './admin/guards.js'
export * from './admin/operators.js'
export * from './admin/upgrades.js'
export * from './admin/verifiers.js'
export * from './anchors.js'
export * from './commits.js'
export * from './provenance.js'
export * from './responses.js'
export * from './snapshots.js'
export * from './verdicts.js'
