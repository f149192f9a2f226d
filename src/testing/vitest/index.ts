/**
 * Matchers and fixtures for vitest, any version from 2. Nothing of vitest is loaded here: a test hands
 * over its own `expect` and `test`.
 */
import './types.js'

export { extendTest, type PolicyFixtures } from './fixtures.js'
export { policyMatchers } from './matchers.js'
export type { PolicyMatchers } from './types.js'
