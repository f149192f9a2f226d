import { expect, test } from 'vitest'
import { compareCertificates } from './certificateDifferential.js'
import { startChain } from './registry/chain.js'

test('behavior: the contract and an independent check agree on certificates of random tables', async () => {
  const chain = await startChain()
  try {
    const result = await compareCertificates(chain, { tables: 3, perTable: 5, seed: 'few' })
    expect(result.certificates).toBe(15)
    // Neither takes everything nor refuses everything.
    expect(result.taken).toBeGreaterThan(1)
    expect(result.taken).toBeLessThan(14)
  } finally {
    await chain.anvil.stop()
  }
}, 120_000)
