/**
 * Writes the figures of the pages on gas: from the snapshots that the gas tests take, beside their
 * targets and what EIP-7883 makes of those that hash to the curve, and from what `npm run bench:gas`
 * measured.
 *
 * `npx tsx contracts/gas-figures.ts` writes them; `test/docs/gas.test.ts` refuses a page that says
 * something else.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import {
  eigenLayerTable,
  itemsTable,
  proxyModelTable,
  readGasFigures,
} from '../bench/gas/figures.js'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The pages that figures are written into. */
export const gasPages: readonly string[] = ['docs/gas.md', 'docs/decisions/gas-of-calls.md']

const measured = readGasFigures()

/** What stands between `<!-- name -->` and `<!-- end of name -->`. */
const parts: Readonly<Record<string, () => string>> = {
  'beside the proxy model': () => proxyModelTable(measured.proxyModel),
  "beside EigenLayer's check": () => eigenLayerTable(measured.eigenLayer),
  figures: gasFigures,
  'items of a change of params': () =>
    itemsTable(measured.items, ['params, second', 'params, later', 'params, new block word']),
  'items of a use': () => itemsTable(measured.items, ['execute', 'execute, new recipient']),
}

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

/** The figures that hash to the curve. A run of some tests only leaves the tries of those. */
const hashing: readonly string[] = [
  'ResponseRegistry/accept: all signed',
  'ResponseRegistry/accept: 1 of 5 absent',
  'ChallengeVerifier/challenge: 2 data instances, 1 signer, another certificate',
  'BN254CertificateVerifier/verifyCertificateAt: all signed',
  'BN254CertificateVerifier/verifyCertificateAt: 1 of 5 absent',
  'StateCommitRegistry/commitStateRoot: first',
  'StateCommitRegistry/commitStateRoot: 1 of 5 absent',
]

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
function gasFigures(): string {
  const tries = snapshot('HashTries')
  if (hashing.some((call) => !tries.has(call)) || tries.size !== hashing.length) {
    throw new TypeError('HashTries is not of all tests: npm run contracts:snapshot')
  }
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

/** A page with the figures in their places. */
export function withFigures(markdown: string): string {
  let page = markdown
  let found = 0
  for (const [name, write] of Object.entries(parts)) {
    const [first, last] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
    const [start, end] = [page.indexOf(first), page.indexOf(last)]
    if (start < 0) continue
    if (end < start) throw new TypeError(`a page lacks ${last}`)
    page = `${page.slice(0, start)}${first}\n${write()}\n${page.slice(end)}`
    found += 1
  }
  if (found === 0) throw new TypeError('a page has no place for figures')
  return page
}

/** The places for figures there are. */
export const figureParts: readonly string[] = Object.keys(parts)

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const page of gasPages) {
    writeFileSync(`${root}${page}`, withFigures(readFileSync(`${root}${page}`, 'utf8')))
  }
}
