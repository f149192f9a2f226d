/** Every file of a ledger, changed at three places, each found by one rebuild. */
import { expect, test } from 'vitest'
import { createAuditor, memoryTiles, type NoteSigner } from '../../src/ledger/index.js'
import { foundAt, openAudited } from './auditedLedger.js'
import { ledgerName, schemas, verify } from './ledgerWorld.js'

test('behavior: a byte that is changed in any file that is served is found by one rebuild', async () => {
  const store = memoryTiles()
  const ledger = await openAudited(store)
  const trust = { log: (ledger.signers.get('meta') as NoteSigner).key }
  const base = { ledger: ledgerName, trust, schemas, verify, report: async () => undefined }
  const paths = [...store.files.keys()].filter((path) => !path.startsWith('.state'))
  expect(paths.length).toBeGreaterThan(50)
  for (const path of paths) {
    for (const at of [0, 0.5, 1]) {
      const found = foundAt(store, { path, at }, (options) =>
        createAuditor({ ...base, store, ...options }),
      )
      expect(await found, `${path} at ${at}`).toBe(path)
    }
  }
  await ledger.close()
}, 600_000)
