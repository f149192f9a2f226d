/**
 * Writes `src/registry/chain/deployments.ts` from `contracts/deployments/<chain id>.json`, the files that
 * the deploy script leaves. `--check` only compares. Development chains are left out.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'contracts/deployments')
const target = join(root, 'src/registry/chain/deployments.ts')
const development = new Set([31_337, 31_338])

const chains = (existsSync(folder) ? readdirSync(folder) : [])
  .flatMap((file) => /^(\d+)\.json$/.exec(file)?.[1] ?? [])
  .map(Number)
  .filter((chainId) => !development.has(chainId))
  .sort((a, b) => a - b)

const entries = chains.map((chainId) => {
  const addresses = JSON.parse(readFileSync(join(folder, `${chainId}.json`), 'utf8')) as object
  const lines = Object.entries(addresses).map(([name, address]) => `    ${name}: '${address}',\n`)
  return `  ${chainId}: {\n${lines.join('')}  },\n`
})
const body = entries.length === 0 ? '{}' : `{\n${entries.join('')}}`
const content = `/**
 * Addresses of public deployments, by chain id. Written by contracts/generate-deployments.ts from
 * what the deploy script leaves in contracts/deployments.
 */
import type { PolicyAddressesInput } from './addressBook.js'

/** Known deployments. */
export const deployments: Readonly<Record<number, PolicyAddressesInput>> = ${body}
`

const present = existsSync(target) ? readFileSync(target, 'utf8') : ''
if (present !== content) {
  if (process.argv.includes('--check')) {
    console.error('stale: src/registry/chain/deployments.ts')
    process.exitCode = 1
  } else {
    writeFileSync(target, content)
    console.log('wrote src/registry/chain/deployments.ts')
  }
}
