/** The example that users start from. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))

test('the example application runs', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    'tsx',
    path('../../examples/enclave-app/index.ts'),
  ])
  const events = ['accepted', 'accepted', 'refused', 'accepted', 'winner']
  for (const [at, answer] of events.entries()) {
    expect(stdout).toContain(`event ${at + 1}: ${answer}`)
  }
  // The second price, though the enclave was killed between the bids.
  expect(stdout).toMatch(/^winner 0x[0-9a-fA-F]{40} pays 150$/m)
  expect(stdout).toContain('handled 5, dead letters 0')
}, 180_000)
