/** What ends up in an application's bundle. Whether it runs in a browser: `bundle.deep.test.ts`. */
import { describe, expect, test } from 'vitest'
import { SIMULATOR_VERSION } from '../../src/enclave/simulator/index.js'
import { bundle, verifier } from './bundle.js'

describe('bundles', () => {
  test('what a page loads for the verifier is under 25 kB compressed; the fallback curve comes on demand', async () => {
    const { entryBytes, entryBrotli, files } = await bundle(verifier)
    expect(entryBytes).toBeGreaterThan(10_000)
    expect(entryBytes).toBeLessThan(60_000)
    expect(entryBrotli).toBeLessThan(25_000)
    expect(files.size).toBeGreaterThan(1)
  })

  test('the production entry holds nothing of the simulator and nothing of Node', async () => {
    const { files, inputs } = await bundle(`export * from './enclave/index.js'`)
    expect(inputs.length).toBeGreaterThan(30)
    expect(inputs.filter((path) => path.includes('simulator') || path.includes('/node/'))).toEqual(
      [],
    )
    for (const trace of [SIMULATOR_VERSION, 'NOT AMAZON', 'newton-simulator', 'node:']) {
      for (const text of files.values()) expect(text).not.toContain(trace)
    }
  })
})
