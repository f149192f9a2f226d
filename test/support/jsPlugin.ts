/** Builds the example's JavaScript plugin once per machine and source. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPlugin, type PluginFeature } from '../../src/eval/node/index.js'

/** Source of the example. */
export const jsPluginSource: string = readFileSync(
  fileURLToPath(new URL('../../examples/plugins/sanctions-score-js/plugin.js', import.meta.url)),
  'utf8',
)

/** What else decides the bytes. */
const kit = ['deterministicBuild', 'frozenWorld', 'buildPlugin'].map((name) =>
  readFileSync(fileURLToPath(new URL(`../../src/eval/node/${name}.ts`, import.meta.url)), 'utf8'),
)

/** The component, from a cache of this machine where the same was built before. */
export async function jsPlugin(
  source = jsPluginSource,
  features?: readonly PluginFeature[],
): Promise<Uint8Array> {
  const name = createHash('sha256')
    .update(JSON.stringify([process.version, kit, features, source]))
    .digest('hex')
  const path = join(tmpdir(), `newton-test-plugin-${name.slice(0, 24)}.wasm`)
  if (existsSync(path)) return new Uint8Array(readFileSync(path))
  const { component } = await buildPlugin({ source, features }, { timeout: 240_000 })
  writeFileSync(`${path}.${process.pid}`, component)
  renameSync(`${path}.${process.pid}`, path)
  return component
}
