/** Suites of the registry, unchanged, on the chain in this process in place of anvil. */
import { describe, vi } from 'vitest'

vi.mock('../../src/testing/node/anvil.js', () => import('../support/mockAnvil.js'))

describe('newton', async () => {
  await import('./newton.test.js')
})
describe('slotProof', async () => {
  await import('./slotProof.test.js')
})
