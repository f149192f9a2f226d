import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { readGasFigures } from '../../bench/gas/figures.js'
import { figureParts, gasPages, withFigures } from '../../contracts/gas-figures.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8')

test('pages on gas say what was measured', () => {
  const pages = gasPages.map(read)
  for (const [index, page] of pages.entries()) {
    expect(page, `${gasPages[index]}: run \`npx tsx contracts/gas-figures.ts\``).toBe(
      withFigures(page),
    )
  }
  // Every table has its place, and one that is written down by hand would be noticed.
  for (const part of figureParts) {
    const page = pages.find((one) => one.includes(`<!-- ${part} -->\n`)) ?? ''
    const [before, after] = page.split(`<!-- end of ${part} -->`)
    const forged = `${before?.replace(/([\d,]+)( \|\n)$/, '1$2')}<!-- end of ${part} -->${after}`
    expect(forged, part).not.toBe(page)
    expect(withFigures(forged), part).toBe(page)
  }
})

test('what is measured in two ways is one figure', () => {
  const { proxyModel, items } = readGasFigures()
  const snapshot = JSON.parse(read('contracts/snapshots/PolicyDeployer.json'))
  const figure = (call: string): number => Number(snapshot[call])
  const ours = (name: string): number =>
    proxyModel.find((row) => row.name === name)?.ours ?? Number.NaN
  // Zero bytes of call data and where a word is divided differ by a little from chain to chain.
  const near = (value: number, expected: number): void => {
    expect(Math.abs(value - expected)).toBeLessThan(500)
  }
  near(
    ours('one more client uses a known policy with its data plugin'),
    figure('set up: known policy, 1 data plugin'),
  )
  near(
    ours('the same, sent by a sponsor'),
    figure('set up, sponsored: known policy, 1 data plugin'),
  )
  near(ours('change 200 bytes of params'), figure('200 bytes of params: second'))
  for (const which of ['second', 'later', 'new block word']) {
    near(items[`params, ${which}`]?.gas ?? Number.NaN, figure(`200 bytes of params: ${which}`))
  }
  const uses = JSON.parse(read('contracts/snapshots/ResponseRegistry.json'))
  near(items['execute, new recipient']?.gas ?? Number.NaN, Number(uses['execute: plain transfer']))
  near(
    items['execute']?.gas ?? Number.NaN,
    Number(uses['execute: transfer to an account that is there']),
  )
})

test('items add up, and the check of a certificate is within 5 % of the other', () => {
  const { items, eigenLayer } = readGasFigures()
  for (const [call, { gas, items: parts }] of Object.entries(items)) {
    expect(
      Object.values(parts).reduce((sum, part) => sum + part.gas, 0),
      call,
    ).toBe(gas)
  }
  for (const { ours, theirs } of eigenLayer.rows) {
    expect(ours.used / theirs.used).toBeLessThan(1.05)
    expect(ours.estimate / theirs.estimate).toBeLessThan(1.05)
  }
})
