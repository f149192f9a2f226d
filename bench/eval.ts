/**
 * `npm run bench:eval`: engine, schemas, plugins and pipeline, with ratios against their peers.
 *
 *   npx tsx bench/eval.ts [--json] [--quick] [--engine]
 */
import { engineRows } from './eval/engine.js'
import { pipelineRows, type Row } from './eval/pipeline.js'

const json = process.argv.includes('--json')
const quick = process.argv.includes('--quick')
const rows: Row[] = await engineRows({ quick })
if (!process.argv.includes('--engine')) rows.push(...(await pipelineRows({ quick })))

if (json) console.log(JSON.stringify({ area: 'eval', rows }))
else {
  for (const { name, ours, unit, peers, target, better } of rows) {
    const ratios = Object.entries(peers).map(
      ([peer, value]) => `${peer} ${value.toFixed(1)} (${(ours / value).toFixed(2)}x)`,
    )
    const met = target === undefined || (better === 'lower' ? ours <= target : ours >= target)
    const goal = target === undefined ? '' : `target ${target} ${met ? 'met' : 'MISSED'}`
    console.log(
      [name.padEnd(44), `${ours.toFixed(1)} ${unit}`.padEnd(12), ...ratios, goal].join('  '),
    )
  }
}
process.exit(0)
