import { expect, test } from 'vitest'
import { compareCertificates } from './certificateDifferential.js'
import { startChain } from './registry/chain.js'

test('behavior: the contract and an independent check agree on certificates of 1,000 random tables', async () => {
  const chain = await startChain()
  try {
    const result = await compareCertificates(chain, { tables: 1000, perTable: 4, seed: 'many' })
    expect(result.taken).toBeGreaterThan(1000)
    expect(result.taken).toBeLessThan(3000)
    // Every kind of change was made.
    expect(result.changes.size).toBe(22)
  } finally {
    await chain.anvil.stop()
  }
}, 3_600_000)
