/**
 * Gas on a local chain: the registries beside the proxy-per-policy model, two calls itemized, and the
 * check of a certificate beside EigenLayer's.
 *
 * `--json` prints one object. `--write` keeps the figures for the pages that quote them
 * (`npx tsx contracts/gas-figures.ts`). `--eigenlayer FOLDER` measures against a checkout of
 * `Layr-Labs/eigenlayer-contracts` with its two OpenZeppelin submodules; without it that part stays.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { itemizeCalls } from './gas/calls.js'
import { commitOf, compareWithEigenLayer } from './gas/eigenlayer.js'
import {
  eigenLayerTable,
  figuresPath,
  type GasFigures,
  itemsTable,
  proxyModelTable,
  readGasFigures,
} from './gas/figures.js'
import { compareWithProxyModel, type ProxyModelRow } from './gas/proxyModel.js'

const args = process.argv.slice(2)
const checkout = args.includes('--eigenlayer') ? args[args.indexOf('--eigenlayer') + 1] : undefined
const proxyModel = await compareWithProxyModel()
if (args.includes('--json')) {
  console.log(JSON.stringify({ area: 'gas', rows: proxyModel.map(toRow) }))
} else {
  const items = await itemizeCalls()
  const eigenLayer =
    checkout === undefined
      ? readGasFigures().eigenLayer
      : await compareWithEigenLayer(checkout, commitOf(checkout))
  const figures: GasFigures = { proxyModel, items, eigenLayer }
  console.log(proxyModelTable(proxyModel))
  console.log(`\n${itemsTable(items, Object.keys(items))}`)
  console.log(`\n${eigenLayerTable(eigenLayer)}`)
  if (args.includes('--write')) writeFileSync(figuresPath, `${JSON.stringify(figures, null, 2)}\n`)
}

function toRow({ name, ours, plain, transparent }: ProxyModelRow) {
  const peers = { 'plain proxies': plain, 'transparent proxies': transparent }
  return { name, ours, unit: 'gas', better: 'lower', peers }
}
