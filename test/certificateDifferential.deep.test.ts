import { expect, test } from 'vitest'
import { compareCertificates } from './certificateDifferential.js'
import { startChain } from './registry/chain.js'

// A thousand take three minutes of processor time, and longer than all other suites together:
// CERTIFICATE_TABLES=1000.
const tables = Number(process.env['CERTIFICATE_TABLES'] ?? 200)

test(`behavior: the contract and an independent check agree on certificates of ${tables} random tables`, async () => {
  const chain = await startChain()
  try {
    const result = await compareCertificates(chain, { tables, perTable: 4, seed: 'many' })
    expect(result.taken).toBeGreaterThan(tables)
    expect(result.taken).toBeLessThan(3 * tables)
    // Every kind of change was made.
    expect(result.changes.size).toBe(22)
  } finally {
    await chain.anvil.stop()
  }
}, 3_600_000)
