import { expect, test } from 'vitest'
import type { RegistryReader } from '../../core/interfaces/registryReader.js'
import { recalledBuilds, recalledTables } from './recalled.js'
import type { OperatorTables, TableInForce } from './tables.js'

test('a table is asked for once a block while it lives; that there is none is asked again', async () => {
  const asked: bigint[] = []
  let now = 0
  let table: TableInForce | null = null
  const inner: OperatorTables = {
    tableAt: async (block) => {
      asked.push(block)
      return table
    },
  }
  const tables = recalledTables(inner, { life: 500, now: () => now })
  expect([await tables.tableAt(1n), await tables.tableAt(1n)]).toEqual([null, null])
  table = { referenceTimestamp: 7 } as TableInForce
  expect(await Promise.all([tables.tableAt(1n), tables.tableAt(1n)])).toEqual([table, table])
  await tables.tableAt(2n)
  expect(asked).toEqual([1n, 1n, 1n, 2n])
  now = 500
  await tables.tableAt(2n)
  expect(asked).toEqual([1n, 1n, 1n, 2n, 2n])
})

test('a build that was whitelisted is recalled, one that was not is asked for again', async () => {
  let asked = 0
  const builds = new Map([['0xaa', true]])
  const registry = {
    chainId: 1n,
    isEnclaveWhitelistedAt: async ({ pcr0Commitment }: { pcr0Commitment: string }) => {
      asked++
      return builds.get(pcr0Commitment) ?? false
    },
  } as unknown as RegistryReader
  const reader = recalledBuilds(registry, { life: 500, now: () => 0 })
  expect(reader.chainId).toBe(1n)
  const ask = (pcr0Commitment: '0xaa' | '0xbb') =>
    reader.isEnclaveWhitelistedAt({ pcr0Commitment, block: 5n })
  expect([await ask('0xaa'), await ask('0xaa'), asked]).toEqual([true, true, 1])
  expect([await ask('0xbb'), await ask('0xbb'), asked]).toEqual([false, false, 3])
})
