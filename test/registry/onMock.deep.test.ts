/** The longer suites of the registry, unchanged, on the chain in this process in place of anvil. */
import { describe, vi } from 'vitest'

vi.mock('../../src/testing/node/anvil.js', () => import('../support/mockAnvil.js'))

describe('actions', async () => {
  await import('./actions.test.js')
})
describe('preflight', async () => {
  await import('./preflight.test.js')
})
describe('upgrade', async () => {
  await import('./upgrade.test.js')
})
describe('policyDeployments', async () => {
  await import('./policyDeployments.test.js')
})
describe('reading', async () => {
  await import('./reading.test.js')
})
describe('index', async () => {
  await import('./index.test.js')
})
