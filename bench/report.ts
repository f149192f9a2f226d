/** What a benchmark prints: a table with ratios to what a user would take instead, or one object. */

/** One measured thing. */
export type Row = {
  name: string
  ours: number
  unit: string
  better: 'higher' | 'lower'
  /** What a user would take instead, measured in the same run. */
  peers: Readonly<Record<string, number>>
  /** In `unit`; what has none is there to be compared. */
  target?: number | undefined
}

/** Prints rows: `--json` gives one object. */
export function report(area: string, rows: readonly Row[]): void {
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify({ area, rows }))
    return
  }
  for (const { name, ours, unit, peers, target, better } of rows) {
    const ratios = Object.entries(peers).map(([peer, value]) => {
      const ratio = better === 'lower' ? ours / value : value / ours
      return `${ratio.toFixed(2)}x ${peer} (${value.toFixed(2)})`
    })
    const line = [name.padEnd(48), `${ours.toFixed(2)} ${unit}`.padEnd(14), ratios.join(', ')]
    console.log([...line, goal({ target, ours, better })].join(' '))
  }
}

function goal({ target, ours, better }: Pick<Row, 'target' | 'ours' | 'better'>): string {
  if (target === undefined) return ''
  const met = better === 'lower' ? ours <= target : ours >= target
  return `target ${target.toFixed(2)} ${met ? 'met' : 'MISSED'}`
}
