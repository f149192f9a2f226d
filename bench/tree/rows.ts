/** Rows of one size: the durable commit, the queue, and gas. */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Row } from '../report.js'
import type { Cell } from './cell.js'

/** Rows that are of one size. */
export function singleRows([beside, half, whole]: (Cell | undefined)[]): Row[] {
  const rows: Row[] = []
  if (beside !== undefined) {
    const { durable: whole, raw, rawLists, hashed, written } = beside as Required<typeof beside>
    const shared = { unit: 'ms', better: 'lower' } as const
    rows.push({
      ...{ name: 'lmdb: durable commit of 5,000 nodes to 100,000 keys', ours: whole, ...shared },
      peers: {
        'LMDB alone, a record each': raw,
        'LMDB alone, names in lists': rawLists,
        'the same commit in memory': hashed,
      },
      target: 1.5 * raw,
    })
    rows.push({
      ...{ name: 'lmdb: of it the step that writes and flushes', ours: written, ...shared },
      peers: { 'LMDB alone, a record each': raw, 'LMDB alone, names in lists': rawLists },
      target: 1.5 * raw,
    })
  }
  for (const [count, cell] of [
    ['2,000', half],
    ['4,000', whole],
  ] as const) {
    if (cell?.prepare === undefined) continue
    const row: Row = {
      ...{ name: `prepare a window of ${count} registrations`, ours: cell.prepare, peers: {} },
      ...{ unit: 'ms', better: 'lower' },
    }
    rows.push(count === '4,000' ? { ...row, target: 200 } : row)
  }
  return rows
}

/** Gas of the on-chain verifier, from the checked-in snapshot. */
export function gasRows(): Row[] {
  const file = fileURLToPath(
    new URL('../../contracts/snapshots/StateTreeVerifier.json', import.meta.url),
  )
  if (!existsSync(file)) return []
  const snapshot = JSON.parse(readFileSync(file, 'utf8')) as Record<string, string>
  return Object.entries(snapshot).map(([name, gas]) => ({
    name: `gas: ${name}`,
    ours: Number(gas),
    unit: 'gas',
    better: 'lower',
    peers: {},
  }))
}
