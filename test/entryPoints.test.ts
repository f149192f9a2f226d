import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { entryPointNames } from './entryPoints.js'

test('behavior: every entry point exports the names that were agreed on', () => {
  const agreed = JSON.parse(
    readFileSync(new URL('fixtures/entryPoints.json', import.meta.url), 'utf8'),
  ) as Record<string, string[]>
  const now = entryPointNames()
  expect(Object.keys(now).sort()).toEqual(Object.keys(agreed).sort())
  // Where a name was added or removed on purpose: npx tsx test/entryPoints.ts
  for (const [entry, names] of Object.entries(now))
    expect([entry, names]).toEqual([entry, agreed[entry]])
}, 60_000)
