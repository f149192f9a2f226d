/** The suite that every backend passes, over a database that stalls and rots when it is told to. */

import { daConformance } from '@newton/policy-sdk/testing'
import { describe, test } from 'vitest'
import { type Database, sqlDa } from './sqlDa.js'

/** A database of one table in memory. In your project, the real one. */
function fakeDatabase() {
  const rows = new Map<string, Uint8Array>()
  const state = { stalled: false }
  const database: Database = {
    query: async (text, [hash, bytes], { signal }) => {
      if (state.stalled) {
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true })
        })
      }
      if (text.startsWith('insert')) rows.set(String(hash), bytes as Uint8Array)
      const row = rows.get(String(hash))
      return { rows: row === undefined ? [] : [{ bytes: row }] }
    },
  }
  return { database, rows, state }
}

describe('sqlDa', () => {
  const made = new WeakMap<object, ReturnType<typeof fakeDatabase>>()
  const cases = daConformance({
    create: () => {
      const fake = fakeDatabase()
      const client = sqlDa(fake.database)
      made.set(client, fake)
      return client
    },
    corrupt: (client, hash) => {
      const rows = made.get(client)?.rows
      rows?.set(
        hash,
        (rows.get(hash) ?? new Uint8Array(1)).map((byte) => byte ^ 1),
      )
    },
    stall: (client) => {
      const fake = made.get(client)
      if (fake !== undefined) fake.state.stalled = true
    },
  })
  for (const { name, run } of cases) test(name, run)
})
