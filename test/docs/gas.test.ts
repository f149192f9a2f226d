import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { withFigures } from '../../contracts/gas-figures.js'

const path = fileURLToPath(new URL('../../docs/gas.md', import.meta.url))

test('docs/gas.md says what the snapshots say', () => {
  const page = readFileSync(path, 'utf8')
  expect(page, 'run `npx tsx contracts/gas-figures.ts`').toBe(withFigures(page))
  // A figure that is written down by hand would go unnoticed.
  const forged = page.replace(/(\| accept: all signed \|[^|]*\|) [\d,]+/, '$1 1')
  expect(forged).not.toBe(page)
  expect(withFigures(forged)).toBe(page)
})
