/**
 * Writes the figures of `docs/gas.md` from the snapshots that the gas tests take, beside their
 * targets, and what EIP-7883 makes of those that hash to the curve.
 *
 * `npx tsx contracts/gas-figures.ts` writes them; `test/docs/gas.test.ts` refuses a page that says
 * something else than the snapshots.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = `${root}docs/gas.md`
const first = '<!-- figures: npx tsx contracts/gas-figures.ts -->'
const last = '<!-- end of figures -->'

/** What was aimed at, by snapshot and name. */
const targets: Record<string, Record<string, number>> = {
  PolicyDeployer: {
    'set up: known policy, 1 data plugin': 330_000,
    'set up, sponsored: known policy, 1 data plugin': 360_000,
    '200 bytes of params: second': 175_000,
    '200 bytes of params: later': 175_000,
    '200 bytes of params: new block word': 197_000,
  },
  PolicyRegistry: {
    'registerTemplate: policy, no refs': 180_000,
    'registerTemplate: data': 180_000,
    'deployInstance: data, 200 bytes': 220_000,
    'deployInstance: policy, 200 bytes, 1 ref': 220_000,
    'setCurrentInstance: policy, first, 1 ref': 140_000,
    'setCurrentInstance: policy, second': 110_000,
    'setCurrentInstance: policy, later': 110_000,
    'setCurrentInstance: policy, new block word': 110_000,
  },
  ResponseRegistry: {
    'accept: all signed': 330_000,
    'accept: 1 of 5 absent': 330_000,
    'execute: plain transfer': 112_000,
  },
  ChallengeVerifier: {
    'challenge: 2 data instances, 1 signer': 240_000,
    'challenge: 2 data instances, 4 signers': 300_000,
    'false challenge: 2 data instances': 150_000,
  },
  BN254CertificateVerifier: {
    'publishTable: 512 operators, 4 strategies': 16_777_216,
    'publishTable: 512 operators, 1 strategy': 16_777_216,
    'publishTable: 64 operators, 32 strategies': 16_777_216,
  },
  StateCommitRegistry: {},
  CheckpointAnchor: {
    start: 100_000,
    'extend: 1000 to 69999 entries': 70_000,
    'extend: 2^17 - 1 to 2^17 entries': 70_000,
    'extend: after 96, 96 to 2^17 entries': 70_000,
    'verifyInclusion: 17 hashes': 30_000,
  },
  Provenance: {},
  StateTreeVerifier: { 'verifyArtifact: depth 20': 5_200 },
}

/**
 * What one square root in the field costs more under EIP-7883: 251 squarings of one word, at 16 each
 * instead of a third of that (EIP-2565).
 */
const dearer = 16 * 251 - Math.floor((16 * 251) / 3)

const text = (value: number): string => value.toLocaleString('en')

function snapshot(name: string): Map<string, number> {
  const json = readFileSync(`${root}contracts/snapshots/${name}.json`, 'utf8')
  const entries = Object.entries(JSON.parse(json) as Record<string, string>)
  return new Map(entries.map(([key, value]) => [key, Number(value)]))
}

/** The figures as Markdown: one table for each snapshot. */
export function gasFigures(): string {
  const tries = snapshot('HashTries')
  const tables = Object.entries(targets).map(([name, aims]) => {
    const rows = [...snapshot(name)].map(([call, gas]) => {
      const aim = aims[call]
      const verdict = aim === undefined ? '' : gas <= aim ? 'met' : `missed by ${text(gas - aim)}`
      const later = text(gas + dearer * (tries.get(`${name}/${call}`) ?? 0))
      return `| ${call} | ${aim === undefined ? '' : text(aim)} | ${text(gas)} | ${verdict} | ${later} |`
    })
    for (const call of Object.keys(aims)) {
      if (!snapshot(name).has(call)) throw new TypeError(`${name} has no figure of ${call}`)
    }
    return [
      `### ${name}`,
      '| call | target | measured | | under EIP-7883 |',
      '|---|---:|---:|---|---:|',
    ]
      .concat(rows)
      .join('\n')
  })
  return tables.join('\n\n')
}

/** The page with the figures in their place. */
export function withFigures(markdown: string): string {
  const [start, end] = [markdown.indexOf(first), markdown.indexOf(last)]
  if (start < 0 || end < start) throw new TypeError(`docs/gas.md lacks ${first} … ${last}`)
  return `${markdown.slice(0, start)}${first}\n${gasFigures()}\n${markdown.slice(end)}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(page, withFigures(readFileSync(page, 'utf8')))
}
