/**
 * Builds plugin.js into plugin.wasm, 12 MB, and prints its hash. Not checked in: the same source
 * gives the same bytes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildPlugin } from '../../../src/eval/node/index.js'

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const { component, wasmHash, size, warnings, toolchain } = await buildPlugin(
  { source: readFileSync(path('plugin.js'), 'utf8') },
  { timeout: 300_000 },
)
writeFileSync(path('plugin.wasm'), component)
console.log({ wasmHash, size, toolchain })
for (const warning of warnings) console.log(warning)
