/**
 * The state tree beside the JavaScript trees people use, and beside pure hashing.
 *
 * `npm run bench:tree` prints a table; `--json` prints one object. Each cell runs in a process of
 * its own and reports the best of several runs, in processor time; LMDB, which waits for the disk, in
 * time on the clock. `--quick` leaves out a million keys, `--full` gives
 * the slow peers 100,000 keys too.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Row } from './report.js'
import type { Cell } from './tree/cell.js'
import { besideRawLmdb, durable } from './tree/durable.js'
import { hashWasmBound, ours, ownBound, preparing, pureHashing } from './tree/ours.js'
import { ethereumjs, merkletreejs, openzeppelin, zkKit } from './tree/peers.js'
import { gasRows, singleRows } from './tree/rows.js'

const cells: Record<string, (size: number) => Promise<Cell>> = {
  ours,
  'hash-only recursion, hash-wasm': hashWasmBound,
  'hash-only recursion, our hasher': ownBound,
  'pure hashing, batched': pureHashing,
  '@ethereumjs/mpt': ethereumjs,
  '@zk-kit/sparse-merkle-tree': zkKit,
  'merkletreejs (static)': merkletreejs,
  '@openzeppelin/merkle-tree (static)': openzeppelin,
  'lmdb, fsynced': durable,
}
/** Cells with a size of their own. */
const single: Record<string, [size: number, cell: (size: number) => Promise<Cell>]> = {
  'beside raw LMDB': [100_000, besideRawLmdb],
  'queue of 2,000': [2_000, preparing],
  'queue of 4,000': [4_000, preparing],
}

function measure(name: string, size: number): Cell | undefined {
  const script = fileURLToPath(import.meta.url)
  const child = spawnSync(
    process.execPath,
    [
      '--expose-gc',
      '--max-old-space-size=6000',
      '--import',
      'tsx',
      script,
      '--cell',
      name,
      String(size),
    ],
    {
      encoding: 'utf8',
      maxBuffer: 1 << 20,
    },
  )
  if (child.status !== 0) {
    process.stderr.write(`${name} at ${size}: ${child.stderr.slice(-500)}\n`)
    return undefined
  }
  return JSON.parse(child.stdout) as Cell
}

function main(args: readonly string[]): void {
  const quick = args.includes('--quick')
  const full = args.includes('--full')
  const sizes = quick ? [1_000, 10_000, 100_000] : [1_000, 10_000, 100_000, 1_000_000]
  const slow = new Set(['@ethereumjs/mpt'])
  const rows: Row[] = []
  const labels = {
    bulk: 'bulk load',
    update: '1,000 keys more, one version',
    prove: 'prove',
    verify: 'verify',
    bytes: 'proof size',
    perKey: 'memory',
    disk: 'disk after the updates',
  } as const
  const units: Record<keyof typeof labels, string> = {
    bulk: 'keys/s',
    update: 'ms',
    prove: 'µs',
    verify: 'µs',
    bytes: 'B',
    perKey: 'B/key',
    disk: 'B/key',
  }
  /** In the row's unit. */
  const targetOf = (metric: keyof typeof units, size: number): number | undefined =>
    (
      ({ update: 40, prove: 20, verify: size === 1_000_000 ? 8 : 15, perKey: 600 }) as Partial<
        Record<keyof typeof units, number>
      >
    )[metric]
  const durableTargetOf = (metric: keyof typeof units, size: number): number | undefined =>
    metric === 'prove' ? 40 : metric === 'update' && size === 1_000_000 ? 35 : undefined
  for (const size of sizes) {
    const found = new Map<string, Cell>()
    for (const name of Object.keys(cells)) {
      if (name !== 'ours' && name !== 'lmdb, fsynced' && size > 100_000 && !name.includes('hash'))
        continue
      if (slow.has(name) && size > 10_000 && !full) continue
      if (!args.includes('--json'))
        process.stderr.write(`${name}, ${size.toLocaleString('en')} keys…\n`)
      const cell = measure(name, size)
      if (cell !== undefined) found.set(name, cell)
    }
    const own = found.get('ours')
    const disk = found.get('lmdb, fsynced')
    for (const metric of Object.keys(units) as (keyof typeof units)[]) {
      const peers: Record<string, number> = {}
      for (const [name, cell] of found) {
        if (name !== 'ours' && name !== 'lmdb, fsynced' && cell[metric] !== undefined)
          peers[name] = cell[metric]
      }
      const reference = found.get('hash-only recursion, hash-wasm')?.bulk
      const fixed = found.get('merkletreejs (static)')?.bulk
      const bulk = size === 100_000 && fixed !== undefined ? fixed : 0.7 * (reference ?? 0)
      const target = metric === 'bulk' ? bulk : targetOf(metric, size)
      const better = metric === 'bulk' ? 'higher' : 'lower'
      const row = (
        name: string,
        value: number | undefined,
        rest: Pick<Row, 'peers' | 'target'>,
      ): void => {
        if (value !== undefined)
          rows.push({ name, ours: value, unit: units[metric], better, ...rest })
      }
      const label = `${labels[metric]}, ${size.toLocaleString('en')} keys`
      row(label, own?.[metric], { peers, target })
      row(`lmdb: ${label}`, disk?.[metric], { peers: {}, target: durableTargetOf(metric, size) })
    }
  }
  const alone = Object.entries(single).map(([name, [size]]) => measure(name, size))
  rows.push(...singleRows(alone), ...gasRows())
  if (args.includes('--json')) console.log(JSON.stringify({ area: 'tree', rows }))
  else print(rows)
}

function print(rows: readonly Row[]): void {
  const format = (value: number): string =>
    value >= 1_000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
  for (const { name, ours: value, unit, better, peers, target } of rows) {
    const met =
      target === undefined
        ? ''
        : (better === 'higher' ? value >= target : value <= target)
          ? '  target met'
          : '  TARGET MISSED'
    const goal = target === undefined ? '' : ` (target ${format(target)})`
    console.log(`${name.padEnd(52)} ${format(value).padStart(12)} ${unit}${goal}${met}`)
    for (const [peer, theirs] of Object.entries(peers)) {
      const ratio = better === 'higher' ? value / theirs : theirs / value
      console.log(
        `${''.padEnd(4)}${peer.padEnd(48)} ${format(theirs).padStart(12)} ${unit}  ours is ${ratio.toFixed(2)}x`,
      )
    }
  }
}

const args = process.argv.slice(2)
if (args[0] === '--cell') {
  const name = args[1] as string
  const cell = (cells[name] ?? single[name]?.[1]) as (size: number) => Promise<Cell>
  console.log(JSON.stringify(await cell(Number(args[2]))))
} else {
  main(args)
}
