/** Ledgers in directories that are gone when the tests of a file have run. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Ledger } from '../../src/ledger/index.js'
import { type OpenLedgerParameters, openLedger } from '../../src/ledger/node/index.js'
import {
  addKey,
  checkpointSeed,
  genesisDraft,
  ledgerName,
  people,
  schemas,
  submit,
  testClock,
} from './ledgerWorld.js'

const made: string[] = []
export const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'ledger-'))
  chmodSync(path, 0o700)
  made.push(path)
  return path
}
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true })
})
export const open = (
  directory: string,
  more: Partial<OpenLedgerParameters> = {},
): Promise<Ledger> =>
  openLedger({ directory, ledger: ledgerName, checkpointSeed, schemas, now: testClock(), ...more })
export const start = async (ledger: Ledger): Promise<void> => {
  await submit(ledger, genesisDraft())
  await addKey(ledger, { key: people.admin, role: 'admin', by: people.genesis })
  await addKey(ledger, { key: people.operator, role: 'operator', by: people.admin })
}
